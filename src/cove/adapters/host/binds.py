"""What paths of the host really are, once symbolic links are followed. Imported by the agent.

An app file's paths are compared with grants as written. What lies in a granted folder the app
itself may write, links included, so that the same is asked of real paths before anything is
mounted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from cove.model import powers
from cove.model.app import App


def real_powers_missing(spec: App, granted: Iterable[str]) -> tuple[str, ...]:
    """The powers that an app's mounts of the host really take and that it was not given.

    Grants are followed as well: what was given of `/var/run` holds for `/run` where that is the
    same folder. A path that does not exist is what it would become.
    """
    written = tuple(granted)
    given = (*written, *(str(real) for real in map(_real, _firm(written))))
    wanted = [
        power
        for service in spec.services
        for mount in service.mounts
        if mount.kind == "bind"
        for power in powers.for_bind(os.path.realpath(mount.source), read_only=mount.read_only)
    ]
    return powers.missing(given, dict.fromkeys(wanted))


def _firm(granted: tuple[str, ...]) -> list[powers.Power]:
    """The granted paths that the app cannot turn into links, as it can what it may write."""
    binds = [powers.parse(power) for power in granted if power.startswith("host-bind=")]
    writable = [power.value for power in binds if not power.read_only]
    return [p for p in binds if not any(powers.is_below(p.value, folder) for folder in writable)]


def _real(granted: powers.Power) -> powers.Power:
    return granted._replace(value=os.path.realpath(granted.value))
