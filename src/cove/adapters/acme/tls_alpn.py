"""The challenge `tls-alpn-01` (RFC 8737), which the protocol's library no longer carries.

Imported by the child only.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from acme import challenges
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from josepy.jwk import JWK

from cove.adapters.acme.x509 import new_key, private_pem

_ACME_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # RFC 8737, 3
_OCTET_STRING: Final = b"\x04\x20"  # DER: an octet string of 32 bytes
_LIFETIME: Final = timedelta(days=1)


@challenges.ChallengeResponse.register
class TLSALPN01Response(challenges.KeyAuthorizationChallengeResponse):
    """The answer that tells the authority to look."""

    typ = "tls-alpn-01"


@challenges.Challenge.register
class TLSALPN01(challenges.KeyAuthorizationChallenge):
    """The challenge as the authority offers it."""

    typ = "tls-alpn-01"
    response_cls = TLSALPN01Response

    def validation(self, account_key: JWK, **_: Any) -> str:
        """What the certificate's digest is taken of."""
        return self.key_authorization(account_key)


def challenge_certificate(domain: str, authorization: str) -> tuple[str, str]:
    """The self-signed certificate that proves a key authorization, and its key; both PEM."""
    key = new_key()
    name = x509.Name([])
    now = datetime.now(UTC)
    digest = _OCTET_STRING + hashlib.sha256(authorization.encode()).digest()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFETIME)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=True)
        .add_extension(x509.UnrecognizedExtension(_ACME_IDENTIFIER, digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private_pem(key)
