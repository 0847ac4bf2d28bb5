"""`ProxyCertificateFiles`: the port `CertificateFiles`. Imported inside `cove.adapters.certfiles`.

A folder per source. `NAME.json` holds the facts of the pair that counts, and so names its files,
`NAME.FINGERPRINT.crt` (the leaf, then its issuers) and `.key`: reading needs no X.509 library.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import sys
from binascii import Error as Base64Error
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import msgspec

from cove.adapters.certfiles.answers import Answer, Question
from cove.durable import replace_file, sync_folder
from cove.errors import InvalidFile, PlatformError
from cove.model.certificates import CertFacts, CertSource, Pair
from cove.model.names import file_stem

_FOLDERS: Final[dict[CertSource, str]] = {"acme": "acme", "own": "own"}
_SHORT: Final = 12  # hexadecimal digits of a fingerprint
_CHILD: Final = "cove.adapters.certfiles.inspecting"
_LIMIT: Final = 30.0
_END: Final = "-----END CERTIFICATE-----"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"


class ProxyCertificateFiles:
    """Everything below the folder that the proxy has its certificates from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, source: CertSource, pair: Pair) -> None:
        """Under names of its own, so that no reload can meet a key beside another's certificate.

        The facts come last: they say which pair counts. Raises PlatformError (`data-dir`).
        """
        path = self._folder / self.stem(source, pair.facts)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(_with(path, ".key"), pair.key.encode())
            replace_file(_with(path, ".crt"), pair.chain.encode())
            recorded = self._recorded(source, pair.facts.domain)
            replace_file(recorded, msgspec.json.encode(pair.facts))
            sync_folder(path.parent)
        except OSError as error:
            raise PlatformError(
                f"{path} cannot be written: {error.strerror}", code="data-dir"
            ) from error

    def facts(self, source: CertSource, domain: str) -> CertFacts | None:
        """What lies there; None unless all its files are there and belong together."""
        found = _facts(self._recorded(source, domain))
        if found is None or found.domain != domain:
            return None
        path = self._folder / self.stem(source, found)
        if found.fingerprint != _fingerprint(_with(path, ".crt")):
            return None
        try:
            # OpenSSL's own check that the key is the certificate's.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                _with(path, ".crt"), _with(path, ".key"), password=_no_password
            )
        except (OSError, ValueError):
            return None
        return found

    def listing(self, source: CertSource) -> tuple[CertFacts, ...]:
        """Every intact certificate of a source, by domain."""
        recorded = [_facts(path) for path in sorted(self._place(source).glob("[!.]*.json"))]
        found = (self.facts(source, one.domain) for one in recorded if one is not None)
        return tuple(one for one in found if one is not None)

    def stem(self, source: CertSource, facts: CertFacts) -> str:
        """The pair's place below the folder, without `.crt` and `.key`."""
        name = f"{file_stem(facts.domain)}.{facts.fingerprint[:_SHORT]}"
        return f"{_FOLDERS[source]}/{name}"

    def tidy(self, source: CertSource, keep: AbstractSet[str]) -> tuple[str, ...]:
        """Deletes other domains' certificates and replaced ones; says of which domains."""
        gone = [one.domain for one in self.listing(source) if one.domain not in keep]
        for domain in gone:
            self._recorded(source, domain).unlink(missing_ok=True)
        counted = {Path(self.stem(source, one)).name for one in self.listing(source)}
        for path in self._place(source).glob("*"):
            if path.suffix in {".crt", ".key"} and path.stem not in counted:
                path.unlink(missing_ok=True)
        return tuple(gone)

    async def inspect(
        self, domain: str, chain: str, key: str, names: Sequence[str]
    ) -> tuple[Pair, tuple[str, ...]]:
        """An own certificate, its chain put in order; with remarks.

        Raises InvalidFile (`certificate`) for one that cannot serve.
        """
        question = Question(domain=domain, chain=chain, key=key, names=tuple(names))
        answer = await _ask(question)
        if answer.pair is None:
            raise InvalidFile(
                f"the certificate for {domain} {answer.error}",
                code="certificate",
                hint=answer.hint or "check the files that `tls: {cert, key}` names",
            )
        return answer.pair, answer.remarks

    def _place(self, source: CertSource) -> Path:
        return self._folder / _FOLDERS[source]

    def _recorded(self, source: CertSource, domain: str) -> Path:
        return self._place(source) / f"{file_stem(domain)}.json"


async def _ask(question: Question) -> Answer:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # nothing from the working directory
        "-m",
        _CHILD,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_LIMIT):
            out, _ = await process.communicate(msgspec.json.encode(question))
        return msgspec.json.decode(out, type=Answer)
    except (TimeoutError, msgspec.DecodeError):
        return Answer(error="could not be looked at")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _facts(path: Path) -> CertFacts | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CertFacts)
    except (OSError, msgspec.DecodeError):
        return None


def _fingerprint(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")
        leaf = text[text.index(_BEGIN) : text.index(_END) + len(_END)]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).hexdigest()
    except (OSError, ValueError, Base64Error):
        return ""


def _no_password() -> str:
    """OpenSSL would ask on the terminal for the password of a key that has one."""
    return ""
