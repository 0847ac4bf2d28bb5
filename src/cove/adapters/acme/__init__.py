"""A public certificate authority, spoken to by a short-lived child (RFC 8555).

Only the composition roots and tests import it; the core knows it as `cove.ports.Issuer`. The
protocol's library and everything an authority answers stay in the child.
"""

from cove.adapters.acme.issuer import AcmeIssuer

__all__ = ["AcmeIssuer"]
