"""What the gate decides without Pillow, it decides as with it: of all files it takes for plain, and of odd ones too."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from film import gate, specs
from film.metadata import plain_orientation

SAMPLES = sorted((Path(__file__).parents[2] / "samples").rglob("*.jpg"))
PICTURE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>%s</x:xmpmeta>"
RESOURCES = b"Photoshop 3.0\x008BIM\x03\xed\0\0" + struct.pack(">I", 16) + bytes(16) + b"8BIM\4\4\1x" + bytes(4)
ADOBE = b"Adobe\0\x64" + bytes(4)

Entry = tuple[int, int, int, int]


def encoded(mode: str = "RGB", kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    PICTURE.convert(mode).save(file, kind, **options)
    return file.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segment(marker: int, body: bytes, data: bytes | None = None) -> bytes:
    data = data or encoded()
    return data[:2] + segment(marker, body) + data[2:]


def exif(entries: list[Entry], order: str = "<", *, place: int = 8, behind: bytes = bytes(60)) -> bytes:
    """An Exif segment's contents; the values of SHORTs stand where they belong."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", place)
    packed = [struct.pack(f"{order}HHI", *entry[:3]) + value(order, *entry[1:]) for entry in entries]
    return b"Exif\0\0" + head + struct.pack(f"{order}H", len(entries)) + b"".join(packed) + bytes(4) + behind


def value(order: str, kind: int, number: int, value: int) -> bytes:
    return struct.pack(f"{order}HH", value & 0xFFFF, 0) if (kind, number) == (3, 1) else struct.pack(f"{order}I", value)


def turned(value: int) -> bytes:
    said = Image.Exif()
    said[0x0112], said[0x010F], said[0x011A], said[0x0128] = value, "a camera maker", 300.0, 2
    return encoded(exif=said)


def twelve_bits(data: bytes) -> bytes:
    place = data.index(b"\xff\xc0") + 4
    return data[:place] + b"\x0c" + data[place + 1 :]


def many_pictures() -> bytes:
    return encoded(kind="MPO", save_all=True, append_images=[PICTURE])


PLAIN: dict[str, bytes] = {
    "baseline": encoded(),
    "progressive": encoded(progressive=True),
    "grey": encoded("L"),
    "own tables": encoded(optimize=True),
    "restarts": encoded(restart_marker_blocks=2),
    "trailing bytes": encoded() + b"and more" + encoded(),
    "fill bytes before the end": encoded()[:-2] + b"\xff\xff\xff\xd9",
    "a comment": encoded(comment=b"a note"),
    "a resolution": encoded(dpi=(300, 300)),
    "a colour profile": encoded(icc_profile=PROFILE),
    "XMP": with_segment(0xE1, XMP % b"nothing"),
    "Photoshop's resources": with_segment(0xED, RESOURCES),
    "YCbCr, as Adobe says": with_segment(0xEE, ADOBE + b"\1"),
    **{f"turned {value}": turned(value) for value in range(1, 9)},
    "turned, big-endian": with_segment(0xE1, exif([(0x0110, 2, 20, 60), (0x0112, 3, 1, 6)], ">")),
    "turned, whatever XMP says": with_segment(0xE1, XMP % b'tiff:Orientation="3"', turned(6)),
    "not turned": with_segment(0xE1, exif([(0x010F, 2, 20, 40)])),
}
ODD: dict[str, bytes] = {
    "nothing": b"",
    "PNG": encoded(kind="PNG"),
    "CMYK": encoded("CMYK"),
    "12-bit": twelve_bits(encoded()),
    "MPO": many_pictures(),
    "without its end": encoded()[:-2],
    "fill bytes before a segment": encoded().replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1),
    "rubbish before a segment": encoded().replace(b"\xff\xdb", b"rubbish\xff\xdb", 1),
    "RGB, as Adobe says": with_segment(0xEE, ADOBE + b"\0"),
    "a short word of Adobe's": with_segment(0xEE, b"Adobe"),
    "a short JFIF": with_segment(0xE0, b"JFIF\0"),
    "a short profile": with_segment(0xE2, b"ICC_PROFILE\0"),
    "a resource that ends within its name": with_segment(0xED, b"Photoshop 3.0\x008BIM\4\4"),
    "turned by XMP": with_segment(0xE1, XMP % b'tiff:Orientation="6"'),
    "Exif twice": with_segment(0xE1, exif([(0x0112, 3, 1, 3)]), turned(6)),
    "Exif in a word of its own": with_segment(0xE1, exif([(0x0112, 3, 1, 6)]).replace(b"Exif\0\0", b"Exif\0\1")),
    "an orientation of nine": with_segment(0xE1, exif([(0x0112, 3, 1, 9)])),
    "an orientation in bytes": with_segment(0xE1, exif([(0x0112, 1, 1, 6)])),
    "an orientation twice": with_segment(0xE1, exif([(0x0112, 3, 1, 6), (0x0112, 3, 1, 3)])),
    "a resolution that is none": with_segment(0xE1, exif([(0x011A, 2, 1, 65), (0x0128, 3, 1, 2)])),
    "a tag of bytes that are not there": with_segment(0xE1, exif([(0x010F, 2, 99, 90), (0x0112, 3, 1, 6)])),
    "a tag longer than all": with_segment(0xE1, exif([(0x010F, 2, 70, 8), (0x0110, 2, 70, 8), (0x0112, 3, 1, 6)])),
    "a directory elsewhere": with_segment(0xE1, exif([(0x0112, 3, 1, 6)], place=2**31)),
    "a directory cut short": with_segment(0xE1, exif([(0x0112, 3, 1, 6)], behind=b"")[:-1]),
}
ALL = [*PLAIN.values(), *ODD.values(), SAMPLES[0].read_bytes()]


