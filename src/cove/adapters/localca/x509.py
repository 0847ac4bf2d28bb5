"""The certificates themselves: what stands in the root, in a leaf and in the proxy's default.

Only `issue` and tests import it: it loads the cryptography library. Times are seconds since the
epoch.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cove.adapters.localca.files import DAY, CertFacts, fingerprint
from cove.model.app import LOCAL_SUFFIXES

Key = ec.EllipticCurvePrivateKey

ROOT_DAYS: Final = 3652  # ten years
LEAF_DAYS: Final = 90
NOBODY: Final = "cove.invalid"  # RFC 2606 keeps .invalid from ever being a real name
_SKEW: Final = timedelta(hours=1)  # clients whose clock is late
_MAX_COMMON_NAME: Final = 64  # RFC 5280, ub-common-name


class Root(NamedTuple):
    """The authority, ready to sign."""

    key: Key
    certificate: x509.Certificate
    pem: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its certificate, in hex."""
        return fingerprint(self.pem.decode("ascii"))

    def covers(self, now: float) -> bool:
        """Whether it is valid now and for as long as a leaf made now."""
        first = self.certificate.not_valid_before_utc.timestamp()
        last = self.certificate.not_valid_after_utc.timestamp()
        return first <= now and now + LEAF_DAYS * DAY <= last


def new_key() -> Key:
    """A key on the curve that every TLS client knows."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """The key as PKCS #8, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def new_root(key: Key, host: str, now: float) -> Root:
    """An authority that clients believe only for local names.

    Whoever steals its key can impersonate no public site: names outside the permitted trees are
    refused by the client, and so is any IP address, which a constraint on names alone leaves open.
    """
    name = _name(f"cove local CA {host}")
    builder = _builder(name, name, key.public_key(), now, ROOT_DAYS)
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(suffix.lstrip(".")) for suffix in LOCAL_SUFFIXES],
        excluded_subtrees=[
            x509.IPAddress(IPv4Network("0.0.0.0/0")),
            x509.IPAddress(IPv6Network("::/0")),
        ],
    )
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
    )
    return _root(key, builder.sign(key, hashes.SHA256()))


def load_root(key: Key, pem: bytes) -> Root | None:
    """The authority from its files; None unless they belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return None
    return _root(key, certificate) if certificate.public_key() == key.public_key() else None


def leaf(domain: str, key: Key, root: Root, now: float) -> bytes:
    """A server's certificate for one domain, in PEM."""
    builder = _builder(_name(domain), root.certificate.subject, key.public_key(), now, LEAF_DAYS)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    builder = _server(builder, domain).add_extension(signer, critical=False)
    return _pem(builder.sign(root.key, hashes.SHA256()))


def self_signed(key: Key, now: float) -> bytes:
    """What the proxy shows for names it does not know, in PEM: valid for nobody."""
    builder = _builder(_name(NOBODY), _name(NOBODY), key.public_key(), now, ROOT_DAYS)
    return _pem(_server(builder, NOBODY).sign(key, hashes.SHA256()))


def facts(domain: str, pem: bytes, authority: str) -> CertFacts:
    """What is written beside a certificate; without an authority it is its own."""
    certificate = x509.load_pem_x509_certificate(pem)
    own = fingerprint(pem.decode("ascii"))
    return CertFacts(
        domain=domain,
        issuer=_common_name(certificate.issuer),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        serial=f"{certificate.serial_number:x}",
        fingerprint=own,
        authority=authority or own,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, days: int
) -> x509.CertificateBuilder:
    moment = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _SKEW)
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _server(builder: x509.CertificateBuilder, domain: str) -> x509.CertificateBuilder:
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(purpose, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    # clients read the alternative name; this one is for people, and may be cut
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_MAX_COMMON_NAME])])


def _common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _root(key: Key, certificate: x509.Certificate) -> Root:
    return Root(key, certificate, _pem(certificate))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
