"""`LocalAuthority`: the port `Certificates`, as the agent holds it.

Only the composition roots and tests import it. It reads facts and starts the child that issues;
it must never import the cryptography library itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import sys
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import msgspec

from cove.adapters.localca import files, trust
from cove.adapters.localca.files import CertFacts
from cove.errors import PlatformError
from cove.model.app import LOCAL_SUFFIXES, is_local_domain
from cove.model.names import DOMAIN, WILDCARD, file_stem, matches

_CHILD: Final = "cove.adapters.localca.issue"
_TIMEOUT: Final = 60.0  # seconds; one call takes well under one
_LONGEST: Final = 240  # characters: the domain names files, whose limit of 255 bytes is shared


class LocalAuthority:
    """Keeps a root in `directory` (owner only) and certificates for the proxy in `certs_dir`.

    The proxy notices changed files only when its own configuration changes: whoever renews must
    publish afterwards. `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        directory: Path,
        certs_dir: Path,
        now: Callable[[], float] = time.time,
        bundles: Sequence[Path] = trust.BUNDLES,
    ) -> None:
        self._directory = directory
        self._certs_dir = certs_dir
        self._now = now
        self._bundles = bundles
        self._lock = asyncio.Lock()

    @property
    def root_path(self) -> Path:
        """The root's certificate: what a client must trust. Absent before the first `ensure`."""
        return self._directory / "root.crt"

    def root_pem(self) -> str:
        """The root's certificate; empty before the first `ensure`."""
        return files.read(self.root_path)

    def trusted(self) -> bool:
        """Whether this machine's own list of authorities holds the root."""
        return trust.is_trusted(self.root_pem(), self._bundles)

    async def ensure(self, domains: Sequence[str]) -> None:
        """Sees to it that the proxy has a valid certificate for each domain.

        Makes the root first where there is none. Raises PlatformError (`local-ca`,
        `local-ca-name` for a name the root may not certify).
        """
        for domain in domains:
            _refuse_foreign(domain)
        async with self._lock:
            missing = tuple(d for d in dict.fromkeys(domains) if not self._current(d))
            if missing:
                await self._issue(missing, default=False)

    async def ensure_default(self) -> tuple[Path, Path]:
        """The certificate and key the proxy shows for names it does not know; made if need be.

        Raises PlatformError (`local-ca`).
        """
        async with self._lock:
            found = files.facts(self._certs_dir, files.DEFAULT)
            if not found or not files.is_current(found, found.authority, self._now()):
                await self._issue((), default=True)
        return self.paths(files.DEFAULT)

    def paths(self, domain: str) -> tuple[Path, Path]:
        """Where a domain's certificate and key lie, or will."""
        stem = file_stem(domain)
        return self._certs_dir / f"{stem}.crt", self._certs_dir / f"{stem}.key"

    def due(self) -> tuple[str, ...]:
        """The domains whose certificate must be renewed: see `RENEW_BEFORE`, or not intact."""
        return tuple(d for d in files.names(self._certs_dir) if not self._current(d))

    def listing(self) -> tuple[CertFacts, ...]:
        """Every intact certificate the authority issued, by domain."""
        found = (files.facts(self._certs_dir, d) for d in files.names(self._certs_dir))
        return tuple(facts for facts in found if facts)

    def prune(self, keep: AbstractSet[str]) -> tuple[str, ...]:
        """Deletes the certificates of all other domains, and says of which."""
        gone = tuple(d for d in files.names(self._certs_dir) if d not in keep)
        for domain in gone:
            for suffix in reversed(files.SUFFIXES):  # the facts first: the rest then counts as due
                (self._certs_dir / f"{file_stem(domain)}{suffix}").unlink(missing_ok=True)
        return gone

    def _current(self, domain: str) -> bool:
        found = files.facts(self._certs_dir, domain)
        return files.is_current(found, files.fingerprint(self.root_pem()), self._now())

    async def _issue(self, domains: tuple[str, ...], *, default: bool) -> None:
        request = files.Request(
            directory=str(self._directory),
            certs_dir=str(self._certs_dir),
            host=platform.node(),
            domains=domains,
            default=default,
            now=self._now(),
        )
        out, err = await _child(msgspec.json.encode(request))
        try:
            answer = msgspec.json.decode(out, type=files.Answer)
        except msgspec.DecodeError:
            last = err.decode(errors="replace").strip().splitlines()[-1:]
            answer = files.Answer(error=last[0] if last else "it gave no answer")
        if answer.error:
            raise _error(f"the local authority could not issue a certificate: {answer.error}")


async def _child(request: bytes) -> tuple[bytes, bytes]:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # nothing from the working directory
            "-m",
            _CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise _error(f"the local authority could not be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await process.communicate(request)
    except TimeoutError as error:
        raise _error(f"the local authority gave no answer within {_TIMEOUT:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


def _refuse_foreign(domain: str) -> None:
    named = matches(DOMAIN, domain) or matches(WILDCARD, domain)
    valid = len(domain) <= _LONGEST and named and is_local_domain(domain)
    if not valid:
        suffixes = ", ".join(LOCAL_SUFFIXES)
        raise PlatformError(
            f"cove's own authority cannot certify {domain!r}: its names end in {suffixes}",
            code="local-ca-name",
            hint="use `tls: auto` for a public domain",
        )


def _error(message: str) -> PlatformError:
    return PlatformError(message, code="local-ca")
