"""A chunk: some thousand records of one service, packed for reading them back in no time.

Imported within the package only. The text of all records stands in one zstd frame, joined by
newlines, so that one `find` searches all of it; times, lengths, levels and sources stand in
another, which only a hit needs. Both frames carry a checksum.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import zstandard

from cove.errors import PlatformError
from cove.model.logs import Record, Source, Stream

CHUNK_RAW: Final = 512 << 10  # bytes of text; larger ones take more memory, and read no faster
_LARGEST: Final = 64 << 20  # bytes of text; more in one record is damage
_LEVEL: Final = 3  # zstd's own default
_STREAMS: Final[tuple[Stream, Stream]] = ("stdout", "stderr")
_FEW_TIMES: Final = 16  # so many sums of a part take as long as all sums at once
_BLOCK: Final = 64  # records
_FEW: Final = 256  # sources that a byte can tell apart
# Neither bears two threads at once, and a compressor keeps over a megabyte: those that rest are for
# whatever thread comes next. A list's ends are safe among threads.
_compressors: list[zstandard.ZstdCompressor] = []
_decompressors: list[zstandard.ZstdDecompressor] = []
_UNPACK: Final = 2  # that rest; a search has two threads
_PACK: Final = 1
_Tool = TypeVar("_Tool")


_Source = tuple[int, str, str, int]  # release, container, name, stream


class _Meta(msgspec.Struct, frozen=True, array_like=True):
    """Everything of the records but their text. Numbers lie byte by byte: see `_planes`."""

    sources: tuple[_Source, ...]
    waits: bytes  # the first time, then the nanoseconds between records, 8 bytes each
    sizes: bytes  # bytes of text, 4 bytes each
    levels: bytes  # 1 byte each
    origins: bytes  # indices of `sources`, 1 byte each or 2


class Packed(NamedTuple):
    """A chunk as it is stored, and what its row says of it."""

    first: int
    last: int
    lines: int
    levels: int  # bit N: a record of level N is in it
    times: array[int]
    level_of: bytes
    releases: tuple[int, int]  # the least and the greatest
    plain: bytes  # the text as it was packed
    text: bytes
    meta: bytes

    @property
    def raw(self) -> int:
        """Bytes as written, the ends of lines included."""
        return len(self.plain) + 1


def parts(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The records in runs that make one chunk each, oldest first."""
    if any(later.at < earlier.at for earlier, later in pairwise(records)):
        records = sorted(records, key=lambda record: record.at)
    begin = size = 0
    for index, record in enumerate(records):
        if size > CHUNK_RAW:
            yield records[begin:index]
            begin, size = index, 0
        size += len(record.text) + 1
    yield records[begin:]


class _Columns(NamedTuple):
    """Records side by side: what is the same of all stands together."""

    times: array[int]
    sizes: array[int]
    levels: bytes
    origins: Sequence[int]
    sources: tuple[_Source, ...]
    plain: bytes


def pack(records: Sequence[Record]) -> Packed:
    """Packs records of one service, oldest first; at least one."""
    plain, sizes = _joined([record.text for record in records])
    places = {source: number for number, source in enumerate({r.source: 0 for r in records})}
    return _packed(
        _Columns(
            times=array("q", [record.at for record in records]),
            sizes=array("I", sizes),
            levels=bytes([record.level for record in records]),
            origins=[places[record.source] for record in records],
            sources=tuple(
                (s.release, s.container, s.name, int(s.stream != "stdout")) for s in places
            ),
            plain=plain,
        )
    )


