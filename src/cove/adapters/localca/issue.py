"""The child that makes keys and certificates: a request on standard input, an answer on output.

Run as `python -m cove.adapters.localca.issue`; only tests import it. It alone loads the
cryptography library and alone writes certificates; a lock file keeps two of them apart.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cove.adapters.localca import files, x509
from cove.durable import PRIVATE, PUBLIC, replace_file, sync_folder
from cove.model.names import file_stem

_OWN: Final = 0o700


def fulfil(request: files.Request) -> files.Answer:
    """Makes what is missing or due, and says for which names."""
    directory, certs_dir = Path(request.directory), Path(request.certs_dir)
    _private(directory)
    certs_dir.mkdir(mode=_OWN, parents=True, exist_ok=True)
    with _locked(directory):
        issued = list(_leaves(request, directory, certs_dir)) if request.domains else []
        if request.default and _default(certs_dir, request.now):
            issued.append(files.DEFAULT)
        if issued:
            sync_folder(certs_dir)
    return files.Answer(issued=tuple(issued))


def main() -> int:
    """Answers one request; every failure is an answer as well."""
    try:
        request = msgspec.json.decode(sys.stdin.buffer.read(), type=files.Request)
        answer = fulfil(request)
    except (OSError, ValueError) as error:
        answer = files.Answer(error=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 1 if answer.error else 0


def _leaves(request: files.Request, directory: Path, certs_dir: Path) -> Iterator[str]:
    root = _root(directory, request.host, request.now)
    for domain in dict.fromkeys(request.domains):
        if files.is_current(files.facts(certs_dir, domain), root.fingerprint, request.now):
            continue
        key = _load_key(certs_dir / f"{file_stem(domain)}.key") or x509.new_key()
        pem = x509.leaf(domain, key, root, request.now)
        _save(certs_dir, domain, key, pem + root.pem, x509.facts(domain, pem, root.fingerprint))
        yield domain


def _default(certs_dir: Path, now: float) -> bool:
    found = files.facts(certs_dir, files.DEFAULT)
    if found and files.is_current(found, found.authority, now):
        return False
    key = _load_key(certs_dir / f"{files.DEFAULT}.key") or x509.new_key()
    pem = x509.self_signed(key, now)
    _save(certs_dir, files.DEFAULT, key, pem, x509.facts(x509.NOBODY, pem, ""))
    return True


def _root(directory: Path, host: str, now: float) -> x509.Root:
    """The authority; a new one when there is none, or none that will see a leaf to its end."""
    key_path, certificate_path = directory / "root.key", directory / "root.crt"
    key, pem = _load_key(key_path), files.read(certificate_path).encode()
    found = x509.load_root(key, pem) if key else None
    if found and found.covers(now):
        return found
    key = x509.new_key()
    made = x509.new_root(key, host, now)
    replace_file(key_path, x509.key_pem(key), PRIVATE)
    replace_file(certificate_path, made.pem, PUBLIC)
    sync_folder(directory)
    return made


def _save(certs_dir: Path, name: str, key: x509.Key, chain: bytes, facts: files.CertFacts) -> None:
    name = file_stem(name)
    # A renewal keeps its key, and a new key comes before its certificate: whoever reads the pair
    # meanwhile finds two halves that match. The facts come last, and only then does it count.
    replace_file(certs_dir / f"{name}.key", x509.key_pem(key), PRIVATE)
    replace_file(certs_dir / f"{name}.crt", chain, PUBLIC)
    replace_file(certs_dir / f"{name}.json", msgspec.json.encode(facts), PUBLIC)


def _load_key(path: Path) -> x509.Key | None:
    try:
        key = serialization.load_pem_private_key(files.read(path).encode(), None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _private(directory: Path) -> None:
    directory.mkdir(mode=_OWN, parents=True, exist_ok=True)
    directory.chmod(_OWN)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
