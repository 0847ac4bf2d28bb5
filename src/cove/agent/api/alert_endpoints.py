"""What fires, who is told, and what the owner has set. Imported inside `cove.agent.api`."""

from __future__ import annotations

import time
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct
from msgspec.structs import asdict

from cove.agent.api.answers import answer
from cove.agent.api.endpoint import endpoint, read_body, whole
from cove.agent.platform import Parts
from cove.errors import InvalidFile, NotFound
from cove.model import names
from cove.model.alerts import (
    AlertView,
    ChannelResult,
    ChannelView,
    HistoryEntry,
    RuleChange,
    RuleView,
    Silence,
    Window,
)
from cove.model.requests import Who
from cove.model.suggestions import nearest
from cove.observation.alerts.alerting import Alerting
from cove.observation.alerts.channels import channel_of, view
from cove.observation.alerts.rules import DEFAULTS, checked, fitted, merged, named

_ALERTS: Final = "/v1/alerts"
_LONGEST_SILENCE: Final = 366 * 86400.0  # seconds
_DAY_MINUTES: Final = 24 * 60
_MOST_HISTORY: Final = 5000
_MOST_PATHS: Final = 50

Text = Annotated[str, Meta(max_length=200)]
Secret = Annotated[str, Meta(max_length=2000)]


class RuleRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different of a rule, for all apps or for one; `reset`: nothing is any more."""

    rule: Text
    app: Text = ""
    reset: bool = False
    threshold: float | None = None
    clear: float | None = None
    wait: float | None = None
    keep: float | None = None
    window: float | None = None
    enabled: bool | None = None
    pattern: Text | None = None
    paths: Annotated[tuple[Text, ...], Meta(max_length=_MOST_PATHS)] | None = None


class SilenceRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to be quiet about: an app, a rule, or both; and for how many seconds."""

    rule: Text = ""
    app: Text = ""
    seconds: float
    reason: Text = ""
    by: Who = ""


class WindowRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A weekly time of quiet, in UTC; without rule and app it is about everything."""

    rule: Text = ""
    app: Text = ""
    days: tuple[Annotated[int, Meta(ge=0, le=6)], ...] = ()
    start: Annotated[int, Meta(ge=0, lt=_DAY_MINUTES)]
    minutes: Annotated[int, Meta(ge=1, le=_DAY_MINUTES)]
    reason: Text = ""


class NumberRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of a silence or a maintenance window."""

    id: int


class ChannelRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where messages go; without a kind it is taken from the address."""

    name: Text
    url: Secret
    kind: Text = ""
    key: Secret = ""
    apps: tuple[Text, ...] = ()


class ChannelName(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel; empty: every one."""

    name: Text = ""


