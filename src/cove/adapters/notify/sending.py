"""The ways to a channel. Imported by the child alone: everything here blocks.

Each function returns once the other side has taken the message, and raises Undelivered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit

from cove.adapters.notify import markup
from cove.model.alerts import Channel, Message
from cove.observation.alerts.wording import lines

_LIMIT: Final = 20.0  # seconds for one exchange
_LARGEST: Final = 2000  # bytes of an answer that are read
_SHOWN: Final = 160  # characters of it that are told
_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class Undelivered(Exception):
    """The channel did not take it; says why, without the address."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, and arrive as nothing."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the answer is an error."""


def send(channel: Channel, message: Message, agent: str) -> None:
    """By the channel's kind."""
    if channel.kind == "email":
        _mail(channel.url, message)
    elif channel.kind == "apprise":
        _apprise(channel.url, message)
    elif channel.kind == "webhook":
        _webhook(channel, message, agent)
    elif channel.kind == "telegram":
        _telegram(channel.url, message, agent)
    elif channel.kind == "ntfy":
        _ntfy(channel.url, message, agent)
    else:
        form = markup.slack if channel.kind == "slack" else markup.discord
        _post(channel.url, form(message), agent)


def _webhook(channel: Channel, message: Message, agent: str) -> None:
    body = _json(markup.webhook(message))
    headers = {"X-Cove-Message": message.id}
    if channel.key:
        at = str(int(time.time()))
        signature = hmac.new(channel.key.encode(), at.encode() + b"." + body, hashlib.sha256)
        headers["X-Cove-Timestamp"] = at
        headers["X-Cove-Signature"] = f"sha256={signature.hexdigest()}"
    _post(channel.url, body, agent, headers)


def _telegram(url: str, message: Message, agent: str) -> None:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    chat = query.pop("chat_id")[0]
    left = urlunsplit(parts._replace(query=urlencode(query, doseq=True)))
    _post(left, markup.telegram(message, chat), agent)


def _ntfy(url: str, message: Message, agent: str) -> None:
    parts = urlsplit(url)
    scheme = {"ntfy": "http", "ntfys": "https"}.get(parts.scheme, parts.scheme)
    base, _, topic = parts.path.rstrip("/").rpartition("/")
    # Published at the root, with the topic in the document.
    root = urlunsplit(parts._replace(scheme=scheme, path=f"{base}/"))
    _post(root, markup.ntfy(message, unquote(topic)), agent)


def _post(
    url: str, document: dict[str, Any] | bytes, agent: str, more: dict[str, str] | None = None
) -> None:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "User-Agent": agent, **(more or {})}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    body = document if isinstance(document, bytes) else _json(document)
    request = urllib.request.Request(bare, body, headers, method="POST")  # noqa: S310 - http(s) only
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_LIMIT) as answer:
            answer.read(_LARGEST)
    except urllib.error.HTTPError as error:
        raise Undelivered(_refusal(error, url)) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Undelivered(_trouble(error)) from None


def _refusal(error: urllib.error.HTTPError, url: str) -> str:
    said = ""
    with error, suppress(OSError):
        said = error.read(_LARGEST).decode(errors="replace")
    said = " ".join("".join(c if c.isprintable() else " " for c in said).split())[:_SHOWN]
    return scrubbed(f"it answered {error.code}" + (f": {said}" if said else ""), url)


def _trouble(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLError):
        return f"TLS: {(reason.reason or 'it failed').replace('_', ' ').lower()}"
    if isinstance(reason, TimeoutError):
        return f"no answer within {_LIMIT:g} s"
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    return type(error).__name__


def scrubbed(text: str, url: str) -> str:
    """The text without any part of the address that could be a secret."""
    parts = urlsplit(url)
    pieces = [*parts.path.split("/"), *parts.query.split("&"), parts.query, parts.path]
    pieces += [parts.username or "", parts.password or "", url]
    for piece in sorted({p for p in pieces if len(p) >= 6}, key=len, reverse=True):  # noqa: PLR2004
        text = text.replace(piece, "•••").replace(unquote(piece), "•••")
    return text


def _mail(url: str, message: Message) -> None:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    mail = EmailMessage()
    mail["Subject"] = markup.subject(message)
    mail["From"] = query["from"][0]
    mail["To"] = ", ".join(query["to"])
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
    # The same however often it is sent, so that a mailbox can tell.
    mail["Message-ID"] = f"<{message.id}@{quote(message.server, safe='.-')}.cove.invalid>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers
    mail.set_content("\n".join(lines(message)) + "\n")
    try:
        with _session(parts) as session:
            session.send_message(mail)
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise Undelivered(
            scrubbed(f"it answered {error.smtp_code}: {text[:_SHOWN]}", url)
        ) from None
    except smtplib.SMTPRecipientsRefused:
        raise Undelivered("it takes mail for none of the recipients") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise Undelivered(_trouble(error)) from None


def _session(parts: SplitResult) -> smtplib.SMTP:
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        session: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_LIMIT, context=context)
        secure = True
    else:
        session = smtplib.SMTP(host, port, timeout=_LIMIT)
        session.ehlo_or_helo_if_needed()
        secure = session.has_extn("starttls")
        if secure:
            session.starttls(context=context)
        elif parts.scheme == "smtp+starttls":
            raise Undelivered("the server offers no STARTTLS")
    if parts.username:
        if not secure and not _is_loopback(host):
            raise Undelivered("the server offers no TLS, and a password is not sent without")
        session.login(unquote(parts.username), unquote(parts.password or ""))
    return session


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _apprise(url: str, message: Message) -> None:
    import logging  # noqa: PLC0415 - the library only where it is needed

    import apprise  # noqa: PLC0415

    said: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logging.getLogger("apprise").addHandler(Heard(logging.WARNING))
    logging.getLogger("apprise").propagate = False
    asset = apprise.AppriseAsset(app_id="cove", secure_logging=True, async_mode=False)
    carrier = apprise.Apprise(asset=asset)
    if not carrier.add(url):
        raise Undelivered("apprise does not know such an address, or it is not complete")
    done = carrier.notify(
        title=markup.unmentioned(markup.subject(message)),
        body=markup.unmentioned("\n".join(lines(message))),
        body_format=apprise.NotifyFormat.TEXT,
    )
    if not done:
        why = " ".join(said[:1])[:_SHOWN]
        raise Undelivered(scrubbed(why, url) or "apprise could not deliver it")


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
