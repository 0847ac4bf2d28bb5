"""Reading app files in tests: the App, its one service, or the findings."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cove.appfile import load
from cove.errors import InvalidFile
from cove.model.app import App, Service

IMAGE = "image: acme/shop:1\n"
NONE: Mapping[str, str] = {}


def app(
    text: str,
    *,
    name: str = "shop.yml",
    env_files: Mapping[str, str] = NONE,
    variables: Mapping[str, str] = NONE,
) -> App:
    """The app a file describes; a finding fails the test with its words."""
    try:
        return load(text, name=name, env_files=env_files, variables=variables)
    except InvalidFile as error:
        pytest.fail("\n".join((str(error), *error.problems)))


def service(text: str, **given: Mapping[str, str]) -> Service:
    """The one service of a file that has an image already."""
    (found,) = app(IMAGE + text, **given).services  # type: ignore[arg-type]
    return found


def problems(
    text: str,
    *,
    name: str = "shop.yml",
    env_files: Mapping[str, str] = NONE,
    variables: Mapping[str, str] = NONE,
) -> list[str]:
    """What is wrong with a file; fails when nothing is."""
    with pytest.raises(InvalidFile) as caught:
        load(text, name=name, env_files=env_files, variables=variables)
    return list(caught.value.problems)


def problem(text: str, **given: Mapping[str, str]) -> str:
    """The one finding in a file that has an image already, with the file's name left out.

    The image is line 1, so that `text` begins in line 2.
    """
    (line,) = problems(IMAGE + text, **given)  # type: ignore[arg-type]
    return line.removeprefix("shop.yml:")
