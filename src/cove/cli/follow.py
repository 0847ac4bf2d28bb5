"""Follows a rollout to its end: reconnects, asks at Ctrl-C, and says how it ended.

The commands that start or re-attach to a rollout import it. The stream is read in a thread, so
that the display moves and signals are answered while nothing arrives.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any

import msgspec
from msgspec import Struct, field

from cove.cli.client import STARTING, Client
from cove.cli.interrupts import Interrupts
from cove.cli.options import Settings
from cove.cli.output import Output
from cove.cli.progress import Progress
from cove.cli.text import took
from cove.errors import EXIT_DONE, EXIT_INTERRUPTED, CoveError, RemoteError, Unreachable
from cove.model.events import Event, Rollout

PATIENCE = 30.0  # seconds to wait for an agent that went away
RETRY = 0.5  # seconds between attempts to reach it
TURN = 0.1  # seconds between two looks of the spinner


class Finished(Struct, frozen=True, kw_only=True):
    """The last event's data: how a rollout ended."""

    outcome: str = ""
    exit_code: int = 0
    urls: list[str] = field(default_factory=list)
    release: int = 0
    serving: int = 0
    serves: str = "yes"  # whether that was seen to run: yes, no or unknown
    seen_by: str = "docker"  # or the proxy, where Docker could not be asked
    seconds: float = 0.0
    error: dict[str, Any] | None = None


class Lost(Struct, frozen=True):
    """The connection broke off; the reader tries again."""


class Failed(Struct, frozen=True):
    """The reader gave up."""

    error: CoveError


class Reader(threading.Thread):
    """Puts a rollout's events into a queue, from the first to `finished`, across reconnections."""

    def __init__(self, client: Client, rollout: int) -> None:
        super().__init__(daemon=True, name="events")
        self.queue: SimpleQueue[Event | Lost | Failed] = SimpleQueue()
        self._client = client
        self._path = f"/v1/rollouts/{rollout}/events"
        self._last = 0

    def run(self) -> None:
        """The thread's body; every way it can end is put into the queue."""
        try:
            self._read()
        except CoveError as error:
            self.queue.put(Failed(error))
        except Exception as error:  # noqa: BLE001 (the main thread reports it)
            self.queue.put(Failed(CoveError(f"the events cannot be read: {error!r}")))

    def _read(self) -> None:
        deadline = 0.0
        while True:
            before = self._last
            began = time.monotonic()
            try:
                if self._connected():
                    return
            except Unreachable as error:
                if error.specific_code == "not-permitted":
                    raise
                if error.specific_code == STARTING:  # it recovers, perhaps from this very rollout
                    deadline = time.monotonic() + PATIENCE
            now = time.monotonic()
            if not deadline or self._last > before or now - began > PATIENCE:
                deadline = now + PATIENCE
                self.queue.put(Lost())
            if now >= deadline:
                raise Unreachable(_GONE)
            time.sleep(RETRY)

    def _connected(self) -> bool:
        """Reads until the stream ends; whether that was the rollout's end."""
        for body in self._client.stream(self._path, after=self._last):
            event = _event(body)
            if event is None:
                continue
            self._last = max(self._last, event.seq)
            self.queue.put(event)
            if event.kind == "finished":
                return True
        return False


_GONE = f"the agent has been gone for {PATIENCE:.0f} s"


def _event(body: dict[str, Any]) -> Event | None:
    """The event; None for a kind that a newer agent may send."""
    try:
        return msgspec.convert(body, Event)
    except msgspec.ValidationError:
        return None