def repack(chunks: Iterable[tuple[bytes, bytes]]) -> Packed | None:
    """One chunk of several, given by their frames; None where their times overlap.

    No record is taken apart for it. Raises PlatformError (`state`) when one is damaged.
    """
    times, sizes, levels, origins = array("q"), array("I"), bytearray(), array("H")
    places: dict[_Source, int] = {}
    plains = []
    for meta, text in chunks:
        known = _known(meta)
        own = array("q", accumulate(_numbers(known.waits, "q")))
        if times and own and own[0] < times[-1]:
            return None
        moved = [places.setdefault(source, len(places)) for source in known.sources]
        origins.extend(map(moved.__getitem__, _origins(known)))
        times += own
        sizes += _numbers(known.sizes, "I")
        levels += known.levels
        plains.append(decompress(text))
    plain = b"\n".join(plains)
    plains.clear()
    if len(plain) + 1 != sum(sizes) + len(sizes):
        raise damaged()
    return _packed(_Columns(times, sizes, bytes(levels), origins, tuple(places), plain))


def _packed(columns: _Columns) -> Packed:
    times, sources = columns.times, columns.sources
    few = len(sources) <= _FEW
    meta = _Meta(
        sources=sources,
        waits=_planes(array("q", chain(times[:1], map(int.__sub__, times[1:], times)))),
        sizes=_planes(columns.sizes),
        levels=columns.levels,
        # an array would give its memory, two bytes for each
        origins=bytes([*columns.origins]) if few else _planes(array("H", columns.origins)),
    )
    releases = [release for release, *_ in sources]
    return Packed(
        first=times[0],
        last=times[-1],
        lines=len(times),
        levels=sum(1 << level for level in set(columns.levels)),
        times=times,
        level_of=columns.levels,
        releases=(min(releases), max(releases)),
        plain=columns.plain,
        text=_compress(columns.plain),
        meta=_compress(msgspec.msgpack.encode(meta)),
    )


def _joined(texts: list[str]) -> tuple[bytes, Iterable[int]]:
    """All texts, and the bytes of each. Lossless for any str: lone surrogates pass."""
    together = "\n".join(texts)
    if together.isascii():
        return together.encode("ascii"), map(len, texts)
    pieces = [encoded(text) for text in texts]
    return b"\n".join(pieces), map(len, pieces)


def encoded(text: str) -> bytes:
    """A text as chunks hold it."""
    return text.encode("utf-8", "surrogatepass")


def decoded(text: bytes) -> str:
    """The text that `encoded` was given."""
    return text.decode("utf-8", "surrogatepass")


