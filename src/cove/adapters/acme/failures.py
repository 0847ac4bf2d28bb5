"""What an authority or the network refused, in words a person can act upon.

Imported by the child only.
"""

from __future__ import annotations

from typing import Final

import dns.exception
import josepy
import requests
from acme import errors, messages

from cove.model.certificates import Order, Outcome

_HOUR: Final = 3600.0
_HINTS: Final = {
    "rateLimited": "nothing to do: cove waits and tries again",
    "externalAccountRequired": "this authority wants an account of yours: cove certs acme "
    "--eab-kid KID --eab-hmac-file FILE",
    "caa": "a CAA record of the domain allows other authorities only: add this one, or remove it",
    "dns": "check the domain's DNS records",
    "connection": "port 80 (or 443) of this server must be open to the whole internet: check the "
    "firewall",
    "unauthorized": "something else answers for the name: a CDN, an older server, or an AAAA "
    "record that leads elsewhere",
    "incorrectResponse": "something else answers for the name: a CDN, an older server, or an AAAA "
    "record that leads elsewhere",
    "rejectedIdentifier": "this authority does not certify such a name",
    "unsupportedContact": "give an e-mail address the authority accepts: cove certs acme --email",
    "invalidContact": "give an e-mail address the authority accepts: cove certs acme --email",
}


class NotOffered(Exception):
    """The authority offers other challenges than the one that was chosen."""


class AgentGone(Exception):
    """Nobody answers challenges any more."""


class DnsFailed(Exception):
    """A record could not be written or was never seen."""


CAUGHT: Final = (
    errors.Error,
    messages.Error,
    josepy.errors.Error,
    requests.RequestException,
    dns.exception.DNSException,
    NotOffered,
    AgentGone,
    DnsFailed,
    OSError,
    ValueError,
    KeyError,
    TypeError,  # the library's word for some answers that are not as RFC 8555 has them
    AttributeError,
)


def outcome(error: Exception, order: Order) -> Outcome:
    """The failure as the agent records it."""
    if isinstance(error, messages.Error):
        return _problem(error)
    if isinstance(error, errors.IssuanceError):
        return _problem(error.error)
    if isinstance(error, errors.ValidationError):
        return _validation(error)
    return _otherwise(error, order)


def _otherwise(error: Exception, order: Order) -> Outcome:
    where = order.settings.directory
    match error:
        case errors.TimeoutError():
            return Outcome(error="the authority did not decide in time")
        case NotOffered():
            kind, offered = error.args
            return Outcome(
                error=f"the authority offers no {kind} for {order.domain}, only {offered}",
                hint="choose another: cove certs acme --challenge http, or tls",
            )
        case DnsFailed() | AgentGone():
            return Outcome(error=str(error) or "the agent ended", hint="cove certs dns")
        case requests.exceptions.SSLError():
            return Outcome(
                error=f"{where} shows a certificate that is not trusted",
                hint="for a private authority give its root: cove certs acme --root FILE",
            )
        case requests.RequestException():
            return Outcome(
                error=f"{where} cannot be reached: {_short(error)}",
                hint="check this server's way to the internet, or the directory's URL",
            )
        case _:
            return Outcome(error=f"{where} answered unexpectedly: {_short(error)}")


def _validation(error: errors.ValidationError) -> Outcome:
    for authorization in error.failed_authzrs:
        for body in authorization.body.challenges:
            if body.error is not None:
                return _problem(body.error)
    return Outcome(error="the authority could not validate the name")


def _problem(problem: messages.Error) -> Outcome:
    code = str(problem.code or "")
    detail = str(problem.detail or problem.title or code or "no reason given")
    for sub in problem.subproblems or ():
        detail = f"{detail}; {sub.detail}"
        code = code if code in _HINTS else str(sub.code or code)
    return Outcome(
        error=f"the authority refused: {_clean(detail)}",
        hint=_HINTS.get(code, ""),
        retry_after=_HOUR if code == "rateLimited" else 0.0,
    )


def _short(error: Exception) -> str:
    return _clean(str(error) or type(error).__name__)


def _clean(text: str) -> str:
    """One line of bounded length, whatever the other side wrote."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:500]
