"""The ports that certification works with. Imported in this package and by the agent."""

from __future__ import annotations

from msgspec import Struct

from cove.ports import (
    CertificateFiles,
    Issuer,
    LocalCertificates,
    ProxyCertificates,
    PublicSide,
    Store,
)


class CertParts(Struct, frozen=True, kw_only=True):
    """Wired by a composition root."""

    local: LocalCertificates
    files: CertificateFiles
    issuer: Issuer
    public: PublicSide
    proxy: ProxyCertificates
    store: Store
