from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.adapters.notify import markup
from cove.adapters.notify.sending import scrubbed
from cove.errors import InvalidFile
from cove.model.alerts import Channel, ChannelRecord, RuleChange
from cove.observation.alerts.channels import channel_of, kind_of, masked, view
from cove.observation.alerts.rules import DEFAULTS, Rules, checked, fitted, merged, named
from cove.observation.alerts.wording import MOST_ITEMS, clean, lines, status, title

from support.alerting import item, message

HOSTILE = (
    "<!channel> <@U1> @everyone *b* [x](https://e.com) `c` ||s|| \x1b[31m \u202e\nnext: header"
)


def test_one_alert_is_the_title() -> None:
    """Several are counted; each has its line."""
    assert title(message()) == "[harbour] CRITICAL: down shop shop.example.com/"
    over = item(status="recovered", ended_at=1305.0)
    assert title(message(item(), over)) == "[harbour] 1 firing, 1 over"
    assert lines(message(over)) == [
        "RECOVERED: down shop shop.example.com/, after 5 min (was: it does not answer)"
    ]
    assert [status(message(i)) for i in (item(), over)] == ["firing", "recovered"]
    assert status(message(item(), over)) == "mixed"


def test_a_flood_is_cut_and_says_so() -> None:
    """The webhook's document has all of them."""
    many = message(*(item(id=str(n)) for n in range(MOST_ITEMS + 5)))
    assert lines(many)[-1] == "and 5 more: cove alerts"
    assert len(markup.webhook(many)["alerts"]) == MOST_ITEMS + 5


@given(st.text(max_size=2000))
def test_text_of_others_is_one_printable_line(text: str) -> None:
    """And not too long."""
    shown = clean(text, 500)
    assert len(shown) <= 500
    assert not any(c in shown for c in "\n\r\x1b\x00\u202e\u2028")


def test_slack_sees_neither_mention_nor_link() -> None:
    """Only <…> means something to it where Markdown is off."""
    document = markup.slack(message(item(text=HOSTILE)))
    assert "<" not in document["text"]
    assert ">" not in document["text"]
    assert document["mrkdwn"] is False


def test_discord_sees_no_markdown_and_mentions_nobody() -> None:
    """Every character that could mean something is escaped."""
    document = markup.discord(message(item(text=HOSTILE)))
    content = document["content"].replace("\\\\", "")
    for mark in "*_~`|<>[]()#@":
        assert content.count(mark) == content.count(f"\\{mark}")
    assert document["allowed_mentions"] == {"parse": []}


def test_telegram_and_ntfy_take_it_as_it_is() -> None:
    """No parse mode; no value becomes a header."""
    assert "parse_mode" not in markup.telegram(message(item(text=HOSTILE)), "7")
    document = markup.ntfy(message(item(text=HOSTILE)), "topic")
    assert "\n" not in document["title"]
    assert document["priority"] == 5


@pytest.mark.parametrize("size", [10, 5000])
def test_no_message_is_longer_than_its_channel_takes(size: int) -> None:
    """The rest is cut."""
    long = message(*(item(id=str(n), text="_*" * size) for n in range(30)))
    assert len(markup.discord(long)["content"]) <= 2000
    assert len(markup.telegram(long, "7")["text"]) <= 4096
    assert len(markup.ntfy(long, "t")["message"].encode()) <= 4096
    assert len(markup.subject(long)) <= 200


