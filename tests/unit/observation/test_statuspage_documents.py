"""The documents of a page: what is in them, how they look, how often they are made."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cove.errors import PlatformError
from cove.model.alerts import Window
from cove.model.statuspage import Board, Incident, ShownApp
from cove.observation.statuspage import feeds, markup, publishing, words
from cove.observation.statuspage.board import Facts, board
from cove.observation.statuspage.publishing import FRESH, Publisher, rendered
from cove.observation.statuspage.style import STYLE

from support.boards import DAY, NOW, URL, facts, page, route, told

ATOM = "{http://www.w3.org/2005/Atom}"
LARGEST = 30_000  # bytes
VOID = {"meta", "link", "path"}
HOSTILE = "</style></title><script src=//x></script><p onclick='a()' style=\"x\">&amp;{{x}}\x00"


def parsed(feed: str | bytes) -> ET.Element:
    """The feed, which is cove's own."""
    return ET.fromstring(feed)  # noqa: S314 - no stranger's document


class Read(HTMLParser):
    """A document's elements, attributes and text; raises where they are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def full(apps: int = 20) -> Board:
    """A page of many apps on which much has happened."""
    histories = [
        route(
            f"app-{number}",
            f"app-{number}.example.com/",
            shares={ago: 0.9 if (ago + number) % 23 == 0 else 1.0 for ago in range(90)},
            outages=[(NOW - ago * DAY, NOW - ago * DAY + 90) for ago in range(number, 90, 23)],
        )
        for number in range(apps)
    ]
    return told(*histories, domains=True)


def test_the_document_is_whole_and_asks_for_nothing():
    """No script, no event, no style attribute, no address of anybody else."""
    text = markup.page(full())
    read = Read(text)
    assert not {"script", "iframe", "img", "form", "object"} & set(read.tags)
    assert not {"style", "src", "srcset", "onclick"} & read.attributes
    assert not re.findall(r"(?:href|url)[=(]\W*(?:https?:)?//", text)
    assert len(read.ids) == len(set(read.ids))
    assert read.tags.count("h1") == 1


def test_the_policy_allows_the_style_sheet_and_nothing_else():
    """Its hash is that of what stands between the tags."""
    sheet = re.search(r"<style>(.*)</style>", markup.page(told(route())), re.DOTALL)
    assert sheet
    digest = base64.b64encode(hashlib.sha256(sheet[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in markup.POLICY
    assert "default-src 'none'" in markup.POLICY
    assert "unsafe" not in markup.POLICY


def test_a_page_of_twenty_apps_is_small():
    """Also where each has had outages all along."""
    content = rendered(full())["/"]
    assert len(content.body) < LARGEST
    assert gzip.decompress(content.packed) == content.body
    assert len(content.packed) < LARGEST / 4


def test_every_state_is_said_in_words():
    """Not by colour alone: the bars too are told to who cannot see them."""
    found = [
        route("a", "a.test/"),
        route("b", "b.test/", "app-down", outages=[(NOW - 3700, 0.0)]),
        route("c", "c.test/", detail="x"),
        route("d", "d.test/", "paused"),
        route("e", "e.test/", shares={0: 0.99, 1: 0.5}),
    ]
    read = Read(markup.page(told(*found)))
    for said in ("Some services are down", "Operational", "Down", "Degraded", "Not in service"):
        assert said in read.text
    assert "1 h 1 min so far" in read.text
    spoken = "1 98 % and more, 1 less, 88 not watched"
    assert spoken in markup.page(told(*found))


def texts(board_: Board) -> tuple[str, bytes, bytes]:
    """Every form of a board."""
    return markup.page(board_), feeds.document(board_), feeds.feed(board_)


@given(st.text(), st.text())
def test_whatever_a_name_is_it_is_only_text(title, label):
    """The document keeps its elements, and JSON and feed can be read."""
    label = label or "x"
    plain, hostile = (
        board(
            page(title=title_, apps=(ShownApp(app="shop", label=label_),), domains=True),
            URL,
            facts(route(outages=[(NOW - 9, 0.0)]), route(name="x.test/y", state="app-down")),
        )
        for title_, label_ in (("t", "l"), (title, label))
    )
    page_, document, _ = texts(hostile)
    assert Read(page_).tags == Read(markup.page(plain)).tags
    assert json.loads(document)["services"][0]["name"] == label


def test_markup_in_every_text_is_escaped():
    """Names, routes and titles, in each form."""
    shown = told(route(name=HOSTILE, outages=[(NOW - 9, 0.0)]), domains=True, title=HOSTILE)
    shown = replace(shown, components=(replace(shown.components[0], name=HOSTILE),))
    incident = Incident(id="1", name=HOSTILE, began=NOW, ended=0.0, whole=True, routes=(HOSTILE,))
    window = Window(id=1, app="shop", start=0, minutes=9)
    planned = told(route(), windows=[window], maintenance=True).maintenance[0]
    shown = replace(shown, incidents=(incident,), maintenance=(replace(planned, names=(HOSTILE,)),))
    read = Read(markup.page(shown))
    assert "script" not in read.tags
    assert read.text.count("<script src=//x>") >= 5
    # A character that XML cannot hold is refused before it comes here.
    feed = feeds.feed(replace(shown, title="<b>&", incidents=(replace(incident, name="<b>"),)))
    assert parsed(feed.replace(b"\x00", b"")).findtext(f"{ATOM}title") == "<b>&"


def test_the_feed_is_one_of_atom():
    """With an entry for each incident, the same before and after it ends."""
    title = ""
    for ended in (0.0, NOW - 5):
        root = parsed(feeds.feed(told(route(outages=[(NOW - 65, ended)]))))
        (entry,) = root.iter(f"{ATOM}entry")
        for part in (root, entry):
            assert part.findtext(f"{ATOM}id", "").startswith(URL)
            assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}Z", part.findtext(f"{ATOM}updated", ""))
        assert root.findtext(f"{ATOM}author/{ATOM}name") == "Status"
        title = entry.findtext(f"{ATOM}title", "")
    assert title == "shop: down, 1 min"


def test_figures_are_never_rounded_up():
    """An outage of a second must be seen."""
    assert words.share(0.9999999) == "99.99 %"
    assert words.share(1.0) == "100 %"
    assert words.share(None) == "–"
    document = json.loads(feeds.document(told(route(shares={0: 0.9999999}))))
    assert document["services"][0]["days"][-1] == 0.99999


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (3720, "1 h 2 min"),
        (86400, "1 day"),
        (200_000, "2 days 7 h"),
    ],
)
def test_durations(seconds, text):
    """With their two largest units."""
    assert words.lasted(seconds) == text


def test_a_long_past_is_cut():
    """The page says how much it does not show."""
    outages = [(NOW - n * 1000, NOW - n * 1000 + 10) for n in range(1, 51)]
    text = markup.page(told(route(outages=sorted(outages))))
    assert text.count('<li id="i-') == markup.MOST_INCIDENTS
    assert "And 30 before." in text


def _luminance(colour: str) -> float:
    if len(colour) == 4:
        colour = "#" + "".join(digit * 2 for digit in colour[1:])
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_in_both_schemes():
    """Contrast of text 4.5 at least, of bars 1.4 beside their height (WCAG 2.2, 1.4.3)."""
    schemes = re.findall(r":root\{([^}]*)\}", STYLE)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", scheme))
        for name in ("fg", "dim", "ok", "warn", "bad", "info"):
            for ground in ("bg", "soft"):
                assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        for name in ("ok-bar", "warn-bar", "bad-bar"):
            assert _contrast(colours[name], colours["bg"]) >= 2, name


class Source:
    """What is known, and how often it was asked."""

    def __init__(self) -> None:
        self.at = NOW
        self.asked = 0
        self.fails = False
        self.takes = 0.0

    async def __call__(self) -> Facts:
        self.asked += 1
        self.at += self.takes
        await asyncio.sleep(0)
        if self.fails:
            raise PlatformError("the file is away", code="state")
        return facts(route())

    def now(self) -> float:
        return self.at

    def publisher(self) -> Publisher:
        """One that shows a page."""
        made = Publisher(self, lambda _: URL, self.now)
        made.show({"status.example.com": page()})
        return made


async def test_many_requests_are_one_rendering(monkeypatch):
    """However many come at once; the next one is made when some seconds are over."""
    source = Source()
    made: list[Board] = []

    def counted(found: Board) -> publishing.Documents:
        made.append(found)
        return rendered(found)

    monkeypatch.setattr(publishing, "rendered", counted)
    publisher = source.publisher()
    asked = [publisher.answer("status.example.com", "/") for _ in range(200)]
    answers = await asyncio.gather(*asked)
    assert len({answer.etag for answer in answers if answer}) == 1
    assert (source.asked, len(made)) == (1, 1)
    source.at += FRESH - 1
    await publisher.answer("status.example.com", "/status.json")
    assert source.asked == 1
    source.at += 2
    await publisher.answer("status.example.com", "/")
    assert (source.asked, len(made)) == (2, 2)
    source.at -= 1e6  # a clock that was set back keeps nothing for ever
    await publisher.answer("status.example.com", "/")
    assert source.asked == 3


async def test_what_takes_long_is_done_rarely():
    """However many apps there are: a fiftieth of the time, and a page is a minute old at most."""
    source = Source()
    publisher = source.publisher()
    source.takes = 0.5
    for later, asked in ((0, 1), (24, 1), (2, 2)):
        source.at += later
        await publisher.answer("status.example.com", "/")
        assert source.asked == asked
    source.takes = 100
    for later, asked in ((26, 3), (59, 3), (2, 4)):
        source.at += later
        await publisher.answer("status.example.com", "/")
        assert source.asked == asked


async def test_what_is_no_page_is_not_even_looked_at():
    """No other domain, no other path, and no page that is gone."""
    source = Source()
    publisher = source.publisher()
    assert await publisher.answer("shop.example.com", "/") is None
    assert source.asked == 0
    assert await publisher.answer("status.example.com", "/x") is None
    publisher.show({})
    assert await publisher.answer("status.example.com", "/") is None


async def test_what_cannot_be_read_leaves_the_page_as_it_was():
    """Until something is known there is none; and a failure is not tried with every request."""
    source = Source()
    source.fails = True
    publisher = source.publisher()
    for _ in range(5):
        with pytest.raises(PlatformError):
            await publisher.answer("status.example.com", "/")
    assert source.asked == 1
    source.fails = False
    source.at += FRESH
    first = await publisher.answer("status.example.com", "/")
    source.fails = True
    source.at += FRESH
    assert await publisher.answer("status.example.com", "/") == first


async def test_a_page_that_changes_is_made_anew():
    """At once, from what is known."""
    source = Source()
    publisher = source.publisher()
    before = await publisher.answer("status.example.com", "/")
    publisher.show({"status.example.com": page(title="Other")})
    after = await publisher.answer("status.example.com", "/")
    assert before
    assert after
    assert before.etag != after.etag
    assert source.asked == 1
