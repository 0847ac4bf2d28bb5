"""Certificates and keys to test with."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


class Maker:
    """Makes a root, an issuer below it and leaves below that; or leaves that sign themselves."""

    def __init__(self) -> None:
        self.root_key, self.issuer_key = _key(), _key()
        self.root = _certificate("root", self.root_key, "root", self.root_key, authority=True)
        self.issuer = _certificate("issuer", self.issuer_key, "root", self.root_key, authority=True)

    def leaf(
        self, *names: str, days: int = 90, begun: int = -1, own: bool = False
    ) -> tuple[str, str]:
        """A server's certificate and its key, in PEM; `own`: signed by itself."""
        key = _key()
        issuer, signer = ("leaf", key) if own else ("issuer", self.issuer_key)
        made = _certificate("leaf", key, issuer, signer, names=names, days=days, begun=begun)
        return pem(made), key_pem(key)


def pem(certificate: x509.Certificate) -> str:
    """A certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: ec.EllipticCurvePrivateKey, password: str = "") -> str:
    """A key as text."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    names: tuple[str, ...] = (),
    days: int = 90,
    begun: int = -1,
    authority: bool = False,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begun * DAY)
        .not_valid_after(NOW + days * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
