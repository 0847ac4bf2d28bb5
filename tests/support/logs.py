"""Log records for tests, and the plainest search there can be, to compare the store's with."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from hypothesis import strategies as st

from cove.model.expressions import Expression
from cove.model.logs import LogCount, LogQuery, Record, Source

MINUTE = 60 * 10**9
T0 = 1_760_000_000 * 10**9
_WORD = set(string.ascii_letters + string.digits + "_")
# few letters, so that texts are found; some that UTF-8 cannot carry, and some that fold oddly
TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "A",
            "ab",
            "key",
            "Key",
            "=",
            " ",
            "-",
            "\n",
            "_",
            "7",
            "é",
            "K",
            "\u017f",
            "\ud800",
            "\udc80",
            "x" * 30,
        ]
    ),
    max_size=8,
).map("".join)
_STREAMS: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")


def sources(app: str, service: str) -> st.SearchStrategy[Source]:
    """Streams of a few containers of one service."""
    return st.builds(
        Source,
        app=st.just(app),
        service=st.just(service),
        release=st.integers(0, 2),
        container=st.sampled_from(["c1", "c2"]),
        name=st.just("n"),
        stream=st.sampled_from(_STREAMS),
    )


@st.composite
def batches(draw: st.DrawFn, most: int = 6) -> list[tuple[str, str, list[Record]]]:
    """What is sealed, one after the other: each service's times go on, others' lie between."""
    clocks: dict[tuple[str, str], int] = {}
    found = []
    for _ in range(draw(st.integers(1, most))):
        app, service = draw(st.sampled_from([("shop", "web"), ("shop", "db"), ("blog", "web")]))
        at = clocks.get((app, service), T0)
        records = []
        for _ in range(draw(st.integers(1, 6))):
            at += draw(st.sampled_from([0, 1, 10**9, MINUTE // 2, 5 * MINUTE]))
            source = draw(sources(app, service))
            records.append(Record(at, source, draw(TEXTS), draw(st.integers(0, 6))))
        clocks[app, service] = at
        found.append((app, service, records))
    return found


QUERIES = st.builds(
    LogQuery,
    app=st.sampled_from(["", "", "shop", "blog", "gone"]),
    service=st.sampled_from(["", "", "web", "db"]),
    release=st.sampled_from([0, 0, 1, 2]),
    container=st.sampled_from(["", "", "c1"]),
    stream=st.sampled_from(["", "", "stdout", "stderr"]),
    level=st.sampled_from([0, 0, 3, 5]),
    since=st.sampled_from([0, 0, T0 + 10**9, T0 + 7 * MINUTE]),
    until=st.sampled_from([0, 0, T0 + 10**9, T0 + 12 * MINUTE + 1]),
    text=st.one_of(
        st.just(""), TEXTS, st.sampled_from(["a", "key", "ab", "-ab-", "=key ", "a\na"])
    ),
    word=st.booleans(),
    ignore_case=st.booleans(),
)


def matches(query: LogQuery, record: Record) -> bool:
    """Whether a record is a hit, looked at alone."""
    source = record.source
    same = all(
        getattr(query, field) in ("", 0, getattr(source, field))
        for field in ("app", "service", "release", "container", "stream")
    )
    in_time = query.since <= record.at and (not query.until or record.at < query.until)
    return same and in_time and record.level >= query.level and _holds(query, record.text)


def _holds(query: LogQuery, text: str) -> bool:
    wanted = query.text
    if not wanted:
        return True
    if query.regex:
        expression = Expression(wanted, word=query.word, ignore_case=query.ignore_case)
        return expression.matches(text.encode("utf-8", "surrogatepass"))
    if query.ignore_case:
        wanted, text = _folded(wanted), _folded(text)
    positions = (i for i in range(len(text)) if text.startswith(wanted, i))
    return any(not query.word or _alone(text, i, i + len(wanted)) for i in positions)


def _folded(text: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in text)


def _alone(text: str, begin: int, end: int) -> bool:
    beside = text[max(0, begin - 1) : begin] + text[end : end + 1]
    return not any(one in _WORD or not one.isascii() for one in beside)


def found(query: LogQuery, records: Iterable[Record]) -> Counter[bytes]:
    """All hits, in no order, as they can be compared."""
    return Counter(key(record) for record in records if matches(query, record))


def key(record: Record) -> bytes:
    """A record as something that sorts and hashes, whatever is in its text."""
    text = record.text.encode("utf-8", "surrogatepass")
    return msgspec.msgpack.encode((record.at, record.source, text, record.level, record.context))


def counted(query: LogQuery, records: Iterable[Record]) -> list[LogCount]:
    """Hits by minute, app, service and level."""
    hits = (record for record in records if matches(query, record))
    sums = Counter((r.at // MINUTE, r.source.app, r.source.service, r.level) for r in hits)
    return [
        LogCount(minute, service, level, number, app)
        for (minute, app, service, level), number in sorted(sums.items())
    ]


def lines(
    number: int, *, app: str = "shop", service: str = "web", at: int = T0, step: int = 10**9,
    size: int = 100, container: str = "c1",
) -> Sequence[Record]:  # fmt: skip
    """So many records of about that size, whose words differ."""
    source = Source(app=app, service=service, release=1, container=container, name="n")
    return [
        Record(at + n * step, source, f"n{at + n} {'x' * (size - 40)} id={n * 7919:x} end", n % 7)
        for n in range(number)
    ]
