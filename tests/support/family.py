"""A family: a web service, a worker, a migration and PostgreSQL, from Debian's packages.

One image holds all four programs. Its variants differ in VERSION alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from support.agent import Agent
from support.appfiles import host
from support.bare_host import missing_mmdebstrap
from support.engine import docker, image
from support.images import APP, turn
from support.traffic import FULL, Traffic

PROGRAMS = Path(__file__).parent / "family_app"
_PACKAGES = "postgresql-15,python3,python3-psycopg2"
_BASE = "cove-test/postgresql:15"
_DATABASE = {"PGHOST": "db", "PGUSER": "app", "PGDATABASE": "postgres"}
_QUICK = {"settle": "1s", "drain": "5s", "timeout": "60s"}


def family_image(version: str) -> str:
    """The image with every program of the family, saying that it is of that version."""
    files = {"hello.py": APP, **{p.name: p for p in sorted(PROGRAMS.iterdir()) if p.is_file()}}
    content = b"".join(path.read_bytes() for path in files.values())
    tag = f"cove-test/family:{hashlib.sha256(content).hexdigest()[:12]}-{version}"
    if image(tag) is None:
        with turn():
            if image(tag) is None:
                _make(tag, version, files)
    return tag


def family_file(name: str, version: str, database: str = "1", **settings: Any) -> str:
    """A Compose file of the family at NAME.localhost, as its authors would write it.

    `database` is the version of the image PostgreSQL runs from. `settings` add keys to a service.
    """
    own, db = family_image(version), family_image(database)
    services: dict[str, dict[str, Any]] = {
        "web": {
            "command": ["python3", "-u", "/app/web.py"],
            "expose": ["8000"],
            "depends_on": {
                "db": {"condition": "service_healthy"},
                "migrate": {"condition": "service_completed_successfully"},
            },
            "x-cove": {
                "domain": host(name),
                "port": 8000,
                "health": "/healthz",
                "rollout": _QUICK,
            },
        },
        "worker": {
            "command": ["python3", "-u", "/app/worker.py"],
            "depends_on": {"db": {"condition": "service_healthy"}},
            "x-cove": {"rollout": _QUICK},
        },
        "migrate": {
            "command": ["python3", "-u", "/app/migrate.py"],
            "depends_on": {"db": {"condition": "service_healthy"}},
            "restart": "no",
        },
        "db": {
            "image": db,
            "command": ["sh", "/app/db.sh"],
            "stop_signal": "SIGINT",  # as PostgreSQL's own image: it need not wait for its clients
            "volumes": ["data:/var/lib/postgresql/data"],
            "healthcheck": {
                "test": ["CMD", "/usr/lib/postgresql/15/bin/pg_isready", "-h", "127.0.0.1"],
                "interval": "1s",
                "timeout": "2s",
                "retries": 30,
            },
            "x-cove": {"rollout": _QUICK},
        },
    }
    for key, service in services.items():
        shared = {"image": own, "environment": _DATABASE} if key != "db" else {}
        services[key] = shared | service | settings.get(key, {})
    # JSON is YAML.
    return json.dumps({"name": name, "services": services, "volumes": {"data": {}}})


def mark(agent: Agent, name: str, text: str) -> None:
    """Leave a row that must be found again."""
    assert agent.web.get(host(name), "/mark", "POST", text.encode()).status == 200


def marked(agent: Agent, name: str) -> list[str]:
    """The rows that were left."""
    return agent.web.get(host(name), "/marked").text.split()


def beats(agent: Agent, name: str) -> dict[str, tuple[int, int]]:
    """The worker's records: by its version how many, and how many visits to the web failed."""
    lines = agent.web.get(host(name), "/beats").text.splitlines()
    return {v: (int(n), int(failed)) for v, n, failed in (line.split() for line in lines)}


def container(agent: Agent, name: str, service: str) -> dict[str, Any]:
    """The only container of a service."""
    found = agent.owned.containers(name)
    (one,) = [c for c in found.values() if c["Labels"]["cove.service"] == service]
    return one


def upgraded(agent: Agent, name: str, times: int, rate: float) -> Traffic:
    """Deploy new versions of web and worker under load, with the data looked at in between."""
    agent.deploy(family_file(name, "1")).expect("live")
    database = container(agent, name, "db")["Id"]
    marks = []
    with Traffic(agent.web, host(name), rate, "h1s", FULL) as traffic:
        for number in range(times):
            marks.append(f"before-{number}")
            mark(agent, name, marks[-1])
            agent.deploy(family_file(name, str(2 - number % 2))).expect("live")
            assert marked(agent, name) == marks
            assert container(agent, name, "db")["Id"] == database
        traffic.more(50)
    return traffic


def _make(tag: str, version: str, files: dict[str, Path]) -> None:
    if image(_BASE) is None:
        _debian()
    container = docker("create", "--pull", "never", _BASE, "true")
    try:
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                for name, path in files.items():
                    _add(archive, f"app/{name}", path.read_bytes())
            file.seek(0)
            docker("cp", "-", f"{container}:/", stdin=file)
        docker("commit", "--change", f"ENV VERSION={version}", container, tag)
    finally:
        docker("rm", container)


def _debian() -> None:
    missing_mmdebstrap()
    make = ["mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", "-"]
    with subprocess.Popen(make, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as source:
        load = ["docker", "import", "-", _BASE]
        subprocess.run(load, stdin=source.stdout, check=True, capture_output=True)
    if source.returncode:
        docker("rmi", _BASE)
        raise AssertionError(f"mmdebstrap ended with {source.returncode}")


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))
