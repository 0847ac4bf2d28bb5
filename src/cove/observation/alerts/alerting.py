"""`Alerting`: evaluates, remembers, and hands on what is to be told. Imported by the agent.

Each evaluation ends in one transaction: the states, the history and the messages of it are all
there or none of them is, whenever the agent dies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from cove.errors import CoveError, PlatformError
from cove.model.alerts import (
    AlertSettings,
    AlertState,
    AlertView,
    Channel,
    ChannelRecord,
    Key,
    Message,
    Progress,
    Reading,
    Transition,
)
from cove.observation.alerts.announcing import Announced, announce, trial
from cove.observation.alerts.evaluating import Evaluated, evaluate
from cove.observation.alerts.muting import current, muted
from cove.observation.alerts.rules import Rules
from cove.ports.watching import AlertStore, Readings

_log = logging.getLogger(__name__)
EVERY: Final = 5.0  # seconds between two evaluations
Listener = Callable[[Transition], None]


class Alerting:
    """Rules over every source of readings; `apps` says which apps there are."""

    def __init__(
        self,
        store: AlertStore,
        sources: Sequence[Readings],
        apps: Callable[[], Iterable[str]],
        server: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._sources = list(sources)
        self._apps = apps
        self._server = server
        self._now = now
        self._said: dict[int, str] = {}
        self._states: dict[Key, AlertState] = {}
        self._listeners: list[Listener] = []
        self._unreadable = False  # the channels, for want of the key
        self.queued = asyncio.Event()  # set when there is something to deliver
        self.rules = Rules()
        self.settings = AlertSettings()
        self.channels: tuple[ChannelRecord, ...] = ()

    def add(self, source: Readings) -> None:
        """One more source of readings."""
        self._sources.append(source)

    def listen(self, listener: Listener) -> None:
        """Has it called with every transition, once that is kept."""
        self._listeners.append(listener)

    def recall(self) -> None:
        """Takes up what an earlier agent knew. Raises PlatformError; then it must not run."""
        self.reload()
        now = self._now()
        # Nobody looked meanwhile: what fires has its time to be seen again.
        states = (replace(state, seen_at=now) for state in self._store.alert_states())
        self._states = {state.key: state for state in states}
        self.queued.set()

    def reload(self) -> None:
        """Takes up settings and channels as they are kept now. Raises PlatformError.

        Channels that cannot be read, because the key is missing, are tried again by and by.
        """
        self.settings = self._store.alert_settings()
        self.rules = Rules(self.settings.changes)
        self._read_channels()

    def _read_channels(self) -> None:
        try:
            self.channels = self._store.channels()
        except PlatformError as error:
            self._unreadable = True
            self._say(-2, f"the channels of alerts cannot be read: {error.message}")
        else:
            self._unreadable = False
            self._said.pop(-2, None)

    async def run(self) -> None:
        """Runs until cancelled; no failure ends it."""
        while True:
            try:
                self.evaluate()
            except CoveError as error:
                self._say(-1, f"alerts are not kept: {error.message}")
            else:
                self._said.pop(-1, None)
            await asyncio.sleep(EVERY)

    def evaluate(self) -> None:
        """One evaluation. Raises PlatformError, nothing having changed then."""
        now = self._now()
        if self._unreadable:
            self._read_channels()
        found = evaluate(self.rules, self._read(now), self._states, frozenset(self._apps()), now)
        told = self._announced(found, now)
        history = tuple(replace(t, muted=self._muted(t.key)) for t in found.transitions)
        progress = Progress(
            save=tuple(s for k, s in told.states.items() if _differs(self._states.get(k), s)),
            drop=tuple(key for key in self._states if key not in told.states),
            history=history,
            messages=told.messages,
        )
        if progress != Progress():
            self._store.save_alerts(progress)
        self._states = told.states
        if told.messages:
            self.queued.set()
        for transition in history:
            for listener in self._listeners:
                listener(transition)

    def _announced(self, found: Evaluated, now: float) -> Announced:
        if self._unreadable:
            return Announced(states=found.states)  # what is to be told waits for the channels
        channels = [record.channel for record in self.channels]
        return announce(
            found.states, self._muted, self.rules, channels, server=self._server, now=now
        )

    def views(self) -> list[AlertView]:
        """What fires, the oldest first, and then what is about to."""
        found = [
            AlertView(
                id=state.id,
                rule=state.key.rule,
                app=state.key.app,
                subject=state.key.subject,
                phase=state.phase,
                severity=self.rules.of(state.key.rule, state.key.app).severity,
                since=state.since,
                fired_at=state.fired_at,
                value=state.value,
                text=state.text,
                muted=self._muted(state.key),
            )
            for state in self._states.values()
            if state.phase != "ended"
        ]
        return sorted(found, key=lambda view: (view.phase != "firing", view.since))

    def firing(self, app: str) -> tuple[str, ...]:
        """What fires of an app, in words."""
        found = (s for s in self._states.values() if s.phase == "firing" and s.key.app == app)
        return tuple(f"{state.key.rule}: {state.text}" for state in found)

    def silences(self) -> AlertSettings:
        """The settings without the silences that are over."""
        return replace(self.settings, silences=current(self.settings.silences, self._now()))

    def trial(self) -> Message:
        """A message for testing a channel."""
        return trial(self._server, self._now())

    def channel(self, name: str) -> Channel | None:
        """The channel of that name."""
        return next((r.channel for r in self.channels if r.channel.name == name), None)

    def _muted(self, key: Key) -> str:
        return muted(self.settings, key, self._now())

    def _read(self, now: float) -> list[Reading]:
        found: list[Reading] = []
        for number, source in enumerate(self._sources):
            try:
                found += source.read(self.rules, now)
            except PlatformError as error:
                self._say(number, f"a source of readings is silent: {error.message}")
            else:
                self._said.pop(number, None)
        return found

    def _say(self, number: int, text: str) -> None:
        if self._said.get(number) != text:
            _log.warning("%s", text)
        self._said[number] = text


def _differs(before: AlertState | None, after: AlertState) -> bool:
    """In what matters after a restart; the last value and look do not."""
    if before is None:
        return True
    return replace(after, seen_at=0, value=0, text="") != replace(
        before, seen_at=0, value=0, text=""
    )
