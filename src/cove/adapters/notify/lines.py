"""What the notifier and its child say to each other. Imported inside `cove.adapters.notify`."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cove.model.alerts import Channel, Message

LIMIT: Final = 30.0  # seconds for one message
LONGEST: Final = 65536  # bytes of what the child says


class Request(Struct, frozen=True, kw_only=True):
    """One message for one channel, on the child's stdin: its address never stands in argv."""

    channel: Channel
    message: Message
    agent: str


class Ended(Struct, frozen=True, kw_only=True):
    """How it went; `error` is empty where it arrived."""

    error: str = ""
