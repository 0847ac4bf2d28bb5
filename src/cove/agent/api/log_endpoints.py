"""What was written, kept beyond its containers. Imported inside `cove.agent.api`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, Self, get_args

from aiohttp import web
from msgspec.structs import replace

from cove.agent import following
from cove.agent.api.answers import answer, stream
from cove.agent.api.endpoint import endpoint, flag, nanoseconds, whole
from cove.agent.platform import Parts
from cove.errors import NotFound, PlatformError
from cove.model.expressions import LARGEST, LIVELY, Expression
from cove.model.logs import (
    ACCESS,
    AGENT_APP,
    LEVELS,
    PROXY_APP,
    LogCount,
    LogQuery,
    Record,
    Source,
    Stream,
)
from cove.model.suggestions import nearest
from cove.model.views import LogsView, LogView
from cove.observation.logs.matching import matcher
from cove.observation.logs.reading import Reading
from cove.ports import LogLine

_MOST: Final = 100_000  # records that are put in order
_MOST_AROUND: Final = 1000
_LONGEST: Final = 4096  # characters of a text that is looked for
_NANO: Final = 1_000_000_000
_OWN: Final = (PROXY_APP, AGENT_APP)


class LogEndpoints:
    """Logs of apps that are and were, of the proxy and of the agent."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def _reading(self) -> Reading:
        return self._parts.logs.reading

    @endpoint("GET", "/v1/apps/{app}/logs", {"": LogView}, streams=True)
    async def logs(self, request: web.Request) -> web.StreamResponse:
        """What an app's containers wrote, and with follow=1 what they will write.

        With requests=1 instead what the proxy logged of its requests.
        """
        return await self._answer(request, request.match_info["app"])

    @endpoint("GET", "/v1/logs", {"": LogView}, streams=True)
    async def every(self, request: web.Request) -> web.StreamResponse:
        """What all apps' containers wrote, the proxy and the agent, or one app's."""
        return await self._answer(request, request.query.get("app", ""))

    @endpoint("GET", "/v1/logs/services", {"logs": LogsView})
    async def services(self, _: web.Request) -> web.StreamResponse:
        """Whose logs are kept, from when on, and how much of the disk they take."""
        collector = self._parts.logs.collector
        found = await self._reading().services() if self._reading().available else ()
        view = LogsView(services=found, policy=collector.policy, problem=collector.problem)
        return answer({"logs": view})

    @endpoint("GET", "/v1/logs/counts", {"counts": list[LogCount]})
    async def counts(self, request: web.Request) -> web.StreamResponse:
        """How many records there are by minute, service and level."""
        query = _query(request, request.query.get("app", ""))
        return answer({"counts": await self._reading().counts(query)})

    async def _answer(self, request: web.Request, app: str) -> web.StreamResponse:
        query, follow, newest = (
            _query(request, app),
            flag(request, "follow"),
            flag(request, "newest"),
        )
        tail = min(whole(request, "tail", 100, least=-1), _MOST)
        if follow and (newest or query.before or query.after):
            raise ValueError("follow goes with neither newest nor context")
        if query.regex:  # refused before the answer begins
            Expression(
                query.text,
                word=query.word,
                ignore_case=query.ignore_case,
                largest=LIVELY if follow else LARGEST,
            )
        await self._check(query.requests_of or app)
        lines: AsyncIterable[LogView | None]
        if not self._reading().available:
            lines = self._directly(query, tail, follow=follow)
        elif follow:
            # Of the API -1 is all; of `follow` 0.
            limited = replace(query, limit={0: -1, -1: 0}.get(tail, tail))
            lines = _views(self._reading().follow(limited))
        elif tail == 0:
            lines = _none()
        else:
            limited = replace(query, limit=max(tail, 0))
            found = self._reading().newest_first if newest else self._reading().in_order
            lines = await _Begun(_views(found(limited))).begin()
        return await stream(request, lines, final=True)

    async def _check(self, app: str) -> None:
        """An app that was removed has logs; one that never was is a typing error."""
        store = self._parts.store
        if not app or app in _OWN or store.app(app) is not None:
            return
        if self._reading().available and any(
            s.app == app for s in await self._reading().services()
        ):
            return
        near = nearest(app, [record.name for record in store.apps()])
        raise NotFound(f"there is no app {app[:80]}{near}", hint="see them all: cove status")

    async def _directly(
        self, query: LogQuery, tail: int, *, follow: bool
    ) -> AsyncGenerator[LogView | None, None]:
        """From Docker, which has what containers that still exist wrote of late."""
        if not query.app or query.requests_of:
            raise PlatformError(
                f"logs cannot be searched: {self._parts.logs.collector.problem or 'starting'}",
                code="logs-away",
                hint="an app's own lines can be read from Docker: cove logs APP",
            )
        wanted, since = matcher(query), query.since / _NANO
        engine = self._parts.engine
        if follow:
            lines: AsyncIterator[LogLine | None] = following.follow(
                engine, query.app, since=since, tail=tail
            )
        else:
            lines = await following.recent(engine, query.app, since=since, tail=tail)
        async for line in lines:
            record = _record(query.app, line) if line is not None else None
            if record is None:
                yield None
            elif await asyncio.to_thread(wanted, record) if query.regex else wanted(record):
                yield view(record)


