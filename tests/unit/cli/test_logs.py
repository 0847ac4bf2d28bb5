"""`cove logs`: what is asked for, and how records look."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cove.cli.commands.logs import _spans
from cove.cli.logprinting import Printer, flat
from cove.cli.options import Settings
from cove.cli.output import Output

from support.calling import Cove
from support.fake_agent import FakeAgent

LOGS = "/v1/apps/shop/logs"


def line(text: str, service: str = "shop", release: int = 12, **more: Any) -> dict[str, Any]:
    """One record of an app's log."""
    known = {"at": 1.5, "service": service, "release": release, "stream": "stdout", "text": text}
    name = f"{service}-r{release}" if release else service
    return {**known, "name": name, "app": "shop", **more}


def printer(**options: Any) -> Printer:
    """One that writes UTC, which no machine's zone changes."""
    return Printer(Output(Settings()), utc=True, **options)


def test_the_last_hundred_lines_are_asked_for(cove: Cove, agent: FakeAgent) -> None:
    """Time stands before each; whose it is does not where there is one container."""
    agent.streams[LOGS] = [[line("one"), line("two", level="error")]]
    assert cove("logs", "shop", "--utc") == 0
    assert cove.out == ("1970-01-01 00:00:01.500Z       one\n1970-01-01 00:00:01.500Z ERROR two\n")
    assert agent.bodies("GET", LOGS) == [{"follow": "0", "tail": "100"}]


def test_the_requests_of_an_app_are_asked_for(cove: Cove, agent: FakeAgent) -> None:
    """They are the proxy's lines, found by the app; so with neither a service nor no app."""
    agent.streams[LOGS] = [[line("{}", "access", 0, app="_proxy")]]
    assert cove("logs", "shop", "--requests") == 0
    assert agent.bodies("GET", LOGS) == [{"follow": "0", "tail": "100", "requests": "1"}]
    for wrong in (("shop", "web", "--requests"), ("--requests",), ("_proxy", "--requests")):
        assert cove("logs", *wrong) == 2
        assert "--requests goes with an app" in cove.err


def test_lines_of_several_say_whose_they_are(cove: Cove, agent: FakeAgent) -> None:
    """Service and release, where the app runs more than one container."""
    agent.answers["GET", "/v1/apps/shop"] = (200, {"app": {"replicas": [{}, {}]}})
    agent.streams[LOGS] = [[line("one"), line("two", "db", 0)]]
    assert cove("logs", "shop") == 0
    said = [found.split("      ")[-1] for found in cove.out.splitlines()]
    assert [part.strip() for part in said] == ["shop/r12 │ one", "db │ two"]


def test_a_release_that_joins_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """From the first line of another release on, the lines say whose they are."""
    shown = printer()
    for release in (12, 13, 12):
        shown.show(line("x", release=release))
    ends = [found.split("Z")[1].strip() for found in capsys.readouterr().out.splitlines()]
    assert ends == ["x", "shop/r13 │ x", "shop/r12 │ x"]


def test_every_apps_lines_say_which_app(cove: Cove, agent: FakeAgent) -> None:
    """Without an app's name, all are asked for."""
    agent.streams["/v1/logs"] = [[line("x", "db", 0)]]
    assert cove("logs") == 0
    assert "shop:db │ x" in cove.out


def test_json_is_an_object_per_line(cove: Cove, agent: FakeAgent) -> None:
    """A stream for scripts, each line carrying the version."""
    agent.streams[LOGS] = [[line("one")]]
    assert cove("logs", "shop", "--json") == 0
    assert cove.answer == {"v": 1, **line("one")}


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (("-n", "5"), {"tail": "5"}),
        (("--since", "1970-01-01T00:01:00+00:00"), {"tail": "-1", "since": "60.0"}),
        (("--until", "1970-01-01T00:01:00+00:00"), {"tail": "100", "until": "60.0"}),
        (("-f",), {"tail": "100", "follow": "1"}),
        (("--all",), {"tail": "-1"}),
        (
            ("--grep", "a b", "-w", "-i"),
            {"tail": "100", "text": "a b", "word": "1", "ignore_case": "1"},
        ),
        (("-g", "/a+/"), {"tail": "100", "text": "a+", "regex": "1"}),
        (("-g", "/a/i"), {"tail": "100", "text": "a", "regex": "1", "ignore_case": "1"}),
        (("-g", "/a/", "-w"), {"tail": "100", "text": "a", "regex": "1", "word": "1"}),
        (("-g", "/etc/passwd"), {"tail": "100", "text": "/etc/passwd"}),
        (("-g", "x", "-C", "2"), {"tail": "100", "text": "x", "before": "2", "after": "2"}),
        (("-g", "x", "--newest-first"), {"tail": "-1", "text": "x", "newest": "1"}),
        (("-l", "warn", "--release", "3"), {"tail": "100", "level": "warn", "release": "3"}),
        (("web",), {"tail": "100", "service": "web"}),
        (("--service", "web"), {"tail": "100", "service": "web"}),
    ],
)
def test_options_become_the_query(
    cove: Cove, agent: FakeAgent, words: tuple[str, ...], query: dict[str, str]
) -> None:
    """With a time or the newest first there is no limit; else the last hundred."""
    agent.streams[LOGS] = [[line("one")]]
    assert cove("logs", "shop", *words) == 0
    assert agent.bodies("GET", LOGS) == [{"follow": "0", **query}]


