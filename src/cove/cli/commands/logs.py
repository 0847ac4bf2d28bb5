"""`cove logs`: what apps write, kept beyond their containers, and searched."""

from __future__ import annotations

import re
import time
from typing import Any

import click
from msgspec import Struct

from cove.cli.client import SILENCE_SECONDS, Client
from cove.cli.logprinting import Printer, Spans, show_usage
from cove.cli.options import Settings, complete, shared
from cove.cli.output import Output
from cove.cli.text import moment
from cove.errors import InvalidFile, Refused
from cove.model import names
from cove.model.logs import AGENT_APP, LEVELS, PROXY_APP

DEFAULT_LINES = 100
_ALL = -1  # of the API's `tail`
_REGEX = re.compile(r"/(.+)/(i?)", re.DOTALL)


class Source(click.ParamType[str]):
    """An app's name, or one of cove's own logs, checked before it becomes part of a path."""

    name = "app"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; a usage error where it cannot be one."""
        text = str(value)
        if text not in (PROXY_APP, AGENT_APP) and not names.matches(names.APP, text):
            self.fail(f"{text!r} is no app's name, nor {PROXY_APP} or {AGENT_APP}")
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        """The apps there are, and cove's own."""
        return complete("logs")(ctx, param, incomplete)


class Asked(Struct, frozen=True, kw_only=True):
    """The options of one call."""

    follow: bool
    since: str | None
    until: str | None
    lines: int | None
    every: bool
    grep: str | None
    word: bool
    ignore_case: bool
    level: str | None
    service: str | None
    release: int | None
    requests: bool
    after: int | None
    before: int | None
    context: int | None
    newest_first: bool
    raw: bool
    utc: bool

    def check(self) -> None:
        """Raises InvalidFile for options that contradict each other."""
        around = self.after or self.before or self.context
        for bad, why in (
            (self.every and self.lines is not None, "--all and -n say different things"),
            (self.follow and self.newest_first, "-f goes on, so the newest line cannot be first"),
            (self.follow and self.until, "-f goes on, so --until says nothing"),
            (self.follow and around, "-A, -B and -C show what was written, and -f what comes"),
            (around and not self.grep, "-A, -B and -C show lines around those that --grep finds"),
        ):
            if bad:
                raise InvalidFile(why, code="usage", hint="cove logs --help")

    @property
    def pattern(self) -> tuple[str, bool, bool]:
        """What is looked for, whether it is a regular expression, and whether case counts not."""
        found = _REGEX.fullmatch(self.grep or "")
        if found is None:
            return self.grep or "", False, self.ignore_case
        text, flags = found.groups()
        ignored = self.ignore_case or bool(flags)
        return text, True, ignored

    @property
    def tail(self) -> int:
        """How many lines: those asked for; all since a time, or newest first; else the last 100."""
        if self.lines is not None:
            return self.lines
        return _ALL if self.every or self.since or self.newest_first else DEFAULT_LINES

    def query(self, now: float) -> dict[str, Any]:
        """The API's parameters."""
        text, regex, ignore_case = self.pattern
        flags = {
            "regex": regex,
            "word": self.word,
            "ignore_case": ignore_case,
            "newest": self.newest_first,
            "requests": self.requests,
        }
        return {
            "follow": int(self.follow),
            "tail": self.tail,
            "since": moment(self.since, now) if self.since else None,
            "until": moment(self.until, now, "--until") if self.until else None,
            "text": text or None,
            "level": self.level,
            "service": self.service,
            "release": self.release,
            "before": self.before or self.context or None,
            "after": self.after or self.context or None,
            **{name: 1 for name, on in flags.items() if on},
        }