def outcome(look: Callable[[bytes], object], data: bytes) -> object:
    try:
        return look(data)
    except Exception as error:
        return repr(error)


def assert_as_with_pillow(data: bytes) -> None:
    plainly = outcome(gate._plain, data)
    assert plainly is None or plainly == outcome(gate._by_pillow, data)


@pytest.mark.parametrize("kind", PLAIN)
def test_what_is_plain_goes_without_pillow_and_comes_out_the_same(kind: str) -> None:
    assert gate._plain(PLAIN[kind]) is not None
    assert_as_with_pillow(PLAIN[kind])


@pytest.mark.parametrize("value", range(1, 9))
def test_width_and_height_are_those_of_the_upright_picture(value: int) -> None:
    plain = gate._plain(PLAIN[f"turned {value}"])
    assert plain is not None
    assert (plain.width, plain.height) == ((60, 40) if value < 5 else (40, 60))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_samples_do(sample: Path) -> None:
    data = sample.read_bytes()
    assert gate._plain(data) is not None
    assert_as_with_pillow(data)


@pytest.mark.parametrize("kind", ODD)
def test_of_what_is_odd_pillow_is_asked(kind: str) -> None:
    assert gate._plain(ODD[kind]) is None


def test_limits_are_those_of_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gate._PLAIN_SEGMENTS <= specs.MAX_PARTS
    progressive = encoded(progressive=True)
    for limit, most in [("MAX_IMAGE_BYTES", 700), ("MAX_IMAGE_PIXELS", 2399), ("MAX_JPEG_SCANS", 9)]:
        with monkeypatch.context() as stricter:
            stricter.setattr(specs, limit, most)
            assert gate._plain(progressive) is None
    monkeypatch.setattr(specs, "MAX_SCANNED_PIXELS", 10 * 2400 - 1)
    assert gate._plain(progressive) is None
    assert gate._plain(encoded()) is not None
    comments = segment(0xFE, b"") * gate._PLAIN_SEGMENTS
    assert gate._plain(encoded()[:2] + comments + encoded()[2:]) is None


places = st.one_of(st.integers(0, 900), st.integers(0, 4000))
markers = st.sampled_from([*range(0xC0, 0xD0), *range(0xD7, 0xF0), 0xFE, 0xFF])
openings = [b"JFIF\0", b"Exif\0\0", b"Exif", b"ICC_PROFILE\0", b"MPF\0", b"Adobe", b"Photoshop 3.0\0", b"FPXR\0"]
bodies = st.builds(bytes.__add__, st.sampled_from([b"", XMP, RESOURCES, *openings]), st.binary(max_size=30))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file of any kind to which one thing or two happened."""
    data = draw(st.sampled_from(ALL))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(places)
        head, tail = data[:place], data[place:]
        kind = draw(
            st.sampled_from(["overwritten", "cut", "holed", "longer", "another segment", "another segment", "spliced"])
        )
        if kind == "overwritten":
            data = head + bytes([draw(st.integers(0, 255))]) + tail[1:]
        elif kind == "cut":
            data = head + draw(st.sampled_from([b"", b"\xff\xd9"]))
        elif kind == "holed":
            data = head + tail[draw(st.integers(1, 300)) :]
        elif kind == "longer":
            data = head + draw(st.one_of(st.binary(max_size=9), st.just(b"\xff"))) + tail
        elif kind == "another segment":
            at = max(2, data.find(b"\xff", place))
            data = data[:at] + segment(draw(markers), draw(bodies)) + data[at:]
        else:
            data = head + draw(st.sampled_from(ALL))[draw(places) :]
    return data


@settings(max_examples=1000, deadline=None)
@given(damaged())
def test_whatever_happened_to_a_file_what_is_still_plain_comes_out_the_same(data: bytes) -> None:
    assert_as_with_pillow(data)


tags = st.sampled_from([0x0112, 0x011A, 0x0128, 0x010F, 0x8769])
entries = st.tuples(tags, st.integers(0, 14), st.integers(0, 20), st.integers(0, 120))
usual = st.sampled_from([(0x0112, 3, 1, 6), (0x011A, 5, 1, 8), (0x0128, 3, 1, 2), (0x0128, 3, 1, 3)])


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.one_of(entries, usual), max_size=4),
    st.sampled_from("<>"),
    st.sampled_from([8, 8, 8, 9, 30]),
    st.integers(0, 60),
    st.sampled_from([encoded(), encoded(dpi=(300, 300)), with_segment(0xE1, XMP % b'tiff:Orientation="6"')]),
)
@example([(0x0112, 3, 1, 6), (0x011A, 5, 1, 8), (0x0128, 3, 1, 3)], "<", 8, 40, encoded())
def test_whatever_an_exif_directory_has(found: list[Entry], order: str, place: int, room: int, data: bytes) -> None:
    assert_as_with_pillow(with_segment(0xE1, exif(found, order, place=place, behind=bytes(room)), data))


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40), st.sampled_from([0x03ED, 0x0404])), max_size=4), places
)
def test_whatever_resources_photoshop_left(found: list[tuple[int, int, int]], length: int) -> None:
    parts = [
        struct.pack(">4sHB", b"8BIM", code, name) + bytes(name + size % 3) + bytes(4) for name, size, code in found
    ]
    assert_as_with_pillow(with_segment(0xED, (b"Photoshop 3.0\0" + b"".join(parts))[: 14 + length % 60]))


def test_the_metadata_of_no_segments_is_plain() -> None:
    assert plain_orientation([]) == 1