@pytest.mark.parametrize(
    "words",
    [
        ("--all", "-n", "3"),
        ("-f", "--newest-first"),
        ("-f", "--until", "1m"),
        ("-f", "-g", "x", "-C", "1"),
        ("-C", "1"),
        ("-g", "/(/"),
        ("--since", "soon"),
        ("web", "--service", "db"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    cove: Cove, agent: FakeAgent, words: tuple[str, ...]
) -> None:
    """Options that contradict each other, and patterns and times that are none."""
    assert cove("logs", "shop", *words) == 2
    assert not agent.bodies("GET", LOGS)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("/a./",), "<a1> b<ab>"),
        (("/x*/",), "a1 bab"),
        (("a",), "<a>1 b<a>b"),
        (("a1", "-w"), "<a1> bab"),
        (("A", "-i"), "<a>1 b<a>b"),
        (("/a./", "-w"), "<a1> bab"),
        (("/b/", "-w"), "a1 bab"),
    ],
)
def test_what_was_found_stands_out(words: tuple[str, ...], shown: str) -> None:
    """Each place of it, whether a text or a regular expression."""
    text, regex = words[0].strip("/"), words[0].startswith("/")
    spans = _spans(text, regex=regex, word="-w" in words, ignore_case="-i" in words)
    one = printer(spans=spans)
    one._out.out.colour = True
    styled = re.sub("\x1b\\[0m", ">", one._marked("a1 bab", "info"))
    assert re.sub("(\x1b\\[[0-9;]+m)+", "<", styled) == shown


def test_what_was_left_out_is_told(cove: Cove, agent: FakeAgent) -> None:
    """A reader who was too slow learns how much is missing."""
    agent.streams[LOGS] = [[{"at": 0.0, "lost": 7}]]
    assert cove("logs", "shop", "-f") == 0
    assert "7 lines" in cove.err


def test_a_request_is_told_in_short() -> None:
    """What was asked and what came of it; other lines that look like one are left as they are."""
    fields = {
        "ClientHost": "192.0.2.1", "DownstreamContentSize": 2048, "DownstreamStatus": 404,
        "Duration": 12_300_000, "RequestHost": "shop.test", "RequestMethod": "GET",
        "RequestPath": "/a\x1b[2Jb", "RouterName": "shop_0@file", "level": "info", "msg": "",
    }  # fmt: skip
    assert flat(json.dumps(fields)) == "404 GET shop.test/ab 12 ms 2.0 kB from 192.0.2.1"
    del fields["Duration"]
    assert "DownstreamStatus=404" in flat(json.dumps(fields))


def test_usage_lists_whose_logs_are_kept(cove: Cove, agent: FakeAgent) -> None:
    """With what they take on the disk, and why nothing is kept where that is so."""
    service = {"app": "shop", "service": "web", "first": 1, "last": 2}
    service |= {"records": 1234, "raw": 5_000_000, "stored": 900_000}
    policy = {"days": 30.0, "total": 2 << 30, "per_app": 1 << 30}
    answer = {"services": [service], "policy": policy, "problem": "the disk is full"}
    agent.answers["GET", "/v1/logs/services"] = (200, {"logs": answer})
    assert cove("logs", "--usage") == 0
    assert re.search(r"shop +web +1,234 +5.0 MB +900.0 kB", cove.out)
    assert "30 days" in cove.err
    assert "the disk is full" in cove.err


def test_a_record_of_several_lines_is_indented(capsys: pytest.CaptureFixture[str]) -> None:
    """So that it is seen to be one."""
    printer().show(line("Traceback\n  File x"))
    assert capsys.readouterr().out.splitlines()[1] == "      File x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"level":"info","msg":"hello","user":"ann","n":1}', "hello user=ann n=1"),
        ('{"message":"x","time":"t","path":"a b","deep":{"a":1}}', 'x path="a b" deep={"a":1}'),
        ('{"a":1}', '{"a":1}'),
        ("{not json", "{not json"),
        ('{"msg":"\\u001b[2Jx"}', "x"),
        ("plain", "plain"),
    ],
)
def test_json_lines_become_a_message_and_fields(text: str, shown: str) -> None:
    """Level and time are left out: they stand before the line. What hides in JSON is harmless."""
    assert flat(text) == shown
