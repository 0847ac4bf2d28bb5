"""The child that sends one message and ends: `python -m cove.adapters.notify.child`.

The agent starts it with the address on stdin, and reads from stdout how it went. Libraries that
print do so to stderr. It has a limit of its own for the case that nobody kills it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Final

import msgspec

from cove.adapters.notify.lines import LIMIT, Ended, Request
from cove.adapters.notify.sending import Undelivered, send

_CPU: Final = 20  # seconds


def main() -> None:
    """Reads the request, sends, tells."""
    signal.alarm(int(LIMIT) + 5)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    ended = Ended()
    try:
        send(request.channel, request.message, request.agent)
    except Undelivered as error:
        ended = Ended(error=str(error) or "it was not delivered")
    answer.write(msgspec.json.encode(ended))
    answer.flush()


if __name__ == "__main__":
    main()
