"""What the real Compose reads from the file that cove writes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from cove.adapters.compose import find_compose
from cove.adapters.compose.composer import text_of
from cove.appfile import load
from cove.model.release import Image, Placement, Release
from cove.render.compose import compose_document
from cove.render.naming import Naming

VALUES = [
    *("1e3", "0o14", "8e12345", "1.5e3", "1e-3", "-0o7", "+1e5", "1E5", "0x1F", "1_000", "12:30"),
    *("y", "no", "~", "null", "True", "=", "<<", ".inf", ".nan", "NaN", "2001-01-01", "0b11"),
    *("- x", "a: b", "# x", "x #y", "   blank", "x\ny\n", "\n", "tab\there", "'", '"', "\\n"),
    *("!tag", "*a", "&a", "? x", "@x", "`x`", "%x", "|", ">", "$HOME ${HOME} $$", "{{ .Env }}"),
    *("\u2028x", "\u00a0", "ä", "x" * 200 + "  " + " y " * 60, "."),
]


def test_compose_reads_every_text_as_it_was_meant(tmp_path: Path) -> None:
    """No value, argument or label becomes a number, a variable or another text on its way."""
    pairs = {f"K{i}": value for i, value in enumerate(VALUES)}
    escaped = {key: value.replace("$", "$$") for key, value in pairs.items()}
    file = {"name": "x", "image": "a/b", "env": escaped, "command": list(escaped.values())}
    extra = {"labels": {"1e3": "1e3"}, "stop_grace_period": "0.00001"}
    spec = load(json.dumps(file | extra), name="x.yml", env_files={}, variables={})
    release = Release(
        app="x",
        number=1,
        spec=spec,
        images={"x": Image(reference="a/b", run="a/b", id="i")},
        placements=(Placement(service="x", replica=1, name="x-r1", address="192.0.2.2"),),
    )
    service = read_back(text_of(compose_document("x", [release], {}, Naming("cove"))), tmp_path)
    assert service["environment"] == escaped
    assert service["command"] == list(escaped.values())
    assert service["labels"]["1e3"] == "1e3"
    assert service["stop_grace_period"] == "10µs"


def read_back(text: str, folder: Path) -> dict[str, Any]:
    """The one service, as `compose config` has it; that doubles dollar signs again."""
    path = folder / "compose.yaml"
    path.write_text(text, encoding="utf-8")
    argv = [find_compose().path, "--project-directory", str(folder), "--file", str(path)]
    done = subprocess.run(
        [*argv, "config", "--format", "json"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nobody"},
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["services"]["x-r1"])
