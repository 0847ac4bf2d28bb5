"""A message in the form of each channel, its markup escaped. Pure.

Imported inside `cove.adapters.notify`. Whatever an app's name or a log line holds, it can neither
format, mention anybody, nor add a link or a header.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import to_builtins

from cove.model.alerts import Message
from cove.observation.alerts.wording import clean, lines, status, title

_DISCORD: Final = re.compile(r"([\\*_~`|<>\[\]()#:@-])")
_DISCORD_MOST: Final = 2000  # characters, of its API
_TELEGRAM_MOST: Final = 4096
_NTFY_MOST: Final = 4000  # bytes; beyond 4,096 it makes an attachment of it
_SLACK_MOST: Final = 4000
_TITLE: Final = 200
_NO_EMBEDS: Final = 4  # Discord's message flag SUPPRESS_EMBEDS


def plain(message: Message) -> str:
    """Title and lines."""
    return "\n".join([title(message), *lines(message)])


def webhook(message: Message) -> dict[str, Any]:
    """cove's own document; docs/guides/alerts.md describes it."""
    return {
        "v": 1,
        "id": message.id,
        "at": message.at,
        "server": message.server,
        "status": "test" if message.test else status(message),
        "title": title(message),
        "text": "\n".join(lines(message)),
        "alerts": to_builtins(message.items),
    }


def slack(message: Message) -> dict[str, Any]:
    """An incoming webhook's document. Slack reads <…> as links and mentions, and nothing else."""
    text = clipped(plain(message), _SLACK_MOST)
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": escaped, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def discord(message: Message) -> dict[str, Any]:
    """A webhook's document: Markdown escaped, nobody mentioned, no preview made."""
    text = "\n".join(_DISCORD.sub(r"\\\1", line) for line in plain(message).split("\n"))
    return {
        "content": clipped(text, _DISCORD_MOST),
        "allowed_mentions": {"parse": []},
        "flags": _NO_EMBEDS,
    }


def telegram(message: Message, chat: str) -> dict[str, Any]:
    """`sendMessage` without a parse mode: every character is itself."""
    return {
        "chat_id": chat,
        "text": clipped(plain(message), _TELEGRAM_MOST),
        "link_preview_options": {"is_disabled": True},
    }


def ntfy(message: Message, topic: str) -> dict[str, Any]:
    """Published as JSON, so that no value becomes a header."""
    critical = any(i.severity == "critical" and i.status == "fired" for i in message.items)
    body = "\n".join(lines(message)).encode()[:_NTFY_MOST].decode(errors="ignore")
    return {
        "topic": topic,
        "title": subject(message),
        "message": body,
        "priority": 5 if critical else 3,
        "tags": ["rotating_light" if status(message) == "firing" else "white_check_mark"],
    }


def subject(message: Message) -> str:
    """The title on one line, for a header."""
    return clean(title(message), _TITLE)


def unmentioned(text: str) -> str:
    """For services whose markup nobody here knows: nobody is mentioned, no tag is one."""
    return text.replace("@", "@\u2060").replace("<", "(").replace(">", ")")


def clipped(text: str, most: int) -> str:
    """At most so many characters; an escape is not cut in two."""
    return text if len(text) <= most else text[: most - 1].rstrip("\\&") + "…"
