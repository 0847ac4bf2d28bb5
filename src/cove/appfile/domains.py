"""Readers of what reaches the proxy's rules: domains and paths. Imported by this package alone.

What passes here is safe inside a Traefik rule: no quote, backtick, brace or white space.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from cove.appfile.problems import quote
from cove.appfile.value import Value
from cove.model import names

_SCHEME: Final = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://")
_PORT: Final = re.compile(r":[0-9]*$")
_MAX_LABEL: Final = 63  # RFC 1035, 2.3.4
_MAX_PATH: Final = 1024
_LONGEST_READ: Final = 2048  # characters of a domain that are looked at more closely


def domain(value: Value) -> str:
    """A host name in the one spelling the proxy matches: lower case, ASCII, no trailing dot.

    Or a wildcard: `*.` and a host name.
    """
    found = value.text("a domain")
    reason = _wrong(found)
    if not reason:
        return found
    better = "" if value.interpolated else _corrected(found)
    advice = f": write {quote(better)}" if better else ""
    raise value.invalid(f"{value.shown()} {reason}{advice}")


def path(value: Value) -> str:
    """A path prefix as RFC 3986 spells it, without a slash at the end."""
    found = value.text("a path")
    if not found.startswith("/"):
        raise value.invalid('must start with "/"')
    if "{{" in found or "}}" in found:
        raise value.invalid('must not contain "{{" or "}}"')
    if len(found) > _MAX_PATH:
        raise value.invalid(f"must not be longer than {_MAX_PATH} characters")
    if not names.matches(names.PATH, found):
        raise value.invalid(f"{value.shown()} is not a URL's path; encode other characters as %XX")
    if any(part in {"", ".", ".."} for part in found[1:].split("/")) and found != "/":
        raise value.invalid(_untidy(found, value))
    return found


def _untidy(found: str, value: Value) -> str:
    tidy = "/" + "/".join(part for part in found.split("/") if part)
    if ".." in found.split("/") or "." in found.split("/"):
        return 'must not contain "." or ".." as a part'
    advice = "" if value.interpolated else f": write {quote(tidy)}"
    return f'must not have "//" within or "/" at the end{advice}'


def _wrong(found: str) -> str:
    """Why a text is no domain; empty when it is one."""
    if len(found) > _LONGEST_READ:
        return f"is longer than {names.MAX_DOMAIN} characters"
    checks = (
        (not found, "must not be empty"),
        ("{{" in found or "}}" in found, 'must not contain "{{" or "}}"'),
        (bool(_SCHEME.match(found)), "must be a bare domain, without a scheme"),
        (_is_address(found), "is an IP address; a route needs a domain"),
        ("/" in found, "must be a bare domain; a path goes into routes"),
        (":" in found, "must be a bare domain; the container's port goes into port"),
        (
            "*" in found and not names.matches(names.WILDCARD, found),
            'must have "*" only in "*." before a domain of two parts',
        ),
        (not found.isascii(), "must be in ASCII, as DNS has it"),
        (found != found.lower(), "must be lower case"),
        (found.endswith("."), "must not end in a dot"),
        (len(found) > names.MAX_DOMAIN, f"is longer than {names.MAX_DOMAIN} characters"),
        (_long_label(found), f"has a part longer than {_MAX_LABEL} characters"),
        ("_" in found, "must not contain an underscore"),
        (not names.matches(names.DOMAIN, found.removeprefix("*.")), "is not a domain"),
        (found.rpartition(".")[2].isdecimal(), "must not end in a number"),
    )
    return next((reason for wrong, reason in checks if wrong), "")


def _is_address(found: str) -> bool:
    bare = _PORT.sub("", found) if found.count(":") == 1 else found
    try:
        ipaddress.ip_address(bare.strip("[]"))
    except ValueError:
        return False
    return True


def _long_label(found: str) -> bool:
    return any(len(label) > _MAX_LABEL for label in found.split("."))


def _corrected(found: str) -> str:
    """The domain that was probably meant; empty when none can be told."""
    bare = _SCHEME.sub("", found[:_LONGEST_READ], count=1).partition("/")[0].strip()
    bare = _PORT.sub("", bare).rstrip(".").lower()
    try:
        bare = bare.encode("idna").decode("ascii") if not bare.isascii() else bare
    except UnicodeError:
        return ""
    return bare if not _wrong(bare) else ""