class AlertEndpoints:
    """Everything under /v1/alerts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def _alerting(self) -> Alerting:
        return self._parts.observation.alerting

    @endpoint(
        "GET",
        _ALERTS,
        {
            "alerts": list[AlertView],
            "silences": list[Silence],
            "windows": list[Window],
            "channels": list[ChannelView],
        },
    )
    async def alerts(self, _: web.Request) -> web.StreamResponse:
        """What fires or is about to, what is silenced, and where messages go."""
        settings = self._alerting().silences()
        return answer(
            {
                "alerts": self._alerting().views(),
                "silences": settings.silences,
                "windows": settings.windows,
                "channels": self._channels(),
            }
        )

    @endpoint("GET", f"{_ALERTS}/history", {"history": list[HistoryEntry]})
    async def alert_history(self, request: web.Request) -> web.StreamResponse:
        """What fired and what ended, oldest first."""
        limit = min(whole(request, "limit", 50), _MOST_HISTORY)
        app = request.query.get("app", "")
        return answer({"history": self._parts.store.alert_history(limit, app)})

    @endpoint("GET", f"{_ALERTS}/rules", {"rules": list[RuleView]})
    async def alert_rules(self, _: web.Request) -> web.StreamResponse:
        """Every rule as it is in effect."""
        return answer({"rules": self._alerting().rules.views()})

    @endpoint("POST", f"{_ALERTS}/rules", {"rules": list[RuleView]}, body=RuleRequest)
    async def set_alert_rule(self, request: web.Request) -> web.StreamResponse:
        """Change a rule, for all apps or for one."""
        body = await read_body(request, RuleRequest)
        name = named(body.rule)
        self._check_app(body.app)
        given = {k: v for k, v in asdict(body).items() if k not in ("rule", "app", "reset")}
        change = RuleChange(**given)
        changes = self._alerting().rules.changes
        base = self._alerting().rules.of(name) if body.app else DEFAULTS[name]
        before = None if body.reset else changes.get((name, body.app))
        wanted = merged(before, fitted(name, change, base))
        checked(name, wanted, base)
        self._parts.store.set_alert_rule(name, body.app, wanted)
        self._alerting().reload()
        return answer({"rules": [v for v in self._alerting().rules.views() if v.rule.name == name]})

    @endpoint("POST", f"{_ALERTS}/silences", {"silence": Silence}, body=SilenceRequest)
    async def silence(self, request: web.Request) -> web.StreamResponse:
        """Send no messages about an app or a rule for a time; what fires still counts."""
        body = await read_body(request, SilenceRequest)
        self._check_about(body.rule, body.app)
        if not 0 < body.seconds <= _LONGEST_SILENCE:
            raise InvalidFile("a silence lasts up to a year", code="alert-silence")
        now = time.time()
        silence = Silence(
            id=0,
            rule=body.rule,
            app=body.app,
            until=now + body.seconds,
            reason=body.reason,
            by=body.by,
            at=now,
        )
        added = self._parts.store.add_silence(silence)
        self._alerting().reload()
        return answer({"silence": added})

    @endpoint("POST", f"{_ALERTS}/silences/end", {"id": int}, body=NumberRequest)
    async def end_silence(self, request: web.Request) -> web.StreamResponse:
        """End a silence now; what fires and was kept quiet is told."""
        body = await read_body(request, NumberRequest)
        if not self._parts.store.end_silence(body.id):
            raise NotFound(f"there is no silence {body.id}", hint="cove alerts")
        self._alerting().reload()
        return answer({"id": body.id})

    @endpoint("POST", f"{_ALERTS}/windows", {"window": Window}, body=WindowRequest)
    async def add_window(self, request: web.Request) -> web.StreamResponse:
        """Add a maintenance window: a silence that comes back every week."""
        body = await read_body(request, WindowRequest)
        if body.rule:
            named(body.rule)
        self._check_app(body.app)
        days = tuple(sorted(set(body.days)))
        given = {**asdict(body), "days": days}
        added = self._parts.store.add_window(Window(id=0, **given))
        self._alerting().reload()
        return answer({"window": added})

    @endpoint("POST", f"{_ALERTS}/windows/remove", {"id": int}, body=NumberRequest)
    async def remove_window(self, request: web.Request) -> web.StreamResponse:
        """Remove a maintenance window."""
        body = await read_body(request, NumberRequest)
        if not self._parts.store.remove_window(body.id):
            raise NotFound(f"there is no maintenance window {body.id}", hint="cove alerts")
        self._alerting().reload()
        return answer({"id": body.id})

    @endpoint("GET", f"{_ALERTS}/channels", {"channels": list[ChannelView]})
    async def channels(self, _: web.Request) -> web.StreamResponse:
        """Where messages go, without the secrets, and how the last ones went."""
        return answer({"channels": self._channels()})

    @endpoint("POST", f"{_ALERTS}/channels", {"channels": list[ChannelView]}, body=ChannelRequest)
    async def add_channel(self, request: web.Request) -> web.StreamResponse:
        """Add a channel, or replace the one of that name."""
        body = await read_body(request, ChannelRequest)
        for app in body.apps:
            self._check_app(app)
        channel = channel_of(body.name, body.url, body.kind, body.key, body.apps)
        self._parts.store.put_channel(channel)
        self._alerting().reload()
        self._alerting().queued.set()
        return answer({"channels": self._channels()})

    @endpoint("POST", f"{_ALERTS}/channels/remove", {"name": str}, body=ChannelName)
    async def remove_channel(self, request: web.Request) -> web.StreamResponse:
        """Remove a channel, with what still waits for it."""
        body = await read_body(request, ChannelName)
        if not self._parts.store.remove_channel(body.name):
            raise self._unknown(body.name)
        self._alerting().reload()
        return answer({"name": body.name})

    @endpoint("POST", f"{_ALERTS}/test", {"results": list[ChannelResult]}, body=ChannelName)
    async def test_channels(self, request: web.Request) -> web.StreamResponse:
        """Send a test message to a channel, or to every one, and say how it went."""
        body = await read_body(request, ChannelName)
        chosen = [
            record.channel
            for record in self._alerting().channels
            if body.name in ("", record.channel.name)
        ]
        if not chosen and body.name:
            raise self._unknown(body.name)
        message = self._alerting().trial()
        deliveries = self._parts.observation.deliveries
        results = [
            ChannelResult(name=channel.name, error=await deliveries.send(channel, message))
            for channel in chosen
        ]
        return answer({"results": results})

    def _channels(self) -> list[ChannelView]:
        waiting = list(self._parts.store.waiting())
        return [view(record, waiting) for record in self._alerting().channels]

    def _check_about(self, rule: str, app: str) -> None:
        if not rule and not app:
            raise InvalidFile(
                "a silence is about an app, a rule, or both",
                code="alert-silence",
                hint="cove alerts silence --help",
            )
        if rule:
            named(rule)
        self._check_app(app)

    def _check_app(self, app: str) -> None:
        """An app need not exist yet, but must be able to."""
        if app and not names.matches(names.APP, app):
            raise InvalidFile(f"{app!r} cannot be an app's name", code="bad-request")

    def _unknown(self, name: str) -> NotFound:
        known = [record.channel.name for record in self._alerting().channels]
        return NotFound(
            f"there is no channel {name}{nearest(name, known)}", hint="cove alerts channel list"
        )
