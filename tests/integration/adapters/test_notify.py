"""Every kind of channel, from the child process to a real receiver."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator

import pytest

from cove.adapters.notify import ChildNotifier
from cove.model.alerts import Channel, ChannelKind

from support.alerting import item, message
from support.places import free_port
from support.receivers import HttpReceiver, http_receiver, smtp_receiver

MESSAGE = message(item(text="<b>*hostile*</b> @everyone"))


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """Takes every POST."""
    with http_receiver() as receiver:
        yield receiver


def channel(url: str, kind: ChannelKind = "webhook", key: str = "") -> Channel:
    """A channel."""
    return Channel(name="a", kind=kind, url=url, key=key)


async def test_a_webhook_gets_the_whole_message_signed(receiver: HttpReceiver) -> None:
    """As the guide says how to check it; user and password become a header."""
    url = receiver.url("/hook?x=1").replace("://", "://me:p%40ss@")
    assert await ChildNotifier().send(channel(url, key="secret"), MESSAGE) == ""
    (taken,) = receiver.taken
    assert taken.path == "/hook?x=1"
    assert taken.json["id"] == taken.headers["x-cove-message"] == "m1"
    assert taken.json["alerts"][0]["text"] == "<b>*hostile*</b> @everyone"
    assert taken.headers["authorization"] == "Basic bWU6cEBzcw=="
    signed = taken.headers["x-cove-timestamp"].encode() + b"." + taken.body
    wanted = hmac.new(b"secret", signed, hashlib.sha256).hexdigest()
    assert taken.headers["x-cove-signature"] == f"sha256={wanted}"


@pytest.mark.parametrize(
    ("kind", "path", "arrives", "key", "words"),
    [
        ("slack", "/services/T/B/X", "/services/T/B/X", "text", "&lt;b&gt;*hostile*&lt;/b&gt;"),
        ("discord", "/api/webhooks/1/x", "/api/webhooks/1/x", "content", r"\*hostile\*"),
        ("telegram", "/bot1/sendMessage?chat_id=7", "/bot1/sendMessage", "text", "<b>*hostile*"),
        ("ntfy", "/base/topic", "/base/", "message", "<b>*hostile*</b>"),
    ],
)
async def test_services_get_their_own_form(receiver, kind, path, arrives, key, words) -> None:
    """Where each expects it, its markup escaped."""
    assert await ChildNotifier().send(channel(receiver.url(path), kind), MESSAGE) == ""
    (taken,) = receiver.taken
    assert taken.path == arrives
    assert words in taken.json[key]
    assert taken.json.get("chat_id", "7") == "7"
    assert taken.json.get("topic", "topic") == "topic"


async def test_mail_is_plain_and_can_be_told_apart() -> None:
    """The same message has the same Message-ID; nobody answers it automatically."""
    with smtp_receiver() as mailbox:
        url = (
            f"smtp://127.0.0.1:{mailbox.port}/?from=cove@example.com&to=a@example.com,b@example.com"
        )
        for _ in range(2):
            assert await ChildNotifier().send(channel(url, "email"), MESSAGE) == ""
        first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Auto-Submitted"] == "auto-generated"
    assert first.get_content_type() == "text/plain"
    assert "<b>*hostile*</b>" in str(first.get_payload())
    assert set(mailbox.recipients) == {"a@example.com", "b@example.com"}


async def test_a_mail_server_without_tls_gets_no_password_demanded_by_the_address() -> None:
    """`smtp+starttls` insists."""
    with smtp_receiver() as mailbox:
        url = f"smtp+starttls://127.0.0.1:{mailbox.port}/?from=a@example.com&to=b@example.com"
        error = await ChildNotifier().send(channel(url, "email"), MESSAGE)
        assert "STARTTLS" in error
        assert mailbox.mails == []


async def test_everything_else_goes_through_apprise(receiver: HttpReceiver) -> None:
    """Its own scheme for JSON stands for the others; nobody is mentioned."""
    url = f"json://127.0.0.1:{receiver.port}/apprise"
    assert await ChildNotifier().send(channel(url, "apprise"), MESSAGE) == ""
    (taken,) = receiver.taken
    assert "@everyone" not in taken.json["message"]
    assert "harbour" in taken.json["title"]
    receiver.status = 500
    assert await ChildNotifier().send(channel(url, "apprise"), MESSAGE) != ""
    assert "not know" in await ChildNotifier().send(channel("nosuch://x", "apprise"), MESSAGE)


async def test_what_was_not_taken_is_told_without_the_address(receiver: HttpReceiver) -> None:
    """A status, a refused connection, an answer that does not come."""
    receiver.status = 403
    error = await ChildNotifier().send(channel(receiver.url("/s3cret-path")), MESSAGE)
    assert error.startswith("it answered 403")
    nobody = f"http://127.0.0.1:{free_port()}/s3cret-path"
    refused = await ChildNotifier().send(channel(nobody), MESSAGE)
    assert refused == "Connection refused"
    receiver.status = 0
    cut = await ChildNotifier().send(channel(receiver.url("/s3cret-path")), MESSAGE)
    assert cut
    assert "s3cret" not in error + refused + cut


async def test_a_redirect_is_not_followed(receiver: HttpReceiver) -> None:
    """It would arrive as a GET without a body."""
    receiver.status = 302
    assert "302" in await ChildNotifier().send(channel(receiver.url()), MESSAGE)
    assert len(receiver.refused) == 1


async def test_a_receiver_that_never_answers_costs_a_limited_time() -> None:
    """The child is gone afterwards."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, w: held.append(w), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await ChildNotifier(limit=3).send(channel(f"http://127.0.0.1:{port}/x"), MESSAGE)
    assert error == "no answer within 3 s"
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()
