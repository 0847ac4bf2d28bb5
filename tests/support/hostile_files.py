"""App files that mean harm or are broken, each with the reason it is here.

Integration tests may deploy those that load: what they load into must be harmless.
"""

from __future__ import annotations

from typing import Final

from support import hostile_powers, hostile_shapes
from support.hostile_case import Hostile


def cases() -> tuple[Hostile, ...]:
    """Every file."""
    harmless = tuple(
        Hostile(reason, text, None, variables={"SECRET": "a$b${c}", "USER": "app"})
        for reason, text in hostile_shapes.HARMLESS
    )
    return (
        *hostile_powers.sockets(),
        *hostile_powers.binds(),
        *hostile_powers.powers(),
        *hostile_powers.never(),
        *hostile_powers.others(),
        *hostile_powers.outside(),
        *hostile_shapes.proxy(),
        *hostile_shapes.names(),
        *hostile_shapes.graphs(),
        *hostile_shapes.yaml(),
        *harmless,
    )


CASES: Final = cases()
