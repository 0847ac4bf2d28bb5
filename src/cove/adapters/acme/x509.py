"""Keys, and what a certificate says of itself. Imported by the child only."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cove.model.certificates import CertFacts


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key: accepted by every authority and client, and quick to handshake with."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The key in PKCS 8, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def facts_of(domain: str, chain: str) -> CertFacts:
    """What the first certificate of a chain says. Raises ValueError where there is none."""
    leaf = x509.load_pem_x509_certificates(chain.encode())[0]
    return CertFacts(
        domain=domain,
        issuer=_issuer(leaf),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        serial=f"{leaf.serial_number:x}",
        fingerprint=hashlib.sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest(),
        names=_names(leaf),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))


def _issuer(certificate: x509.Certificate) -> str:
    """The organisation and the common name: `Let's Encrypt R11`."""
    found = [
        str(attribute.value)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        for attribute in certificate.issuer.get_attributes_for_oid(oid)[:1]
    ]
    return " ".join(found) or certificate.issuer.rfc4514_string()
