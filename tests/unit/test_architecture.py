from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

TOP = Path(__file__).parents[2]
SOURCE = TOP / "src" / "cove"
PRINTS = SOURCE / "cli" / "output.py"
LONGEST_FILE = 600  # lines
FORBIDDEN_WORDS = {"manager", "managers", "helper", "helpers", "util", "utils"}

MODULES = sorted(SOURCE.rglob("*.py"))
PYTHON_FILES = sorted(
    path
    for folder in ("src", "tests", "bench", "script", "examples")
    for path in (TOP / folder).rglob("*.py")
)
LOCKS = sorted((TOP / "requirements").glob("*.txt"))


def relative(path: Path) -> str:
    """A path as a person would type it at the top of the checkout."""
    return str(path.relative_to(TOP))


@cache
def parsed(path: Path) -> ast.Module:
    """A module's syntax tree; several tests look at each."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def words(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def defined_names(tree: ast.Module) -> list[str]:
    """The names of a module's classes and functions, inner ones included."""
    definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in ast.walk(tree) if isinstance(node, definition)]


def prints(tree: ast.Module) -> list[int]:
    """The lines on which a module writes to its terminal itself."""
    writes = {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}
    names = {"echo", "secho"}
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in writes)
        or (isinstance(node, ast.ImportFrom) and node.module == "click" and names & imported(node))
    ]


def imported(node: ast.ImportFrom) -> set[str]:
    """What a `from … import` takes."""
    return {alias.name for alias in node.names}


def test_import_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every import contract of pyproject.toml is kept; `lint-imports` says which one is not."""
    monkeypatch.chdir(TOP)
    assert lint_imports(no_cache=True, no_logo=True) == EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_files_stay_short(path: Path) -> None:
    """No Python file is longer than 600 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_say_their_role(path: Path) -> None:
    """Every module opens with a docstring."""
    assert ast.get_docstring(parsed(path))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_output_prints(path: Path) -> None:
    """Only the CLI's output module writes to the terminal."""
    assert path == PRINTS or prints(parsed(path)) == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_names_mean_something(path: Path) -> None:
    """No module, class or function hides its purpose behind manager, helper or utils."""
    names = [path.stem, path.parent.name, *defined_names(parsed(path))]
    assert [name for name in names if words(name) & FORBIDDEN_WORDS] == []


@pytest.mark.parametrize("path", LOCKS, ids=relative)
def test_locks_carry_hashes_and_no_address(path: Path) -> None:
    """A lock pins every package by hash and names no index, mirror or path."""
    text = path.read_text(encoding="utf-8")
    pins = re.findall(r"^[\w.-]+==", text, re.MULTILINE)
    assert pins
    assert len(re.findall(r"^[\w.-]+==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)) == len(pins)
    assert re.findall(r"[a-z+]+://|^\s*(?:-i|-f|--index|--extra|--find)|@ ?/", text) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("print(1)", [1]),
        ("import click\nclick.echo(1)", [2]),
        ("from click import echo", [1]),
        ("import sys\nsys.stderr.write('')", [2]),
        ("blueprint(1)\nreport.print(1)", []),
    ],
)
def test_writing_to_the_terminal_is_recognised(source: str, lines: list[int]) -> None:
    """The search for prints finds each way to print, and nothing that only looks like one."""
    assert prints(ast.parse(source)) == lines


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app_manager", {"app", "manager"}),
        ("HTTPHelper", {"http", "helper"}),
        ("ensure_utilities", {"ensure", "utilities"}),
    ],
)
def test_names_are_split_into_words(name: str, expected: set[str]) -> None:
    """A word counts only as a whole: `utilities` is not `utils`."""
    assert words(name) == expected
