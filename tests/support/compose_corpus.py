"""Compose files of the usual shapes: what people bring, with cove's keys added.

Each loads as it is; those with powers name the grants that they take. Integration tests may
deploy them with images of their own in place.
"""

from __future__ import annotations

from typing import Final

from support import compose_shapes_one, compose_shapes_two
from support.compose_shape import Shape

SHAPES: Final[tuple[Shape, ...]] = (*compose_shapes_one.SHAPES, *compose_shapes_two.SHAPES)
