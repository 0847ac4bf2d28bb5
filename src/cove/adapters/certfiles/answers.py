"""What the agent asks of the child that looks at a certificate, and what it answers.

Imported inside `cove.adapters.certfiles`.
"""

from __future__ import annotations

from msgspec import Struct

from cove.model.certificates import Pair


class Question(Struct, frozen=True, kw_only=True):
    """An own certificate and key, in PEM, and the names it is to serve."""

    domain: str
    chain: str
    key: str
    names: tuple[str, ...]


class Answer(Struct, frozen=True, kw_only=True):
    """The pair put in order with what is odd about it, or why it cannot serve."""

    pair: Pair | None = None
    remarks: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
