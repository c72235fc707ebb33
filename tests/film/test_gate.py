"""The gate: what it lets through, DALI decodes as the reference does; what it does not, is answered all the same."""

import io
import random
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from nvidia.dali import pipeline_def
from PIL import Image

from film import gate, images, jpeg, metadata, specs
from film.ops import fast, reference
from film.ops.dali import graphs
from film.ops.dali.runner import Runner
from film.preprocess import invert, preprocess

SAMPLES = Path(__file__).parents[2] / "samples"
SIZE = specs.NEGATIVE_CONDITION.size
PHOTOGRAPH = (SAMPLES / "film" / "valley.jpg").read_bytes()
PIXELS = np.ascontiguousarray(images.decode(PHOTOGRAPH)[:280, :400])


@pytest.fixture(scope="module")
def dali() -> Runner:
    return Runner(graphs.classifier_pipeline(SIZE, "cpu"))


@pytest.fixture(scope="module")
def decoder() -> Runner:
    """DALI's decoder alone."""

    @pipeline_def(batch_size=1, num_threads=1, device_id=graphs.NO_DEVICE, prefetch_queue_depth=1)
    def graph() -> object:
        return graphs.decode(graphs.encoded(), "cpu")

    return Runner(graph)


def encoded(kind: str, pixels: NDArray[np.uint8] = PIXELS, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def rotated(orientation: int, pixels: NDArray[np.uint8] = PIXELS) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("JPEG", pixels, exif=exif)


def cut_behind_a_preview() -> bytes:
    """Cut within its scan, after a preview in the metadata that is whole."""
    preview = encoded("JPEG", PIXELS[:40, :60])
    whole = encoded("JPEG", exif=b"Exif\0\0" + struct.pack("<4sIHI", b"II*\0", 8, 0, 0) + preview)
    return whole[: len(whole) - 5000]


GOOD: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded("JPEG"),
    "progressive": lambda: encoded("JPEG", progressive=True),
    "grey": lambda: encoded("JPEG", mode="L"),
    "restart markers": lambda: encoded("JPEG", restart_marker_blocks=4),
    "4:4:4": lambda: simplejpeg.encode_jpeg(PIXELS, colorsubsampling="444"),
    "4:1:1": lambda: simplejpeg.encode_jpeg(PIXELS, colorsubsampling="411"),
    "upside down": lambda: rotated(3),
    "on its side": lambda: rotated(6),
    **{f"EXIF orientation {value}": partial(rotated, value) for value in (2, 4, 5, 7, 8)},
    "with something behind it": lambda: encoded("JPEG") + encoded("JPEG") + bytes(100),
    "a comment between scans": lambda: encoded("JPEG", progressive=True)[:-2] + b"\xff\xfe\0\3\0\xff\xd9",
}
DECODED_HERE: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: encoded("JPEG", mode="CMYK"),
    "PNG": lambda: encoded("PNG"),
    "transparent": lambda: encoded("PNG", mode="RGBA"),
    "palette": lambda: encoded("PNG", mode="P"),
    "16-bit grey": lambda: encoded("PNG", (PIXELS[..., 0].astype(np.uint16) << 8)),  # type: ignore[arg-type]
    "WebP": lambda: encoded("WEBP"),
    "TIFF": lambda: encoded("TIFF"),
    "1x5000": lambda: encoded("PNG", np.ascontiguousarray(np.tile(PIXELS[:250, :1], (20, 1, 1)))),
}
BAD: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"not a picture",
    "GIF": lambda: encoded("GIF"),
    "cut in half": lambda: PHOTOGRAPH[: len(PHOTOGRAPH) // 2],
    "without its end": lambda: PHOTOGRAPH[:-2],
    "cut behind a preview": cut_behind_a_preview,
    "a header only": lambda: PHOTOGRAPH[:300],
    "a broken Huffman table": lambda: PHOTOGRAPH.replace(b"\xff\xc4", b"\xff\xc4\0\x05\x3f\1\2", 1),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_sound_jpeg_goes_on_as_it_is(kind: str, dali: Runner) -> None:
    data = GOOD[kind]()
    passed = gate.gate([data], SIZE)
    assert (len(passed.encoded[0]), passed.errors) == (len(data), [""])
    assert passed.encoded[0, :3].tobytes() == b"\xff\xd8\xff"
    assert_as_the_reference(dali, passed, data)


@pytest.mark.parametrize("kind", DECODED_HERE)
def test_what_dali_does_not_take_is_decoded_here(kind: str, dali: Runner) -> None:
    data = DECODED_HERE[kind]()
    passed = gate.gate([data], SIZE)
    assert (passed.valid.tolist(), passed.errors) == ([[True]], [""])
    (square,) = dali(list(passed.encoded))[0]
    np.testing.assert_array_equal(np.array(square), fast.decode_crop_resize(data, SIZE))


def assert_as_the_reference(dali: Runner, passed: gate.Gated, data: bytes) -> None:
    (square,) = dali(list(passed.encoded))[0]
    difference = np.abs(np.array(square).astype(int) - reference.crop_resize(images.decode(data), SIZE))
    assert difference.max() <= specs.CROP_RESIZE_TOLERANCE.largest
    assert difference.mean() <= specs.CROP_RESIZE_TOLERANCE.mean


def test_bad_pictures_fail_no_batch_and_get_the_words_of_the_cpu_profile(dali: Runner) -> None:
    good = [make() for make in (*GOOD.values(), *DECODED_HERE.values())]
    bad = [make() for make in BAD.values()]
    blobs = [*good[:5], *bad, *good[5:]]
    passed = gate.gate(blobs, SIZE)

    (squares,) = dali(list(passed.encoded))

    expected = preprocess(blobs, SIZE)
    assert passed.errors == expected.errors
    assert [bool(error) for error in passed.errors] == [False] * 5 + [True] * len(bad) + [False] * (len(good) - 5)
    np.testing.assert_array_equal(passed.valid, expected.valid)
    for square, pixels, valid in zip(squares, expected.pixels, expected.valid.ravel(), strict=True):
        assert valid or not np.array(square).any()
        assert np.abs(np.array(square).astype(int) - pixels).mean() <= specs.SCALED_DECODE_TOLERANCE.mean


def damaged(data: bytes, rng: random.Random) -> bytes:
    """``data`` with one of the things that happen to files: cut, holed, overwritten, doubled, or a few wrong bytes."""
    broken, place = bytearray(data), rng.randrange(2, len(data))
    kind = rng.randrange(6)
    if kind == 0:
        return data[:place]
    if kind == 1:
        del broken[place : place + rng.randrange(1, 2000)]
    elif kind == 2:
        broken[place : place + 200] = bytes(len(broken[place : place + 200]))
    elif kind == 3:
        broken[place:place] = rng.randbytes(rng.randrange(1, 300))
    elif kind == 4:
        return data[:place] + b"\xff\xd9"
    else:
        for _ in range(rng.choice((1, 2, 20))):
            broken[rng.randrange(2, min(len(data), 900))] = rng.randrange(256)
    return bytes(broken)


@pytest.mark.parametrize("kind", ["JPEG", "progressive", "on its side", "restart markers"])
def test_whatever_happens_to_a_file_what_passes_is_read_as_the_reference_reads_it(kind: str, decoder: Runner) -> None:
    rng = random.Random(kind)
    data = GOOD[kind]()
    passed = 0
    for _ in range(150):
        broken = damaged(data, rng)
        if jpeg.is_sound(broken):
            (pixels,) = decoder(list(gate.gate([broken], SIZE).encoded))[0]
            np.testing.assert_array_equal(np.array(pixels), images.decode(broken))
            passed += 1
    assert 20 < passed < 140, "some are still sound, some are not, or this proves nothing"


def test_metadata_that_readers_disagree_about_is_written_plainly() -> None:
    strange = rotated(6).replace(b"Exif\0\0", b"Exif\0\1")
    written = metadata.with_plain_exif(strange, 6)
    assert written is not None
    assert len(written) == len(strange)
    assert images.orientation(images.open_image(written)) == 6
    assert metadata.with_plain_exif(encoded("JPEG"), 6) is None, "there is no room for it"


def test_one_long_file_does_not_make_a_tensor_that_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = encoded("JPEG", PIXELS[:100, :100], quality=50), encoded("JPEG", quality=100)
    monkeypatch.setattr(specs, "ENCODED_BYTES", 3 * (len(long) - 1))
    monkeypatch.setattr(gate, "pixmap", lambda pixels: b"P6 1 1 255\n\0\0\0")
    passed = gate.gate([short, long, short], SIZE)
    assert passed.encoded.nbytes < specs.ENCODED_BYTES
    assert passed.errors == ["", "", ""]


def test_negatives_are_inverted_by_dali_as_far_as_its_memory_goes_and_bad_ones_get_their_reason() -> None:
    negatives = [encoded("JPEG"), encoded("PNG"), b"no picture", encoded("JPEG", PIXELS[:90, :300])]
    passed = gate.gate_negatives(negatives)
    assert passed.valid.ravel().tolist() == [True, False, False, True]

    padded, extents = Runner(graphs.inversion_pipeline("cpu"))(list(passed.encoded))
    pixels = np.stack([np.array(one) for one in padded])
    positives = gate.finish(pixels, np.stack([np.array(one) for one in extents]), passed.valid, passed.done)

    for positive, error, (expected, reason) in zip(positives, passed.errors, invert(negatives), strict=True):
        assert error == reason
        assert bool(positive) == bool(expected)
        if positive:
            difference = np.abs(images.decode(positive).astype(int) - images.decode(expected))
            assert difference.mean() <= specs.INVERT_TOLERANCE.mean + 1
    assert images.decode(positives[3]).shape == (90, 300, 3)


def test_a_large_negative_makes_no_room_for_itself_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """DALI makes all rows as high as the highest and as wide as the widest, once they are upright."""
    wide, high, small = PIXELS[:90], PIXELS[:, :90], PIXELS[:50, :50]
    negatives = [encoded("JPEG", one) for one in (small, wide, high, small)]
    monkeypatch.setattr(specs, "DALI_PADDED_PIXELS", 4 * 280 * 400 - 1)
    passed = gate.gate_negatives(negatives)
    assert passed.valid.ravel().tolist() == [True, True, False, True]
    assert passed.done[2] == invert([negatives[2]])[0][0]
    monkeypatch.setattr(specs, "DALI_PADDED_PIXELS", 3 * 90 * 400)
    lying = rotated(6, high)
    assert gate.gate_negatives([lying, negatives[1], negatives[0]]).valid.all()
    monkeypatch.setattr(specs, "DALI_PADDED_PIXELS", 3 * 50 * 50)
    assert gate.gate_negatives([negatives[1], b"", negatives[0]]).valid.ravel().tolist() == [False, False, True]


def test_what_does_not_fit_dali_s_memory_is_inverted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    negative = encoded("JPEG")
    monkeypatch.setattr(specs, "DALI_INVERT_PIXELS", PIXELS[..., 0].size)
    passed = gate.gate_negatives([negative, negative])
    assert passed.valid.ravel().tolist() == [True, False]
    assert passed.done == [b"", invert([negative])[0][0]]
