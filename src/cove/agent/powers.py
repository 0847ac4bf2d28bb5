"""Powers over the host: which an app was given, and which its live release uses.

Imported inside `cove.agent` only. That a release which uses more than it was given is not made
live is decided by rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence

from cove.agent.platform import Parts
from cove.errors import InvalidFile, NotFound
from cove.model import names, powers
from cove.model.suggestions import nearest
from cove.model.views import PowerView


def powers_of(parts: Parts, app: str) -> tuple[PowerView, ...]:
    """The app's powers by name; those that its live release uses without having them as well.

    A power counts as used when the release uses it or a smaller one that it includes.
    """
    given = parts.store.grants(app)
    used = sorted(used_powers(parts, app))
    views = [
        PowerView(
            power=one.power,
            granted=True,
            used=any(powers.covers((one.power,), power) for power in used),
            by=one.by,
            at=one.at,
        )
        for one in given
    ]
    lacking = powers.missing((one.power for one in given), used)
    views += [PowerView(power=power, granted=False, used=True) for power in lacking]
    return tuple(sorted(views, key=lambda view: view.power))


def used_powers(parts: Parts, app: str) -> frozenset[str]:
    """What the live release uses; nothing where there is none."""
    record = parts.store.app(app)
    release = parts.store.release(app, record.live) if record and record.live else None
    return frozenset(release.spec.powers if release else ())


def grant(parts: Parts, app: str, wanted: Sequence[str], by: str) -> tuple[str, ...]:
    """Gives powers; returns those that are new. Raises InvalidFile, nothing being given then."""
    _check_app(app)
    spelled = list(dict.fromkeys(str(powers.parse(power)) for power in wanted))
    had = {grant.power for grant in parts.store.grants(app)}
    new = tuple(power for power in spelled if power not in had)
    for power in new:
        parts.store.grant(app, power, by)
        text = f"given {power}, by {by or 'somebody'}"
        parts.happenings.record("power", text, app=app, data={"power": power})
    return new


def revoke(parts: Parts, app: str, wanted: Sequence[str], by: str) -> tuple[str, ...]:
    """Takes powers away; returns them.

    Raises InvalidFile and NotFound, nothing being taken then.
    """
    _check_app(app)
    spelled = list(dict.fromkeys(str(powers.parse(power)) for power in wanted))
    had = [grant.power for grant in parts.store.grants(app)]
    for power in spelled:
        if power not in had:
            near = nearest(power, had)
            raise NotFound(
                f"{app} was not given {power}{near}", hint=f"what it has: cove allow {app}"
            )
    for power in spelled:
        parts.store.revoke(app, power)
        text = f"{power} was taken away, by {by or 'somebody'}"
        parts.happenings.record("power", text, app=app, data={"power": power})
    return tuple(spelled)


def _check_app(app: str) -> None:
    if not names.matches(names.APP, app):
        raise InvalidFile(
            f"{app[:80]!r} cannot be an app's name (small letters, digits, dashes)", code="usage"
        )
