"""Making a machine trust the local authority, and taking that back.

For the composition roots: the CLI may do this on a machine that runs no agent. Browsers may keep
lists of their own (Firefox always, Chromium on Linux mostly); the machine's list serves curl,
Python and most other programs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cove.adapters.localca.files import certificates
from cove.durable import PUBLIC, replace_file
from cove.errors import PlatformError

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62})")
_TIMEOUT: Final = 120.0  # seconds; rebuilding the list takes one to a few


class _Scheme(NamedTuple):
    """How one family of distributions keeps its trusted authorities."""

    folder: str
    command: tuple[str, ...]


_SCHEMES: Final = (
    _Scheme("usr/local/share/ca-certificates", ("update-ca-certificates",)),  # Debian, Alpine
    _Scheme("etc/pki/ca-trust/source/anchors", ("update-ca-trust", "extract")),  # Fedora, RHEL
    _Scheme("etc/ca-certificates/trust-source/anchors", ("update-ca-trust",)),  # Arch
    _Scheme("etc/pki/trust/anchors", ("update-ca-certificates",)),  # SUSE
)
# Where those programs write what they made of it.
BUNDLES: Final = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Alpine, Arch
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, RHEL
    Path("/etc/ssl/ca-bundle.pem"),  # SUSE
)

Runner = Callable[[Sequence[str]], None]


def trust_commands(
    certificate: Path, name: str, root: Path = Path("/")
) -> tuple[tuple[str, ...], ...]:
    """The commands with which a person makes this machine trust a certificate file, as root.

    Raises PlatformError (`trust`) on a machine of an unknown kind.
    """
    scheme = _scheme(root)
    target = root / scheme.folder / _file(name)
    return (("install", "-m", f"{PUBLIC:04o}", str(certificate), str(target)), scheme.command)


def install_trust(
    root_pem: str, name: str, root: Path = Path("/"), run: Runner | None = None
) -> Path:
    """Makes this machine trust the authority under a name; returns the file it now lies in.

    Needs the rights of root. Raises PlatformError (`trust`).
    """
    blocks = certificates(root_pem)
    if len(blocks) != 1:
        raise _error("expected exactly one certificate to trust")
    scheme = _scheme(root)
    target = root / scheme.folder / _file(name)
    try:
        replace_file(target, f"{blocks[0]}\n".encode("ascii"), PUBLIC)
    except OSError as error:
        raise _error(f"{target} could not be written: {error.strerror}") from error
    (run or _run)(scheme.command)
    return target


def remove_trust(name: str, root: Path = Path("/"), run: Runner | None = None) -> bool:
    """Takes the trust back; False when there was none. Raises PlatformError (`trust`)."""
    scheme = _scheme(root)
    target = root / scheme.folder / _file(name)
    try:
        target.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _error(f"{target} could not be removed: {error.strerror}") from error
    (run or _run)(scheme.command)
    return True


def is_trusted(root_pem: str, bundles: Sequence[Path] = BUNDLES) -> bool:
    """Whether the certificate is in one of the machine's lists."""
    wanted = {_body(block) for block in certificates(root_pem)}
    return bool(wanted) and any(wanted <= _bodies(bundle) for bundle in bundles)


def _bodies(bundle: Path) -> set[str]:
    try:
        text = bundle.read_text(encoding="utf-8", errors="replace")  # some carry comments
    except OSError:
        return set()
    return {_body(block) for block in certificates(text)}


def _body(block: str) -> str:
    return "".join(block.split())


def _scheme(root: Path) -> _Scheme:
    for scheme in _SCHEMES:
        if (root / scheme.folder).is_dir():
            return scheme
    raise _error("this machine keeps its trusted authorities in no known place")


def _file(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _error(f"{name!r} cannot name a certificate")
    return f"cove-{name}.crt"


def _run(argv: Sequence[str]) -> None:
    program = shutil.which(argv[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not program:
        raise _error(f"{argv[0]} is not installed", hint="install ca-certificates")
    try:
        subprocess.run(
            (program, *argv[1:]), check=True, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.CalledProcessError as error:
        raise _error(f"{argv[0]} failed: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _error(f"{argv[0]} failed: {error}") from error


def _error(message: str, hint: str = "") -> PlatformError:
    return PlatformError(message, code="trust", hint=hint)
