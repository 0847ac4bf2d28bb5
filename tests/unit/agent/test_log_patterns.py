"""Lines with a text, counted as they come."""

from __future__ import annotations

import time

import pytest

from cove.agent.log_patterns import LogPatterns
from cove.model.alerts import RuleChange
from cove.model.logs import Record, Source
from cove.observation.alerts.rules import Rules
from cove.observation.logs.buffers import Buffers
from cove.observation.logs.feed import Feed


class Watched:
    """A feed as records come into it, and what is read of it."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.write = Buffers(self.feed).writer(Buffers(self.feed).of(("shop", "web")))
        self.source = LogPatterns(self.feed, lambda: ["blog", "shop"])
        self.rules: dict[str, RuleChange] = {}
        self.now = time.time()

    def say(self, text: str, app: str = "shop", ago: float = 0.0) -> None:
        at = int((self.now - ago) * 1e9)
        self.write(Record(at, Source(app=app, service="web"), text))

    def readings(self, later: float = 0.0) -> dict[str, tuple[float, bool]]:
        rules = Rules({("log-pattern", app): change for app, change in self.rules.items()})
        found = self.source.read(rules, self.now + later)
        return {r.app: (r.value, r.hold) for r in found}


def test_without_a_text_nobody_listens() -> None:
    """Lines cost nothing then."""
    watched = Watched()
    assert watched.readings() == {}
    assert not watched.feed.watchers
    watched.rules["shop"] = RuleChange(pattern="refused")
    watched.readings()
    assert watched.feed.watchers
    watched.rules["shop"] = RuleChange(pattern="")
    assert watched.readings() == {}
    assert not watched.feed.watchers


def test_lines_of_the_app_are_counted_within_the_window() -> None:
    """Those of others are not, nor those that are old."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    assert watched.readings() == {"shop": (0, True)}
    watched.say("payment refused")
    watched.say("payment taken")
    watched.say("payment refused", app="blog")
    watched.say("payment refused", ago=3600)
    assert watched.readings() == {"shop": (1, False)}
    assert watched.readings(700) == {"shop": (0, False)}


def test_a_text_for_all_apps_is_looked_for_in_those_that_have_no_own() -> None:
    """An app may have none; cove's own lines are left out."""
    watched = Watched()
    watched.rules[""] = RuleChange(pattern="panic")
    watched.readings()
    for app in ("shop", "blog", "_agent"):
        watched.say("panic!", app=app)
    assert watched.readings() == {"blog": (1, False), "shop": (1, False)}
    watched.rules["blog"] = RuleChange(pattern="")
    assert watched.readings() == {"shop": (1, False)}


def test_another_text_begins_anew() -> None:
    """Until a window has passed it says neither that all is well."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    watched.readings()
    watched.say("refused")
    watched.rules["shop"] = RuleChange(pattern="denied", window=600)
    assert watched.readings() == {"shop": (0, True)}
    assert watched.readings(601) == {"shop": (0, False)}


def test_a_text_of_another_version_is_told_and_finds_nothing(caplog: pytest.LogCaptureFixture):
    """A rule that was kept when more was understood ends nothing."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="/(?=refused)/", window=600)
    assert watched.readings() == {"shop": (0, True)}
    watched.say("payment refused")
    assert watched.readings() == {"shop": (0, True)}
    assert caplog.text.count("finds nothing any more") == 1
