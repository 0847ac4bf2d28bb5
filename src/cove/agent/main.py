"""The agent's life: take the data directory, start the proxy, recover, serve, watch, end.

Imported by `python -m cove.agent` only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

from aiohttp import web
from msgspec.structs import replace

from cove import __version__
from cove.adapters.sqlite import DEFAULT_POOL
from cove.adapters.traefik import TraefikApi
from cove.agent.api.agent_endpoints import ShutdownRequest
from cove.agent.api.server import Api
from cove.agent.instance import DEFAULT_DATA_DIR, Asked, Identity, Instance
from cove.agent.platform import Parts, assemble
from cove.agent.ports import free_port, port_free
from cove.agent.watch import watch
from cove.errors import EXIT_DONE, CoveError, PlatformError
from cove.model.access import SERVER_ACCESS_LOGS
from cove.planning import operations as op
from cove.rollout import companions, containers, recovery

_log = logging.getLogger("cove.agent")
_RETRY = 2.0  # seconds between two tries while Docker or the proxy is not there yet
_PROXY_RESTS_WITHIN = 15.0  # seconds; Docker's own grace, and as much as it needs beyond
_ANSWERS_WITHIN = 10.0  # seconds; a busy Docker needs two
_LONGEST_LINE = 64 << 10  # bytes of a request's first line; 4,096 characters take up to 48 KiB
_PATIENT = ("docker-down", "proxy-down", "docker")  # what may mend itself, at boot for example


def main() -> NoReturn:
    """Parses the arguments, runs the agent, and leaves with an exit code of `cove.errors`."""
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        code = asyncio.run(run(*_arguments(sys.argv[1:])))
    except CoveError as error:
        hint = f" ({error.hint})" if error.hint else ""
        _log.error("%s%s", error.message, hint)
        code = error.exit_code
    logging.shutdown()
    # Whatever still runs is journalled; to unwind it now would undo rollouts half-way.
    os._exit(code)


async def run(folder: Path, asked: Asked) -> int:
    """Serves until it is told to end. Raises CoveError when it cannot begin."""
    instance = Instance(folder)
    instance.open()
    parts = assemble(await _reachable(instance, instance.remember(asked)), instance)
    parts.happenings.heed_warnings()
    parts.logs.heed(asyncio.get_running_loop())
    ended: asyncio.Future[ShutdownRequest] = asyncio.get_running_loop().create_future()
    api = Api(parts, lambda request: _end(ended, request))
    runner = web.AppRunner(
        api.application(), access_log=None, shutdown_timeout=1, max_line_size=_LONGEST_LINE
    )
    await runner.setup()
    await _serve(runner, instance.socket)
    await _serve_metrics(api, parts.identity.metrics_port)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, ended, ShutdownRequest())
    life = asyncio.create_task(_live(parts, api))
    life.add_done_callback(lambda task: _fall(ended, task))
    await _leave(parts, await ended)
    instance.socket.unlink(missing_ok=True)
    os._exit(EXIT_DONE)


async def _reachable(instance: Instance, identity: Identity) -> Identity:
    """Another port for the proxy's API, when somebody took it while the proxy was down."""
    api = TraefikApi(identity.api_port)
    try:
        taken = not await api.ping() and not port_free(identity.api_port, "127.0.0.1")
    finally:
        await api.close()
    return instance.save(replace(identity, api_port=free_port())) if taken else identity


async def _live(parts: Parts, api: Api) -> None:
    logs = asyncio.create_task(parts.logs.run())
    await _pages(parts.status_pages.listen)
    await _begin(parts, api)
    await parts.listener.start()
    parts.certification.recall()
    parts.rollouts.proxy = parts.proxy_settings()
    marker = parts.instance.apps_stopped
    await recovery.recover(parts.rollouts, everything=marker.exists())
    marker.unlink(missing_ok=True)
    await _pages(parts.status_pages.restore)
    parts.proxy.view = await parts.proxy.look()
    api.ready = True
    parts.happenings.record("agent", f"the agent {__version__} is ready")
    _log.info("ready: %s, proxy %s", parts.naming.prefix, parts.proxy.view.version)
    # What was loaded stays; the collector need not look at it again.
    gc.collect()
    gc.freeze()
    await asyncio.gather(watch(parts), logs)


async def _pages(act: Callable[[], Awaitable[None]]) -> None:
    """Nothing else waits for a status page; the watch tries again."""
    try:
        await act()
    except CoveError as error:
        _log.warning("status pages: %s", error.message)


