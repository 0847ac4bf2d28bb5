"""Routes as the file has them, short (`domain`) and long (`routes`). Used by this package alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cove.appfile.domains import domain, path
from cove.appfile.paths import beside
from cove.appfile.problems import quote
from cove.appfile.scalars import boolean, one_of, port
from cove.appfile.value import Value, each, fields
from cove.model import names
from cove.model.app import EnvValue, OwnCertificate, Route, Tls

_LATER: Final = "is not supported yet"
REFUSED: Final = {
    "allow": _LATER,
    "basic_auth": _LATER,
    "headers": _LATER,
    "rate_limit": _LATER,
    "rule": _LATER,
    "service": "is not needed: a route leads to the service that it stands with",
}
_PARTS: Final = 2  # of a certificate: itself and its key
_tls_word = one_of("auto", "local", "off")
_MOST: Final = 500  # domains of one app: each costs a certificate and two of the proxy's routers


@dataclass(frozen=True, slots=True)
class Claim:
    """A (domain, path) that a route takes, and the value that says so."""

    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class Draft:
    """A route before the file's defaults have been applied."""

    settings: dict[str, Any]
    claims: tuple[Claim, ...]

    def route(self, service: str, default_port: int, default_tls: Tls | OwnCertificate) -> Route:
        """The route, led to `service`."""
        settings = {"port": default_port, "tls": default_tls, **self.settings}
        if isinstance(settings["tls"], OwnCertificate):
            settings |= {"tls": "own", "certificate": settings["tls"]}
        return Route(service=service, **settings)


def tls(value: Value) -> Tls | OwnCertificate:
    """Where a route's certificate comes from, or the certificate itself."""
    if not value.is_mapping:
        return _tls_word(value)  # type: ignore[return-value]
    read = fields(value, {"cert": _pem_file, "key": _pem_file}, required=("cert", "key"))
    if len(read) < _PARTS:
        raise value.already_reported()
    return OwnCertificate(chain=read["cert"], key=EnvValue(read["key"], sensitive=True))


def _pem_file(value: Value) -> str:
    """The text of a file that was sent along."""
    path = beside(value)
    found = value.reading.files.get(path)
    if found is None:
        raise value.invalid(f"the file {quote(path)} was not found")
    if "-----BEGIN " not in found:
        raise value.invalid(f"{value.shown()} is not a file in PEM form")
    return found


def domains(value: Value) -> list[Draft]:
    """The short form: each domain a route of its own."""
    read = each(_not_too_many(value.one_or_many("a domain or a list of domains"), value), domain)
    _check_not_empty(value)
    return [Draft({"domain": found}, (Claim(f"{found}/", item),)) for item, found in read]


def routes(value: Value) -> list[Draft]:
    """The long form: a list of mappings."""
    items = _not_too_many(value.items('a list such as "- domain: …"'), value)
    drafts = [draft for _, draft in each(items, _route)]
    _check_not_empty(value)
    return [draft for draft in drafts if draft is not None]


def _not_too_many(items: tuple[Value, ...], value: Value) -> tuple[Value, ...]:
    if len(items) > _MOST:
        raise value.invalid(f"names {len(items)} domains; {_MOST} is the most")
    return items


def _check_not_empty(value: Value) -> None:
    if value.is_list and not value.items():
        raise value.invalid("must name a domain; leave the key out where there is none")


def _route(value: Value) -> Draft | None:
    read = fields(
        value, _FIELDS, refused=REFUSED, required=("domain",), wanted="a mapping with a domain"
    )
    if any(key not in read and not child.null for key, child in _claiming(value)):
        return None  # what a half-read route claims cannot be told
    if "domain" not in read:
        return None
    redirects = read.pop("redirect_from", [])
    claimed = Claim(f"{read['domain']}{read.get('path', '/')}", value)
    for item, found in redirects:
        if names.is_wildcard(read["domain"]):
            text = "leads to a wildcard, which is not one address"
            item.reading.problems.add(item.node.at, item.path, text)
        if found == read["domain"]:
            item.reading.problems.add(item.node.at, item.path, "redirects the domain to itself")
    claims = [Claim(f"{found}/", item) for item, found in redirects if found != read["domain"]]
    read["redirect_from"] = tuple(found for _, found in redirects)
    return Draft(read, (claimed, *claims))


def _claiming(value: Value) -> list[tuple[str, Value]]:
    return [(key, child) for key, child in value.entries().items() if key in {"domain", "path"}]


def _redirects(value: Value) -> list[tuple[Value, str]]:
    several = value.one_or_many("a domain or a list of domains")
    return each(_not_too_many(several, value), _one_domain)


def _one_domain(value: Value) -> str:
    found = domain(value)
    if names.is_wildcard(found):
        raise value.invalid("cannot be a wildcard; name each domain")
    return found


_FIELDS: Final = {
    "domain": domain,
    "path": path,
    "strip_path": boolean,
    "port": port,
    "redirect_from": _redirects,
    "tls": tls,
}


def report_clashes(drafts: list[Draft]) -> None:
    """Records every (domain, path) that the file claims twice, and that it claims too many."""
    first: dict[str, Claim] = {}
    claims = [claim for draft in drafts for claim in draft.claims]
    if len(claims) > _MOST:
        _not_too_many(tuple(claim.value for claim in claims), claims[_MOST].value)
    for claim in claims:
        earlier = first.setdefault(claim.key, claim)
        if earlier is not claim:
            text = f"{quote(claim.key)} is claimed twice, first by {earlier.value.path}"
            value = claim.value
            value.reading.problems.add(value.node.at, value.path, text)
