"""The strict patterns a name must match before it reaches a command, a path, a rule or a label.

Any layer may import it.
"""

from __future__ import annotations

import re
from typing import Final

# A Compose project and a DNS label at once: lower case, digits, dashes; `cove-` and a release
# suffix must still fit Docker's and DNS's 63 characters.
APP: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
SERVICE: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
# RFC 1123 host names; each label up to 63 characters.
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# One label may be anything: `*.` and a host name of at least two labels.
WILDCARD: Final = re.compile(rf"\*(?:\.{_LABEL}){{2,}}")
# RFC 3986 path characters, without the quote, backtick and braces that mean something to Traefik.
PATH: Final = re.compile(r"/(?:[A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VOLUME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
# docker/distribution's reference grammar, reduced to what cove accepts.
IMAGE: Final = re.compile(
    r"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?"
)
_ANY: Final = "_wildcard."  # no domain holds an underscore
MAX_DOMAIN: Final = 253  # RFC 1035, 2.3.4


def matches(pattern: re.Pattern[str], text: str) -> bool:
    """Whether the whole of `text` matches; a trailing newline is not forgiven."""
    return pattern.fullmatch(text) is not None


def is_wildcard(domain: str) -> bool:
    """Whether the domain stands for every name one label below it."""
    return domain.startswith("*.")


def covers(pattern: str, domain: str) -> bool:
    """Whether a name of a certificate, wildcard or not, holds for a domain (RFC 6125, 6.4.3)."""
    if not is_wildcard(pattern) or is_wildcard(domain):
        return pattern == domain
    return domain.partition(".")[2] == pattern.removeprefix("*.")


def file_stem(domain: str) -> str:
    """The domain as the beginning of a file's name."""
    return f"{_ANY}{domain.removeprefix('*.')}" if is_wildcard(domain) else domain


def domain_of(stem: str) -> str:
    """The domain whose files begin so."""
    return f"*.{stem.removeprefix(_ANY)}" if stem.startswith(_ANY) else stem


def example_of(domain: str) -> str:
    """A host name that the domain stands for: itself, or one that the wildcard covers."""
    return f"any.{domain.removeprefix('*.')}" if is_wildcard(domain) else domain


def before_service(service: str, release: int) -> str:
    """The Compose service that runs a service's `before` command for one release."""
    return f"{container_service(service, release, 1, 1)}-before"


def container_service(service: str, release: int, replica: int, replicas: int) -> str:
    """The Compose service that carries one replica of a routed service in one release."""
    base = f"{service}-r{release}"
    return base if replicas == 1 else f"{base}-{replica}"