class Lines:
    """A chunk's records without their text: where each begins, and what is said of it.

    Most searches want a few records of a chunk: where those begin is added up when it is asked
    for, and for all records only when many are.
    """

    def __init__(self, app: str, service: str, meta: bytes) -> None:
        """Raises PlatformError (`state`) when it is damaged."""
        known = _known(meta)
        self.count = len(known.levels)
        self.levels = known.levels
        self.origins = _origins(known)
        self.sources = [
            Source(
                app=app, service=service, release=release, container=container, name=name,
                stream=_STREAMS[stream],
            )
            for release, container, name, stream in known.sources
        ]  # fmt: skip
        self._waits = _numbers(known.waits, "q")
        self._sizes = _numbers(known.sizes, "I")
        if not self.count == len(self._waits) == len(self._sizes) == len(self.origins):
            raise damaged()
        self._asked = 0  # for a record's time
        self._looked = 0  # for the record around a byte

    @property
    def first(self) -> int:
        """The oldest record's time."""
        return self._waits[0]

    @property
    def last(self) -> int:
        """The newest record's time."""
        return sum(self._waits)

    @cached_property
    def times(self) -> array[int]:
        """All records' times."""
        return array("q", accumulate(self._waits))

    @cached_property
    def starts(self) -> array[int]:
        """Where each record begins, in bytes; and behind the last, where the next would."""
        # a record ends a byte before the next begins
        return array("Q", accumulate(map((1).__add__, self._sizes), initial=0))

    @cached_property
    def _blocks(self) -> list[int]:
        """Where every so many records begin."""
        sizes, count = self._sizes, self.count
        whole = (sum(sizes[at : at + _BLOCK]) + _BLOCK for at in range(0, count - _BLOCK, _BLOCK))
        return list(accumulate(whole, initial=0))

    def around(self, position: int) -> tuple[int, int, int]:
        """The record to which a byte of the text belongs: its index, and its bytes from and to."""
        self._looked += 1
        if self._looked > _FEW_TIMES:
            index = bisect_right(self.starts, position) - 1
            return index, self.starts[index], self.starts[index + 1] - 1
        block = bisect_right(self._blocks, position) - 1
        first, begin = block * _BLOCK, self._blocks[block]
        sizes = self._sizes[first : first + _BLOCK]
        ends = list(accumulate(map((1).__add__, sizes), initial=begin))
        within = bisect_right(ends, position) - 1
        return first + within, ends[within], ends[within] + sizes[within]

    def span(self, index: int) -> tuple[int, int]:
        """A record's bytes, from and to."""
        block = index // _BLOCK
        begin = self._blocks[block] + sum(self._sizes[block * _BLOCK : index]) + index % _BLOCK
        return begin, begin + self._sizes[index]

    def several(self, plain: bytes) -> Iterator[int]:
        """The records of more than one line."""
        bounds = [*self._blocks, len(plain) + 1]
        for number, (begin, end) in enumerate(pairwise(bounds)):
            first = number * _BLOCK
            last = min(first + _BLOCK, self.count)
            # of the last block's last record there is no line end
            if plain.count(b"\n", begin, end) == last - first - (end > len(plain)):
                continue
            for index in range(first, last):
                if plain.find(b"\n", *self.span(index)) >= 0:
                    yield index

    def text(self, plain: bytes, index: int) -> bytes:
        """A record's text."""
        begin, end = self.span(index)
        return plain[begin:end]

    def record(self, plain: bytes, index: int, context: int = 0) -> Record:
        """A record as it was sealed."""
        text = decoded(self.text(plain, index))
        self._asked += 1
        few = self._asked <= _FEW_TIMES
        at = sum(self._waits[: index + 1]) if few else self.times[index]
        return Record(at, self.sources[self.origins[index]], text, self.levels[index], context)


def _known(meta: bytes) -> _Meta:
    try:
        return msgspec.msgpack.decode(decompress(meta), type=_Meta)
    except msgspec.MsgspecError as error:
        raise damaged() from error


def _origins(known: _Meta) -> Sequence[int]:
    few = len(known.sources) <= _FEW
    return known.origins if few else _numbers(known.origins, "H")


def damaged() -> PlatformError:
    """What is raised for a chunk that cannot be read back."""
    return PlatformError("kept log lines are damaged", code="state")


def decompress(frame: bytes) -> bytes:
    """What a frame holds. Raises PlatformError (`state`) when its checksum does not hold."""
    with _lent(_decompressors, zstandard.ZstdDecompressor, _UNPACK) as decompressor:
        try:
            return decompressor.decompress(frame, max_output_size=_LARGEST)
        except (zstandard.ZstdError, MemoryError) as error:
            raise damaged() from error


def _compress(content: bytes) -> bytes:
    with _lent(_compressors, _compressor, _PACK) as compressor:
        return bytes(compressor.compress(content))


def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)


@contextmanager
def _lent(resting: list[_Tool], make: Callable[[], _Tool], most: int) -> Iterator[_Tool]:
    try:
        tool = resting.pop()
    except IndexError:
        tool = make()
    try:
        yield tool
    finally:
        if len(resting) < most:
            resting.append(tool)


def _planes(numbers: array[int]) -> bytes:
    """All lowest bytes, then all second bytes, …: high bytes are alike and cost nothing."""
    flat, width = numbers.tobytes(), numbers.itemsize
    return b"".join(flat[byte::width] for byte in range(width))


def _numbers(planes: bytes, code: Any) -> array[int]:
    numbers: array[int] = array(code)
    width = numbers.itemsize
    count, odd = divmod(len(planes), width)
    if odd:
        raise damaged()
    flat = bytearray(len(planes))
    for byte in range(width):
        flat[byte::width] = planes[byte * count : (byte + 1) * count]
    numbers.frombytes(flat)
    return numbers