def _query(request: web.Request, app: str) -> LogQuery:
    text = request.query.get("text", "")
    if len(text) > _LONGEST:
        raise ValueError(f"text is longer than {_LONGEST} characters")
    level, stream_name = request.query.get("level", ""), request.query.get("stream", "")
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS[1:])}")
    if stream_name not in ("", *get_args(Stream)):
        raise ValueError("stream must be stdout or stderr")
    of_app, service = "", request.query.get("service", "")
    if flag(request, "requests"):
        if service or not app or app in _OWN:
            raise ValueError("requests are told of one app, and of no service")
        app, service, of_app = PROXY_APP, ACCESS, app
    return LogQuery(
        app=app,
        service=service,
        requests_of=of_app,
        release=whole(request, "release", 0),
        container=request.query.get("container", ""),
        stream=stream_name,  # type: ignore[arg-type]  # looked at above
        level=LEVELS.index(level),
        since=nanoseconds(request, "since"),
        until=nanoseconds(request, "until"),
        text=text,
        regex=flag(request, "regex"),
        word=flag(request, "word"),
        ignore_case=flag(request, "ignore_case"),
        before=min(whole(request, "before", 0), _MOST_AROUND),
        after=min(whole(request, "after", 0), _MOST_AROUND),
    )


def view(record: Record) -> LogView:
    """A record as the API shows it."""
    source = record.source
    seconds, nano = divmod(record.at, _NANO)
    moment = datetime.fromtimestamp(seconds, UTC)
    return LogView(
        at=record.at / _NANO,
        time=f"{moment:%Y-%m-%dT%H:%M:%S}.{nano:09d}Z",
        app=source.app,
        service=source.service,
        name=source.name,
        release=source.release,
        container=source.container,
        stream=source.stream,
        level=LEVELS[record.level],
        text=record.text,
        context=record.context,
    )


async def _views(
    records: AsyncGenerator[Record | int | None, None] | AsyncGenerator[Record, None],
) -> AsyncGenerator[LogView | None, None]:
    async with aclosing(records) as found:
        async for record in found:
            if isinstance(record, int):
                yield LogView(at=0.0, lost=record)
            else:
                yield view(record) if record is not None else None


class _Begun:
    """An answer whose first part was waited for. To be closed, also when nobody has read it."""

    def __init__(self, views: AsyncGenerator[LogView | None, None]) -> None:
        self._views = views
        self._first = asyncio.ensure_future(anext(views, None))
        self._parts = self._told()

    async def begin(self) -> Self:
        """Waits for the first: what is refused must be said before the answer begins."""
        try:
            await asyncio.wait([self._first], timeout=_BEGIN)
            if self._first.done():
                self._first.result()
        except BaseException:
            await self.aclose()
            raise
        return self

    def __aiter__(self) -> AsyncIterator[LogView | None]:
        return self._parts

    async def aclose(self) -> None:
        """Ends the search as well."""
        await self._parts.aclose()
        if not self._first.done():
            self._first.cancel()
            await asyncio.wait([self._first])
        await self._views.aclose()

    async def _told(self) -> AsyncGenerator[LogView | None, None]:
        while not self._first.done():
            await asyncio.wait([self._first], timeout=_QUIET)
            if not self._first.done():
                yield None
        found = self._first.result()
        if found is None:
            return
        yield found
        async for one in self._views:
            yield one


_BEGIN: Final = 2.0  # seconds in which a search that is refused says so
_QUIET: Final = 10.0  # seconds after which a client that waits is told that nothing was found yet


async def _none() -> AsyncGenerator[LogView | None, None]:
    return
    yield


def _record(app: str, line: LogLine) -> Record:
    """Docker's own line; its level is not looked at."""
    source = Source(
        app=app, service=line.service, name=line.service, release=line.release, stream=line.stream
    )
    return Record(int(line.at * _NANO), source, line.text)
