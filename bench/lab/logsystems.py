"""The systems that are measured beside each other, each behind the same few calls. For bench/.

Each answers with how many records it found, so that the same question is known to be asked.
"""

# ruff: noqa: D102 - what a method of a system does stands once, in System and Server
from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
import urllib.parse
from abc import ABC, abstractmethod
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bench.lab import loglines
from bench.lab.confined import Confinement
from bench.lab.gomodules import GoProgram
from bench.lab.instance import BIND, TOP, BenchError, free_ports
from cove.agent.__main__ import MALLOC

VICTORIA: Final = GoProgram(
    "victoria-logs", "github.com/VictoriaMetrics/VictoriaMetrics", "v1.121.0", "./app/victoria-logs"
)
LOKI: Final = GoProgram(
    "loki", "github.com/grafana/loki/v3", "v3.7.8", "./cmd/loki",
    # its own sub-module is not in the module's archive; the version it asks for is
    ("-dropreplace=github.com/grafana/loki/pkg/push",),
)  # fmt: skip
START_LIMIT: Final = 120.0  # seconds
ANSWER_LIMIT: Final = 300.0
BATCH: Final = 5000  # lines in a request
HOUR: Final = 3600 * 10**9
QUERIES: Final = ("last100", "substring", "word", "regex", "counts")
_MANY: Final = 5_000_000  # more lines than any query finds


class Question:
    """What is asked, for lines that end at `end` (ns)."""

    def __init__(self, name: str, end: int) -> None:
        self.name = name
        self.end = end
        hours = loglines.HOURS if name in ("last100", "word") else 24
        minute = 60 * 10**9
        self.since = (
            (end - hours * HOUR) // minute * minute
        )  # the table of minutes knows whole ones


class System(ABC):
    """One system in one confinement, its data in one folder."""

    name = ""

    def __init__(self, folder: Path, limit: int) -> None:
        self.data = folder / self.name
        self.data.mkdir()
        self.group = Confinement(self.name, limit)

    @abstractmethod
    def start(self) -> None:
        """Runs it, and waits until it answers. Raise BenchError."""

    @abstractmethod
    def ingest(self, lines: Path) -> int:
        """Gives it all lines; returns how many when they are on disk. Raise BenchError."""

    @abstractmethod
    def ask(self, question: Question) -> tuple[int, float]:
        """Records found, and milliseconds. Raise BenchError."""

    def delete_before(self, time_ns: int) -> float | None:  # noqa: ARG002 - most cannot
        """Deletes what is older; milliseconds, or None when there is no such request."""
        return None

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_blocks * 512 for path in self.data.rglob("*") if path.is_file())

    def close(self) -> None:
        """Ends it."""
        self.group.close()


