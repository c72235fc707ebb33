"""Kinds of TIFF that Pillow decodes wrongly without a word, and what is unusual about those that it decodes rightly.

Tags and their values are those of TIFF 6.0 (Adobe, 1992).
"""

from collections.abc import Iterator
from typing import Any

from PIL import Image

from film.errors import UnsupportedImage

_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 258, 259, 262, 266
_PLANAR, _EXTRA, _SUBSAMPLING = 284, 338, 530
_UNCOMPRESSED, _ZERO_IS_WHITE, _YCBCR, _CIELAB, _SEPARATE = 1, 0, 6, 8, 2
_CANON_RAW = b"\x10\0\0\0CR\2"
"""From the fifth byte on of a CR2, which begins with a preview that does not say so."""


def check_tiff(image: Image.Image, data: bytes) -> None:
    """UnsupportedImage for what would be decoded without a word, and wrongly."""
    for reason in _reasons(image, data):
        raise UnsupportedImage(f"TIFF {reason}")


def zero_is_white(image: Image.Image) -> bool:
    """Whether the lowest value of a grey TIFF is the lightest: Pillow knows of those of 8 bits or fewer alone."""
    return bool(_tags(image).get(_PHOTOMETRIC, 0) == _ZERO_IS_WHITE)


def bits(image: Image.Image) -> int:
    """Of a sample: 16 for what Pillow calls I;16, or 12."""
    return int(_several(_tags(image), _BITS, 1)[0])


def has_alpha(image: Image.Image) -> bool:
    """Whether the samples beyond the colours are said to be anything; Pillow takes a fourth for transparency anyway.

    A scanner's is infrared, as a rule.
    """
    return _EXTRA in _tags(image)


def _reasons(image: Image.Image, data: bytes) -> Iterator[str]:
    tags = _tags(image)
    raw, planar = tags.get(_COMPRESSION, 1) == _UNCOMPRESSED, tags.get(_PLANAR) == _SEPARATE
    kind, depths = tags.get(_PHOTOMETRIC, _ZERO_IS_WHITE), _several(tags, _BITS, 1)
    subfile = tags.get(_SUBFILE, 0)
    if (isinstance(subfile, int) and subfile & 1) or data[4:11] == _CANON_RAW:
        yield "begins with a thumbnail, as cameras' raw files do; develop it, or save the picture by itself"
    if planar and raw and max(depths) > 8:
        yield "of 16 bits with each colour by itself (planar) is not read uncompressed; save it interleaved"
    if planar and kind == _CIELAB:
        yield "in CIELab with each channel by itself (planar) is not read; save it as RGB"
    if planar and raw and (kind == _ZERO_IS_WHITE or (min(depths) < 8 and image.mode != "1")):
        yield "whose zero is white, or of fewer than 8 bits, is not read uncompressed and planar; save it interleaved"
    if planar and raw and tags.get(_FILL_ORDER, 1) != 1:
        yield "whose bits are in reverse order is not read uncompressed and planar; save it interleaved"
    if planar and (image.mode in ("LA", "La", "PA") or (image.mode == "RGBA" and not raw and _EXTRA not in tags)):
        yield "with a channel beyond its colours, each by itself (planar), is not read; save it interleaved"
    if kind == _YCBCR and raw and len(depths) > 1 and _several(tags, _SUBSAMPLING, 2, 2) != (1, 1):
        yield "with fewer values of colour than of brightness is not read uncompressed; save it as RGB"


def _several(tags: Any, number: int, *otherwise: int) -> tuple[int, ...]:
    """The values of a tag, of which Pillow gives a single one by itself."""
    found = tags.get(number, otherwise)
    return tuple(found) if isinstance(found, tuple) else (found,)


def _tags(image: Image.Image) -> Any:
    return image.tag_v2  # type: ignore[attr-defined]
