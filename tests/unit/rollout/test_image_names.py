"""An image is what it is called, not what its ID begins with."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from cove.ports import Engine, ImageFacts
from cove.rollout.images import _so_called

DIGEST = "@sha256:" + "0" * 64


class OneImage:
    """An engine that, like Docker's, gives an image for its name or the begin of its ID."""

    async def image(self, reference: str) -> ImageFacts:
        del reference
        return ImageFacts(
            id="sha256:cafe" + "0" * 60,
            digests=(f"ghcr.io/acme/api{DIGEST}",),
            tags=("acme/shop:1", "nginx:1"),
            ports=(),
            volumes=(),
            architecture="amd64",
            os="linux",
            size=0,
        )


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("acme/shop:1", True),
        ("docker.io/acme/shop:1", True),
        ("docker.io/library/nginx:1", True),
        (f"ghcr.io/acme/api:2{DIGEST}", True),
        ("cafe", False),
        ("c", False),
    ],
)
def test_an_image_is_not_found_by_its_id(reference: str, found: bool) -> None:
    """A name of hexadecimal digits could otherwise run what another app brought here."""
    facts = asyncio.run(_so_called(reference, cast("Engine", OneImage())))
    assert (facts is not None) is found
