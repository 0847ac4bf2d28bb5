"""Readers of the keys that are cove's own: name, image, health, rollout. Used by this package."""

from __future__ import annotations

import re
from typing import Any, Final

from cove.appfile.options import command
from cove.appfile.problems import quote
from cove.appfile.scalars import boolean, duration, integer, list_of, matching, one_of, port, word
from cove.appfile.value import Value, each, fields
from cove.model import names
from cove.model.access import ACCESS_LOGS
from cove.model.app import Health, PullPolicy, RolloutPolicy

_MAX_IMAGE: Final = 512
# RFC 3986 path and query, without what would end a request line.
_CHECK_PATH: Final = re.compile(names.PATH.pattern + r"(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?")
_MAX_PATH: Final = 1024
_LEAST_INTERVAL: Final = 0.05  # seconds; each check asks Docker too
# cove's own tags, each of which keeps a release of one app from being pruned.
_OWN_IMAGE: Final = re.compile(r"cove(?:-[0-9a-f]+)?\.local/.*")
_ID: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_STATUS: Final = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
APP_NAME: Final = "lower-case letters, digits and dashes, 40 at most"


def app_name(value: Value) -> str:
    """The app's name: a Compose project and a DNS label at once."""
    found = value.text("a name")
    if not names.matches(names.APP, found):
        better = re.sub(r"[^a-z0-9]+", "-", found.lower()[:40]).strip("-")
        advice = f": write {quote(better)}" if better and not value.interpolated else ""
        raise value.invalid(f"must be {APP_NAME}{advice}")
    return found


def image(value: Value) -> str:
    """A reference to an image, as `docker pull` takes it."""
    found = value.text("an image")
    if len(found) > _MAX_IMAGE or not names.matches(names.IMAGE, found):
        lower = found.lower()
        if len(found) <= _MAX_IMAGE and names.matches(names.IMAGE, lower):
            advice = "" if value.interpolated else f": write {quote(lower)}"
            raise value.invalid(f"an image's name must be lower case{advice}")
        raise value.invalid(
            f'must be an image such as "ghcr.io/acme/shop:1.4", not {value.shown()}'
        )
    if _OWN_IMAGE.fullmatch(found):
        raise value.invalid("is cove's own name for an app's release; name the image itself")
    if _ID.fullmatch(found):
        raise value.invalid("is an image's ID; name the image, or give it a name with docker tag")
    return found


def pull_policy(value: Value) -> PullPolicy:
    """When the registry is asked."""
    found = one_of("always", "missing", "if_not_present", "never", "build")(value)
    match found:
        case "build":
            raise value.invalid("cove runs images and builds none")
        case "always" | "never":
            return found
        case _:
            return "missing"


def health(value: Value) -> Health:
    """A path, or a mapping with more."""
    if value.is_mapping:
        return Health(**fields(value, _HEALTH))
    return Health(path=_check_path(value))


def _check_path(value: Value) -> str:
    found = value.text('a path such as "/healthz"')
    if not found.startswith("/"):
        raise value.invalid('must start with "/"')
    if len(found) > _MAX_PATH or not _CHECK_PATH.fullmatch(found):
        raise value.invalid(f"{value.shown()} is not a URL's path; encode other characters as %XX")
    return found


def _statuses(value: Value) -> tuple[tuple[int, int], ...]:
    ranges = [found for _, found in each(value.one_or_many("a status or a list"), _status)]
    if value.is_list and not value.items():
        raise value.invalid("must name a status")
    return tuple(ranges)


def _status(value: Value) -> tuple[int, int]:
    match = _STATUS.fullmatch(word(value))
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise value.invalid(f'must be a status such as 200 or "200-299", not {value.shown()}')
    return first, last


_HEALTH: Final = {
    "path": _check_path,
    "port": port,
    "interval": duration(least=_LEAST_INTERVAL, longest=3600),
    "timeout": duration(longest=3600),
    "status": _statuses,
}


def rollout(value: Value) -> RolloutPolicy:
    """How the service is replaced."""
    return RolloutPolicy(**fields(value, _ROLLOUT))


def _before(value: Value) -> tuple[str, ...]:
    found = tuple(command(value))
    if not found or not found[0]:
        raise value.invalid("must name a command")
    return found


_ROLLOUT: Final[dict[str, Any]] = {
    "order": one_of("start-first", "stop-first"),
    "timeout": duration(longest=3600),
    "drain": duration(zero=True),
    "settle": duration(zero=True, longest=3600),
    "before": _before,
    "before_timeout": duration(longest=3600),
}

profile = matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "a profile's name")
profiles = list_of(profile, "a list of profiles")
replicas = integer(1, 10)

# The app's own part of a Compose file, under `x-cove` at the top.
access_log = one_of(*ACCESS_LOGS)
X_COVE_APP: Final[dict[str, Any]] = {
    "name": app_name,
    "access_log": access_log,
    "profiles": profiles,
}
_OF_SERVICE: Final = "belongs to a service: services.NAME.x-cove"
X_COVE_APP_REFUSED: Final = dict.fromkeys(
    ("domain", "routes", "port", "tls", "health", "rollout", "replicas", "publish"), _OF_SERVICE
)


def app_extension(value: Value) -> dict[str, Any]:
    """`x-cove` at the top of a file."""
    return fields(value, X_COVE_APP, refused=X_COVE_APP_REFUSED)


def publish(value: Value) -> bool:
    """Whether the ports of a service are published; the proxy needs them not to be."""
    return boolean(value)