class Cove(System):
    """The log store, behind a pipe."""

    name = "cove"

    def start(self) -> None:
        self.group.start(
            [sys.executable, "-m", "bench.lab.logkeeper", str(self.data / "logs.db")],
            cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=MALLOC,
        )  # fmt: skip

    def ingest(self, lines: Path) -> int:
        return int(self._tell({"do": "ingest", "lines": str(lines)})["found"])

    def ask(self, question: Question) -> tuple[int, float]:
        query: dict[str, Any] = {"app": "bench", "since": question.since}
        match question.name:
            case "last100":
                query |= {"service": "shop", "limit": 100}
            case "substring":
                query |= {"text": loglines.SUBSTRING}
            case "word":
                query |= {"text": loglines.NEEDLE, "word": True}
            case "regex":
                query |= {"text": loglines.PATTERN, "regex": True}
        do = "counts" if question.name == "counts" else "search"
        found = self._tell({"do": do, "query": query})
        return found["found"], found["ms"]

    def delete_before(self, time_ns: int) -> float | None:
        return float(self._tell({"do": "retain", "before": time_ns})["ms"])

    def _tell(self, asked: dict[str, Any]) -> dict[str, Any]:
        process = self.group.process
        assert process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise BenchError(f"{self.name} ended with status {process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


class Server(System):
    """A system that speaks HTTP."""

    ready = ""
    program: GoProgram

    def __init__(self, folder: Path, limit: int) -> None:
        self.binary = self.program.built()
        super().__init__(folder, limit)
        self.port = free_ports(1)[0]
        self.limit = limit

    def arguments(self) -> list[str]:
        """What it is started with."""
        raise NotImplementedError

    def start(self) -> None:
        with (self.data.parent / f"{self.name}.out").open("wb") as out:
            self.group.start(
                [str(self.binary), *self.arguments()],
                stdout=out, stderr=out, env={"GOMEMLIMIT": str(self.limit * 3 // 4)},
            )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            try:
                self.request("GET", self.ready)
            except BenchError:
                time.sleep(0.5)
            else:
                return
        raise BenchError(f"{self.name} does not answer")

    def request(
        self, method: str, path: str, query: dict[str, object] | None = None, body: bytes = b""
    ) -> bytes:
        """Its answer. Raise BenchError for any but a good one."""
        where = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        headers = {"Content-Type": "application/json"} if body else {}
        connection = http.client.HTTPConnection(BIND, self.port, timeout=ANSWER_LIMIT)
        try:
            connection.request(method, where, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{self.name}: {error!r}{self._end()}") from error
        finally:
            connection.close()
        if response.status >= 300:
            raise BenchError(f"{self.name}: {response.status} {content[:200].decode()}")
        return content

    def ingest(self, lines: Path) -> int:
        count = 0
        with lines.open("rb", buffering=1 << 20) as file:
            found = loglines.read(file)
            while some := list(islice(found, BATCH)):
                try:
                    self.push(some)
                except BenchError as error:
                    raise BenchError(f"{error} (after {count:,} lines)") from error
                count += len(some)
        self.flush()
        return count

    def push(self, lines: list[loglines.Line]) -> None:
        """Gives it some lines."""
        raise NotImplementedError

    def flush(self) -> None:
        """Has them written."""
        raise NotImplementedError

    def _end(self) -> str:
        status = self.group.process.poll() if self.group.process else None
        return "" if status is None else f"; it ended with status {status}"


class VictoriaLogs(Server):
    """VictoriaLogs, one node."""

    name = "victorialogs"
    program = VICTORIA
    ready = "/health"

    def arguments(self) -> list[str]:
        return [
            f"-storageDataPath={self.data}", f"-httpListenAddr={BIND}:{self.port}",
            "-retentionPeriod=30d", f"-memory.allowedBytes={self.limit // 2}",
        ]  # fmt: skip

    def push(self, lines: list[loglines.Line]) -> None:
        body = "\n".join(
            json.dumps({
                "_time": one.at, "_msg": one.text, "level": str(one.level),
                "service": loglines.SERVICES[one.service],
            })
            for one in lines
        )  # fmt: skip
        self.request("POST", "/insert/jsonline", {"_stream_fields": "service"}, body.encode())

    def flush(self) -> None:
        self.request("GET", "/internal/force_flush")
        time.sleep(2 * _FLUSHED)

    def ask(self, question: Question) -> tuple[int, float]:
        within: dict[str, object] = {"start": question.since, "end": question.end}
        begun = time.perf_counter()
        match question.name:
            case "counts":
                query = "* | stats by (_time:1m, service, level) count() n"
                answer = self.request("GET", _LOGSQL, {"query": query, **within})
                found = sum(int(json.loads(line)["n"]) for line in answer.splitlines())
            case "last100":
                answer = self.request(
                    "GET", _LOGSQL, {"query": '{service="shop"}', "limit": 100, **within}
                )
                found = len(answer.splitlines())
            case _:
                query = {
                    "substring": f'~"{loglines.SUBSTRING}"',
                    "word": f'"{loglines.NEEDLE}"',
                    "regex": f"~{json.dumps(loglines.PATTERN)}",
                }[question.name]
                answer = self.request("GET", _LOGSQL, {"query": query, **within})
                found = len(answer.splitlines())
        return found, (time.perf_counter() - begun) * 1e3


_FLUSHED: Final = 5.0  # seconds until lines in memory are in files, by its own default
_LOGSQL: Final = "/select/logsql/query"


class Loki(Server):
    """Loki, all parts in one process, files on disk."""

    name = "loki"
    program = LOKI
    ready = "/ready"

    def arguments(self) -> list[str]:
        file = self.data.parent / "loki.json"  # JSON is YAML
        file.write_text(json.dumps(_loki_settings(self.data, self.port, free_ports(1)[0])))
        return [f"-config.file={file}"]

    def push(self, lines: list[loglines.Line]) -> None:
        streams: dict[tuple[int, int], list[list[str]]] = {}
        for one in lines:
            streams.setdefault((one.service, one.level), []).append([str(one.at), one.text])
        body = {
            "streams": [
                {
                    "stream": {
                        "app": "bench", "service": loglines.SERVICES[service], "level": str(level)
                    },
                    "values": values,
                }
                for (service, level), values in streams.items()
            ]
        }  # fmt: skip
        self.request("POST", "/loki/api/v1/push", None, json.dumps(body).encode())

    def flush(self) -> None:
        self.request("POST", "/flush")

    def ask(self, question: Question) -> tuple[int, float]:
        within: dict[str, object] = {"start": question.since, "end": question.end}
        if question.name == "counts":
            within |= {"step": 60, "start": question.since + 60 * 10**9}
            query = 'sum by (service, level) (count_over_time({app="bench"}[1m]))'
        else:
            query = {
                "last100": '{service="shop"}',
                "substring": f'{{app="bench"}} |= "{loglines.SUBSTRING}"',
                "word": f'{{app="bench"}} |= "{loglines.NEEDLE}"',
                "regex": f'{{app="bench"}} |~ {json.dumps(loglines.PATTERN)}',
            }[question.name]
            within |= {"limit": 100 if question.name == "last100" else _MANY}
        begun = time.perf_counter()
        answer = self.request("GET", "/loki/api/v1/query_range", {"query": query, **within})
        took = (time.perf_counter() - begun) * 1e3
        values = [v for one in json.loads(answer)["data"]["result"] for v in one["values"]]
        if question.name == "counts":
            return sum(int(value[1]) for value in values), took
        return len(values), took


def _loki_settings(data: Path, port: int, grpc_port: int) -> dict[str, Any]:
    """The smallest that takes lines of the last three days and answers large questions."""
    return {
        "auth_enabled": False,
        "analytics": {"reporting_enabled": False},
        "server": {
            "http_listen_address": BIND, "http_listen_port": port, "grpc_listen_address": BIND,
            "grpc_listen_port": grpc_port, "log_level": "error",
            "grpc_server_max_recv_msg_size": 256 << 20, "grpc_server_max_send_msg_size": 256 << 20,
        },
        "common": {
            "path_prefix": str(data), "replication_factor": 1, "instance_addr": BIND,
            "ring": {"kvstore": {"store": "inmemory"}, "instance_addr": BIND},
            "storage": {
                "filesystem": {
                    "chunks_directory": str(data / "chunks"), "rules_directory": str(data / "rules")
                }
            },
        },
        "schema_config": {
            "configs": [{
                "from": "2024-01-01", "store": "tsdb", "object_store": "filesystem",
                "schema": "v13", "index": {"prefix": "index_", "period": "24h"},
            }]
        },
        "limits_config": {
            "reject_old_samples": False, "max_query_length": "0h", "ingestion_rate_mb": 1024,
            "ingestion_burst_size_mb": 1024, "per_stream_rate_limit": "1GB",
            "per_stream_rate_limit_burst": "1GB", "max_entries_limit_per_query": _MANY,
            "max_query_series": 100_000, "discover_service_name": [],
            "discover_log_levels": False, "allow_structured_metadata": False,
        },
        "ingester": {"wal": {"replay_memory_ceiling": "64MB"}},
    }  # fmt: skip
