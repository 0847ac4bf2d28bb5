"""The child that looks at a certificate of the user's own: chain, key, dates, names.

Run as `python -m cove.adapters.certfiles.inspecting`; only tests import it. What others wrote is
parsed here, outside of the resident agent.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from cove.adapters.certfiles.answers import Answer, Question
from cove.model.certificates import CertFacts, Pair
from cove.model.names import covers

_SOON: Final = 21 * 86400.0  # seconds


class _Unfit(Exception):
    """Why a certificate cannot serve, and what to do."""


def look(question: Question, now: float) -> Answer:
    """The pair in the order TLS wants, or why it cannot serve."""
    try:
        found = _certificates(question.chain)
        key = _key(question.key)
        leaf = _leaf(found, key)
        _check_dates(leaf, now)
    except _Unfit as reason:
        return Answer(error=reason.args[0], hint=reason.args[1])
    chain = [leaf, *_issuers(leaf, found)]
    facts = _facts(question.domain, leaf)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pair = Pair(
        chain="".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in chain),
        key=pem.decode(),
        facts=facts,
    )
    return Answer(pair=pair, remarks=tuple(_remarks(question, facts, chain, found, now)))


def main() -> int:
    """Answers one question."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.json.encode(look(question, time.time())))
    return 0


def _certificates(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise _Unfit("is not a certificate in PEM form", _pem_hint(pem)) from error


def _pem_hint(pem: str) -> str:
    if "PRIVATE KEY" in pem:
        return "`cert` names a key; are the two the wrong way round?"
    return (
        "a PEM file holds lines between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----"
    )


def _key(pem: str) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        hint = "take the password off: openssl pkey -in key.pem -out plain.pem"
        raise _Unfit("has a key with a password", hint) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Unfit("has a key that is not in PEM form", "") from error


def _leaf(found: list[x509.Certificate], key: PrivateKeyTypes) -> x509.Certificate:
    for certificate in found:
        if certificate.public_key() == key.public_key():
            return certificate
    raise _Unfit("does not belong to the key", "give the key it was made with")


def _check_dates(leaf: x509.Certificate, now: float) -> None:
    day = "%Y-%m-%d"
    if leaf.not_valid_after_utc.timestamp() <= now:
        ended = leaf.not_valid_after_utc.strftime(day)
        raise _Unfit(f"expired on {ended}", "give a renewed one, or let cove obtain one: tls: auto")
    if leaf.not_valid_before_utc.timestamp() > now:
        begins = leaf.not_valid_before_utc.strftime(day)
        raise _Unfit(f"is not valid before {begins}", "is this machine's clock right?")


def _issuers(leaf: x509.Certificate, found: list[x509.Certificate]) -> Iterator[x509.Certificate]:
    """The chain above the leaf as far as the file has it, without a root: clients have theirs."""
    current, left = leaf, [one for one in found if one != leaf]
    while current.issuer != current.subject:
        issuer = next((one for one in left if _issued(one, current)), None)
        if issuer is None or issuer.issuer == issuer.subject:
            return
        left.remove(issuer)
        yield issuer
        current = issuer


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _remarks(
    question: Question,
    facts: CertFacts,
    chain: list[x509.Certificate],
    found: list[x509.Certificate],
    now: float,
) -> Iterator[str]:
    for name in question.names:
        if not any(covers(pattern, name) for pattern in facts.names):
            listed = ", ".join(facts.names) or "no name"
            yield f"the certificate given for {name} covers {listed}: browsers will refuse it"
    if facts.not_after - now < _SOON:
        ends = datetime.fromtimestamp(facts.not_after, UTC).strftime("%Y-%m-%d")
        yield f"the certificate given for {question.domain} ends on {ends}; cove cannot renew it"
    leaf = chain[0]
    if len(chain) == 1 and leaf.issuer != leaf.subject:
        roots = [one for one in found if one != leaf and _issued(one, leaf)]
        if not roots:
            yield (
                f"the certificate given for {question.domain} comes without its issuer's: some "
                "clients will refuse it; add the chain to the file"
            )


def _facts(domain: str, leaf: x509.Certificate) -> CertFacts:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = tuple(extension.value.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        names = ()
    issuer = [
        str(attribute.value)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        for attribute in leaf.issuer.get_attributes_for_oid(oid)[:1]
    ]
    return CertFacts(
        domain=domain,
        issuer=" ".join(issuer) or leaf.issuer.rfc4514_string(),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        serial=f"{leaf.serial_number:x}",
        fingerprint=hashlib.sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest(),
        names=tuple(name.lower() for name in names),
    )


if __name__ == "__main__":
    sys.exit(main())
