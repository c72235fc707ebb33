"""What `film.images.decode` reads, and what it says about the rest."""

import io
import math
import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from film import images
from film.errors import DamagedImage, EmptyImage, ImageError, ImageTooLarge, UnsupportedImage
from film.ops import fast

GRADIENT = np.stack(
    [*np.meshgrid(np.linspace(0, 255, 40), np.linspace(0, 255, 24)), np.full((24, 40), 90.0)], -1
).astype(np.uint8)


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png(
    width: int,
    height: int,
    depth: int,
    colour_type: int,
    rows: bytes,
    before: tuple[bytes, bytes] | None = None,
    times: int = 1,
) -> bytes:
    """A PNG written by hand, for the kinds that Pillow does not write; the chunk ``before`` is before its pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    more = chunk(*before) * times if before else b""
    body = chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


LOSSLESS = {
    "png": encode(Image.fromarray(GRADIENT), "PNG"),
    "tiff": encode(Image.fromarray(GRADIENT), "TIFF"),
    "tiff lzw": encode(Image.fromarray(GRADIENT), "TIFF", compression="tiff_lzw"),
    "webp lossless": encode(Image.fromarray(GRADIENT), "WEBP", lossless=True),
    "opaque alpha": encode(Image.fromarray(GRADIENT).convert("RGBA"), "PNG"),
}
LOSSY = {
    "baseline": encode(Image.fromarray(GRADIENT), "JPEG", quality=98, subsampling=0),
    "progressive": encode(Image.fromarray(GRADIENT), "JPEG", quality=98, subsampling=0, progressive=True),
    "webp": encode(Image.fromarray(GRADIENT), "WEBP", quality=98),
    "mpo": encode(
        Image.fromarray(GRADIENT),
        "MPO",
        quality=98,
        subsampling=0,
        save_all=True,
        append_images=[Image.new("RGB", (8, 8))],
    ),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_come_back_exactly(name: str) -> None:
    np.testing.assert_array_equal(images.decode(LOSSLESS[name]), GRADIENT)


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_come_back_nearly(name: str) -> None:
    difference = images.decode(LOSSY[name]).astype(int) - GRADIENT
    assert np.abs(difference).mean() < 3


def test_grey_becomes_three_equal_channels() -> None:
    pixels = images.decode(encode(Image.fromarray(GRADIENT[..., 0]), "PNG"))
    np.testing.assert_array_equal(pixels, np.repeat(GRADIENT[..., :1], 3, axis=-1))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_high_byte(file_format: str) -> None:
    pixels = images.decode(encode(Image.fromarray(deep(GRADIENT[..., 0])), file_format))
    np.testing.assert_array_equal(pixels[..., 1], GRADIENT[..., 0])


def test_16_bit_colour_keeps_its_high_byte() -> None:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep(GRADIENT))
    np.testing.assert_array_equal(images.decode(png(40, 24, 16, 2, rows)), GRADIENT)


def test_16_bit_colour_tiff_keeps_its_high_byte() -> None:
    np.testing.assert_array_equal(images.decode(tiff(deep(GRADIENT))), GRADIENT)


def deep(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return (pixels.astype("<u2") << 8) | np.uint16(0x7F)


def tiff(samples: NDArray[Any], more: Mapping[int, int] = MappingProxyType({}), before: bytes = b"") -> bytes:
    """An uncompressed TIFF of 8 or 16 bits of (h, w) grey or (h, w, 3) RGB, with ``more`` tags; planar if they say so.

    ``before`` stands between header and tags.
    """
    height, width, *colours = samples.shape
    count = math.prod(colours)
    planes = [np.atleast_3d(samples)[..., plane] for plane in range(count)] if more.get(284) == 2 else [samples]
    strips = [plane.tobytes() for plane in planes]
    bits = [8 * samples.itemsize] * count
    tags: dict[int, list[int]] = {256: [width], 257: [height], 258: bits, 259: [1], 262: [2 if count > 2 else 1]}
    tags |= {273: [0] * len(strips), 277: [count], 278: [height], 279: [len(strip) for strip in strips]}
    tags |= {tag: [value] for tag, value in more.items()}
    start = 8 + len(before)
    after = start + 2 + 12 * len(tags) + 4
    begin = after + 4 * sum(len(values) for values in tags.values())
    tags[273] = [begin + sum(map(len, strips[:number])) for number in range(len(strips))]
    entries, arrays = b"", b""
    for tag, values in sorted(tags.items()):
        listed = struct.pack(f"<{len(values)}I", *values)
        here = listed if len(values) == 1 else struct.pack("<I", after + len(arrays))
        entries += struct.pack("<HHI", tag, 4, len(values)) + here
        arrays += b"" if len(values) == 1 else listed
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return (b"II*\0" + struct.pack("<I", start) + before + directory + arrays).ljust(begin, b"\0") + b"".join(strips)


def test_16_bit_grey_in_which_zero_is_white_is_turned_over() -> None:
    np.testing.assert_array_equal(images.decode(tiff(deep(GRADIENT[..., 0]), {262: 0}))[..., 1], 255 - GRADIENT[..., 0])


@pytest.mark.parametrize(
    ("more", "words"),
    [({284: 2}, "planar.*save it interleaved"), ({254: 1}, "begins with a thumbnail.*develop it")],
)
def test_a_tiff_that_would_be_decoded_wrongly_is_refused(more: dict[int, int], words: str) -> None:
    for decode in (images.decode, fast.decode):
        with pytest.raises(UnsupportedImage, match=words):
            decode(tiff(deep(GRADIENT), more))
    assert images.decode(tiff(deep(GRADIENT), dict.fromkeys(more, 0) | {284: 1})).shape == GRADIENT.shape


@pytest.mark.parametrize(
    ("samples", "more", "words"),
    [
        (GRADIENT[..., 0], {262: 0, 284: 2}, "whose zero is white.*planar; save it interleaved"),
        (np.packbits(GRADIENT[..., 0] > 99, 1), {256: 40, 258: 1, 262: 0, 284: 2}, "fewer than 8 bits.*planar"),
        (GRADIENT, {266: 2, 284: 2}, "reverse order.*planar"),
        (np.dstack([GRADIENT[..., 0]] * 2), {338: 2, 284: 2}, "beyond its colours.*planar"),
        (GRADIENT, {262: 8, 284: 2}, "CIELab.*planar.*save it as RGB"),
        (GRADIENT, {262: 6}, "fewer values of colour.*save it as RGB"),
    ],
    ids=["white is zero", "bilevel", "bits reversed", "grey and alpha", "CIELab", "YCbCr"],
)
def test_so_are_others(samples: NDArray[Any], more: dict[int, int], words: str) -> None:
    for decode in (images.decode, fast.decode):
        with pytest.raises(UnsupportedImage, match=words):
            decode(tiff(samples, more))


def test_what_is_planar_and_read_rightly_is_read() -> None:
    np.testing.assert_array_equal(images.decode(tiff(GRADIENT, {284: 2})), GRADIENT)
    light = GRADIENT[..., 0] > 99
    bilevel = images.decode(tiff(np.packbits(light, 1), {256: 40, 258: 1, 262: 1, 284: 2}))
    np.testing.assert_array_equal(bilevel[..., 1], 255 * light)
    grey = images.decode(tiff(GRADIENT[..., 0], {262: 6}))
    np.testing.assert_array_equal(grey[..., 1], GRADIENT[..., 0])


def test_12_bit_grey_is_as_light_as_it_is() -> None:
    twelve = GRADIENT[..., 0].astype(int) * 4095 // 255
    pairs = [np.array([[a >> 4, (a & 15) << 4 | b >> 8, b & 255] for a, b in row.reshape(-1, 2)]) for row in twelve]
    packed = np.stack(pairs).reshape(len(pairs), -1).astype(np.uint8)
    np.testing.assert_array_equal(images.decode(tiff(packed, {256: 40, 258: 12}))[..., 1], twelve >> 4)


def test_a_fourth_sample_that_nobody_calls_transparency_is_none() -> None:
    infrared = np.zeros((24, 40, 1), np.uint8)
    for samples in (np.dstack([GRADIENT, infrared]), np.dstack([deep(GRADIENT), infrared.astype("<u2")])):
        np.testing.assert_array_equal(images.decode(tiff(samples)), GRADIENT)
    assert (images.decode(tiff(np.dstack([GRADIENT, infrared]), {338: 2})) == 255).all(), "this one is clear"


def test_grey_with_its_transparency_worked_in_is_read() -> None:
    opaque = np.dstack([GRADIENT[..., 0], np.full((24, 40), 255, np.uint8)])
    np.testing.assert_array_equal(images.decode(tiff(opaque, {338: 1}))[..., 1], GRADIENT[..., 0])


def test_a_clear_colour_of_16_bits_is_not_looked_for_in_8() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in np.full((24, 40, 3), 0x1280, ">u2"))
    clear = png(40, 24, 16, 2, rows, before=(b"tRNS", struct.pack(">3H", 0x12, 0x12, 0x12)))
    assert (images.decode(clear) == 0x12).all()


@pytest.mark.parametrize("kind", ["iCCP", "zTXt"])
def test_a_colour_profile_may_be_long_and_many_are_no_picture(kind: str) -> None:
    rows, megabytes = b"".join(b"\0" + row.tobytes() for row in GRADIENT), bytes(3 * 2**20)
    chunk = (kind.encode(), b"profile\0\0" + zlib.compress(megabytes))
    np.testing.assert_array_equal(images.decode(png(40, 24, 8, 2, rows, before=chunk)), GRADIENT)
    with pytest.raises(ImageTooLarge, match="consists of more than"):
        images.decode(png(40, 24, 8, 2, rows, before=chunk, times=500))


def test_a_webp_of_few_bytes_does_not_ask_for_gigabytes() -> None:
    small = encode(Image.new("RGB", (16, 16)), "WEBP", lossless=True)
    at = small.index(b"VP8L") + 9
    side = 14_142 - 1
    large = small[:at] + struct.pack("<I", side | side << 14) + small[at + 4 :]
    with pytest.raises(ImageTooLarge, match="14142 x 14142 pixels; the limit is 100,000,000"):
        images.open_image(large)
    assert images.open_image(encode(Image.new("RGB", (16_000, 6_000)), "JPEG")).size == (16_000, 6_000)


def test_a_canon_raw_file_is_refused_too() -> None:
    with pytest.raises(UnsupportedImage, match="begins with a thumbnail"):
        images.decode(tiff(deep(GRADIENT), before=b"CR\2\0\0\0\0\0"))
    assert images.decode(tiff(deep(GRADIENT), before=b"CR\2\0")).shape == GRADIENT.shape, "pixels may stand there too"


def test_palette_and_its_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 0), 1)
    pixels = images.decode(encode(image, "PNG", transparency=1))
    np.testing.assert_array_equal(pixels, [[[10, 20, 30], [255, 255, 255]]])


def test_transparency_is_laid_over_white() -> None:
    pixels = images.decode(encode(Image.new("RGBA", (3, 3), (0, 0, 0, 0)), "PNG"))
    assert (pixels == 255).all()


def test_cmyk_jpeg_is_read() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = images.decode(encode(red, "JPEG", quality=98))
    assert pixels[8, 8, 0] > 240
    assert pixels[8, 8, 1:].max() < 15


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(file_format: str, orientation: int) -> None:
    """The picture is stored as orientation says, by Pillow's own inverse; decoding must give the upright one."""
    inverse = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    upright = Image.fromarray(GRADIENT)
    stored = upright if inverse is None else upright.transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}.get(file_format, {})
    data = encode(stored, file_format, exif=exif, **options)
    for decode in (images.decode, fast.decode):
        pixels = decode(data)
        assert pixels.shape == GRADIENT.shape
        assert np.abs(pixels.astype(int) - GRADIENT).mean() < 3


