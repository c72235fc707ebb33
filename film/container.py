"""What a file says it is made of, before a library believes it.

Readers go from segment to segment, chunk to chunk or strip to strip, some of them in Python and with a note of each:
eight megabytes of empty ones take them half a minute, and a JPEG may ask to be gone over any number of times. A picture
has few for its bytes, so more are refused. What else may be wrong with a file is not looked for here.
"""

import struct
from collections.abc import Iterator

from film import specs
from film.errors import ImageTooLarge
from film.markers import next_marker

_ALONE, _END, _SCAN = (0x01, 0xD8), 0xD9, 0xDA
_SEQUENTIAL = (0xC0, 0xC1)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PNG_COMPRESSED, _INFLATED = (b"iCCP", b"zTXt", b"iTXt"), 16
"""Chunks that are inflated, to a thousand times their bytes at most; so many of those count as one part more."""
_STRIPS, _TILES = 273, 324
"""TIFF's tags of where the parts of the pixels are."""
_FEW = {254, 256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 296, 317, 322, 323, 338, 339, 530}
"""TIFF's tags of a few values at most, all of which become numbers of Python as soon as a picture is opened."""
_PALETTE, _LONGEST_PALETTE = 320, 3 * 2**16
_MOST_TAGS = 65_535


def check_parts(kind: str, data: bytes) -> None:
    """ImageTooLarge for a file of that ``kind`` that is made of more parts than a picture of its bytes is."""
    most = specs.MAX_PARTS + len(data) // specs.BYTES_A_PART
    parts = 0
    for cost in _COSTS[kind](data):
        parts += cost
        if parts > most:
            raise ImageTooLarge(f"{kind} consists of more than {most:,} parts, which no picture of its size needs")


def check_scans(data: bytes, pixels: int) -> None:
    """ImageTooLarge for a JPEG that has its decoder go over its ``pixels`` too often."""
    scans = 0
    for scans in _scans(data):
        if scans > specs.MAX_JPEG_SCANS or scans * pixels > specs.MAX_SCANNED_PIXELS:
            raise ImageTooLarge(f"JPEG goes over its {pixels:,} pixels {scans} times or more; save it anew")


def _scans(data: bytes) -> Iterator[int]:
    """1, 2, 3 and so on, for each scan that is decoded; one alone where that has all components, and is the last."""
    found, sequential, components = 0, False, 0
    for marker, place in _markers(data):
        if marker in _FRAMES:
            sequential, components = marker in _SEQUENTIAL, _byte(data, place + 7)
        elif marker == _SCAN:
            found += 1
            yield found
            if sequential and _byte(data, place + 2) == components:
                return


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Each marker of a JPEG and where its length is, as libjpeg finds them: it skips what lies between segments."""
    place = 2
    while (found := next_marker(data, place)) >= 0:
        marker, place = data[found + 1], found + 2
        yield marker, place
        if marker == _END:
            return
        if marker not in _ALONE:
            place += int.from_bytes(data[place : place + 2], "big")


def _segments(data: bytes) -> Iterator[int]:
    """1 for each segment of a JPEG before its first scan, and for each byte that is skipped before one."""
    end = 2
    for marker, place in _markers(data):
        yield 1 + max(0, place - 2 - end)
        if marker == _SCAN:
            return
        end = place + int.from_bytes(data[place : place + 2], "big")


def _chunks(data: bytes) -> Iterator[int]:
    """1 for each chunk of a PNG, more for one that is inflated; what is behind its end does not matter."""
    place = 8
    while place < len(data):
        kind, length = data[place + 4 : place + 8], int.from_bytes(data[place : place + 4], "big")
        yield 1 + (min(length // _INFLATED, specs.PARTS_A_PNG_TEXT) if kind in _PNG_COMPRESSED else 0)
        if kind == b"IEND":
            return
        place += 12 + int.from_bytes(data[place : place + 4], "big")


def _riff_chunks(data: bytes) -> Iterator[int]:
    """1 for each chunk of a WebP; what is behind its end does not matter."""
    place, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while place < end:
        yield 1
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2


def _strips(data: bytes) -> Iterator[int]:
    """How many strips or tiles the first page of a TIFF has, values of its other tags that are read at once, and the
    tags that are more than TIFF 6.0 has room for."""
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
    head, entry = ("8xQ", "HHQQ") if big else ("4xI", "HHII")
    try:
        (place,) = struct.unpack_from(order + head, data)
        count_of = struct.Struct(order + ("Q" if big else "H"))
        (tags,) = count_of.unpack_from(data, place)
        yield max(0, tags - _MOST_TAGS)
        one = struct.Struct(order + entry)
        for number in range(tags):
            tag, _, count, _ = one.unpack_from(data, place + count_of.size + number * one.size)
            if tag in (_STRIPS, _TILES) or tag in _FEW:
                yield count
            elif tag == _PALETTE:
                yield max(0, count - _LONGEST_PALETTE)
    except struct.error:
        return  # it is cut short, and whoever reads it will say so


def _byte(data: bytes, place: int) -> int:
    return data[place] if place < len(data) else 0


_COSTS = {"JPEG": _segments, "PNG": _chunks, "TIFF": _strips, "WEBP": _riff_chunks}
