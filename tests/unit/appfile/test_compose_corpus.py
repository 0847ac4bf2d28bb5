"""Compose files of the usual shapes load as they are."""

from __future__ import annotations

import pytest

from cove.appfile import References, references
from cove.model.app import App, in_order
from cove.model.powers import covers

from support.appfile import app, problems
from support.compose_corpus import SHAPES
from support.compose_shape import Shape

FOLDER = "/srv/shop"
WITH_GRANTS = [shape for shape in SHAPES if shape.grants]


def loaded(shape: Shape) -> App:
    """The shape's app, read with everything it draws on."""
    return app(
        shape.text,
        name=f"{shape.name}/compose.yml",
        env_files=shape.env_files,
        variables=shape.variables,
        files=shape.files,
        folder=FOLDER,
        granted=shape.grants,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_it_loads(shape: Shape) -> None:
    """The services that shall answer do, each with a port where the file names one."""
    found = loaded(shape)
    assert {service.name for service in found.routed()} == set(shape.routed)
    assert all(service.image for service in found.services)
    assert len(in_order(found.services)) == len(found.services)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_it_uses_the_powers_it_was_given_and_no_other(shape: Shape) -> None:
    """What a release records is what a rollback will need."""
    powers = loaded(shape).powers
    assert all(covers(shape.grants, power) for power in powers)
    assert all(any(covers([grant], power) for power in powers) for grant in shape.grants)


@pytest.mark.parametrize("shape", WITH_GRANTS, ids=lambda shape: shape.name)
def test_it_needs_each_of_its_grants(shape: Shape) -> None:
    """Without one of them the file is refused, and the finding names the command."""
    for grant in shape.grants:
        found = problems(
            shape.text,
            name="shop/compose.yml",
            variables=shape.variables,
            folder=FOLDER,
            granted=[other for other in shape.grants if other != grant],
        )
        kind = grant.partition("=")[0]
        assert all(": cove allow " in line and kind in line for line in found)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_client_finds_what_it_draws_on(shape: Shape) -> None:
    """The files and variables that the agent needs are those that the client is told of."""
    found: References = references(shape.text)
    assert set(found.env_files) >= set(shape.env_files)
    assert set(found.files) == set(shape.files)
    assert found.variables >= set(shape.variables)


def test_there_are_files_of_many_shapes() -> None:
    """Each is here for a reason of its own."""
    assert len({shape.reason for shape in SHAPES}) == len(SHAPES) >= 15
