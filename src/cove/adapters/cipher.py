"""Encryption of secrets at rest, with a key in a file of its own. Composition roots import it.

AES-256-GCM with a random 96-bit nonce per message (NIST SP 800-38D, 8.2.2). The library behind
it costs about 10 MB of memory and is therefore loaded on first use: a server without secrets
never pays for it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cove.durable import sync_folder
from cove.errors import PlatformError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_FILE: Final = "secret.key"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FORMAT: Final = b"\x01"  # the first byte of everything sealed: what follows is nonce, ciphertext
_PURPOSE: Final = b"cove secrets"  # authenticated, so that no other use of the key can be mixed up


class FileCipher:
    """Seals and opens under the key in `<data>/secret.key`.

    The first `seal` makes the key. Losing the file means losing every secret: it belongs into
    the backup. Both methods raise PlatformError: `secret-key` when the key is missing, not the
    right one or open to others; `data-dir` or `disk-full` when it cannot be read or made.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / KEY_FILE
        self._loaded: AESGCM | None = None

    def seal(self, plain: bytes) -> bytes:
        """The bytes encrypted and authenticated, different each time."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._key(create=True).encrypt(nonce, plain, _PURPOSE)

    def open(self, sealed: bytes) -> bytes:
        """The bytes that were sealed under the same key."""
        key = self._key(create=False)
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see the module

        if not sealed.startswith(_FORMAT):
            raise PlatformError(
                "the secrets are sealed in a form of another version of cove",
                code="secret-key",
                hint="run the version of cove that wrote the data, or a newer one",
            )
        body = sealed.removeprefix(_FORMAT)
        try:
            return key.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _PURPOSE)
        except (InvalidTag, ValueError) as error:
            raise self._unusable("does not open what is stored") from error

    def _key(self, *, create: bool) -> AESGCM:
        if self._loaded is None:
            with _translated(self._path):
                if create and not self._path.exists():
                    _create(self._path)
                key = self._read()
            from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415
                AESGCM,
            )

            self._loaded = AESGCM(key)
        return self._loaded

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                key = file.read(_KEY_BYTES + 1)
        except FileNotFoundError as error:
            raise self._unusable("is missing") from error
        if mode & 0o077:
            raise PlatformError(
                f"{self._path} is open to other users of this machine",
                code="secret-key",
                hint=f"chmod 600 {self._path}, and change the secrets if they may have leaked",
            )
        if len(key) != _KEY_BYTES:
            raise self._unusable("is not a key")
        return key

    def _unusable(self, reason: str) -> PlatformError:
        return PlatformError(
            f"the secrets cannot be read: {self._path} {reason}",
            code="secret-key",
            hint=f"restore the {KEY_FILE} that belongs to this data from a backup",
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise PlatformError(
            f"{path}: {error.strerror or error}",
            code="disk-full" if full else "data-dir",
            hint="make room, then try again"
            if full
            else "the data directory must exist and belong to the user the agent runs as",
        ) from error


def _create(path: Path) -> None:
    """Makes the key in one step: the file is absent or complete, whenever the power fails.

    Linking fails where another process was faster; its key then counts.
    """
    draft = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        _write_private(draft, os.urandom(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