async def _begin(parts: Parts, api: Api) -> None:
    """Docker may come after the agent at boot; a taken port or a missing image will not pass."""
    while True:
        try:
            await _docker(parts)
            # The agent before may have died as it replaced the proxy.
            await parts.engine.settle(_PROXY_RESTS_WITHIN)
            await parts.proxy.ensure()
        except PlatformError as error:
            if error.specific_code not in _PATIENT:
                raise
            if api.waiting_for != error.message:
                _log.warning("waiting: %s", error.message)
            api.waiting_for, api.hint = error.message, error.hint or api.hint
            await asyncio.sleep(_RETRY)
        else:
            return


async def _docker(parts: Parts) -> None:
    """Docker answers. systemd may hold its socket open long before there is a Docker behind it."""
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN):
            await parts.engine.info()
    except TimeoutError:
        raise PlatformError(
            f"Docker has not answered within {_ANSWERS_WITHIN:g} s",
            code="docker-down",
            hint="systemctl status docker",
        ) from None


async def _serve(runner: web.AppRunner, socket: Path) -> None:
    # The lock is held, so a socket that lies here belongs to nobody.
    socket.unlink(missing_ok=True)
    try:
        await web.UnixSite(runner, str(socket)).start()
    except OSError as error:
        raise PlatformError(f"{socket} cannot be opened: {error}", code="data-dir") from error


async def _serve_metrics(api: Api, port: int) -> None:
    """Prometheus' text on loopback; a port that is taken keeps nothing else from working."""
    if not port:
        return
    runner = web.AppRunner(api.metrics_application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        _log.warning("metrics cannot be served on port %d: %s", port, error.strerror or error)


async def _leave(parts: Parts, request: ShutdownRequest) -> None:
    with contextlib.suppress(CoveError):
        if request.apps:
            with contextlib.suppress(OSError):
                parts.instance.apps_stopped.touch()
            for record in parts.store.apps():
                work = parts.rollouts.work(record.name, recovery.told)
                if record.live and not record.stopped:
                    await containers.stop(op.StopRelease(release=record.live), work)
                    await companions.stop(op.StopCompanions(release=record.live), work)
        if request.proxy:
            await parts.proxy.remove()
    await parts.logs.close()
    await parts.observation.uptime.flush()
    # What was stopped until now was meant to stop: the next agent looks from here on.
    parts.happenings.record("agent", "the agent ended", data={"nano": time.time_ns()})
    _log.info("ended")


def _end(ended: asyncio.Future[ShutdownRequest], request: ShutdownRequest) -> None:
    if not ended.done():
        ended.set_result(request)


def _fall(ended: asyncio.Future[ShutdownRequest], life: asyncio.Task[None]) -> None:
    """What ends the agent's life ends the agent, with its reason."""
    if not ended.done() and not life.cancelled():
        ended.set_exception(life.exception() or RuntimeError("the watch ended"))


def _arguments(arguments: list[str]) -> tuple[Path, Asked]:
    parser = argparse.ArgumentParser(prog="python -m cove.agent", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    parser.add_argument("--http-port", type=int, help="80, or as the last time")
    parser.add_argument("--https-port", type=int, help="443, or as the last time")
    parser.add_argument("--bind", help="an address; default: all, IPv4 and IPv6")
    parser.add_argument(
        "--access-log", choices=SERVER_ACCESS_LOGS, help="errors, or as the last time"
    )
    parser.add_argument("--metrics-port", type=int, help="of loopback, for Prometheus; 0: none")
    parser.add_argument("--pool", help=f"where apps get their networks from; {DEFAULT_POOL}")
    parser.add_argument("--log-days", type=float, help="how long logs are kept")
    parser.add_argument("--log-bytes", type=int, help="how much of them on disk")
    parser.add_argument("--log-bytes-per-app", type=int, help="and how much of one app's")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.bind:
            ipaddress.ip_address(parsed.bind)
    except ValueError as error:
        parser.error(str(error))
    asked = Asked(
        http_port=parsed.http_port,
        https_port=parsed.https_port,
        bind=parsed.bind,
        pool=parsed.pool,
        log_days=parsed.log_days,
        log_bytes=parsed.log_bytes,
        log_bytes_per_app=parsed.log_bytes_per_app,
        access_log=parsed.access_log,
        metrics_port=parsed.metrics_port,
    )
    return parsed.data_dir.absolute(), asked
