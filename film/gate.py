"""What stands before DALI, which fails a whole batch for one picture that it cannot decode.

A JPEG that is sound goes on as it is, after a look at its markers; those are what a GPU decodes. Everything else the
CPU decodes anyway, so it is done here: other formats and odd JPEGs become the finished square as a portable pixmap,
which DALI passes through unchanged, and what is no picture becomes a black pixel and a reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from film import images, specs
from film.jpeg import SCAN, Segment, is_sound, segments, sound
from film.metadata import plain_orientation, with_plain_exif
from film.ops import fast
from film.preprocess import MAX_JPEG_SIDE, Each, attempt, encode, invert


@dataclass(frozen=True)
class Gated:
    """``rows`` UINT8 (length,), each a picture that DALI decodes; ``errors`` n reasons or ''.

    ``valid`` BOOL (n, 1) is false where the row is a stand-in.
    """

    rows: list[NDArray[np.uint8]]
    valid: NDArray[np.bool_]
    errors: list[str]

    @property
    def encoded(self) -> NDArray[np.uint8]:
        """The rows as one array (n, longest), with zeros behind what is shorter. Decoders stop at a picture's end."""
        whole = np.zeros((len(self.rows), max(map(len, self.rows), default=0)), np.uint8)
        for place, row in zip(whole, self.rows, strict=True):
            place[: len(row)] = row
        return whole


@dataclass(frozen=True)
class GatedNegatives(Gated):
    """The same; where not valid, ``done`` has the finished positive as a JPEG, or b'' if there is an error."""

    done: list[bytes]


def gate(blobs: Sequence[bytes], size: int, each: Each = map) -> Gated:
    """Encoded pictures for a network of input ``size``. Never raises for a bad picture."""
    longest = specs.ENCODED_BYTES // max(1, len(blobs))

    def admit(blob: bytes) -> bytes:
        jpeg = _for_dali(blob) if len(blob) <= longest else None
        return jpeg.data if jpeg is not None and jpeg.pixels <= specs.DALI_MAX_PIXELS else b""

    looked = [attempt(admit, blob) for blob in blobs]  # headers alone: threads would only wait for one another
    left = [blob for blob, (data, error) in zip(blobs, looked, strict=True) if not data and not error]
    done = iter(each(lambda blob: attempt(lambda odd: pixmap(fast.decode_crop_resize(odd, size)), blob), left))
    admitted = [found if any(found) else next(done) for found in looked]
    errors = [error for _, error in admitted]
    return Gated(_rows(blob or _STAND_IN for blob, _ in admitted), _column(not error for error in errors), errors)


def gate_negatives(blobs: Sequence[bytes]) -> GatedNegatives:
    """Encoded negatives, of which DALI gets as many as its memory holds. Never raises for a bad one."""
    longest, room = specs.ENCODED_BYTES // max(1, len(blobs)), _Room(len(blobs))
    rows, done, errors, valid = [], [], [], []
    for blob in blobs:
        jpeg, _ = attempt(_for_dali, blob) if len(blob) <= longest else (None, "")
        takes = jpeg is not None and room.takes(jpeg)
        ((positive, error),) = [(b"", "")] if takes else invert([blob])
        rows.append(jpeg.data if jpeg is not None and takes else _STAND_IN)
        done.append(positive)
        errors.append(error)
        valid.append(takes)
    return GatedNegatives(_rows(rows), _column(valid), errors, done)


class _Room:
    """What DALI's memory still has for the negatives of a request: all ``rows`` are made as large as the largest."""

    def __init__(self, rows: int) -> None:
        self._rows, self._pixels, self._widest, self._highest = rows, specs.DALI_INVERT_PIXELS, 1, 1

    def takes(self, jpeg: "_Jpeg") -> bool:
        """Whether there is room for it, which is then less."""
        widest, highest = max(self._widest, jpeg.width), max(self._highest, jpeg.height)
        padded = self._rows * widest * highest
        if jpeg.pixels > self._pixels or max(widest, highest) > MAX_JPEG_SIDE or padded > specs.DALI_PADDED_PIXELS:
            return False
        self._pixels, self._widest, self._highest = self._pixels - jpeg.pixels, widest, highest
        return True


