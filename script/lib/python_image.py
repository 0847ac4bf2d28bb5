"""Build an image that runs one Python file, without a registry, a Dockerfile or a builder.

For demos and tests on machines that cannot pull an image. The image holds the interpreter
that runs this script (its binary, shared libraries and standard library) and the app; it
reaches the Docker Engine as one layer through `docker import`. The same interpreter and app
give the same layer. Needs Linux, the docker CLI and `ldd`; uses the standard library alone,
and no more of it than Debian's python3-minimal has, so that it can say what is missing.

    python3 script/lib/python_image.py --app app.py --tag demo:1 --env VERSION=1 --expose 8000
    python3 script/lib/python_image.py --from-image demo:1 --tag demo:2 --env VERSION=2
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import io
import marshal
import os
import re
import struct
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

INSTALL_HINT = "on Debian and Ubuntu: apt-get install python3"
try:
    import tarfile
    import tempfile
except ModuleNotFoundError as missing:  # python3-minimal
    sys.exit(f"{sys.executable} is incomplete: {missing}; {INSTALL_HINT}")

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

APP_UID = 1000
PYTHON = "/usr/local/bin/python3"
# -I: no user site or PYTHON* variables; -u: log lines leave at once.
ENTRYPOINT = f'["{PYTHON}", "-I", "-u", "/app/app.py"]'
LEFT_OUT = {
    "__pycache__", "config", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3",
    "pydoc_data", "site-packages", "test", "tests", "tkinter", "turtledemo",
}  # fmt: skip
LEFT_OUT_MODULES = re.compile(r"_?(test|xx|tkinter|curses|g?dbm|ctypes_test|readline|nis|crypt)")
# Opened by name at run time, so ldd does not list them: thread exit and host names.
OPENED_LATE = ("libgcc_s.so.1", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2")
ACCOUNTS = {
    "etc/passwd": "root:x:0:0::/root:/sbin/nologin\n"
    f"app:x:{APP_UID}:{APP_UID}::/app:/sbin/nologin\n",
    "etc/group": f"root:x:0:\napp:x:{APP_UID}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
TAG = re.compile(r"[a-z0-9][a-z0-9._/:-]*")
UNCHECKED_HASH = 0b01  # PEP 552: the flags of a .pyc that is used without looking at its source


class ImageError(Exception):
    """The image cannot be built; the message says why and what to do."""


class Tree:
    """A tar of root-owned files, written in one pass with nothing that varies between runs."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Write to a stream."""
        self._tar = tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._folders = {""}

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Add a folder, and those above it, unless it is there."""
        if path in self._folders:
            return
        self._folders.add(path)
        entry = self._entry(path, tarfile.DIRTYPE, mode)
        entry.uid = entry.gid = owner
        self._tar.addfile(entry)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file."""
        entry = self._entry(path, tarfile.REGTYPE, mode)
        entry.size = len(content)
        self._tar.addfile(entry, io.BytesIO(content))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        entry = self._entry(path, tarfile.SYMTYPE, 0o777)
        entry.linkname = target
        self._tar.addfile(entry)

    def close(self) -> None:
        """Write the end of the tar."""
        self._tar.close()

    def _entry(self, path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        """Return an entry with no time and root as its owner, once its folder is there."""
        self.folder(path.rpartition("/")[0])
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode = kind, mode
        return entry


def interpreter() -> Path:
    """Return the binary of this interpreter, outside any virtual environment."""
    binary = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    if not binary.is_file() or binary.read_bytes()[:4] != b"\x7fELF":
        raise ImageError(f"{binary} is no Linux program; run this with a python3 that is one")
    return binary


def check_imports(app: Path) -> None:
    """Raise ImageError when the app imports what this interpreter cannot give it."""
    try:
        tree = ast.parse(app.read_bytes(), str(app))
    except (OSError, SyntaxError) as error:
        raise ImageError(f"cannot read {app}: {error}") from None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    foreign = sorted(names - sys.stdlib_module_names)
    if foreign:
        raise ImageError(f"{app} imports {', '.join(foreign)}: not in the standard library")
    missing = sorted(name for name in names if importlib.util.find_spec(name) is None)
    if missing:
        raise ImageError(
            f"{sys.executable} is incomplete, it has no {', '.join(missing)}; {INSTALL_HINT}"
        )


def shared_libraries(binaries: Iterable[Path]) -> tuple[str, dict[str, Path]]:
    """Return the loader's path and every library the binaries need, by file name."""
    arguments = ["ldd", *map(str, binaries)]
    try:
        listing = subprocess.run(arguments, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise ImageError("ldd is missing; on Debian and Ubuntu: apt-get install libc-bin") from None
    absent = sorted(set(re.findall(r"^\s+(\S+) => not found", listing, re.MULTILINE)))
    if absent:
        raise ImageError(f"this interpreter's libraries are not installed: {', '.join(absent)}")
    loaders = re.findall(r"^\s+(/\S*/ld-\S+|/\S*/ld\S*\.so\S*) ", listing, re.MULTILINE)
    if not loaders:
        raise ImageError(f"ldd names no loader for {interpreter()}")
    found = {
        name: Path(path)
        for name, path in re.findall(r"^\s+(\S+) => (/\S+)", listing, re.MULTILINE)
        if not name.startswith("/")
    }
    return loaders[0], found


def library_folder(loader: str, libraries: Mapping[str, Path]) -> str:
    """Return a folder the loader searches without being told: the C library's own."""
    return str(libraries.get("libc.so.6", Path(loader)).parent).strip("/")


def standard_library() -> Iterator[tuple[str, Path]]:
    """Yield the files to copy, with their path below the standard library, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(
            name for name in folders if name not in LEFT_OUT and not name.startswith("config-")
        )
        for name in sorted(files):
            path = Path(folder, name)
            wanted = name.endswith(".py") or (
                name.endswith(".so") and not LEFT_OUT_MODULES.match(name)
            )
            if wanted and path.is_file():
                yield str(path.relative_to(root)), path


def bytecode(source_path: Path, source: bytes, shown_path: str) -> bytes:
    """Return a .pyc that needs no check against its source.

    Without one every container would compile what it imports, at each start. The code in
    the interpreter's own cache is taken when it belongs to this source.
    """
    header = struct.pack("<4sI", importlib.util.MAGIC_NUMBER, UNCHECKED_HASH)
    header += importlib.util.source_hash(source)
    code = cached_code(source_path)
    if code is None:
        code = marshal.dumps(compile(source, shown_path, "exec", dont_inherit=True))
    return header + code


def cached_code(source_path: Path) -> bytes | None:
    """Return the marshalled code of an up-to-date, timestamp-based .pyc."""
    try:
        cached = Path(importlib.util.cache_from_source(str(source_path))).read_bytes()
    except OSError:
        return None
    state = source_path.stat()
    stamp = (int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF)
    expected = struct.pack("<4sIII", importlib.util.MAGIC_NUMBER, 0, *stamp)
    return cached[16:] if cached[:16] == expected else None


def write_tree(stream: IO[bytes], app: Path, volumes: Iterable[str], owner: int) -> None:
    """Write the whole root file system as a tar."""
    tree = Tree(stream)
    library = f"usr/local/{sys.platlibdir}/python{sysconfig.get_python_version()}"
    files = list(standard_library())
    loader, libraries = shared_libraries(
        [interpreter(), *(path for name, path in files if name.endswith(".so"))]
    )
    tree.folder("tmp", 0o1777)
    tree.folder("root", 0o700)
    for target, text in ACCOUNTS.items():
        tree.file(target, text.encode())
    for volume in sorted(volumes):
        tree.folder(volume.strip("/"), owner=owner)
    write_binaries(tree, loader, libraries)
    for name, path in files:
        write_module(tree, f"{library}/{name}", path)
    tree.file("app/app.py", app.read_bytes())
    tree.close()


def write_binaries(tree: Tree, loader: str, libraries: Mapping[str, Path]) -> None:
    """Add the interpreter, the loader and the shared libraries."""
    folder = library_folder(loader, libraries)
    versioned = f"{PYTHON}.{sys.version_info.minor}"
    tree.file(versioned.strip("/"), interpreter().read_bytes(), 0o755)
    tree.link(PYTHON.strip("/"), Path(versioned).name)
    tree.file(loader.strip("/"), Path(loader).read_bytes(), 0o755)
    beside = libraries.get("libc.so.6", Path(loader)).parent
    late = {name: beside / name for name in OPENED_LATE if (beside / name).is_file()}
    for name, path in sorted((late | dict(libraries)).items()):
        if f"{folder}/{name}" != loader.strip("/"):
            tree.file(f"{folder}/{name}", path.read_bytes(), 0o755)


def write_module(tree: Tree, target: str, path: Path) -> None:
    """Add one file of the standard library, a source with its bytecode."""
    content = path.read_bytes()
    tree.file(target, content)
    if target.endswith(".py"):
        cache = importlib.util.cache_from_source(target)
        tree.file(cache, bytecode(path, content, f"/{target}"))


def quoted(value: str) -> str:
    """Quote a value so that the Engine reads it literally."""
    if not value.isprintable():
        raise ImageError(f"{value!r} holds characters that an image's configuration cannot")
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'


def changes(
    env: Mapping[str, str],
    expose: Iterable[str],
    volumes: Iterable[str],
    user: str | None,
    labels: Mapping[str, str],
) -> list[str]:
    """Return the configuration as arguments of `docker import` or `docker commit`."""
    lines = [f"ENV {name}={quoted(value)}" for name, value in env.items()]
    lines += [f"LABEL {quoted(name)}={quoted(value)}" for name, value in labels.items()]
    lines += [f"EXPOSE {port}" for port in expose]
    lines += [f"VOLUME {quoted(path)}" for path in volumes]
    lines += [f"USER {user}"] if user else []
    return [argument for line in lines for argument in ("--change", line)]


def build(  # noqa: PLR0913 - an image's configuration, by keyword
    tag: str,
    app: Path,
    *,
    env: Mapping[str, str] | None = None,
    expose: Iterable[str] = (),
    volumes: Iterable[str] = (),
    user: str = "app",
    labels: Mapping[str, str] | None = None,
) -> str:
    """Build an image that runs `app`, and return its ID. Raise ImageError.

    `volumes` are created in the image as folders of `user` ("app", "root" or a number), so
    that a new volume mounted there is writable.
    """
    check_imports(app)
    volumes = tuple(volumes)
    owner = owner_of(user)
    arguments = [
        *("import", "--change", f"ENTRYPOINT {ENTRYPOINT}", "--change", "WORKDIR /app"),
        *changes(env or {}, expose, volumes, user, labels or {}),
        *("-", checked_tag(tag)),
    ]
    # By way of a file: a tree that could not be completed never becomes an image.
    with tempfile.TemporaryFile() as file:
        write_tree(file, app, volumes, owner)
        file.seek(0)
        return docker(*arguments, stdin=file)


def variant(  # noqa: PLR0913 - as build
    source: str,
    tag: str,
    *,
    env: Mapping[str, str] | None = None,
    expose: Iterable[str] = (),
    volumes: Iterable[str] = (),
    user: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> str:
    """Tag an image that differs from `source` in configuration only; return its ID.

    Raise ImageError. Takes a fraction of a second: the layers are shared.
    """
    settings = changes(env or {}, expose, volumes, user, labels or {})
    container = docker("create", "--pull", "never", checked_tag(source))
    try:
        return docker("commit", *settings, container, checked_tag(tag))
    finally:
        docker("rm", "--volumes", container)


def docker(*arguments: str, stdin: IO[bytes] | None = None) -> str:
    """Run the docker CLI and return what it printed. Raise ImageError."""
    command = ["docker", *arguments]
    try:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError("the docker command is missing") from None
    if done.returncode:
        raise ImageError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def owner_of(user: str) -> int:
    """Return the number of a user of the image. Raise ImageError."""
    known = {"app": APP_UID, "root": 0}
    if user not in known and not re.fullmatch(r"\d{1,9}", user, re.ASCII):
        raise ImageError(f"the image has no user {user!r}: app, root or a number")
    return known[user] if user in known else int(user)


def checked_tag(tag: str) -> str:
    """Return the tag unless docker could take it for an option. Raise ImageError."""
    if not TAG.fullmatch(tag):
        raise ImageError(f"{tag!r} is no image tag such as cove-hello:1")
    return tag


def pair(text: str) -> tuple[str, str]:
    """Split NAME=VALUE for argparse."""
    name, separator, value = text.partition("=")
    if not separator or not re.fullmatch(r"[A-Za-z_][\w.-]*", name, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    first_line = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=first_line)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--app", type=Path, help="the Python file to run")
    kind.add_argument("--from-image", help="change this image's configuration instead")
    parser.add_argument("--tag", required=True)
    parser.add_argument("--env", type=pair, action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--label", type=pair, action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--expose", action="append", default=[], metavar="PORT")
    parser.add_argument("--volume", action="append", default=[], metavar="PATH")
    parser.add_argument("--user", help="app (the default), root, or a number")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Build what the command line asks for; return the exit status."""
    given = parse_arguments(arguments)
    started = time.monotonic()
    try:
        if given.app:
            image = build(
                given.tag, given.app, env=dict(given.env), expose=given.expose,
                volumes=given.volume, user=given.user or "app", labels=dict(given.label),
            )  # fmt: skip
        else:
            image = variant(
                given.from_image, given.tag, env=dict(given.env), expose=given.expose,
                volumes=given.volume, user=given.user, labels=dict(given.label),
            )  # fmt: skip
    except ImageError as error:
        print(f"python_image: {error}", file=sys.stderr)
        return 1
    print(f"{given.tag} {image} {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
