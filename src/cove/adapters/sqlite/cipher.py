"""What the store asks of whoever encrypts secrets for it. Imported within the package."""

from __future__ import annotations

from typing import Protocol


class Cipher(Protocol):
    """Authenticated encryption under a key that the store never sees.

    Both methods raise PlatformError when the key is missing, unusable or not the right one.
    """

    def seal(self, plain: bytes) -> bytes:
        """The bytes as they may lie on disk."""

    def open(self, sealed: bytes) -> bytes:
        """The bytes that were sealed."""
