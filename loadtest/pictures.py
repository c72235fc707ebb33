"""Pictures to send: photographs of several sizes, with as much in them for a decoder to do as real ones have.

Where no folder of the user's is named they are made of the sample photographs: these laid edge to edge, mirrored or
not, brought down or up to the size, and given the grain of a photograph of that size. An enlarged photograph alone
would be a smooth one, and decode faster than a real scan of 24 megapixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from film.errors import ImageError, SafelightError
from film.images import decode
from film.specs import PICTURE_SUFFIXES

SAMPLES = Path(__file__).parents[1] / "samples"


class PicturesError(SafelightError):
    """There is no picture to send."""


@dataclass(frozen=True)
class Kind:
    """Photographs of one origin: ``sizes`` (width, height) in pixels, JPEG of ``quality``.

    ``grain`` is the deviation of the noise in 8-bit levels, and ``enlarged`` how many times larger a sample's detail is
    shown than in the sample: both decide how many bytes a megapixel takes.
    """

    name: str
    sizes: tuple[tuple[int, int], ...]
    quality: int
    grain: float
    enlarged: float


KINDS = (
    Kind("small", ((640, 480), (800, 533), (1024, 683)), 85, 1.5, 0.6),
    Kind("phone", ((1280, 960), (1600, 1200), (1800, 1200), (2000, 1500)), 88, 2.0, 1.2),
    Kind("scan", ((6000, 4000), (4000, 6000)), 92, 4.0, 2.0),
)
"""Thumbnails of an archive, what phones and the web have (1.2 to 3 megapixels), and a scanner's 24 megapixels."""


@dataclass(frozen=True)
class Mix:
    """``shares`` of the kinds, by name, that add up to 1."""

    name: str
    shares: tuple[tuple[str, float], ...]


MIXES = (
    Mix("mixed", (("small", 0.2), ("phone", 0.7), ("scan", 0.1))),
    *(Mix(kind.name, ((kind.name, 1.0),)) for kind in KINDS),
)
"""What a folder of negatives looks like, and each kind alone."""


def mix(name: str) -> Mix:
    """The mix called ``name``; PicturesError otherwise."""
    for known in MIXES:
        if known.name == name:
            return known
    raise PicturesError(f"There is no mix {name!r}; there is {', '.join(known.name for known in MIXES)}.")


def make(chosen: Mix, count: int, seed: int = 0, samples: Path = SAMPLES) -> list[bytes]:
    """``count`` JPEGs in the shares of ``chosen``, in random order; the same for the same ``seed`` and ``samples``."""
    rng = np.random.default_rng([seed, 5])
    sources = [decode(blob) for blob in read(samples)]
    exact = np.array([share for _, share in chosen.shares]) * count
    counts = np.floor(exact).astype(int)
    for index in np.argsort(counts - exact, kind="stable")[: count - int(counts.sum())]:
        counts[index] += 1
    kinds = {kind.name: kind for kind in KINDS}
    wanted = [kinds[name] for (name, _), number in zip(chosen.shares, counts, strict=True) for _ in range(number)]
    return [photograph(wanted[index], sources, rng) for index in rng.permutation(count)]


def photograph(kind: Kind, sources: Sequence[NDArray[np.uint8]], rng: np.random.Generator) -> bytes:
    """A JPEG of ``kind`` made of ``sources`` (uint8 RGB)."""
    width, height = kind.sizes[int(rng.integers(len(kind.sizes)))]
    canvas = _laid_out(sources, round(width / kind.enlarged) + 1, round(height / kind.enlarged) + 1, rng)
    pixels = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_CUBIC if kind.enlarged > 1 else cv2.INTER_AREA)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    for top in range(0, height, 512):  # a scan's noise as a whole would take 144 MB
        strip = pixels[top : top + 512]
        noise = np.empty(strip.shape, np.int16)
        cv2.randn(noise, (0.0, 0.0, 0.0), (kind.grain,) * 3)
        cv2.add(strip, noise, strip, dtype=cv2.CV_8U)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=kind.quality, colorsubsampling="420"))


def paths(folder: Path) -> list[Path]:
    """The pictures under ``folder``, in order; PicturesError where there is none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    if not found:
        raise PicturesError(f"{folder} has no pictures in it; name another folder.")
    return found


def read(folder: Path) -> list[bytes]:
    """The encoded pictures under ``folder``, in order of their paths; PicturesError where there is none, or one that
    cannot be decoded: no answer to it could be right."""
    blobs = []
    for path in paths(folder):
        blobs.append(path.read_bytes())
        try:
            decode(blobs[-1])
        except ImageError as error:
            raise PicturesError(f"{path}: {error}; take it out: no answer to it could be right.") from error
    return blobs


def digest(blobs: Sequence[bytes]) -> str:
    """Twelve hexadecimal digits that tell these pictures, in this order, from any others."""
    return hashlib.sha256(b"".join(hashlib.sha256(blob).digest() for blob in blobs)).hexdigest()[:12]


def _laid_out(
    sources: Sequence[NDArray[np.uint8]], width: int, height: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Random sources, mirrored or not, side by side and one above the other, cut to ``height`` x ``width``."""
    canvas = np.empty((height, width, 3), np.uint8)
    top = 0
    while top < height:
        left, row = 0, height - top
        while left < width:
            source = sources[int(rng.integers(len(sources)))]
            source = source[:: int(rng.choice([1, -1])), :: int(rng.choice([1, -1]))]
            row = min(row, source.shape[0])
            part = source[:row, : width - left]
            canvas[top : top + row, left : left + part.shape[1]] = part[:row]
            left += part.shape[1]
        top += row
    return canvas
