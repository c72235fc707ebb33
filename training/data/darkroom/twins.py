"""Twins: one piece of one photograph, once as a digital picture and once as film, through the same chain.

What a network can learn from twins is film and nothing else: scene, place, scale, resampling, sharpening and JPEG are
the same for both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from film.specs import FILM_ORIGIN
from training.data.darkroom.digital import clean, photograph_digital
from training.data.darkroom.finish import finish, resize
from training.data.darkroom.positive import photograph_positive
from training.data.darkroom.scanner import sharpen

Picture = NDArray[np.uint8]
THUMBNAIL = 96
"""Long side in pixels at which the brightness of a whole frame is judged."""
ASPECT = 1.45
"""Long side of a frame over its short side: between 4:3 and 3:2."""


@dataclass(frozen=True)
class Piece:
    """A square of a photograph, and the sizes that it goes through on its way to ``side`` pixels.

    ``pixels`` (n, n, 3) as cut out; ``worked`` is the side at which film and camera work, ``filed`` that of the JPEG.
    """

    pixels: Picture
    whole: Picture
    worked: int
    filed: int
    side: int

    @property
    def frame(self) -> int:
        """Long side in pixels, at the size that film works at, of the frame that the piece is from."""
        return round(self.worked * FILM_ORIGIN.size / self.side * ASPECT)


def cut(picture: Picture, side: int, rng: np.random.Generator) -> Piece:
    """A random square of ``picture``, which will be ``side`` pixels large once the whole is served at 700.

    It is cut from at least as many pixels, so that nothing is enlarged, as long as the picture has them.
    """
    height, width = picture.shape[:2]
    short = min(height, width)
    least = min(side, short)
    source = int(np.clip(short * rng.uniform(0.55, 1.0) * side / FILM_ORIGIN.size, least, short))
    top, left = int(rng.integers(height - source + 1)), int(rng.integers(width - source + 1))
    step = max(1, max(height, width) // THUMBNAIL)
    worked = max(side, int(min(source, side * rng.uniform(1.0, 2.1))))
    filed = int(min(worked, side * rng.uniform(1.0, 1.55)))
    return Piece(picture[top : top + source, left : left + source], picture[::step, ::step], worked, filed, side)


def make_twins(picture: Picture, side: int, rng: np.random.Generator) -> tuple[bytes, bytes]:
    """A JPEG of a random piece of ``picture`` (h, w, 3) as a digital camera gives it, and one of the same on film."""
    piece = cut(picture, side, rng)
    chain = int(rng.integers(2**32))
    cleaned = clean(piece.pixels, rng) if rng.random() < 0.9 else piece.pixels
    digital = piece.pixels if rng.random() < 0.5 else cleaned
    if rng.random() < 0.25:
        sharp = sharpen(digital.astype(np.float32), rng.uniform(0.2, 1.0), rng.uniform(0.6, 1.6))
        digital = np.clip(np.rint(sharp), 0, 255).astype(np.uint8)
    digital = photograph_digital(resize(digital, piece.worked), rng)
    film = photograph_positive(resize(cleaned, piece.worked), rng, piece.frame, piece.whole)
    one, other = (finish(made, piece.filed, np.random.default_rng(chain)) for made in (digital, film))
    return one, other


def make_single(picture: Picture, side: int, rng: np.random.Generator) -> bytes:
    """A JPEG of a random piece of a real film photograph (h, w, 3), through the chain that twins go through."""
    piece = cut(picture, side, rng)
    return finish(resize(piece.pixels, piece.worked), piece.filed, rng)
