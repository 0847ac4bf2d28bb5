"""Reading app files in tests: the App, its one service, or the findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from cove.appfile import Server, load
from cove.errors import InvalidFile
from cove.model.app import App, Service

from support.schema import findings

IMAGE = "image: acme/shop:1\n"
NONE: Mapping[str, str] = {}


def app(
    text: str,
    *,
    name: str = "shop.yml",
    env_files: Mapping[str, str] = NONE,
    variables: Mapping[str, str] = NONE,
    files: Mapping[str, str] = NONE,
    folder: str = "",
    granted: Collection[str] = (),
) -> App:
    """The app a file describes; a finding fails the test with its words.

    What the parser accepts, the schema must accept: every test of a good file holds that too.
    """
    try:
        found = load(
            text,
            name=name,
            env_files=env_files,
            variables=variables,
            files=files,
            server=Server(folder, lambda _: frozenset(granted)),
        )
    except InvalidFile as error:
        pytest.fail("\n".join((str(error), *error.problems)))
    assert findings(text) == [], text
    return found


def service(text: str, **given: Any) -> Service:
    """The one service of a file that has an image already."""
    (found,) = app(IMAGE + text, **given).services
    return found


def problems(
    text: str,
    *,
    name: str = "shop.yml",
    env_files: Mapping[str, str] = NONE,
    variables: Mapping[str, str] = NONE,
    files: Mapping[str, str] = NONE,
    folder: str = "",
    granted: Collection[str] = (),
) -> list[str]:
    """What is wrong with a file; fails when nothing is."""
    with pytest.raises(InvalidFile) as caught:
        load(
            text,
            name=name,
            env_files=env_files,
            variables=variables,
            files=files,
            server=Server(folder, lambda _: frozenset(granted)),
        )
    return list(caught.value.problems)


def problem(text: str, **given: Any) -> str:
    """The one finding in a file that has an image already, with the file's name left out.

    The image is line 1, so that `text` begins in line 2.
    """
    (line,) = problems(IMAGE + text, **given)
    return line.removeprefix("shop.yml:")
