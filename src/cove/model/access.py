"""Which requests the proxy logs, and what a line of its log says. Any layer may import it.

An app's file chooses for the app, within what the server's owner has the proxy write at all: to
change that replaces the proxy, and is no app's to cause.
"""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

# Every request; those that failed or took long; none.
AccessLog = Literal["full", "errors", "off"]
# What the server's owner chooses, for apps that choose nothing. With `apps` that is `errors`, and
# an app may choose `full`.
ServerAccessLog = Literal["full", "apps", "errors", "off"]
ACCESS_LOGS: Final[tuple[AccessLog, ...]] = get_args(AccessLog)
SERVER_ACCESS_LOGS: Final[tuple[ServerAccessLog, ...]] = get_args(ServerAccessLog)
SLOW: Final = 1  # seconds; an answer that took longer is logged as if it had failed
_FIRST_ERROR: Final = 400
_NANO: Final = 1_000_000_000
# Fields come in alphabetical order, and a quotation mark within a value has a backslash before it.
_STATUS: Final = re.compile(r'"DownstreamStatus":(\d+),"Duration":(\d+)[,}]')
_ROUTER: Final = '"RouterName":"'


def effective(wanted: AccessLog | None, server: ServerAccessLog) -> AccessLog:
    """What is logged of an app that wants this, where the server's owner has chosen that."""
    if server == "off":
        return "off"
    if wanted is None:
        return "errors" if server == "apps" else server
    return "errors" if wanted == "full" and server == "errors" else wanted


def every_request(server: ServerAccessLog) -> bool:
    """Whether the proxy writes a line for every request, so that others must be sifted out."""
    return server in ("full", "apps")


def router_of(app: str) -> str:
    """What a line holds that is about one of the app's requests, and no other line."""
    return f"{_ROUTER}{app}_"


def app_of(line: str) -> str:
    """Whose route a request took; empty where it took none of an app's."""
    begin = line.find(_ROUTER) + len(_ROUTER)
    return line[begin : line.find("_", begin)] if begin >= len(_ROUTER) else ""


def failed_or_slow(line: str) -> bool:
    """Whether a request is one that `errors` logs; also what cannot be read."""
    found = _STATUS.search(line)
    return found is None or int(found[1]) >= _FIRST_ERROR or int(found[2]) > SLOW * _NANO
