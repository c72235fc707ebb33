"""Files that would keep a decoder busy for minutes are refused; odd ones that would not are read."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from film import container, images, specs
from film.errors import ImageTooLarge
from film.gate import gate
from film.ops import fast

MANY = specs.MAX_PARTS * 11 // 10
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
NOTED = b"iTXt" + b"Comment\0\0\0\0\0twelve chars"
NOTE = struct.pack(">I", len(NOTED) - 4) + NOTED + struct.pack(">I", zlib.crc32(NOTED))
EMPTY_CHUNK = struct.pack(">I4sI", 0, b"prVt", zlib.crc32(b"prVt"))


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, kind, **options)
    return file.getvalue()


def last_scan_again(data: bytes, times: int, *, between: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan, with its tables, comes ``times`` more."""
    end = data.rindex(b"\xff\xd9")
    scan = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, scan)
    return data[:end] + (between + data[tables:end]) * times + data[end:]


def with_chunks(chunk: bytes, times: int = MANY) -> bytes:
    data = encoded("PNG")
    place = data.index(b"IDAT") - 4
    return data[:place] + chunk * times + data[place:]


def with_segments(between: bytes) -> bytes:
    data = encoded("JPEG")
    return data[:2] + between + data[2:]


def webp_with_chunks() -> bytes:
    body = encoded("WEBP")[12:] + struct.pack("<4sI", b"junk", 0) * MANY
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def tiff_of_strips(rows: int, *, big: bool = False, tags: int = 0, listed: tuple[int, int] | None = None) -> bytes:
    """A grey picture one pixel wide, a row a strip, all of them the same; or as many ``tags`` of no meaning.

    Or with a tag, the first of ``listed``, of as many values as the second says.
    """
    entry, head = ("<HHQQ", b"II+\0\x08\0\0\0") if big else ("<HHII", b"II*\0")
    first = len(head) + (8 if big else 4)
    offset = 400
    known = [(256, 3, 1, 1), (257, 4, 1, rows), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    known += [(273, 4, rows, offset), (278, 3, 1, 1), (279, 4, rows, offset + 4 * rows)]
    known += [(60000, 3, 1, 0)] * tags
    known += [(listed[0], 3, listed[1], 8)] if listed else []
    body = head + struct.pack("<Q" if big else "<I", first) + struct.pack("<Q" if big else "<H", len(known))
    body += b"".join(struct.pack(entry, *one) for one in known)
    return body.ljust(offset, b"\0") + struct.pack("<I", 8) * rows + struct.pack("<I", 1) * rows


PROGRESSIVE = encoded("JPEG", progressive=True)
PARTS = {
    "segments of a JPEG": with_segments(b"\xff\xe0\0\2" * MANY),
    "fill bytes": with_segments(b"\xff" * MANY),
    "chunks of a PNG": with_chunks(EMPTY_CHUNK),
    "chunks of a WebP": webp_with_chunks(),
    "strips of a TIFF": tiff_of_strips(MANY),
    "strips of a BigTIFF": tiff_of_strips(MANY, big=True),
    "tags of a BigTIFF": tiff_of_strips(8, big=True, tags=2 * MANY),
    "values of a tag of a TIFF": tiff_of_strips(8, listed=(339, MANY)),
    "colours of a palette": tiff_of_strips(8, listed=(320, 4 * MANY)),
}
SCANS = {
    "scan after scan": last_scan_again(PROGRESSIVE, specs.MAX_JPEG_SCANS),
    "with bytes between that libjpeg skips": last_scan_again(PROGRESSIVE, specs.MAX_JPEG_SCANS, between=b"\0\x01"),
}
FINE = {
    "progressive": PROGRESSIVE,
    "twice as many scans": last_scan_again(PROGRESSIVE, 10),
    "a film behind the photograph": PROGRESSIVE + random.Random(0).randbytes(2**20) + b"\xff\xda" * 1000,
    "zeros behind a PNG": encoded("PNG") + bytes(12 * MANY),
    "zeros behind a WebP": encoded("WEBP") + bytes(8 * MANY),
    "a row a strip": tiff_of_strips(20_000),
    "notes in a PNG": with_chunks(NOTE, 2000),
}


@pytest.mark.parametrize("data", PARTS.values(), ids=PARTS)
def test_too_many_parts_are_refused(data: bytes) -> None:
    for read in (images.decode, fast.decode, lambda blob: fast.decode_crop_resize(blob, 16)):
        with pytest.raises(ImageTooLarge, match=r"consists of more than [\d,]+ parts"):
            read(data)


@pytest.mark.parametrize("data", SCANS.values(), ids=SCANS)
def test_too_many_scans_are_refused(data: bytes) -> None:
    for read in (images.decode, fast.decode, lambda blob: fast.decode_crop_resize(blob, 16)):
        with pytest.raises(ImageTooLarge, match=r"goes over its [\d,]+ pixels"):
            read(data)
    assert "goes over its" in gate([data], 16).errors[0]


def test_fewer_scans_are_too_many_for_a_large_picture() -> None:
    container.check_scans(PROGRESSIVE, specs.MAX_IMAGE_PIXELS)
    with pytest.raises(ImageTooLarge):
        container.check_scans(last_scan_again(PROGRESSIVE, 20), specs.MAX_IMAGE_PIXELS)


@pytest.mark.parametrize("data", FINE.values(), ids=FINE)
def test_what_only_looks_like_much_is_read(data: bytes) -> None:
    assert fast.decode(data).shape == images.decode(data).shape
