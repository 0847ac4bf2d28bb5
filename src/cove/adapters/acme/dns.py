"""Records that prove a name to an authority (dns-01): written, awaited, taken away again.

Imported by the child only. Two ways to write: DigitalOcean's API, and RFC 2136 updates signed
with TSIG, which BIND, Knot, PowerDNS, Windows and many hosted services take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.tsig
import dns.tsigkeyring
import dns.update
import requests

from cove.adapters.acme.failures import DnsFailed
from cove.model.certificates import AcmeSettings, DnsSettings, split_server

_TTL: Final = 30  # seconds; DigitalOcean's least
_SEEN_WITHIN: Final = 180.0
_POLL: Final = 2.0
_TIMEOUT: Final = 15.0
_DIGITALOCEAN: Final = "https://api.digitalocean.com"
_OK, _MISSING, _DENIED = 200, 404, 401


@dataclass(frozen=True)
class DnsRecord:
    """A TXT record: its full name without the last dot, and its text."""

    name: str
    text: str


@contextmanager
def published(records: Sequence[DnsRecord], settings: AcmeSettings) -> Iterator[None]:
    """Inside the block the records can be seen by everybody. Raises DnsFailed."""
    if not records:
        yield
        return
    if settings.dns is None:
        raise DnsFailed("a wildcard needs a DNS provider, and none is set")
    resolver = resolver_for(settings.dns_server)
    write = _WRITERS[settings.dns.provider]
    with ExitStack() as stack:
        for record in records:
            aliased = DnsRecord(_aliased(record.name, resolver), record.text)
            stack.callback(write(aliased, settings.dns, resolver))
        for record in records:
            _await_seen(record, resolver, direct=not settings.dns_server)
        yield


def resolver_for(server: str) -> dns.resolver.Resolver:
    """The system's resolver, or one server given as an address or address:port."""
    if not server:
        return dns.resolver.Resolver()
    resolver = dns.resolver.Resolver(configure=False)
    address, port = split_server(server)
    resolver.nameservers = [address]
    resolver.port = port
    return resolver


def _aliased(name: str, resolver: dns.resolver.Resolver) -> str:
    """Where a CNAME leads the challenge's name: many keep a zone of its own for it."""
    with suppress(dns.exception.DNSException):
        answer = resolver.resolve(name, "CNAME", raise_on_no_answer=False)
        for target in answer:
            return str(target.target).rstrip(".")
    return name


def _await_seen(record: DnsRecord, resolver: dns.resolver.Resolver, *, direct: bool) -> None:
    """Waits until the zone's own servers, or the one that was set, tell the record."""
    deadline = time.monotonic() + _SEEN_WITHIN
    asked = _authoritative(record.name, resolver) if direct else [resolver]
    while not all(_tells(one, record) for one in asked):
        if time.monotonic() > deadline:
            raise DnsFailed(f"the record {record.name} was written, but no server tells it")
        time.sleep(_POLL)


def _authoritative(name: str, resolver: dns.resolver.Resolver) -> list[dns.resolver.Resolver]:
    zone = dns.resolver.zone_for_name(name, resolver=resolver)
    found = []
    for server in resolver.resolve(zone, "NS"):
        with suppress(dns.exception.DNSException):
            for address in resolver.resolve(server.target, "A"):
                one = dns.resolver.Resolver(configure=False)
                one.nameservers = [str(address)]
                found.append(one)
    return found or [resolver]


def _tells(resolver: dns.resolver.Resolver, record: DnsRecord) -> bool:
    try:
        answer = resolver.resolve(record.name, "TXT", lifetime=_TIMEOUT)
    except dns.exception.DNSException:
        return False
    texts = [b"".join(data.strings).decode(errors="replace") for data in answer]
    return record.text in texts


