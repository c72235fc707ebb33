"""Whether a JPEG is sound, from its markers alone: nothing is decoded.

libjpeg gives up on broken markers and tables, and reads over broken pixels. So a file whose every segment keeps to the
standard (ITU-T T.81, annex B) is read by every decoder built on libjpeg-turbo, with the same result. Stricter than any
decoder on purpose: what is doubted here is not refused, only looked at by the reference.
"""

import struct
from collections.abc import Iterator

from film.markers import next_marker

_START, _END, _SCAN, _TABLES, _QUANTISERS, _INTERVAL = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_NOTES = {*range(0xE0, 0xF0), 0xFE}
"""Application data and comments."""
_MAX_BLOCKS = 10
"""Of all components in an interleaved unit (B.2.3)."""


class _Unsound(Exception):
    """The file departs from the standard."""


def is_sound(data: bytes) -> bool:
    """Whether ``data`` is a Huffman-coded 8-bit JPEG of 1 or 3 components with every segment in order, up to its end.

    What follows the end does not matter: previews, and the zeros of a tensor.
    """
    try:
        return _walk(data)
    except (_Unsound, IndexError):
        return False


def with_plain_exif(data: bytes, orientation: int) -> bytes | None:
    """A sound JPEG whose Exif says the orientation (1 to 8) and nothing else; None if it has no room for it.

    Readers disagree about malformed metadata; this way all see what one of them saw.
    """
    plain = _PLAIN_EXIF.pack(b"Exif\0\0", b"II*\0", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)
    parts, kept, said = [], 0, orientation == 1
    for place, marker, body in _segments(data):
        if marker == _SCAN:
            break
        if marker == _EXIF and body.startswith(b"Exif"):
            fits = not said and len(body) >= len(plain)
            parts += [data[kept : place + 4], (plain if fits else b"").ljust(len(body), b"\0")]
            kept, said = place + 4 + len(body), said or fits
    if not said:
        return None
    return b"".join([*parts, data[kept:]]) if parts else data


_PLAIN_EXIF = struct.Struct("<6s4sIHHHIHHI")
"""Header, offset of the only directory, its one entry, and no further directory."""
_EXIF, _ORIENTATION = 0xE1, 0x0112


def _walk(data: bytes) -> bool:
    tables: set[tuple[int, int]] = set()
    quantisers: set[int] = set()
    frame: dict[int, int] = {}
    seen: set[int] = set()
    kind, scans = 0, 0
    for _, marker, body in _segments(data):
        if marker == _END:
            return scans > 0 and seen == set(frame)
        if marker == _TABLES:
            tables |= _read_tables(body)
        elif marker == _QUANTISERS:
            quantisers |= _read_quantisers(body)
        elif marker in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            _require(not frame)
            kind, frame = marker, _read_frame(body)
        elif marker == _SCAN:
            _require(bool(frame) and set(frame.values()) <= quantisers)
            found = _read_scan(body, frame, kind, tables)
            _require(kind == _PROGRESSIVE or not found & seen)
            seen |= found
            scans += 1
        elif marker == _INTERVAL:
            _require(len(body) == 2)
        else:
            _require(marker in _NOTES)
    return False


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, marker and contents of each segment, from behind the start of the image to its end."""
    place = 2
    _require(data[:2] == b"\xff\xd8")
    while True:
        _require(data[place] == 0xFF)
        marker = data[place + 1]
        if marker == _END:
            yield place, marker, b""
            return
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        _require(length >= 2 and len(body) == length - 2)
        yield place, marker, body
        place += 2 + length
        if marker == _SCAN:
            place = next_marker(data, place)
            _require(place >= 0)


def _read_tables(body: bytes) -> set[tuple[int, int]]:
    """Huffman tables (B.2.4.2), as (class, number): their codes must fit into the code space."""
    found = set()
    while body:
        kind, number = body[0] >> 4, body[0] & 15
        counts, total = body[1:17], sum(body[1:17])
        _require(kind <= 1 and number <= 3 and len(counts) == 16 and 0 < total <= 256 and len(body) >= 17 + total)
        room = 1
        for count in counts:
            room = 2 * room - count
            _require(room > 0)  # the code of ones only is not used (C.2)
        if kind == 0:
            _require(max(body[17 : 17 + total]) <= 15)
        found.add((kind, number))
        body = body[17 + total :]
    return found


def _read_quantisers(body: bytes) -> set[int]:
    found = set()
    while body:
        size = 64 * (1 + (body[0] >> 4))
        _require(body[0] >> 4 <= 1 and body[0] & 15 <= 3 and len(body) > size)
        found.add(body[0] & 15)
        body = body[1 + size :]
    return found


def _read_frame(body: bytes) -> dict[int, int]:
    """The quantiser of each component (B.2.2)."""
    count = body[5]
    _require(body[0] == 8 and any(body[1:3]) and any(body[3:5]) and count in (1, 3) and len(body) == 6 + 3 * count)
    parts = [body[6 + 3 * i : 9 + 3 * i] for i in range(count)]
    sampling = [(part[1] >> 4, part[1] & 15) for part in parts]
    _require(all(across in (1, 2, 4) and down in (1, 2, 4) for across, down in sampling))
    _require(count == 1 or sum(across * down for across, down in sampling) <= _MAX_BLOCKS)
    _require(len({part[0] for part in parts}) == count and all(part[2] <= 3 for part in parts))
    return {part[0]: part[2] for part in parts}


def _read_scan(body: bytes, frame: dict[int, int], kind: int, tables: set[tuple[int, int]]) -> set[int]:
    """The components of a scan (B.2.3), whose tables must be there."""
    count = body[0]
    _require(1 <= count <= len(frame) and len(body) == 4 + 2 * count)
    parts = {body[1 + 2 * i]: body[2 + 2 * i] for i in range(count)}
    first, last, high, low = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
    _require(len(parts) == count and set(parts) <= set(frame))
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
