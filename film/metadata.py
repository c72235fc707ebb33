"""What a JPEG says of itself before its first scan: which way is up, and whether Pillow would stumble over the rest.

Pillow reads application data with care for some of what may be wrong, and refuses a file for other. Here only what is
in good order is vouched for; of everything else it is asked.
"""

import struct
from collections.abc import Iterable

from film.jpeg import SCAN, Segment, segments

_JFIF, _EXIF, _PROFILE, _PHOTOSHOP, _ADOBE = 0xE0, 0xE1, 0xE2, 0xED, 0xEE
_NEVER = 2**16
"""Longer than any segment."""
_LEAST = {
    _JFIF: {b"JFIF": 14},
    _PROFILE: {b"ICC_PROFILE\0": 14, b"MPF\0": _NEVER},
    _ADOBE: {b"Adobe": 12},
}
"""By marker, then by how it begins, what Pillow reads of a segment without looking whether so much is there.

A multi-picture file (MPF) has a second directory, which may have Pillow do anything.
"""
_ORIENTATION, _RESOLUTION, _UNIT = 0x0112, 0x011A, 0x0128
_SHORT, _RATIONAL = 3, 5
_READ = {_ORIENTATION: (_SHORT, 1), _RESOLUTION: (_RATIONAL, 1), _UNIT: (_SHORT, 1)}
"""The tags of which Pillow reads the value, in the type and number that Exif has for them; only the others' lengths."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of each of TIFF 6.0's types."""
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_PLAIN_EXIF = struct.Struct("<6s4sIHHHIHHI")
"""Header, offset of the only directory, its one entry, and no further directory."""


class _OddMetadataError(Exception):
    """Something is not as it should be, or may not be."""


def plain_orientation(head: Iterable[Segment]) -> int | None:
    """The orientation (1 to 8) that Pillow finds in the segments before the first scan; None if it must be asked.

    It must wherever it might refuse the file for its metadata, and it reads no colours but YCbCr and grey out of it.
    """
    try:
        return _orientation(head)
    except _OddMetadataError:
        return None


def with_plain_exif(data: bytes, orientation: int, head: Iterable[Segment] | None = None) -> bytes | None:
    """A sound JPEG whose Exif says the orientation (1 to 8) and nothing else; None if it has no room for it.

    Readers disagree about malformed metadata; this way all see what one of them saw. ``head`` is its segments, up to
    the first scan at least, where they are known.
    """
    plain = _PLAIN_EXIF.pack(b"Exif\0\0", b"II*\0", 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0, 0)
    parts, kept, said = [], 0, orientation == 1
    for place, marker, body in segments(data) if head is None else head:
        if marker == SCAN:
            break
        if marker == _EXIF and body.startswith(b"Exif"):
            fits = not said and len(body) >= len(plain)
            parts += [data[kept : place + 4], (plain if fits else b"").ljust(len(body), b"\0")]
            kept, said = place + 4 + len(body), said or fits
    if not said:
        return None
    return b"".join([*parts, data[kept:]]) if parts else data


def _orientation(head: Iterable[Segment]) -> int:
    exifs, said, elsewhere = 0, 0, False
    for _, marker, body in head:
        if marker == _EXIF and body.startswith(b"Exif"):
            exifs, said = exifs + 1, _read_exif(body)
            _expect(exifs == 1)  # several are parts of one
        elif marker == _EXIF:
            elsewhere |= b"tiff:Orientation" in body  # XMP, which counts where the Exif does not say
        elif marker == _PHOTOSHOP and body.startswith(b"Photoshop 3.0\0"):
            _check_resources(body)
        elif marker in _LEAST:
            _expect(all(len(body) >= least for start, least in _LEAST[marker].items() if body.startswith(start)))
            _expect(marker != _ADOBE or not body.startswith(b"Adobe") or body[11] != 0)  # 0 may be RGB
    _expect(bool(said) or not elsewhere)
    return said or 1


def _read_exif(body: bytes) -> int:
    """The orientation in the first directory, 0 if it has none. All that the directory points to must be there."""
    tiff, order = body[6:], _ORDERS.get(body[6:10])
    _expect(body.startswith(b"Exif\0\0") and order is not None and len(tiff) >= 8)
    (place,) = struct.unpack_from(f"{order}I", tiff, 4)
    _expect(place + 2 <= len(tiff))
    (count,) = struct.unpack_from(f"{order}H", tiff, place)
    end = place + 2 + 12 * count
    _expect(end + 4 <= len(tiff))  # the offset of the next directory is behind it
    values: dict[int, int] = {}
    room = len(tiff)  # Pillow skips what goes beyond it
    for tag, kind, number, value in struct.iter_unpack(f"{order}HHII", tiff[place + 2 : end]):
        size = _SIZES.get(kind, _NEVER) * number
        if size > 4:
            room -= size
            _expect(room >= 0 and value + size <= len(tiff))
        if tag in _READ:
            _expect(tag not in values and _READ[tag] == (kind, number))
            values[tag] = value
    if _ORIENTATION not in values:
        return 0
    said = values[_ORIENTATION] >> 16 if order == ">" else values[_ORIENTATION] & 0xFFFF
    _expect(1 <= said <= 8)
    return said


def _check_resources(body: bytes) -> None:
    """That no resource of Photoshop's ends within its name."""
    place = 14
    while body[place : place + 4] == b"8BIM":
        _expect(len(body) > place + 6)
        size_at = place + 7 + body[place + 6]
        size_at += size_at % 2
        _expect(len(body) >= size_at + 4)
        place = size_at + 4 + int.from_bytes(body[size_at : size_at + 4], "big")
        place += place % 2


def _expect(kept: bool) -> None:
    if not kept:
        raise _OddMetadataError
