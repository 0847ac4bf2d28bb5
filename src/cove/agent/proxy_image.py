"""The root file system of the proxy's image, from the embedded Traefik.

Imported by `cove.agent.proxy` when an image has to be made, and not before.
"""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_CHUNK = 1 << 20


async def root_of(binary: Path) -> AsyncIterator[bytes]:
    """A tar archive that holds Traefik, the public authorities, and nothing else."""
    bundle = _BUNDLE.read_bytes() if _BUNDLE.exists() else b""
    yield _member("etc/ssl/certs/ca-certificates.crt", len(bundle), 0o644) + _padded(bundle)
    size = binary.stat().st_size
    yield _member("traefik", size, 0o755)
    with binary.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
    yield b"\0" * (-size % tarfile.BLOCKSIZE) + b"\0" * (2 * tarfile.BLOCKSIZE)


def _member(name: str, size: int, mode: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info.tobuf()


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % tarfile.BLOCKSIZE)
