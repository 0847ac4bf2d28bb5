"""What answers a certificate authority's questions, and asks itself the same way first.

Only the composition roots and tests import it; the core knows it as `cove.ports.PublicSide`.
"""

from cove.adapters.publicside.listener import ChallengeListener
from cove.adapters.publicside.side import CovePublicSide

__all__ = ["ChallengeListener", "CovePublicSide"]
