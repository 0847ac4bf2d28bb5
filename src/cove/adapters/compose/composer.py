"""An app's Compose project on disk. Imported by the composition roots only."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from cove.adapters.compose.files import delete_others, write_files
from cove.adapters.compose.runner import ComposeRunner
from cove.durable import replace_file
from cove.errors import PlatformError
from cove.model.app import File
from cove.render.compose import FILES_DIR
from cove.render.naming import Naming

_HEADER = "# Written by cove: what runs now. Changes made here are lost.\n"


class ComposeComposer:
    """Fulfils `cove.ports.Composer`: `<apps>/<app>/compose.yaml`, replaced whole, never edited."""

    def __init__(self, runner: ComposeRunner, apps: Path, naming: Naming) -> None:
        self._runner = runner
        self._apps = apps
        self._naming = naming

    async def write(
        self, app: str, document: Mapping[str, Any], files: Mapping[str, File], *, tidy: bool
    ) -> None:
        """Replaces the project's file atomically. Raises PlatformError (`data-dir`)."""
        folder = self._apps / app
        text = _HEADER + text_of(document)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_files(folder / FILES_DIR, files)
            if _content(folder / "compose.yaml") != text:  # needs no room on a full disk
                replace_file(folder / "compose.yaml", text.encode())
            if tidy:
                delete_others(folder / FILES_DIR, files)
        except OSError as error:
            raise PlatformError(f"{folder} cannot be written: {error}", code="data-dir") from error

    async def up(
        self, app: str, names: Sequence[str], env: Mapping[str, str], *, start: bool = True
    ) -> None:
        """Creates and starts the named services; what runs already is not touched."""
        begin = "--detach" if start else "--no-start"
        options = [begin, "--no-deps", "--no-recreate", "--pull", "never"]
        await self._runner.run(
            self._naming.project(app), self._apps / app, ["up", *options, "--", *names], env
        )

    async def converge(
        self, app: str, names: Sequence[str], env: Mapping[str, str], *, start: bool = True
    ) -> None:
        """Makes the named services what the file says, replacing those that differ."""
        begin = ["--detach"] if start else ["--no-start"]
        options = [*begin, "--no-deps", "--pull", "never"]
        await self._runner.run(
            self._naming.project(app), self._apps / app, ["up", *options, "--", *names], env
        )

    async def discard(self, app: str) -> None:
        """Deletes the project's folder."""
        shutil.rmtree(self._apps / app, ignore_errors=True)

    async def settle(self, app: str) -> None:
        """Waits for a Compose process that outlived its agent."""
        await self._runner.settle(self._naming.project(app))


class _Dumper(yaml.SafeDumper):
    """YAML that Compose reads as it was meant.

    Compose's parser knows numbers that PyYAML does not (`1e3`, `0o14`), so text that could be one
    stands in quotes. Everything begins with a digit, a sign or a dot that any version of YAML
    takes for a number; words such as `no` PyYAML quotes itself.
    """


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if value[:1] in _NUMERIC else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_NUMERIC: Final = frozenset("0123456789+-.")
_Dumper.add_representer(str, _text)
_Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign] # plain to read


def text_of(document: Mapping[str, Any]) -> str:
    """The document as Compose will read it back, text for text."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