def test_what_a_channel_answers_names_no_part_of_its_address() -> None:
    """Neither as it was nor unquoted."""
    url = "https://user:passw0rd@example.com/services/T0KEN%2Fx?key=abcdefg"
    said = scrubbed("no T0KEN/x, T0KEN%2Fx, passw0rd or key=abcdefg here", url)
    assert not [part for part in ("T0KEN", "passw0rd", "abcdefg") if part in said]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://hooks.slack.com/services/T/B/X", "slack"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://api.telegram.org/bot1:x/sendMessage?chat_id=7", "telegram"),
        ("https://ntfy.sh/topic", "ntfy"),
        ("ntfys://ntfy.example.com/topic", "ntfy"),
        ("smtps://u:p@mail.example.com/?from=a@e.com&to=b@e.com", "email"),
        ("https://example.com/hook", "webhook"),
        ("https://hooks.slack.com.evil.example/services/", "webhook"),
        ("matrix://user:pass@example.com/#room", "apprise"),
    ],
)
def test_the_kind_is_told_by_the_address(url: str, kind: str) -> None:
    """And the address is shown without what is secret of it."""
    channel = channel_of("a", url)
    assert (channel.kind, kind_of(url)) == (kind, kind)
    shown = masked(channel)
    assert shown.endswith("•••")
    assert "pass" not in shown
    assert "/T/" not in shown
    assert url not in repr(channel)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "example.com/x"}, "scheme://"),
        ({"url": "https://exa mple.com/x"}, "scheme://"),
        ({"url": "https://example.com/x\nHost: y"}, "scheme://"),
        ({"url": "https:///x"}, "names no host"),
        ({"url": "smtp://mail.example.com/"}, "from="),
        ({"url": "ftp://example.com/x", "kind": "slack"}, "https://"),
        ({"url": "file:///etc/passwd", "kind": "webhook"}, "names no host"),
        ({"url": "https://api.telegram.org/bot1:x/sendMessage"}, "chat_id"),
        ({"url": "https://ntfy.sh/"}, "topic"),
        ({"url": "https://e.com/x", "kind": "pager"}, "no kind"),
        ({"url": "https://e.com/x", "name": "A B"}, "name"),
        ({"url": "https://ntfy.sh/t", "key": "k"}, "signed"),
        ({"url": "https://e.com:port/x"}, "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(given: dict[str, str], words: str) -> None:
    """Without repeating it."""
    with pytest.raises(InvalidFile) as caught:
        channel_of(
            given.get("name", "a"), given["url"], given.get("kind", ""), given.get("key", "")
        )
    assert words in caught.value.message
    assert given["url"] not in caught.value.message


def test_a_channels_view_has_no_secret() -> None:
    """Whether messages are signed is told, with what is not."""
    channel = Channel(name="a", kind="webhook", url="https://e.com/s3cret", key="hmac-key")
    shown = view(ChannelRecord(channel=channel), [])
    text = msgspec.json.encode(shown)
    assert b"s3cret" not in text
    assert b"hmac-key" not in text
    assert shown.signed


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("disk", RuleChange(threshold=-1)),
        ("disk", RuleChange(threshold=80, clear=90)),
        ("certificate", RuleChange(threshold=14, clear=7)),
        ("disk", RuleChange(wait=1e9)),
        ("disk", RuleChange(window=60)),
        ("oom", RuleChange(window=0)),
        ("disk", RuleChange(pattern="x")),
        ("memory", RuleChange(paths=("/",))),
        ("disk", RuleChange(paths=("srv",))),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(rule: str, change: RuleChange) -> None:
    """Nothing is changed then."""
    name = named(rule)
    with pytest.raises(InvalidFile):
        checked(name, change, DEFAULTS[name])


@pytest.mark.parametrize("rule", sorted(DEFAULTS))
def test_the_defaults_can_be_meant(rule: str) -> None:
    """Each rule has a text, and can be well again."""
    name = named(rule)
    checked(name, RuleChange(), DEFAULTS[name])
    assert DEFAULTS[name].text


def test_a_new_threshold_keeps_its_distance() -> None:
    """Unless both are given."""
    disk = DEFAULTS["disk"]
    assert fitted("disk", RuleChange(threshold=95), disk).clear == 90
    assert fitted("disk", RuleChange(threshold=95, clear=50), disk).clear == 50
    assert fitted("certificate", RuleChange(threshold=3), DEFAULTS["certificate"]).clear == 4
    assert fitted("oom", RuleChange(threshold=0), DEFAULTS["oom"]).clear == 0
    assert merged(RuleChange(wait=5), RuleChange(keep=6)) == RuleChange(wait=5, keep=6)


def test_every_rule_is_listed_with_what_was_set() -> None:
    """And below it what is different for an app."""
    views = Rules({("disk", ""): RuleChange(wait=1), ("oom", "shop"): RuleChange(window=5)}).views()
    assert len(views) == len(DEFAULTS) + 1
    assert [(v.rule.name, v.app, v.set) for v in views if v.set] == [
        ("oom", "shop", ("window",)),
        ("disk", "", ("wait",)),
    ]


def test_an_unknown_rule_names_the_nearest() -> None:
    """As every name does."""
    with pytest.raises(InvalidFile, match="did you mean disk"):
        named("disc")
