"""Log records on a terminal: time, whose, how grave, and what. Imported by `cove logs`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from cove.cli.drawing import duration
from cove.cli.output import Output
from cove.cli.text import ago, safe, size

_COLOURS: Final = ("cyan", "magenta", "green", "blue")
_LEVELS: Final = {
    "trace": "dim",
    "debug": "dim",
    "warn": "yellow",
    "error": "red",
    "fatal": "red",
}
# Under which keys programs put a line's text, its level and its time.
_TEXT: Final = ("message", "msg", "text", "event", "@m", "@mt", "log")
_LEVEL: Final = frozenset({"level", "severity", "lvl", "levelname", "log.level", "@l", "Level"})
_TIME: Final = frozenset(
    {"time", "timestamp", "ts", "@timestamp", "@t", "asctime", "datetime", "t"}
)
_LETTERS: Final = 5  # of a level's word
# What every line of the proxy's access log has.
_REQUEST: Final = frozenset(
    {"DownstreamStatus", "Duration", "RequestHost", "RequestMethod", "RequestPath"}
)
# Where in a line, by its characters from and to, stands what was looked for.
Spans = Callable[[str], Iterable[tuple[int, int]]]


class Printer:
    """Prints records; whose each is stands before it where there are several."""

    def __init__(
        self,
        out: Output,
        *,
        raw: bool = False,
        utc: bool = False,
        apps: bool = False,
        prefixed: bool = False,
        spans: Spans | None = None,
    ) -> None:
        self.shown = 0  # hits
        self._out = out
        self._raw = raw
        self._utc = utc
        self._apps = apps
        self._prefixed = prefixed or apps
        self._spans = spans
        self._seen: dict[str, str] = {}

    def show(self, line: dict[str, Any]) -> None:
        """Prints one line of the stream."""
        if self._out.json_wanted:
            self._out.json({key: value for key, value in line.items() if value or key in _ALWAYS})
        elif line.get("lost"):
            self._out.warn(f"{line['lost']} lines came too fast, and were left out")
            return
        else:
            self._print(line)
        self.shown += not line.get("context")

    def _print(self, line: dict[str, Any]) -> None:
        around = bool(line.get("context"))
        text = str(line.get("text", "")).rstrip("\n")
        if self._raw:
            self._out.line(self._out.foreign(text))
            return
        told = self._out.foreign(flat(text))
        if not around:
            told = self._marked(told, str(line.get("level", "")))
        head = " ".join(filter(None, (self._time(line), self._level(line), self._origin(line))))
        if around:
            told = self._out.out.style(told, "dim")
        indent = "\n" + " " * 4
        self._out.line(f"{head} {told}".replace("\n", indent) if head else told)

    def _time(self, line: dict[str, Any]) -> str:
        at = float(line.get("at", 0))
        moment = datetime.fromtimestamp(at, UTC)
        moment = moment if self._utc else moment.astimezone()
        text = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
        return self._out.out.style(text + ("Z" if self._utc else ""), "dim")

    def _level(self, line: dict[str, Any]) -> str:
        level = str(line.get("level", ""))
        word = f"{level.upper():<{_LETTERS}}"
        return self._out.out.style(word, _LEVELS[level]) if level in _LEVELS else word

    def _origin(self, line: dict[str, Any]) -> str:
        release = line.get("release")  # a companion has none
        service = str(line.get("name") or line.get("service", ""))
        service = service.removesuffix(f"-r{release}").replace(f"-r{release}-", ".")
        who = service + (f"/r{release}" if release else "")
        if self._apps and line.get("app") not in (service, None):
            who = f"{line['app']}:{who}"
        colour = self._seen.setdefault(who, _COLOURS[len(self._seen) % len(_COLOURS)])
        # a second release or service may turn up while following
        if not self._prefixed and len(self._seen) == 1:
            return ""
        return self._out.out.style(f"{who} {self._out.out.symbol('bar')}", colour)

    def _marked(self, text: str, level: str) -> str:
        """What was found stands out; a grave line does where nothing was looked for."""
        if not self._out.out.colour:
            return text
        if self._spans is not None:
            return "".join(self._styled(text, self._spans(text)))
        return self._out.out.style(text, "red") if level in ("error", "fatal") else text

    def _styled(self, text: str, spans: Iterable[tuple[int, int]]) -> Iterator[str]:
        at = 0
        for begin, end in spans:
            yield text[at:begin]
            if end > begin:
                yield self._out.out.style(text[begin:end], "bold", "red")
            at = end
        yield text[at:]


_ALWAYS: Final = frozenset({"at", "service", "release", "stream", "text"})


def flat(text: str) -> str:
    """A line of JSON as its message and its fields; any other as it is."""
    if not text.startswith("{"):
        return text
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if fields.keys() >= _REQUEST:
        return safe(_request(fields), colour=False)
    key = next((key for key in _TEXT if isinstance(fields.get(key), str)), None)
    if key is None:
        return text
    rest = {k: v for k, v in fields.items() if k != key and k not in _LEVEL and k not in _TIME}
    told = " ".join([fields[key], *(f"{k}={_value(v)}" for k, v in rest.items())])
    return safe(told, colour=False)  # JSON hides what a terminal would obey


def _request(fields: dict[str, Any]) -> str:
    """What the proxy logged of a request: what was asked, what came of it, and for whom."""
    asked = "{RequestMethod} {RequestHost}{RequestPath}".format_map(fields)
    nanoseconds = fields["Duration"]
    took = duration(nanoseconds / 1e9) if isinstance(nanoseconds, int) else "?"
    told = f"{fields['DownstreamStatus']} {asked} {took}"
    sent, client = fields.get("DownstreamContentSize"), fields.get("ClientHost")
    told += f" {size(sent)}" if isinstance(sent, int) else ""
    return f"{told} from {client}" if client else told


def _value(value: Any) -> str:
    if isinstance(value, str):
        return (
            value
            if value and " " not in value and '"' not in value
            else json.dumps(value, ensure_ascii=False)
        )
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def show_usage(logs: dict[str, Any], out: Output) -> int:
    """Whose logs are kept, from when on, and what they take."""
    if out.json_wanted:
        out.json({"logs": logs})
        return 0
    now = datetime.now(UTC).timestamp()
    rows = [
        [
            (service["app"], ""),
            (service["service"], ""),
            (f"{service['records']:,}", ""),
            (size(service["raw"]), ""),
            (size(service["stored"]), ""),
            (ago(service["first"] / 1e9, now), "dim"),
            (ago(service["last"] / 1e9, now), "dim"),
        ]
        for service in logs["services"]
    ]
    out.table(("APP", "SERVICE", "RECORDS", "WRITTEN", "ON DISK", "FROM", "LAST"), rows)
    policy = logs["policy"]
    out.note(
        f"kept: {policy['days']:g} days, {size(policy['total'])} in all,"
        f" {size(policy['per_app'])} of an app; cove up --log-days, --log-bytes changes that"
    )
    if logs["problem"]:
        out.warn(f"logs are not kept just now: {logs['problem']}")
    return 0
