"""Whether a JPEG is sound, from its markers alone: nothing is decoded.

libjpeg gives up on broken markers and tables, and reads over broken pixels. So a file whose every segment keeps to the
standard (ITU-T T.81, annex B) is read by every decoder built on libjpeg-turbo, with the same result. Stricter than any
decoder on purpose: what is doubted here is not refused, only looked at by the reference.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

from film.markers import next_marker

SCAN = 0xDA
"""The marker of a segment behind which there are coded pixels."""
_END, _TABLES, _QUANTISERS, _INTERVAL = 0xD9, 0xC4, 0xDB, 0xDD
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_NOTES = {*range(0xE0, 0xF0), 0xFE}
"""Application data and comments."""
_MAX_BLOCKS = 10
"""Of all components in an interleaved unit (B.2.3)."""
_REMEMBERED, _FEW, _SHORT = 64, 16, 2**12
"""How many judgements are kept, of how many segments and bytes each: a camera's pictures differ in neither tables nor
sizes, and most others have the tables of the standard."""

Segment = tuple[int, int, bytes]
"""Place, marker and contents."""
_Part = tuple[int, bytes]
"""Marker and contents, which are all that a judgement goes by."""


class _Unsound(Exception):
    """The file departs from the standard."""


@dataclass(frozen=True)
class Sound:
    """A sound JPEG's width and height as stored, and how many scans it has."""

    width: int
    height: int
    scans: int


def is_sound(data: bytes) -> bool:
    """Whether ``data`` is a Huffman-coded 8-bit JPEG of 1 or 3 components with every segment in order, up to its end.

    What follows the end does not matter: previews, and the zeros of a tensor.
    """
    return sound(segments(data)) is not None


def sound(found: Iterable[Segment]) -> Sound | None:
    """What all the segments of a file say, None if it is not sound."""
    parts = ((marker, body) for _, marker, body in found if marker not in _NOTES)
    first = tuple(islice(parts, _FEW))
    few = len(first) < _FEW and sum([len(body) for _, body in first]) <= _SHORT
    return _judged(first) if few else _judge(chain(first, parts))


def segments(data: bytes, most: int = sys.maxsize) -> Iterator[Segment]:
    """Each segment, from behind the start of the image to its end, or to where none begins that is whole.

    The pixels behind a scan's are looked through when the next is asked for. Not more than ``most`` are given.
    """
    place, stop = 2 if data[:2] == b"\xff\xd8" else -1, len(data) - 1
    for _ in range(most):
        if not 0 <= place < stop or data[place] != 0xFF:
            return
        marker = data[place + 1]
        if marker == _END:
            yield place, marker, b""
            return
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if not place + 4 <= end <= len(data):
            return
        yield place, marker, data[place + 4 : end]
        place = next_marker(data, end) if marker == SCAN else end


@lru_cache(_REMEMBERED)
def _judged(parts: tuple[_Part, ...]) -> Sound | None:
    return _judge(parts)


def _judge(parts: Iterable[_Part]) -> Sound | None:
    try:
        return _walk(parts)
    except (_Unsound, IndexError):
        return None


def _walk(parts: Iterable[_Part]) -> Sound:
    tables: set[tuple[int, int]] = set()
    quantisers: set[int] = set()
    frame, seen = _Frame(0, 0, {}), set[int]()
    kind, scans = 0, 0
    for marker, body in parts:
        if marker == _END:
            _require(scans > 0 and seen == set(frame.quantisers))
            return Sound(frame.width, frame.height, scans)
        if marker == _TABLES:
            tables |= _read_tables(body)
        elif marker == _QUANTISERS:
            quantisers |= _read_quantisers(body)
        elif marker in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            _require(not frame.quantisers)
            kind, frame = marker, _read_frame(body)
        elif marker == SCAN:
            _require(bool(frame.quantisers) and set(frame.quantisers.values()) <= quantisers)
            components = _read_scan(body, frame, kind, tables)
            _require(kind == _PROGRESSIVE or not components & seen)
            seen |= components
            scans += 1
        else:
            _require(marker == _INTERVAL and len(body) == 2)
    raise _Unsound


@lru_cache(_REMEMBERED)
def _read_tables(body: bytes) -> frozenset[tuple[int, int]]:
    """Huffman tables (B.2.4.2), as (class, number): their codes must fit into the code space."""
    found = set()
    while body:
        kind, number = body[0] >> 4, body[0] & 15
        counts, total = body[1:17], sum(body[1:17])
        _require(kind <= 1 and number <= 3 and len(counts) == 16 and 0 < total <= 256 and len(body) >= 17 + total)
        room = 1
        for count in counts:
            room = 2 * room - count
            if room <= 0:  # the code of ones only is not used (C.2)
                raise _Unsound
        if kind == 0:
            _require(max(body[17 : 17 + total]) <= 15)
        found.add((kind, number))
        body = body[17 + total :]
    return frozenset(found)


def _read_quantisers(body: bytes) -> set[int]:
    found = set()
    while body:
        size = 64 * (1 + (body[0] >> 4))
        _require(body[0] >> 4 <= 1 and body[0] & 15 <= 3 and len(body) > size)
        found.add(body[0] & 15)
        body = body[1 + size :]
    return found


@dataclass(frozen=True)
class _Frame:
    """Width, height, and the quantiser of each component (B.2.2)."""

    width: int
    height: int
    quantisers: dict[int, int]


def _read_frame(body: bytes) -> _Frame:
    count, height, width = body[5], int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    _require(body[0] == 8 and height > 0 and width > 0 and count in (1, 3) and len(body) == 6 + 3 * count)
    parts = [body[6 + 3 * i : 9 + 3 * i] for i in range(count)]
    sampling = [(part[1] >> 4, part[1] & 15) for part in parts]
    _require(all(across in (1, 2, 4) and down in (1, 2, 4) for across, down in sampling))
    _require(count == 1 or sum(across * down for across, down in sampling) <= _MAX_BLOCKS)
    names = bytes(part[0] for part in parts)
    _require(len(set(names)) == count and all(part[2] <= 3 for part in parts))
    _require(names != b"RGB")  # libjpeg reads no YCbCr out of these, whatever a GPU does
    return _Frame(width, height, {part[0]: part[2] for part in parts})


def _read_scan(body: bytes, frame: _Frame, kind: int, tables: set[tuple[int, int]]) -> set[int]:
    """The components of a scan (B.2.3), whose tables must be there."""
    count = body[0]
    _require(1 <= count <= len(frame.quantisers) and len(body) == 4 + 2 * count)
    parts = {body[1 + 2 * i]: body[2 + 2 * i] for i in range(count)}
    first, last, high, low = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
    _require(len(parts) == count and parts.keys() <= frame.quantisers.keys())
    if kind == _PROGRESSIVE:
        _require(last <= 63 and low <= 13 and high in (0, low + 1) and (first == last == 0 or 0 < first <= last))
        _require(first == 0 or count == 1)
    else:
        _require((first, last, high, low) == (0, 63, 0, 0))
    for chosen in parts.values():
        needs_dc = kind != _PROGRESSIVE or (first == 0 and high == 0)
        needs_ac = kind != _PROGRESSIVE or first > 0
        _require(not needs_dc or (0, chosen >> 4) in tables)
        _require(not needs_ac or (1, chosen & 15) in tables)
    return set(parts)


def _require(kept: bool) -> None:
    if not kept:
        raise _Unsound
