"""The same pictures made alike in what is not film: does the network still tell them apart?

A network that had learnt size, compression or colour instead of film would lose its ranking here.
"""

from collections.abc import Mapping
from functools import partial

import cv2
import numpy as np
import simplejpeg

from film.images import decode
from film.ops.fast import decode_crop_resize
from training.evaluation.judging import Pixels, Prepare

LONG_SIDES = (1600, 1200)
"""Pixels: about that of the pictures at hand, so that only the JPEG is new; and fewer, which costs grain."""
QUALITY = 85
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Rec. ITU-R BT.601's weights of red, green and blue."""


def to_one_jpeg(data: bytes, long_side: int) -> bytes:
    """The picture as a JPEG of that ``long_side`` in pixels, of quality 85 and 4:2:0 colour, whatever it was."""
    picture = decode(data)
    scale = long_side / max(picture.shape[:2])
    sides = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = np.ascontiguousarray(cv2.resize(picture, sides, interpolation=method), np.uint8)
    jpeg: bytes = simplejpeg.encode_jpeg(resized, QUALITY, "RGB", "420")
    return jpeg


def reencoded(data: bytes, size: int, *, long_side: int) -> Pixels:
    """The picture as it is served after ``to_one_jpeg``."""
    return decode_crop_resize(to_one_jpeg(data, long_side), size)


def grey(data: bytes, size: int) -> Pixels:
    """The picture as it is served, with its luma in all three channels."""
    luma = np.rint(decode_crop_resize(data, size).astype(np.float32) @ LUMA).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=2)


CONFOUNDS: Mapping[str, Prepare] = {
    **{f"all at {side} pixels, JPEG quality {QUALITY}": partial(reencoded, long_side=side) for side in LONG_SIDES},
    "all black-and-white": grey,
}
