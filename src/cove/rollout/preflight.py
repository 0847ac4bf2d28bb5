"""What must hold before anything is touched: powers, disk, memory, host ports.

Imported inside `cove.rollout`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from cove.errors import Refused
from cove.model import powers
from cove.model.app import App
from cove.model.powers import NestedBind
from cove.model.release import Release
from cove.planning.observed import Observed
from cove.ports import AppRecord, Platform, Store
from cove.rollout.work import Work

_MEGABYTE = 1 << 20
# Enough for a container's writable layer and its capped logs (3 x 10 MB) several times over.
LEAST_DISK = 256 * _MEGABYTE
# What stays for the kernel and the platform beside a second copy of the app.
SPARE_MEMORY = 32 * _MEGABYTE


async def check_disk(work: Work) -> None:
    """Raises Refused (`disk-full`) before a pull or a start would fill the disk."""
    info = await work.platform.engine.info()
    free = work.platform.host.disk_free(info.root)
    if 0 <= free < LEAST_DISK:
        raise Refused(
            f"only {free // _MEGABYTE} MB are free on the disk of {info.root}; "
            f"a rollout needs {LEAST_DISK // _MEGABYTE} MB",
            code="disk-full",
            hint="see what fills it: docker system df; du -xh --max-depth=2 / | sort -h | tail",
        )


def check_powers(app: App, platform: Platform) -> None:
    """Raises Refused (`power-missing`, `path-nested`): the app may not be started as it is.

    The file was read with the powers of that moment; what is started may have been read long ago.
    And a path of the host is where its symbolic links lead, not what it is called.
    """
    if not app.powers and not any(m.kind == "bind" for s in app.services for m in s.mounts):
        return
    store, host = platform.store, platform.host
    given = [grant.power for grant in store.grants(app.name)]
    lacking = powers.missing(given, app.powers)
    there = _there(store)
    lacking = lacking or host.powers_missing(app, given, there)
    if lacking:
        raise Refused(
            f"{app.name} has not been given {', '.join(lacking)}",
            code="power-missing",
            hint=f"if it shall have it: cove allow {app.name} {shlex.join(lacking)}",
        )
    nested = host.nested_binds(app, [spec for spec in there if spec.name != app.name])
    if nested:
        raise _nested(app, nested)
    # What it replaces runs on beside it, and is brought back if it fails.
    nested = host.nested_binds(app, _replaced(app, store))
    if nested:
        raise _nested(app, nested, f"cove stop {app.name}, then deploy")


def _replaced(app: App, store: Store) -> list[App]:
    """What runs of the same app while this becomes live."""
    record = store.app(app.name)
    if record is None or record.stopped:
        return []
    return [r.spec for r in current(record, store) if r.spec != app]


def _there(store: Store) -> list[App]:
    """What runs or may run any moment: every live release, and those that shall become it."""
    return [r.spec for record in store.apps() for r in current(record, store)]


def current(record: AppRecord, store: Store) -> list[Release]:
    """The live release of an app, and the one that a rollout is about to make live."""
    latest = store.rollouts(record.name, 1)
    pending = latest[0].release if latest and latest[0].outcome is None else 0
    numbers = sorted({record.live, pending} - {0})
    found = [store.release(record.name, number) for number in numbers]
    return [release for release in found if release is not None]


def _nested(app: App, nested: Sequence[NestedBind], hint: str = "") -> Refused:
    one = nested[0]
    whose = "" if one.app == app.name else f" of the app {one.app}"
    who = f"{app.name} itself" if one.writer == app.name else f"the app {one.writer}"
    who = f"one of {app.name}'s releases" if hint else who
    return Refused(
        f"{one.path}{whose} lies in {one.folder}, which {who} may write: it could be made a link "
        "to any other path",
        code="path-nested",
        hint=hint or f'mount {one.folder} with ":ro", or the same path in both places',
    )


def check_memory(observed: Observed, work: Work, *, gap: bool) -> None:
    """Raises Refused (`memory`) when the second copy would not fit beside the first.

    With a `gap` the first has ended when the second starts.
    """
    serving = observed.serving
    if serving is None or gap:
        return
    host = work.platform.host
    used = sum(host.memory_used(c.pid) for c in observed.of_release(serving.number) if c.running)
    available = host.memory_available()
    if used and available < used + SPARE_MEMORY:
        raise Refused(
            f"release {serving.number} uses {used // _MEGABYTE} MB and only "
            f"{available // _MEGABYTE} MB are available: a second copy would not fit beside it",
            code="memory",
            hint="write `rollout: {order: stop-first}`: requests are then held for the gap",
        )


def check_host_ports(app: App, observed: Observed, work: Work) -> None:
    """Raises Refused (`port-taken`) for a published port that something else holds."""
    serving = observed.serving
    own = (
        {(p.published, p.protocol) for s in serving.spec.services for p in s.ports}
        if serving
        else set()
    )
    for service in app.services:
        for port in service.ports:
            if port.protocol != "tcp" or (port.published, port.protocol) in own:
                continue
            holder = work.platform.host.port_holder(port.published)
            if holder:
                raise Refused(
                    f"port {port.published} of this machine is taken by {holder}",
                    code="port-taken",
                    hint=f'stop it, or publish another port: `ports: ["{port.published + 1}:'
                    f'{port.target}"]`',
                )
