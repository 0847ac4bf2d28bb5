"""Collects what a deploy sends: the file's text, the env files it names, the variables it uses.

`deploy` and `plan` import it. Nothing is parsed here but to find those names; the agent decides
what the file means.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cove.errors import InvalidFile
from cove.model import names

MAX_BYTES = 1_000_000  # an app file is some hundred bytes; anything near this is a mistake
FOLDER_FILES = ("cove.yml", "cove.yaml")
NAMED_BY_FOLDER = (
    *FOLDER_FILES,
    *("compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"),
)


class Flags(Struct, frozen=True, kw_only=True):
    """An app described on the command line."""

    image: str = ""
    domains: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    name: str = ""
    port: int = 0
    health: str = ""
    volumes: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether any of them was used."""
        return self != Flags()


class Source(Struct, frozen=True, kw_only=True):
    """A text to deploy. `folder` is what its relative paths start from."""

    name: str  # for messages, and the app's default name
    text: str
    origin: str
    folder: Path


def collect(file: str | None, flags: Flags, *, local: bool = True) -> dict[str, Any]:
    """The request for a file, `-` for stdin, or flags. Raises InvalidFile.

    `local`: the agent is on this machine, so that paths relative to the file mean something to it.
    """
    source = _source(file, flags)
    return {
        "name": source.name,
        "text": source.text,
        "origin": source.origin,
        "folder": str(source.folder) if local else "",
        **_needs(source, os.environ),
        "by": author(),
    }


def author() -> str:
    """Who acts, as user@host; with sudo, the person behind it."""
    user = os.environ.get("SUDO_USER")
    if not user:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a user id without a name
            user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _source(file: str | None, flags: Flags) -> Source:
    host = socket.gethostname()
    if file == "-":
        return _from_stdin(host, flags)
    if flags.image or flags.domains:
        if file is not None:
            raise _usage("give a file or --image and --domain, not both")
        return _from_flags(host, flags)
    if flags.given:
        raise _usage(
            "--env, --name, --port, --health and --volume go with --image; a file has its own"
        )
    return _from_file(host, _found(file))


def _usage(message: str) -> InvalidFile:
    return InvalidFile(message, code="usage", hint="cove deploy --help")


def _found(file: str | None) -> Path:
    """The file meant: itself, the one in the folder, or the one in the current folder."""
    path = Path(file or ".")
    if not path.is_dir():
        return path
    for name in FOLDER_FILES if file is None else NAMED_BY_FOLDER:
        if (path / name).exists():
            return path / name
    if file is not None:
        raise InvalidFile(f"{file}: the folder has no cove.yml and no compose.yml")
    raise InvalidFile(
        "nothing to deploy: no file was given, and this folder has no cove.yml",
        code="usage",
        hint="cove deploy FILE, or cove deploy --image nginx --domain hello.localhost",
    )


def _from_file(host: str, path: Path) -> Source:
    absolute = path.absolute()
    named = f"{absolute.parent.name}/{path.name}" if path.name in NAMED_BY_FOLDER else path.name
    return Source(
        name=named,
        text=_read(path, str(path)),
        origin=f"{host}:{absolute}",
        folder=absolute.parent,
    )


def _from_stdin(host: str, flags: Flags) -> Source:
    if flags != Flags(name=flags.name):
        raise _usage("only --name can be given with a file from stdin")
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    return Source(
        name=f"{flags.name}.yml" if flags.name else "stdin",
        text=_decoded(data, "stdin"),
        origin=f"{host}:stdin",
        folder=Path.cwd(),
    )


def _from_flags(host: str, flags: Flags) -> Source:
    if not flags.image:
        raise _usage("--image is missing")
    return Source(
        name="command line",
        text=_written(flags),
        origin=f"{host}:command line",
        folder=Path.cwd(),
    )


