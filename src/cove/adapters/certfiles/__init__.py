"""Certificates that cove obtained or was given, as files the proxy reads.

Only the composition roots and tests import it; the core knows it as `cove.ports.CertificateFiles`.
"""

from cove.adapters.certfiles.files import ProxyCertificateFiles

__all__ = ["ProxyCertificateFiles"]
