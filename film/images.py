"""Bytes to pixels: which formats are read, within which limits, and what is said when one is not.

``decode`` is the reference decoder: Pillow, upright, 8-bit RGB. What it refuses, every twin refuses, in the same words.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from film import specs, tiff
from film.container import check_parts, check_scans
from film.errors import DamagedImage, EmptyImage, ImageError, ImageTooLarge, UnsupportedImage

JPEG_FORMATS = ("JPEG", "MPO")
"""What Pillow calls a JPEG once it is open; MPO is one with a preview behind it, as some phones write."""
_BACKGROUND = (255, 255, 255)
_ORIENTATION = 0x0112
_STRIP_PIXELS = 2**20
_PNG_DEEP_COLOUR = b"\x10\x02"
"""Bits of a sample, and RGB, in the header of a PNG."""
_GREY_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
_READ_BY_CONVERT = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")

# A file with many faults has it say as much about each, and each is remembered.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow's own bomb guard stops at 179 megapixels, below what a drum scan has; `open_image` applies our limit instead.
Image.MAX_IMAGE_PIXELS = None
# A colour profile of a scanner may have some megabytes, and so may what an editor noted; Pillow stops at one.
PngImagePlugin.MAX_TEXT_CHUNK = specs.MAX_PNG_TEXT_BYTES


def decode(
    data: bytes, *, max_bytes: int = specs.MAX_IMAGE_BYTES, max_pixels: int = specs.MAX_IMAGE_PIXELS
) -> NDArray[np.uint8]:
    """Upright RGB pixels, UINT8 of shape (height, width, 3), of an encoded picture.

    EXIF orientation is applied; transparency is laid over white; 16-bit values keep their high byte; only the first
    page of a file is read; colour profiles are not applied.

    Raises:
        EmptyImage, UnsupportedImage, DamagedImage, ImageTooLarge: each with a few words that say what was wrong.
    """
    image = open_image(data, max_bytes=max_bytes, max_pixels=max_pixels)
    with _decoding(image.format or "the picture"):
        image.load()
        return np.ascontiguousarray(apply_orientation(_pixels(image), orientation(image)))


def open_image(
    data: bytes, *, max_bytes: int = specs.MAX_IMAGE_BYTES, max_pixels: int = specs.MAX_IMAGE_PIXELS
) -> Image.Image:
    """The picture with its header read and its limits checked, and none of its pixels decoded.

    Raises:
        EmptyImage, UnsupportedImage, DamagedImage, ImageTooLarge: as `decode` does.
    """
    if not data:
        raise EmptyImage("the picture is empty (0 bytes)")
    if len(data) > max_bytes:
        raise ImageTooLarge(f"the picture has {len(data):,} bytes; the limit is {max_bytes:,}")
    kind = _kind(data)
    if kind is None:
        raise UnsupportedImage(f"not a JPEG, PNG, TIFF or WebP picture (it starts with {data[:8]!r})")
    check_parts(kind, data)
    with _decoding(kind):
        try:
            image = Image.open(io.BytesIO(data), formats=[kind])
        except UnidentifiedImageError:
            rare = (
                ", or of a rare kind: save it as grey or RGB of 8 or 16 bits, without alpha" if kind == "TIFF" else ""
            )
            raise DamagedImage(f"{kind} is damaged or cut short: its header cannot be read{rare}") from None
        if kind == "TIFF":
            tiff.check_tiff(image, data)
        if kind == "PNG" and data[24:26] == _PNG_DEEP_COLOUR:
            image.info.pop("transparency", None)  # the colour that is clear has 16 bits, and is looked for in 8
    width, height = image.size
    if kind == "WEBP":
        max_pixels = min(max_pixels, specs.MAX_WEBP_PIXELS)
    if width * height > max_pixels:
        raise ImageTooLarge(f"the picture has {width} x {height} pixels; the limit is {max_pixels:,} in all")
    if kind == "JPEG":
        check_scans(data, width * height)
    return image


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the metadata is malformed."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError):
        return 1  # unreadable metadata is no reason to refuse readable pixels
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def apply_orientation(pixels: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
    """Pixels (height, width, channel) turned upright from EXIF orientation ``value`` (1 to 8); a view."""
    if value in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if value in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if value in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """RGB as stored, (height, width, 3). Strip by strip: Pillow copies several times, up to 12 bytes a pixel."""
    if image.mode not in (*_GREY_16_BIT, *_READ_BY_CONVERT) and not image.has_transparency_data:
        raise UnsupportedImage(f"{image.format} with pixels of kind {image.mode!r} is not read; save it as 8 or 16 bit")
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image.crop((0, top, width, bottom)) if rows < height else image
        pixels[top:bottom] = _grey(strip, image) if image.mode in _GREY_16_BIT else np.asarray(_to_rgb(strip, image))
    return pixels


def _grey(strip: Image.Image, image: Image.Image) -> NDArray[np.uint8]:
    """The highest eight bits of a ``strip`` of an ``image`` of 16-bit or 12-bit grey, (height, width, 1)."""
    of_tiff = image.format == "TIFF"
    lowest = (tiff.bits(image) if of_tiff else 16) - 8
    high = (np.asarray(strip).astype(np.uint16) >> lowest).astype(np.uint8)
    return (np.uint8(255) - high if of_tiff and tiff.zero_is_white(image) else high)[..., np.newaxis]


def _to_rgb(strip: Image.Image, image: Image.Image) -> Image.Image:
    """A ``strip`` of ``image``: laid over white where it is transparent."""
    if strip.mode == "La":  # has the alpha in its grey
        strip = strip.convert("LA")
    if strip.has_transparency_data and (image.format != "TIFF" or tiff.has_alpha(image)):
        rgba = strip.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (*_BACKGROUND, 255)), rgba).convert("RGB")
    return strip if strip.mode == "RGB" else strip.convert("RGB")


@contextmanager
def _decoding(kind: str) -> Iterator[None]:
    """Turns whatever a decoder raises about broken data into `DamagedImage`."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageTooLarge("the picture does not fit in memory") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error, EOFError, ...
        reason = str(error).split("\n", 1)[0] or type(error).__name__
        raise DamagedImage(f"{kind} is damaged or cut short: {reason}") from None


def _kind(data: bytes) -> str | None:
    """The format that the first bytes announce, whether or not the rest keeps the promise; None for none of ours."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    magics = {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG": "PNG",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"II+\0": "TIFF",
        b"MM\0+": "TIFF",
    }
    return next((name for magic, name in magics.items() if data.startswith(magic)), None)
