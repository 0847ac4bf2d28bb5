"""The agent's public side: on loopback, where only the proxy leads the public to it.

Challenges of certificate authorities are answered, and asked first the same way; status pages are
handed out. Only the composition roots and tests import it; the core knows the part about
challenges as `cove.ports.PublicSide`.
"""

from cove.adapters.publicside.listener import ChallengeListener
from cove.adapters.publicside.pages import PageListener
from cove.adapters.publicside.side import CovePublicSide

__all__ = ["ChallengeListener", "CovePublicSide", "PageListener"]
