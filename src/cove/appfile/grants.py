"""Which powers over the host an app file asks for, and whether it has them. Used by this package.

A reader that meets such a key calls `need`: without the grant that is a finding at the key, with
it the power is noted for the model, so that a rollback can ask again.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cove.model import powers

if TYPE_CHECKING:
    from cove.appfile.value import Value


class Grants:
    """What the server's owner has given one app, and what its file has used of it."""

    def __init__(self, app: str = "APP", given: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._given = given
        self._used: set[str] = set()

    def used(self) -> tuple[str, ...]:
        """The powers that the file used, in the order of their names."""
        return tuple(sorted(self._used))

    def need(self, value: Value, *wanted: str, at_key: bool = False, instead: str = "") -> None:
        """Notes powers that a value uses; raises Invalid where one has not been given.

        `instead` says what needs no grant and might do as well.
        """
        lacking = powers.missing(self._given, wanted)
        if lacking:
            text = f"needs a grant of the server's owner: {self.advice(lacking, value)}"
            text += f"; {instead}" if instead else ""
            raise value.refused(text) if at_key else value.invalid(text)
        self._used.update(wanted)

    def advice(self, lacking: tuple[str, ...], value: Value) -> str:
        """The command that gives powers; of one that variables had a part in, only its kind."""
        shown = [_kind(power) if value.interpolated else power for power in lacking]
        return shlex.join(["cove", "allow", self._app]) + "".join(f" {_word(s)}" for s in shown)


def _kind(power: str) -> str:
    return powers.spelled(power.partition("=")[0])


def _word(power: str) -> str:
    return power if power.endswith("]") else shlex.quote(power)
