"""Which JPEGs are sound: every rule, by a file that breaks it and no other."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from film.jpeg import is_sound

Segment = tuple[int, bytes]
TABLES, QUANTISERS, FRAME, SCAN, INTERVAL, NOTE = 0xC4, 0xDB, 0xC0, 0xDA, 0xDD, 0xFE


def encoded(**options: object) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def taken_apart(jpeg: bytes) -> tuple[list[Segment], bytes]:
    """The segments up to the scan's, and the scan with the end."""
    segments, place = [], 2
    while not segments or segments[-1][0] != SCAN:
        length = int.from_bytes(jpeg[place + 2 : place + 4], "big")
        segments.append((jpeg[place + 1], jpeg[place + 4 : place + 2 + length]))
        place += 2 + length
    return segments, jpeg[place:]


def put_together(segments: list[Segment], scan: bytes) -> bytes:
    parts = [b"\xff%c" % marker + (len(body) + 2).to_bytes(2, "big") + body for marker, body in segments]
    return b"\xff\xd8" + b"".join(parts) + scan


def changed(marker: int, change: Callable[[bytearray], object], **options: object) -> bytes:
    """A sound JPEG whose first segment of that kind was changed."""
    segments, scan = taken_apart(encoded(**options))
    at = [kind for kind, _ in segments].index(marker)
    body = bytearray(segments[at][1])
    change(body)
    return put_together([*segments[:at], (marker, bytes(body)), *segments[at + 1 :]], scan)


def without(marker: int) -> bytes:
    segments, scan = taken_apart(encoded())
    return put_together([segment for segment in segments if segment[0] != marker], scan)


def twice(marker: int) -> bytes:
    segments, scan = taken_apart(encoded())
    return put_together([both for segment in segments for both in [segment] * (1 + (segment[0] == marker))], scan)


def with_more_codes_than_there_are(body: bytearray) -> None:
    fullest = max(range(2, 17), key=lambda length: body[length])
    body[1], body[fullest] = 3, body[fullest] - 3 + body[1]


def setting(place: int, value: int) -> Callable[[bytearray], object]:
    return lambda body: body.__setitem__(place, value)


SOUND = {
    "baseline": encoded(),
    "progressive": encoded(progressive=True),
    "own tables": encoded(optimize=True),
    "restarts": encoded(restart_marker_blocks=2),
    "a comment": put_together([(NOTE, b"a note"), *taken_apart(encoded())[0]], taken_apart(encoded())[1]),
    "fill bytes before the end": encoded()[:-2] + b"\xff\xff\xff\xd9",
    "zeros behind it": encoded() + bytes(50),
}
UNSOUND = {
    "nothing": b"",
    "a start only": b"\xff\xd8",
    "no start": encoded()[2:],
    "no end": encoded()[:-2],
    "half an end": encoded()[:-1],
    "no scan": put_together(taken_apart(encoded())[0][:-1], b"\xff\xd9"),
    "a component that no scan has": encoded(progressive=True).partition(b"\xff\xda")[0] + b"\xff\xd9",
    "scans that leave a component out": changed(SCAN, lambda body: body.__setitem__(slice(None), b"\1\1\0\0\x3f\0")),
    "a component scanned again": put_together(
        [*taken_apart(encoded())[0], taken_apart(encoded())[0][-1]], taken_apart(encoded())[1]
    ),
    "a scan of an unknown component": changed(SCAN, setting(1, 9)),
    "a scan with a DC table that is not there": changed(SCAN, setting(2, 0x30)),
    "a scan with an AC table that is not there": changed(SCAN, setting(2, 0x03)),
    "a spectrum that ends before it begins": changed(SCAN, setting(-3, 1), progressive=True),
    "a spectrum of 71": changed(SCAN, setting(-2, 70), progressive=True),
    "a refinement of nothing": changed(SCAN, setting(-1, 0x30), progressive=True),
    "a segment of an unknown kind": put_together([(0xB0, b"?"), *taken_apart(encoded())[0]], taken_apart(encoded())[1]),
    "another start": b"\xff\xd7" + encoded()[2:],
    "part of a spectrum in a baseline scan": changed(SCAN, setting(-2, 30)),
    "no Huffman tables": without(TABLES),
    "a Huffman table of more codes than there are": changed(TABLES, with_more_codes_than_there_are),
    "a Huffman table cut short": changed(TABLES, lambda body: body.__delitem__(slice(-3, None))),
    "a Huffman table of a kind that is none": changed(TABLES, setting(0, 0x25)),
    "a DC difference of too many bits": changed(TABLES, setting(-1, 16)),
    "no quantisers": without(QUANTISERS),
    "a quantiser cut short": changed(QUANTISERS, lambda body: body.__delitem__(slice(-3, None))),
    "two frames": twice(FRAME),
    "12-bit pixels": changed(FRAME, setting(0, 12)),
    "no width": changed(FRAME, lambda body: body.__setitem__(slice(3, 5), b"\0\0")),
    "a sampling of three": changed(FRAME, setting(7, 0x32)),
    "a unit of 18 blocks": changed(FRAME, setting(7, 0x44)),
    "a component twice": changed(FRAME, setting(9, 1)),
    "an interval of three bytes": put_together(
        [(INTERVAL, b"\0\1\2"), *taken_apart(encoded())[0]], taken_apart(encoded())[1]
    ),
    "an arithmetic frame": put_together(
        [(0xC9 if kind == FRAME else kind, body) for kind, body in taken_apart(encoded())[0]], taken_apart(encoded())[1]
    ),
    "rubbish between segments": encoded()[:20] + b"rubbish" + encoded()[20:],
}


@pytest.mark.parametrize("kind", SOUND)
def test_what_keeps_to_the_standard_is_sound(kind: str) -> None:
    assert is_sound(SOUND[kind])


@pytest.mark.parametrize("kind", UNSOUND)
def test_what_departs_from_it_is_not(kind: str) -> None:
    assert not is_sound(UNSOUND[kind])


def test_components_called_r_g_and_b_are_in_doubt() -> None:
    """libjpeg takes them for just that where nothing else says what they are; a GPU may not."""
    segments, scan = taken_apart(encoded(keep_rgb=True))
    data = put_together([part for part in segments if part[0] != 0xEE], scan)  # Adobe's note would say so
    assert np.array_equal(Image.open(io.BytesIO(data)), Image.open(io.BytesIO(encoded(keep_rgb=True))))
    assert is_sound(encoded())
    assert not is_sound(data)
