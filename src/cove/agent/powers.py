"""Powers over the host: which an app was given, and which its live release uses.

Imported inside `cove.agent` only. That a release which uses more than it was given is not made
live is decided by rollouts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from cove.agent.platform import Parts
from cove.errors import InvalidFile, NotFound
from cove.model import names
from cove.model.suggestions import nearest
from cove.model.views import PowerView

_POWER: Final = re.compile(r"[a-z-]+(=[^\s]+)?")
_LONGEST: Final = 4096 + 32  # characters: PATH_MAX, and a power's own name


def powers_of(parts: Parts, app: str) -> tuple[PowerView, ...]:
    """The app's powers by name; those that its live release uses without having them as well."""
    given = {grant.power: grant for grant in parts.store.grants(app)}
    used = used_powers(parts, app)
    return tuple(
        PowerView(
            power=power,
            granted=power in given,
            used=power in used,
            by=given[power].by if power in given else "",
            at=given[power].at if power in given else 0.0,
        )
        for power in sorted({*given, *used})
    )


def used_powers(parts: Parts, app: str) -> frozenset[str]:
    """What the live release uses; nothing where there is none."""
    record = parts.store.app(app)
    release = parts.store.release(app, record.live) if record and record.live else None
    return frozenset(release.spec.powers if release else ())


def grant(parts: Parts, app: str, powers: Sequence[str], by: str) -> tuple[str, ...]:
    """Gives powers; those that are new. Raises InvalidFile, nothing being given then."""
    _check_app(app)
    wanted = [_checked(power) for power in dict.fromkeys(powers)]
    had = {grant.power for grant in parts.store.grants(app)}
    new = tuple(power for power in wanted if power not in had)
    for power in new:
        parts.store.grant(app, power, by)
        text = f"given {power}, by {by or 'somebody'}"
        parts.happenings.record("power", text, app=app, data={"power": power})
    return new


def revoke(parts: Parts, app: str, powers: Sequence[str], by: str) -> tuple[str, ...]:
    """Takes powers away; returns them.

    Raises InvalidFile and NotFound, nothing being taken then.
    """
    _check_app(app)
    wanted = [_checked(power) for power in dict.fromkeys(powers)]
    had = [grant.power for grant in parts.store.grants(app)]
    for power in wanted:
        if power not in had:
            near = nearest(power, had)
            raise NotFound(
                f"{app} was not given {power}{near}", hint=f"what it has: cove allow {app}"
            )
    for power in wanted:
        parts.store.revoke(app, power)
        text = f"{power} was taken away, by {by or 'somebody'}"
        parts.happenings.record("power", text, app=app, data={"power": power})
    return tuple(wanted)


def _check_app(app: str) -> None:
    if not names.matches(names.APP, app):
        raise InvalidFile(
            f"{app[:80]!r} cannot be an app's name (small letters, digits, dashes)", code="usage"
        )


def _checked(power: str) -> str:
    """The power as it is recorded. Raises InvalidFile (`power`)."""
    if len(power) > _LONGEST or not names.matches(_POWER, power):
        raise InvalidFile(
            f"{power[:80]!r} is no power over the host",
            code="power",
            hint="write it as the refusal of the app file does, such as host-bind=/srv/data",
        )
    return power
