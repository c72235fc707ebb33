"""What a preprocessing step of the server does: many encoded pictures in, and no bad one spoils the rest."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from film import specs
from film.errors import ImageError
from film.ops import fast

T = TypeVar("T")
Each = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""As ``map``: a function of each element, in order."""


@dataclass(frozen=True)
class Preprocessed:
    """``pixels`` UINT8 (n, size, size, 3), black where not valid; ``valid`` BOOL (n, 1); ``errors`` n reasons or ''."""

    pixels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    errors: list[str]


def preprocess(blobs: Sequence[bytes], size: int, each: Each = map) -> Preprocessed:
    """Encoded pictures to what a network of that input size takes. Never raises for a bad picture.

    With ``each`` the ``map`` of an executor's threads, several at once: the decoder lets go of the interpreter's lock.
    """
    pixels = np.empty((len(blobs), size, size, 3), np.uint8)

    def fill(place: int) -> str:
        square, error = attempt(lambda data: fast.decode_crop_resize(data, size), blobs[place])
        pixels[place] = 0 if square is None else square
        return error

    errors = list(each(fill, range(len(blobs))))
    return Preprocessed(pixels, np.array([[not error] for error in errors], bool).reshape(-1, 1), errors)


def invert(blobs: Sequence[bytes], wanted: Callable[[], bool] = lambda: True) -> list[tuple[bytes, str]]:
    """For each encoded negative its positive as a JPEG and '', or b'' and the reason it has none.

    ``wanted`` is asked before each, and where it says no there are no more: a batch of scans takes a minute, in which
    whoever asked may give up.
    """
    answers = (attempt(_positive, blob) for blob in blobs if wanted())
    return [(positive or b"", error) for positive, error in answers]


def _positive(blob: bytes) -> bytes:
    image = fast.decode(blob)
    if max(image.shape) > MAX_JPEG_SIDE:
        height, width = image.shape[:2]
        raise ImageError(
            f"a positive of {width} x {height} cannot be a JPEG; its sides end at {MAX_JPEG_SIDE:,} pixels"
        )
    return encode(fast.invert_negative(image))


def encode(positive: NDArray[np.uint8]) -> bytes:
    """A positive (height, width, 3) as the JPEG that the server answers with."""
    pixels = np.ascontiguousarray(positive)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=specs.POSITIVE_JPEG_QUALITY, colorsubsampling="420"))


MAX_JPEG_SIDE = 65_500
"""Of libjpeg, in pixels."""


def attempt(step: Callable[[bytes], T], blob: bytes) -> tuple[T | None, str]:
    """What ``step`` makes of a picture and '', or None and why it could not."""
    try:
        return step(blob), ""
    except ImageError as error:
        return None, str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a library's bug, a panic in Rust for one, must cost one picture and not the batch
        return None, f"the picture could not be processed: {type(error).__name__}: {error}"
