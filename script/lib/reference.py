"""Writes docs/reference from the code. Run by `script/docs`; the tests compare its documents."""

from __future__ import annotations

import sys
from pathlib import Path

from script.lib import reference_api, reference_app_file, reference_cli, reference_errors

TOP = Path(__file__).parents[2]
FOLDER = TOP / "docs" / "reference"
NOTICE = "<!-- Written by script/docs from the code. Changes made here are lost. -->\n\n"


def documents() -> dict[str, str]:
    """The reference's files by name, as they should be."""
    made = {
        "cli.md": reference_cli.document(),
        "app-file.md": reference_app_file.document(),
        "errors.md": reference_errors.document(),
        "api.md": reference_api.document(),
    }
    return {name: NOTICE + text.rstrip() + "\n" for name, text in made.items()}


def outdated() -> dict[str, str]:
    """The documents that the files do not hold."""
    return {
        name: text
        for name, text in documents().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text
    }


def main() -> int:
    """Writes, or with --check only says, what is out of date."""
    found = outdated()
    if "--check" in sys.argv[1:]:
        for name in found:
            print(f"docs/reference/{name} is out of date: run script/docs")
        return 1 if found else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in found.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
