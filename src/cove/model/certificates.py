"""Certificates and how they are obtained. Any layer may import it.

Times are seconds since the epoch.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal

from msgspec import Struct

CertSource = Literal["local", "acme", "own"]
ChallengeKind = Literal["http", "tls"]
DnsProvider = Literal["digitalocean", "rfc2136"]
# pending: the name does not reach this machine yet. waiting: the CA said no; tried again later.
Obstacle = Literal["", "pending", "waiting"]

_DNS_PORT = 53
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


class CertFacts(Struct, frozen=True, kw_only=True):
    """What a certificate says of itself; the fingerprint is SHA-256, in hex."""

    domain: str  # which it was obtained for
    issuer: str
    not_before: float
    not_after: float
    serial: str  # hex
    fingerprint: str
    names: tuple[str, ...] = ()  # every name it covers


class Pair(Struct, frozen=True, kw_only=True):
    """A certificate with its chain, and its key, in PEM."""

    chain: str
    key: str
    facts: CertFacts

    def __repr__(self) -> str:
        return f"Pair({self.facts.domain!r})"


class DnsSettings(Struct, frozen=True, kw_only=True):
    """How records are written into the DNS. `secret` is the token or the TSIG key, in Base64."""

    provider: DnsProvider
    server: str = ""  # rfc2136: host:port; digitalocean: another address of its API
    key_name: str = ""  # of the TSIG key
    algorithm: str = "hmac-sha256"
    secret: str = ""

    def __repr__(self) -> str:
        return f"DnsSettings({self.provider!r})"


class AcmeSettings(Struct, frozen=True, kw_only=True):
    """The public certificate authority and how it is spoken to. The default: Let's Encrypt."""

    directory: str = LETS_ENCRYPT
    email: str = ""
    challenge: ChallengeKind = "http"
    eab_kid: str = ""
    eab_hmac: str = ""  # Base64url, as authorities hand it out
    roots: str = ""  # PEM of the authorities that the directory itself is believed with; empty: all
    gate: bool = True
    http_port: int = 80  # where the authority validates; others only for private ones
    tls_port: int = 443
    dns_server: str = ""  # address or address:port; empty: the system's
    dns: DnsSettings | None = None

    def __repr__(self) -> str:
        return f"AcmeSettings({self.directory!r})"


class CertProgress(Struct, frozen=True, kw_only=True):
    """What is remembered of the attempts at one domain, across restarts."""

    domain: str
    obstacle: Obstacle = ""
    failures: int = 0  # of the authority, in a row; the gate's cost nobody anything
    next_try: float = 0.0
    last_try: float = 0.0
    error: str = ""
    hint: str = ""


class Challenge(Struct, frozen=True, kw_only=True):
    """What must be answered under a domain for the authority to believe that it is ours.

    For `http` the content at the token's place; for `tls` a certificate with its key, in PEM.
    """

    kind: ChallengeKind
    domain: str
    token: str = ""
    content: str = ""
    chain: str = ""
    key: str = ""


class Order(Struct, frozen=True, kw_only=True):
    """One certificate for one name, asked of the authority of the settings."""

    domain: str
    settings: AcmeSettings


class Outcome(Struct, frozen=True, kw_only=True):
    """How an order ended: with a pair, or with what went wrong and what to do about it."""

    pair: Pair | None = None
    error: str = ""
    hint: str = ""
    retry_after: float = 0.0  # seconds the authority asked to be left alone for


class Served(Struct, frozen=True, kw_only=True):
    """One line of `cove certs`, before it is shown."""

    domain: str
    apps: tuple[str, ...]
    source: CertSource
    facts: CertFacts | None = None
    progress: CertProgress | None = None
    busy: bool = False


def split_server(server: str) -> tuple[str, int]:
    """The address and the port of `192.0.2.1`, `192.0.2.1:5353` or `[2001:db8::1]:53`."""
    try:
        ip_address(server)
    except ValueError:
        address, _, port = server.rpartition(":")
        return address.strip("[]"), int(port)
    return server, _DNS_PORT