class Follower:
    """One rollout, as the person at the terminal lives through it."""

    def __init__(self, settings: Settings, out: Output, client: Client, rollout: Rollout) -> None:
        self._settings = settings
        self._out = out
        self._client = client
        self._rollout = rollout
        self._progress = Progress(out)
        self._cancel_wanted = False
        self._cancel_sent = False
        self._retry_at = 0.0

    def follow(self) -> int:
        """Shows the rollout until its end; returns the exit code."""
        reader = Reader(self._client, self._rollout.id)
        with Interrupts() as interrupts:
            reader.start()
            for event in self._events(reader, interrupts):
                self._progress.show(event)
                if event.kind == "finished":
                    return self._conclude(msgspec.convert(event.data, Finished, strict=False))
        self._out.note(f"leaving; it goes on without you: {self._attach()}")
        return EXIT_INTERRUPTED

    def _events(self, reader: Reader, interrupts: Interrupts) -> Iterator[Event]:
        """The events as they come; ends early when the person insists on leaving."""
        while True:
            number = interrupts.take()
            if number and self._cancel_sent:
                return
            if number and self._wants_cancel(number, interrupts):
                self._cancel_wanted = True
            self._cancel()
            try:
                item = reader.queue.get(timeout=TURN)
            except Empty:
                self._progress.tick()
                continue
            if isinstance(item, Event):
                yield item
            else:
                self._disturbed(item)

    def _disturbed(self, item: Lost | Failed) -> None:
        if isinstance(item, Lost):
            self._out.note("the agent is gone; waiting for it to come back…")
        elif isinstance(item.error, Unreachable):
            raise Unreachable(
                item.error.message,
                hint=f"a rollout is finished or undone when the agent returns: {self._revive()}",
            )
        else:
            raise item.error

    def _revive(self) -> str:
        return f"{self._settings.command('up -d')}, then {self._attach()}"

    def _attach(self) -> str:
        return self._settings.command(f"attach {self._rollout.app}")

    def _wants_cancel(self, number: int, interrupts: Interrupts) -> bool:
        if number != signal.SIGINT or not self._out.interactive:
            return True
        try:
            interrupts.asking(asking=True)
            return self._out.agrees(
                f"Cancel this rollout? (it goes on without you otherwise; {self._attach()})"
            )
        except KeyboardInterrupt:
            self._out.note()
            return True
        finally:
            interrupts.asking(asking=False)

    def _cancel(self) -> None:
        """Sends the wish to cancel once; again a little later while the agent is away."""
        now = time.monotonic()
        if not self._cancel_wanted or self._cancel_sent or now < self._retry_at:
            return
        try:
            self._client.post(f"/v1/rollouts/{self._rollout.id}/cancel", {}, timeout=5.0)
        except Unreachable:
            self._retry_at = now + RETRY
        except RemoteError as error:  # most likely it has ended meanwhile: the events will tell
            self._cancel_sent = True
            self._out.note(f"not cancelled: {error.message}")
        else:
            self._cancel_sent = True
            self._out.note("cancelling; what was begun is undone…")

    # The end

    def _conclude(self, end: Finished) -> int:
        error = self._error(end)
        if self._out.json_wanted:
            self._out.json(self._payload(end, error))
        elif error is None:
            self._praise(end)
        else:
            self._out.explain(error, extra=_serving(end))
        return end.exit_code

    def _error(self, end: Finished) -> CoveError | None:
        if end.outcome in {"live", "done"} and not end.error:
            return None
        if end.error:
            return RemoteError(end.error)
        if end.outcome == "cancelled":
            return CoveError("cancelled; what was begun has been undone", code="cancelled")
        return CoveError(self._progress.failure or f"the {self._rollout.kind} failed")

    def _payload(self, end: Finished, error: CoveError | None) -> dict[str, Any]:
        return {
            "rollout": msgspec.to_builtins(self._rollout),
            "outcome": end.outcome,
            "release": end.release,
            "serving": end.serving,
            "serves": end.serves,
            "seen_by": end.seen_by,
            "urls": end.urls,
            "seconds": end.seconds,
            "exit_code": end.exit_code,
            "error": error.as_dict() if error else None,
        }

    def _praise(self, end: Finished) -> None:
        mark = self._out.err.style(self._out.err.symbol("ok"), "green", "bold")
        what = f"release {end.release} is live" if end.outcome == "live" else self._deed()
        self._out.note(f"{mark} {self._out.err.style(what, 'bold')} ({took(end.seconds)})")
        if end.exit_code == EXIT_DONE and self._rollout.kind not in {"stop", "remove"}:
            for url in end.urls:
                self._out.line(url)

    def _deed(self) -> str:
        deeds = {"stop": "stopped", "start": "started", "restart": "restarted", "remove": "removed"}
        return f"{self._rollout.app} is {deeds.get(self._rollout.kind, 'done')}"


def _serving(end: Finished) -> str:
    if not end.serving:
        return "nothing serves now" if end.outcome == "failed" else ""
    places = f" {', '.join(end.urls)}" if end.urls else ""
    if end.serves == "unknown":
        return f"release {end.serving} is the live one; whether it runs could not be checked"
    if end.serves == "no":
        return f"release {end.serving} is the live one, but not all of it runs: cove status"
    if end.seen_by == "proxy":
        places += "; Docker could not be asked, but the proxy leads to it and it answers"
    return f"release {end.serving} still serves{places}"


def follow(settings: Settings, out: Output, client: Client, rollout: dict[str, Any]) -> int:
    """Follows the rollout of an API answer; returns the exit code."""
    return Follower(settings, out, client, msgspec.convert(rollout, Rollout)).follow()