def test_malformed_exif_is_no_reason_to_refuse() -> None:
    data = encode(Image.fromarray(GRADIENT), "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff garbage")
    assert images.decode(data).shape == GRADIENT.shape


def bomb() -> bytes:
    return png(60_000, 60_000, 8, 2, b"")


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", EmptyImage, "0 bytes"),
        (b"hello, this is no picture", UnsupportedImage, "not a JPEG, PNG, TIFF or WebP"),
        (encode(Image.new("RGB", (4, 4)), "GIF"), UnsupportedImage, "GIF89a|GIF87a"),
        (LOSSY["baseline"][:300], DamagedImage, "JPEG"),
        (LOSSY["baseline"][:-40], DamagedImage, "JPEG"),
        (LOSSLESS["png"][:90], DamagedImage, "PNG"),
        (LOSSLESS["tiff"][:-200], DamagedImage, "TIFF"),
        (LOSSLESS["webp lossless"][:-20], DamagedImage, "WEBP"),
        (b"\xff\xd8\xff\xe0", DamagedImage, "JPEG"),
        (bomb(), ImageTooLarge, "60000 x 60000"),
        (encode(Image.fromarray(np.ones((3, 3), np.float32)), "TIFF"), UnsupportedImage, "'F'"),
    ],
)
def test_bad_pictures_are_refused_in_words(data: bytes, error: type[ImageError], words: str) -> None:
    for decode in (images.decode, fast.decode, lambda blob: fast.decode_crop_resize(blob, 32)):
        with pytest.raises(error, match=words):
            decode(data)


def test_limits_are_arguments() -> None:
    with pytest.raises(ImageTooLarge, match="limit is 100 in all"):
        images.decode(LOSSLESS["png"], max_pixels=100)
    with pytest.raises(ImageTooLarge, match="limit is 10"):
        images.decode(LOSSLESS["png"], max_bytes=10)


def test_200_megapixels_pass_the_header_check() -> None:
    assert images.open_image(png(20_000, 10_000, 8, 2, b"")).size == (20_000, 10_000)


@given(st.binary(max_size=200))
def test_any_bytes_give_pixels_or_an_image_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        images.decode(data)


@settings(max_examples=200)
@given(st.sampled_from([*LOSSLESS.values(), *LOSSY.values()]), st.data())
def test_a_corrupted_picture_gives_pixels_or_an_image_error(picture: bytes, data: st.DataObject) -> None:
    """Both decoders take it or both refuse it; neither raises anything else."""
    broken = bytearray(picture)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    outcomes = []
    for decode in (images.decode, fast.decode):
        try:
            outcomes.append(decode(bytes(broken), **({"max_pixels": 10**6} if decode is images.decode else {})).shape)
        except ImageError:
            outcomes.append(None)
    if None not in outcomes:
        assert outcomes[0] == outcomes[1]
