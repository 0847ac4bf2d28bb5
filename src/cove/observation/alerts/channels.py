"""What a channel's address means, and how it is shown without its secrets. Pure.

Imported in this package and by the agent.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from cove.errors import InvalidFile
from cove.model.alerts import Channel, ChannelKind, ChannelRecord, ChannelView, Delivery

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_LONGEST: Final = 2000  # characters of an address
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{1,30}://", re.IGNORECASE)
_WEB: Final = ("http", "https")
_MAIL: Final = ("smtp", "smtps", "smtp+starttls")
_KINDS: Final[dict[str, ChannelKind]] = {
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    **dict.fromkeys(_MAIL, "email"),
}
_HOSTS: Final[dict[str, tuple[str, ChannelKind]]] = {
    "hooks.slack.com": ("/services/", "slack"),
    "discord.com": ("/api/webhooks/", "discord"),
    "discordapp.com": ("/api/webhooks/", "discord"),
    "api.telegram.org": ("/bot", "telegram"),
    "ntfy.sh": ("/", "ntfy"),
}
_SCHEMES: Final = {"email": _MAIL, "ntfy": ("ntfy", "ntfys", *_WEB)}
KINDS: Final[tuple[ChannelKind, ...]] = (
    "webhook",
    "slack",
    "discord",
    "telegram",
    "ntfy",
    "email",
    "apprise",
)


def channel_of(
    name: str, url: str, kind: str = "", key: str = "", apps: tuple[str, ...] = ()
) -> Channel:
    """A channel, its kind taken from the address unless it is given. Raises InvalidFile.

    The code is `alert-channel`; no message repeats the address, which is a secret.
    """
    url = url.strip()
    if not NAME.fullmatch(name):
        raise _wrong("a channel's name is of small letters, digits and dashes, at most 40")
    if not _SCHEME.match(url) or len(url) > _LONGEST or not url.isprintable() or " " in url:
        raise _wrong("the address is not of the form scheme://…")
    if kind and kind not in KINDS:
        raise _wrong(f"there is no kind {kind[:40]}: one of {', '.join(KINDS)}")
    chosen = next((k for k in KINDS if k == kind), None) or kind_of(url)
    _check(chosen, url)
    if key and chosen != "webhook":
        raise _wrong("only a webhook's messages are signed")
    return Channel(name=name, kind=chosen, url=url, key=key, apps=apps)


def kind_of(url: str) -> ChannelKind:
    """What an address leads to, by its scheme and host."""
    parts = _parts(url)
    scheme = parts.scheme.lower()
    if scheme in _KINDS:
        return _KINDS[scheme]
    if scheme in _WEB:
        path, kind = _HOSTS.get((parts.hostname or "").lower(), ("", "webhook"))
        return kind if path and parts.path.startswith(path) else "webhook"
    return "apprise"


def masked(channel: Channel) -> str:
    """The address without what is secret of it: user, password, path and query."""
    parts = _parts(channel.url)
    if channel.kind == "apprise":
        return f"{parts.scheme}://•••"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}/•••"


def view(record: ChannelRecord, waiting: list[Delivery]) -> ChannelView:
    """A channel as it is shown."""
    channel = record.channel
    own = [delivery for delivery in waiting if delivery.channel == channel.name]
    head = own[0] if own else None
    return ChannelView(
        name=channel.name,
        kind=channel.kind,
        url=masked(channel),
        signed=bool(channel.key),
        apps=channel.apps,
        waiting=len(own),
        error=head.error if head else "",
        next_try=head.next_try if head else 0.0,
        delivered_at=record.delivered_at,
    )


def _check(kind: ChannelKind, url: str) -> None:
    parts = _parts(url)
    scheme, query = parts.scheme.lower(), parse_qs(parts.query)
    schemes = _SCHEMES.get(kind, _WEB)
    findings = (
        (not parts.hostname, "the address names no host"),
        (scheme not in schemes, f"{kind} takes an address that begins with {schemes[-1]}://"),
        (
            kind == "email" and not (query.get("to") and query.get("from")),
            "the address needs ?from=…&to=…",
        ),
        (
            kind == "ntfy" and not parts.path.strip("/"),
            "the address needs a topic: https://HOST/TOPIC",
        ),
        (
            kind == "telegram" and not query.get("chat_id"),
            "the address needs ?chat_id=…: https://api.telegram.org/botTOKEN/sendMessage?chat_id=…",
        ),
    )
    for wrong, text in findings:
        if wrong and kind != "apprise":
            raise _wrong(text)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _wrong("the address cannot be read") from None
    return parts


def _wrong(text: str) -> InvalidFile:
    return InvalidFile(text, code="alert-channel", hint="cove alerts channel add --help")
