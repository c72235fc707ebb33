"""What is read in strips is what is read whole, and memory is bounded: one large picture at a time."""

import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from film import images, specs
from film.ops import fast
from film.preprocess import preprocess

NOISE = np.random.default_rng(1).integers(0, 256, (1100, 1300), dtype=np.uint8)
"""More than a strip, and no whole number of them."""
COLOURS = Image.merge("RGB", [Image.fromarray(np.roll(NOISE, shift)) for shift in range(3)])


def whole(image: Image.Image) -> Image.Image:
    """What the picture is over white, in one step."""
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def with_alpha(image: Image.Image) -> Image.Image:
    image.putalpha(Image.fromarray(NOISE))
    return image


KINDS = {
    "colours": COLOURS,
    "grey": COLOURS.convert("L"),
    "black and white": COLOURS.convert("1"),
    "palette": COLOURS.quantize(64),
    "alpha": with_alpha(COLOURS.copy()),
    "grey and alpha": with_alpha(COLOURS.convert("L")),
}


@pytest.mark.parametrize("image", KINDS.values(), ids=KINDS)
def test_strips_make_the_whole_picture(image: Image.Image) -> None:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    np.testing.assert_array_equal(images.decode(file.getvalue()), np.asarray(whole(image)))


def test_strips_of_16_bits_make_the_whole_picture() -> None:
    file = io.BytesIO()
    Image.fromarray(NOISE.astype(np.uint16) * 257).save(file, "TIFF")
    np.testing.assert_array_equal(images.decode(file.getvalue()), np.stack([NOISE] * 3, -1))


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "LARGE_IMAGE_PIXELS", 1000)
    alone, decode = threading.Lock(), images.decode

    def counted(data: bytes) -> object:
        assert alone.acquire(blocking=False), "another is being decoded"
        pixels = decode(data)
        alone.release()
        return pixels

    monkeypatch.setattr(images, "decode", counted)
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "PNG", compress_level=1)
    with ThreadPoolExecutor(4) as pool:
        batch = preprocess([file.getvalue()] * 8, 32, pool.map)
    assert batch.errors == [""] * 8
    assert np.array_equal(batch.pixels[7], fast.decode_crop_resize(file.getvalue(), 32))


def test_a_file_of_many_faults_says_nothing_on_standard_error() -> None:
    script = (
        "import io, struct\n"
        "from PIL import Image\n"
        "from film import images\n"
        "file = io.BytesIO()\n"
        "Image.new('L', (8, 8)).save(file, 'JPEG', exif=b'Exif\\0\\0II*\\0\\x08\\0\\0\\0\\x05\\0'"
        " + struct.pack('<HHII', 270, 2, 500, 9999) * 5)\n"
        "print(images.decode(file.getvalue()).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "(8, 8, 3)\n"
    assert done.stderr == ""