def finish(
    padded: NDArray[np.uint8],
    extents: NDArray[np.int64],
    valid: NDArray[np.bool_],
    done: Sequence[bytes],
    each: Each = map,
) -> list[bytes]:
    """The positives of a batch as JPEGs, b'' for a bad one: DALI's pixels where ``valid``, else what is ``done``.

    ``padded`` is (n, highest, widest, 3), ``extents`` (n, 2) each one's height and width. DALI has no JPEG encoder.
    """

    def one(number: int) -> bytes:
        height, width = extents[number]
        return encode(padded[number, :height, :width]) if valid.ravel()[number] else done[number]

    return list(each(one, range(len(done))))


def pixmap(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels (height, width, 3) as a binary portable pixmap: no compression, nothing lost."""
    height, width = pixels.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + pixels.tobytes()


def _rows(blobs: Iterable[bytes]) -> list[NDArray[np.uint8]]:
    return [np.frombuffer(blob, np.uint8) for blob in blobs]


_STAND_IN = pixmap(np.zeros((1, 1, 3), np.uint8))


_ON_ITS_SIDE = 5
"""From this EXIF orientation on width and height change places."""
_PLAIN_SEGMENTS = 1000
"""A file of more is odd, or made to take time; `film.container` refuses none for so few."""


@dataclass(frozen=True)
class _Jpeg:
    """A file, and its width and height once it is upright."""

    data: bytes
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def _for_dali(blob: bytes) -> _Jpeg | None:
    """A JPEG that DALI decodes as the reference does; None if the reference must look at it.

    Raises:
        ImageError: as `film.images.open_image` does.
    """
    return _plain(blob) or _by_pillow(blob)


def _plain(blob: bytes) -> _Jpeg | None:
    """What `_by_pillow` makes of a file with nothing odd about it, in a part of the time; None for any other."""
    if len(blob) > specs.MAX_IMAGE_BYTES:
        return None
    found, head = _of_few_scans(segments(blob, _PLAIN_SEGMENTS)), list[Segment]()
    for segment in found:
        head.append(segment)
        if segment[1] == SCAN:
            break
    turned = plain_orientation(head)
    whole = None if turned is None else sound(chain(head, found))
    if turned is None or whole is None:
        return None
    pixels = whole.width * whole.height
    if pixels > specs.MAX_IMAGE_PIXELS or whole.scans * pixels > specs.MAX_SCANNED_PIXELS:
        return None
    return _upright(with_plain_exif(blob, turned, head), turned, (whole.width, whole.height))


def _of_few_scans(found: Iterable[Segment]) -> Iterator[Segment]:
    """What is ``found`` up to the last scan that a file may have: behind it there is no need to look."""
    left = specs.MAX_JPEG_SCANS
    for segment in found:
        left -= segment[1] == SCAN
        if left < 0:
            return
        yield segment


def _by_pillow(blob: bytes) -> _Jpeg | None:
    """What every other way is held against: Pillow opens the file."""
    image = images.open_image(blob)
    common = image.format in images.JPEG_FORMATS and image.mode in ("RGB", "L")
    stored_as_rgb = image.info.get("adobe_transform") == 0 and image.mode == "RGB"  # nvJPEG takes all for YCbCr
    if not common or stored_as_rgb or not is_sound(blob):
        return None
    turned = images.orientation(image)
    return _upright(with_plain_exif(blob, turned), turned, image.size)


def _upright(plain: bytes | None, turned: int, size: tuple[int, int]) -> _Jpeg | None:
    return None if plain is None else _Jpeg(plain, *(size if turned < _ON_ITS_SIDE else size[::-1]))


def _column(flags: Iterable[bool]) -> NDArray[np.bool_]:
    return np.array(list(flags), bool).reshape(-1, 1)
