"""Uptime and alerts put together, and kept alive. Imported inside `cove.agent` only.

Serving and rollouts depend on nothing of this: what fails here is logged, which makes it a
happening, and begun anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from cove.adapters.docker import DockerEngine
from cove.adapters.host.usage import disk_used
from cove.adapters.notify import ChildNotifier
from cove.adapters.probe import HttpProbe, ProxyProbe
from cove.adapters.sqlite import SqliteStore
from cove.adapters.uptimestore import SqliteUptimeStore
from cove.agent.container_log import ContainerLog
from cove.agent.happenings import Happenings
from cove.agent.instance import Identity, Instance
from cove.agent.oom_watch import OomWatch
from cove.agent.readings import MachineReadings, RolloutReadings, RouteReadings
from cove.agent.uptime_targets import UptimeTargets
from cove.certification.certifier import Certification
from cove.errors import CoveError
from cove.model.alerts import Transition
from cove.observation.alerts.alerting import Alerting
from cove.observation.alerts.delivering import Deliveries
from cove.observation.alerts.wording import clean
from cove.observation.uptime.watching import Uptime
from cove.rollout.rollouts import Rollouts

if TYPE_CHECKING:
    from cove.agent.platform import Parts

_log = logging.getLogger(__name__)
_AGAIN: Final = 30.0  # seconds after which what fell is begun anew
_LONGEST: Final = 300  # characters of an alert's text among the happenings


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What looks at routes and tells people."""

    uptime: Uptime
    alerting: Alerting
    deliveries: Deliveries
    containers: ContainerLog
    oom: OomWatch
    machine: MachineReadings
    uptime_store: SqliteUptimeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What observation is made of, wired by `cove.agent.platform`."""

    instance: Instance
    identity: Identity
    store: SqliteStore
    engine: DockerEngine
    rollouts: Rollouts
    certification: Certification
    happenings: Happenings


def assemble_observation(of: Surroundings) -> Observation:
    """Makes and connects the parts; nothing runs yet."""
    address = of.identity.bind or "127.0.0.1"
    proxy = ProxyProbe((address, of.identity.http_port), (address, of.identity.https_port))
    uptime_store = SqliteUptimeStore(of.instance.folder / "uptime.db")
    targets = UptimeTargets(of.store, of.rollouts, of.certification)
    uptime = Uptime(targets, proxy, HttpProbe(), uptime_store)
    containers, machine = ContainerLog(), MachineReadings(str(of.instance.folder))
    sources = (
        RouteReadings(uptime, of.certification.ends),
        containers,
        machine,
        RolloutReadings(of.store),
    )
    alerting = Alerting(
        of.store,
        sources,
        lambda: [record.name for record in of.store.apps()],
        os.uname().nodename,
    )
    alerting.listen(lambda transition: _tell(of.happenings, transition))
    deliveries = Deliveries(
        of.store,
        ChildNotifier(),
        lambda: [record.channel for record in alerting.channels],
        alerting.queued,
    )
    return Observation(
        uptime=uptime,
        alerting=alerting,
        deliveries=deliveries,
        containers=containers,
        oom=OomWatch(of.engine, containers),
        machine=machine,
        uptime_store=uptime_store,
    )


async def run(parts: Parts) -> None:
    """Runs until cancelled; no failure ends it."""
    found = parts.observation
    await _begin(parts)
    await asyncio.gather(
        _kept_alive("uptime", found.uptime.run),
        _kept_alive("looking at the machine", found.machine.run),
        _kept_alive("alerts", partial(_alerts, found.alerting)),
        _kept_alive("messages", found.deliveries.run),
    )


async def _begin(parts: Parts) -> None:
    found = parts.observation
    try:
        root = (await parts.engine.info()).root
        if root and disk_used(root) is not None:
            found.machine.paths.append(root)
    except CoveError as error:
        _log.info("where Docker keeps its data is unknown: %s", error.message)


async def _alerts(alerting: Alerting) -> None:
    """Never without what was known before: it would fire once more."""
    alerting.recall()
    await alerting.run()


async def _kept_alive(what: str, life: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await life()
        except CoveError as error:
            _log.warning("%s: %s", what, error.message)
        except Exception:  # noqa: BLE001 - a bug here must not end the agent, which serves
            _log.exception("%s fell, and is begun anew", what)
        await asyncio.sleep(_AGAIN)


def _tell(happenings: Happenings, transition: Transition) -> None:
    """What fires and what ends, for `cove events`."""
    key = transition.key
    words = {"fired": "", "recovered": "over: ", "gone": "no longer watched: "}
    subject = f" {key.subject}" if key.subject else ""
    happenings.record_rarely(
        (key, transition.kind),
        "alert",
        f"{words[transition.kind]}{key.rule}{subject}: {clean(transition.text, _LONGEST)}",
        app=key.app,
        data={"rule": key.rule, "alert": transition.id, "kind": transition.kind},
    )