def _written(flags: Flags) -> str:
    """The app file that the flags stand for. JSON's strings are YAML's too."""
    lines = [
        f"name: {_quoted(flags.name or _default_name(flags.image))}",
        f"image: {_quoted(flags.image)}",
    ]
    if flags.domains:
        lines.append(f"domain: [{', '.join(_quoted(d) for d in flags.domains)}]")
    if flags.port:
        lines.append(f"port: {flags.port}")
    if flags.health:
        lines.append(f"health: {_quoted(flags.health)}")
    if flags.volumes:
        lines.append(f"volumes: [{', '.join(_quoted(v) for v in flags.volumes)}]")
    if flags.env:
        lines += ["env:", *(f"  {_env(pair)}" for pair in flags.env)]
    return "\n".join([*lines, ""])


def _default_name(image: str) -> str:
    """The last part of the image's name, as far as an app may be called so."""
    last = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    name = re.sub(r"[^a-z0-9-]+", "-", last.lower())[:40].strip("-")
    if not name:
        raise _usage(f"--name is missing: {image!r} suggests none")
    return name


def _quoted(text: str) -> str:
    # "$" means itself here: what the shell let through is not to be filled in again
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)


def _env(pair: str) -> str:
    """`K=V`; or `K`, whose value is then the variable's of the caller and counts as a secret."""
    key, equals, value = pair.partition("=")
    if not names.matches(names.VARIABLE, key):
        raise _usage(f"--env {key}: a variable's name has letters, digits and underscores")
    if equals:
        return f"{key}: {_quoted(value)}"
    if key not in os.environ:
        raise _usage(f"--env {key}: no such variable is set here; give it as {key}=VALUE")
    return f'{key}: "${{{key}}}"'


def _needs(source: Source, environment: Mapping[str, str]) -> dict[str, Any]:
    from cove.appfile.references import certificate_files, env_file_variables, references

    wanted = references(source.text)
    env_files = _beside(source.folder, wanted.env_files)
    files = _beside(source.folder, (*wanted.files, *certificate_files(source.text)))
    variables = wanted.variables.union(*map(env_file_variables, env_files.values()))
    return {
        "env_files": env_files,
        "files": files,
        "variables": _values(variables, source.folder, environment),
    }


def _beside(folder: Path, paths: tuple[str, ...]) -> dict[str, str]:
    """The files that come with the app file, by path as written.

    One that is missing is left to the agent, which knows what may be. A symbolic link out of the
    folder is refused: whoever deploys a stranger's file shall not send their own.
    """
    found = {}
    for name in paths:
        if (folder / name).exists():
            found[name] = _read(_real(folder, name), name)
    return found


def _real(folder: Path, name: str) -> Path:
    """Where a file really lies. Raises InvalidFile (`outside-folder`)."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidFile(
            f"{name}: a symbolic link leads out of the app file's folder",
            code="outside-folder",
            hint="copy the file to where the app file is",
        )
    return path


def _values(wanted: frozenset[str], folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The wanted variables that are set: in the environment, or else in the folder's `.env`."""
    values = {name: environment[name] for name in wanted if name in environment}
    beside = folder / ".env"
    if len(values) < len(wanted) and beside.is_file():
        values = {**_dotenv(beside, wanted, environment), **values}
    return values


def _dotenv(path: Path, wanted: frozenset[str], environment: Mapping[str, str]) -> dict[str, str]:
    from cove.appfile.envfile import EnvFileError, read_env_file

    try:
        found = read_env_file(_read(_real(path.parent, ".env"), ".env"), environment.get)
    except EnvFileError as error:
        raise InvalidFile(f".env:{error.line}: {error.text}") from None
    return {name: value for name, value in found.items() if name in wanted}


def _read(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            return _decoded(file.read(MAX_BYTES + 1), shown)
    except FileNotFoundError:
        raise InvalidFile(f"{shown}: no such file", code="no-file") from None
    except OSError as error:
        raise InvalidFile(f"{shown}: cannot be read: {error.strerror}", code="no-file") from None


def _decoded(data: bytes, shown: str) -> str:
    if len(data) > MAX_BYTES:
        raise InvalidFile(f"{shown}: more than {MAX_BYTES // 1_000_000} MB; is this an app file?")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidFile(f"{shown}: not a text file (it is not UTF-8)") from None
