"""What paths of the host really are, once symbolic links are followed.

Imported inside `cove.adapters.host`, and by the machine in memory that tests use.

An app file's paths are compared with grants as written. What lies in a granted folder the app
itself may write, links included, so that the same is asked of real paths before anything is
started. And Docker follows links again at each start, without cove being asked: a path is safe
only where nobody without that power can put a link in its way.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cove.model import powers
from cove.model.app import App, Mount
from cove.model.powers import NestedBind

ReadLink = Callable[[str], str | None]
_MOST_LINKS: Final = 40  # as Linux follows, path_resolution(7)


class Way(NamedTuple):
    """Where a path leads, and the folders in which a name was looked up on the way there."""

    end: str
    through: tuple[str, ...]

    def enters(self, folder: str) -> bool:
        """Whether who may write the folder, a real path, could lead the way elsewhere."""
        return any(one == folder or powers.is_below(one, folder) for one in self.through)


def read_link(path: str) -> str | None:
    """What a symbolic link holds; None for what is none, or is not there."""
    try:
        return str(Path(path).readlink())
    except OSError:
        return None


def way(path: str, link: ReadLink = read_link) -> Way:
    """Follows an absolute path; what does not exist is what it would become."""
    left = [part for part in reversed(path.split("/")) if part]
    at, through, links = "/", [], 0
    while left:
        name = left.pop()
        if name in (".", ".."):
            at = posixpath.dirname(at) if name == ".." else at
            continue
        through.append(at)
        there = posixpath.join(at, name)
        found = link(there) if links < _MOST_LINKS else None
        if found is None:
            at = there
            continue
        links += 1
        at = "/" if found.startswith("/") else at
        left += [part for part in reversed(found.split("/")) if part]
    return Way(at, tuple(dict.fromkeys(through)))


def real_powers_missing(
    spec: App, granted: Iterable[str], beside: Sequence[App] = (), link: ReadLink = read_link
) -> tuple[str, ...]:
    """The powers that an app's mounts of the host really take and that it was not given.

    Grants are followed as well: what was given of `/var/run` holds for `/run` where that is the
    same folder; but not through a path that an app in `beside` may write, unless that app is as
    good as root anyway.
    """
    written = tuple(granted)
    given = (*written, *(str(real) for real in _followed(written, beside, link)))
    wanted = [
        power
        for mount in _binds(spec)
        for power in powers.for_bind(way(mount.source, link).end, read_only=mount.read_only)
    ]
    return powers.missing(given, dict.fromkeys(wanted))


def _followed(
    granted: tuple[str, ...], beside: Sequence[App], link: ReadLink
) -> Iterator[powers.Power]:
    """Where the granted paths lead, but for those that an app can turn into links."""
    binds = [powers.parse(power) for power in granted if power.startswith("host-bind=")]
    writable = {way(power.value, link).end for power in binds if not power.read_only}
    writable |= {f for spec in beside if not _is_root(spec) for f in _writable(spec, link)}
    for power in binds:
        found = way(power.value, link)
        if not any(found.enters(folder) for folder in writable):
            yield power._replace(value=found.end)


def nested_binds(
    spec: App, others: Sequence[App], link: ReadLink = read_link
) -> tuple[NestedBind, ...]:
    """The mounts whose way leads through a folder that a mount may write, of the app or of others.

    An app that is as good as root needs no such way, and keeps no other from its paths.
    """
    pairs = [(spec, spec)]
    pairs += [(spec, other) for other in others if not _is_root(other)]
    pairs += [(other, spec) for other in others if not _is_root(spec)]
    return tuple(
        NestedBind(path=mount.source, app=inner.name, folder=written, writer=outer.name)
        for inner, outer in pairs
        for mount in _binds(inner)
        for folder, written in _writable(outer, link).items()
        if way(mount.source, link).enters(folder)
    )


def _is_root(spec: App) -> bool:
    return not powers.AS_ROOT.isdisjoint(spec.powers)


def _writable(spec: App, link: ReadLink) -> dict[str, str]:
    """What the app may write, by real path, as it is written in its file."""
    return {way(m.source, link).end: m.source for m in _binds(spec) if not m.read_only}


def _binds(spec: App) -> list[Mount]:
    return [m for service in spec.services for m in service.mounts if m.kind == "bind"]