def _rfc2136(
    record: DnsRecord, settings: DnsSettings, resolver: dns.resolver.Resolver
) -> Callable[[], None]:
    host, port = split_server(settings.server)
    address = _address(host, resolver)
    keyring = dns.tsigkeyring.from_text({settings.key_name: settings.secret})
    name = dns.name.from_text(record.name)
    zone = _zone(name, address, port)

    def send(change: Callable[[dns.update.UpdateMessage], None]) -> None:
        message = dns.update.UpdateMessage(
            zone, keyring=keyring, keyalgorithm=dns.name.from_text(settings.algorithm)
        )
        change(message)
        try:
            answer = dns.query.tcp(message, address, port=port, timeout=_TIMEOUT)
        except (dns.exception.DNSException, OSError) as error:
            raise DnsFailed(f"{settings.server} did not take the record: {error}") from error
        if answer.rcode() != dns.rcode.NOERROR:
            code = dns.rcode.to_text(answer.rcode())
            raise DnsFailed(f"{settings.server} refused the record {record.name}: {code}")

    quoted = f'"{record.text}"'
    send(lambda message: message.add(name, _TTL, "TXT", quoted))
    return lambda: _quietly(lambda: send(lambda message: message.delete(name, "TXT", quoted)))


def _address(host: str, resolver: dns.resolver.Resolver) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return str(resolver.resolve(host, "A")[0])


def _zone(name: dns.name.Name, address: str, port: int) -> dns.name.Name:
    """The zone of the name, asked of the server that keeps it: the nearest with an SOA."""
    for labels in range(1, len(name.labels) - 1):
        candidate = dns.name.Name(name.labels[labels:])
        query = dns.message.make_query(candidate, "SOA")
        try:
            answer = dns.query.tcp(query, address, port=port, timeout=_TIMEOUT)
        except (dns.exception.DNSException, OSError) as error:
            raise DnsFailed(f"{address}:{port} does not answer: {error}") from error
        if any(one.rdtype == dns.rdatatype.SOA for one in answer.answer):
            return candidate
    raise DnsFailed(f"{address}:{port} keeps no zone for {name.to_text(omit_final_dot=True)}")


def _digitalocean(
    record: DnsRecord, settings: DnsSettings, _: dns.resolver.Resolver
) -> Callable[[], None]:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {settings.secret}"
    base = settings.server or _DIGITALOCEAN
    zone = _digitalocean_zone(session, base, record.name)
    relative = record.name.removesuffix(f".{zone}")
    body: dict[str, Any] = {"type": "TXT", "name": relative, "data": record.text, "ttl": _TTL}
    answer = session.post(f"{base}/v2/domains/{zone}/records", json=body, timeout=_TIMEOUT)
    number = _checked(answer)["domain_record"]["id"]
    place = f"{base}/v2/domains/{zone}/records/{number}"
    return lambda: _quietly(lambda: session.delete(place, timeout=_TIMEOUT))


def _digitalocean_zone(session: requests.Session, base: str, name: str) -> str:
    labels = name.split(".")
    for index in range(1, len(labels) - 1):
        zone = ".".join(labels[index:])
        answer = session.get(f"{base}/v2/domains/{zone}", timeout=_TIMEOUT)
        if answer.status_code == _OK:
            return zone
        if answer.status_code != _MISSING:
            _checked(answer)
    raise DnsFailed(f"the DigitalOcean account keeps no domain for {name}")


def _checked(answer: requests.Response) -> Any:
    if answer.status_code == _DENIED:
        raise DnsFailed("DigitalOcean does not accept the token")
    if not answer.ok:
        raise DnsFailed(f"DigitalOcean answered with status {answer.status_code}")
    return answer.json()


def _quietly(act: Callable[[], object]) -> None:
    """A record left behind proves nothing to anybody: not worth failing for."""
    with suppress(DnsFailed, requests.RequestException, dns.exception.DNSException, OSError):
        act()


_WRITERS: Final = {"digitalocean": _digitalocean, "rfc2136": _rfc2136}
