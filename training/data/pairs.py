"""Endless pairs of crops for Keras: a piece of a digital photograph, and the same piece on film.

Both halves of a pair have the same place, scale, lens, sharpening and JPEG, so that what a network can learn from them
is film and nothing else; every pair has a film, an exposure and grain of its own, so that it cannot learn them by
heart. The chain is that of ``origin_set.make``, on a piece instead of the whole.
"""

from dataclasses import dataclass

import cv2
import keras
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from film.ops.fast import crop_resize
from film.specs import FILM_ORIGIN
from training.data.darkroom.finish import finish, photograph_digital, to_jpeg
from training.data.darkroom.positive import develop, draw_roll, middle_tone, scan

Picture = NDArray[np.uint8]
REAL_SHARE = 0.15
"""How many of the film crops are from real film photographs, as long as there are any."""
THUMBNAIL = 96
"""Long side at which the middle tone of a whole frame is found."""


@dataclass(frozen=True)
class Piece:
    """A square of a photograph, uint8 (n, n, 3); the ``whole`` that it is from, small; the long side of the frame."""

    pixels: Picture
    whole: Picture
    frame: int


def cut(picture: Picture, side: int, rng: np.random.Generator) -> Piece:
    """A random square that will be ``side`` pixels large once the frame is served: its short side shrunk to 700.

    The frame is 80..100 % of the photograph, its long side 1000..1600 pixels, as ``finish.frame`` makes it.
    """
    height, width = picture.shape[:2]
    part, long_side = rng.uniform(0.8, 1.0), rng.uniform(1000, 1600)
    scale = long_side / (part * max(height, width))
    short_side = scale * part * min(height, width)
    pixels = max(side, round(side * short_side / FILM_ORIGIN.size))
    source = int(np.clip(round(pixels / scale), 1, min(height, width)))
    top, left = int(rng.integers(height - source + 1)), int(rng.integers(width - source + 1))
    square = np.ascontiguousarray(picture[top : top + source, left : left + source])
    method = cv2.INTER_AREA if pixels < source else cv2.INTER_CUBIC
    step = max(1, max(height, width) // THUMBNAIL)
    resized = np.asarray(cv2.resize(square, (pixels, pixels), interpolation=method), np.uint8)
    return Piece(resized, picture[::step, ::step], round(long_side))


def on_film(piece: Piece, rng: np.random.Generator) -> Picture:
    """The piece as a lab would have scanned it, were the whole frame taken on a random film."""
    roll = draw_roll(rng)
    middle = middle_tone(develop(piece.whole, roll, rng), roll)
    return scan(develop(piece.pixels, roll, rng, piece.frame), roll, middle)


def served(pixels: Picture, side: int, chain: np.random.Generator) -> Picture:
    """``pixels`` through the random chain that all pictures share, then as the server shrinks them to ``side``."""
    jpeg = to_jpeg(finish(pixels, chain), chain)
    return crop_resize(np.asarray(simplejpeg.decode_jpeg(jpeg, "RGB")), side)


class Pairs(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of float32 (n, side, side, 3) in 0..1 and targets (n, 1), 1 for film: digital, film, digital, film, ...

    ``digital`` and ``film`` are whole photographs, uint8 (h, w, 3). The same seed gives the same batches.
    """

    def __init__(
        self, digital: list[Picture], film: list[Picture], side: int, batch: int, seed: int, per_epoch: int
    ) -> None:
        super().__init__(workers=2, max_queue_size=8)
        self.digital, self.film, self.side, self.seed = digital, film, side, seed
        self.pairs, self.batches, self.epoch = batch // 2, -(-per_epoch // batch), 0

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng([self.seed, self.epoch, number])
        crops = np.stack([crop for _ in range(self.pairs) for crop in self._pair(rng)])
        return crops.astype(np.float32) / 255.0, np.tile(np.array([[0.0], [1.0]], np.float32), (self.pairs, 1))

    def _pair(self, rng: np.random.Generator) -> tuple[Picture, Picture]:
        piece = cut(self.digital[int(rng.integers(len(self.digital)))], self.side, rng)
        chain = int(rng.integers(2**32))
        digital = photograph_digital(piece.pixels, rng)
        if self.film and rng.random() < REAL_SHARE:
            film = cut(self.film[int(rng.integers(len(self.film)))], self.side, rng).pixels
        else:
            film = on_film(piece, rng)
        one, other = (served(pixels, self.side, np.random.default_rng(chain)) for pixels in (digital, film))
        return (one, other) if rng.random() < 0.5 else (one[:, ::-1], other[:, ::-1])

    def on_epoch_end(self) -> None:
        """Other pairs in the next epoch."""
        self.epoch += 1

    def all(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The whole epoch at once, to judge by: crops (n, side, side, 3) and targets (n, 1)."""
        crops, targets = zip(*(self[number] for number in range(len(self))), strict=True)
        return np.concatenate(crops), np.concatenate(targets)