@click.command()
@click.argument("app", type=Source(), required=False)
@click.argument("name", metavar="[SERVICE]", required=False, shell_complete=complete("services"))
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written, until Ctrl-C.")
@click.option("--since", metavar="WHEN", help="From 10m or 2d ago, or from a date and time.")
@click.option("--until", metavar="WHEN", help="Up to then.")
@click.option("-g", "--grep", metavar="TEXT", help="Lines with a text, or with a /regex/.")
@click.option("-w", "--word", is_flag=True, help="--grep finds whole words only, and fastest.")
@click.option("-i", "--ignore-case", is_flag=True, help="--grep takes A for a.")
@click.option("-l", "--level", type=click.Choice(LEVELS[1:]), help="At least that grave.")
@click.option("--service", metavar="NAME", shell_complete=complete("services"), help="One alone.")
@click.option("--requests", is_flag=True, help="What the proxy logged of the app's requests.")
@click.option("--release", type=click.IntRange(1), metavar="N", help="What one release wrote.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0),
    help=f"The last N  [{DEFAULT_LINES}; all with --since or --newest-first]",
)
@click.option("--all", "every", is_flag=True, help="All there are.")
@click.option("-A", "--after", type=click.IntRange(0, 1000), help="And N lines behind each hit.")
@click.option("-B", "--before", type=click.IntRange(0, 1000), help="And N lines before each hit.")
@click.option("-C", "--context", type=click.IntRange(0, 1000), help="And N lines around each hit.")
@click.option("--newest-first", is_flag=True, help="Each line as soon as it is found.")
@click.option("--raw", is_flag=True, help="As written: no time, no taking apart of JSON.")
@click.option("--utc", is_flag=True, help="Times in UTC.")
@click.option("--usage", is_flag=True, help="Whose logs are kept, and what they take.")
@shared
def command(
    settings: Settings, app: str | None, name: str | None, usage: bool, **options: Any
) -> int:
    """Show what an app's containers write and wrote, or every app's.

    Logs outlive their containers, and their app. Those of cove itself are `_proxy` and `_agent`.
    What --grep finds is shown as it was written, the newest last; with --newest-first a search
    shows each hit at once. With --json, one object per line. Ctrl-C is how following ends, so it
    counts as success.
    """
    client, out = Client(settings), Output(settings)
    if usage:
        return show_usage(client.get("/v1/logs/services")["logs"], out)
    if name and options["service"]:
        raise InvalidFile("the service is named twice", code="usage")
    asked = Asked(**(options | {"service": options["service"] or name}))
    asked.check()
    if asked.requests and (asked.service or app in (None, PROXY_APP, AGENT_APP)):
        raise InvalidFile("--requests goes with an app, and with no service", code="usage")
    text, regex, ignore_case = asked.pattern
    printer = Printer(
        out,
        raw=asked.raw,
        utc=asked.utc,
        apps=app is None,
        prefixed=bool(app) and not out.json_wanted and _several(client, str(app)),
        spans=_spans(text, regex=regex, word=asked.word, ignore_case=ignore_case),
    )
    path = f"/v1/apps/{app}/logs" if app else "/v1/logs"
    try:
        for line in client.stream(path, silence=2 * SILENCE_SECONDS, **asked.query(time.time())):
            printer.show(line)
    except KeyboardInterrupt:
        if not asked.follow:
            raise
    if not asked.follow and asked.tail == printer.shown == DEFAULT_LINES and text:
        out.note(f"these are the last {DEFAULT_LINES}; -n N or --all shows more")
    return 0


def _several(client: Client, app: str) -> bool:
    """Whether more than one container of the app writes."""
    return len(client.glance(f"/v1/apps/{app}").get("app", {}).get("replicas", ())) > 1


def _spans(text: str, *, regex: bool, word: bool, ignore_case: bool) -> Spans | None:
    """What says where in a line that stands what was looked for."""
    if not text:
        return None
    spans = _found(text, regex=regex, ignore_case=ignore_case)
    if not word:
        return spans
    return lambda line: (span for span in spans(line) if _stands_alone(line, *span))


def _found(text: str, *, regex: bool, ignore_case: bool) -> Spans:
    if regex:
        from cove.model.expressions import Expression

        try:
            return Expression(text, ignore_case=ignore_case).spans
        except Refused as refusal:
            raise InvalidFile(
                f"--grep: {refusal.message}", code="usage", hint=refusal.hint
            ) from None
    found = re.compile(re.escape(text), re.IGNORECASE if ignore_case else 0)
    return lambda line: (match.span() for match in found.finditer(line))


def _stands_alone(line: str, begin: int, end: int) -> bool:
    """Whether no part of a word is beside it; of words as a search has them."""
    beside = line[max(0, begin - 1) : begin] + line[end : end + 1]
    return not any(one == "_" or one.isalnum() or not one.isascii() for one in beside)
