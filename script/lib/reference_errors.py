"""docs/reference/errors.md: every code that the source can raise, with its cause and its mend.

Imported by `script.lib.reference`. Codes and exit codes are read from the source, cause and mend
from `script.lib.error_notes`; a code without a note, or a note without a code, is an error.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from script.lib.error_notes import NOTES

from cove import errors

SOURCE = Path(errors.__file__).parent
HEAD = dedent("""\
    # Error codes

    Every error has a code. `--json` prints it as `error.code`; codes are stable, messages are not.
    A rollout that is refused or fails exits with 3 while an earlier release serves, and with 1 when
    nothing does. What is refused before a rollout begins (`route-taken`, `source-differs`,
    `no-earlier`, `never-live`) exits with 3 in any case.
    """)
TREE = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CoveError)
}


class Raised(NamedTuple):
    """A place in the source that makes an error with a code."""

    code: str
    kind: str


def document() -> str:
    """One table by kind of error."""
    found = raised()
    check(found)
    parts = [HEAD]
    for name, kind in TREE.items():
        codes = sorted({entry.code for entry in found if entry.kind == name})
        if codes:
            parts += [f"## {name}\n", f"{_doc(kind)} {_exit(kind)}\n", _table(codes)]
    return "\n".join(parts)


def check(found: frozenset[Raised]) -> None:
    """Raises ValueError unless notes and codes match."""
    codes = {entry.code for entry in found}
    if codes != set(NOTES):
        lacking, needless = sorted(codes - set(NOTES)), sorted(set(NOTES) - codes)
        raise ValueError(f"script/lib/error_notes.py lacks {lacking} and needs no {needless}")


def raised() -> frozenset[Raised]:
    """Every code with the kind of error that carries it; a kind's own code included."""
    found = {
        Raised(kind.code, name)
        for name, kind in TREE.items()
        if name not in {"CoveError", "RemoteError"}
    }
    for path in sorted(SOURCE.rglob("*.py")):
        found.update(_codes(ast.parse(path.read_text(encoding="utf-8"))))
    # The command line's own word for what the agent tells as Cancelled.
    return frozenset(found) - {Raised("cancelled", "CoveError")}


def _codes(tree: ast.Module) -> Iterator[Raised]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            code = next((k.value for k in node.keywords if k.arg == "code"), None)
            if name in TREE and isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield Raised(code.value, name)


def _doc(kind: type[errors.CoveError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _exit(kind: type[errors.CoveError]) -> str:
    if kind in {errors.Refused, errors.RolloutFailed}:
        return "Exit code 3, or 1 when a rollout ends and nothing serves."
    if kind is errors.PlatformError:
        return "Exit code 1; 3 when it ends a rollout while an earlier release serves."
    if kind is errors.CoveError:
        return f"Exit code {errors.EXIT_BUG}."
    return f"Exit code {kind.exit_code}."


def _table(codes: list[str]) -> str:
    lines = ["| code | cause | what to do |", "|---|---|---|"]
    lines += [f"| `{code}` | {NOTES[code].cause} | {NOTES[code].mend} |" for code in codes]
    return "\n".join([*lines, ""])
