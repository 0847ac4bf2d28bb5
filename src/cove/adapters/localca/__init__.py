"""cove's own certificate authority, for names that no public one can certify.

Only the composition roots and tests import it; the core knows it as `cove.ports.Certificates`.
Certificates are made by a short-lived child (`issue`), because the library for it would stay in
the agent's memory for good.
"""

from cove.adapters.localca.authority import LocalAuthority
from cove.adapters.localca.files import CertFacts
from cove.adapters.localca.trust import install_trust, remove_trust, trust_commands

__all__ = ["CertFacts", "LocalAuthority", "install_trust", "remove_trust", "trust_commands"]
