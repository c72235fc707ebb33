"""Endless pairs of crops for Keras: a piece of a digital photograph, and the same piece on film.

Every pair is made anew (``darkroom.twins``), so that a network cannot learn them by heart.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from film.ops.fast import crop_resize
from training.data.darkroom.twins import make_single, make_twins
from training.keras_loop import Batches

Picture = NDArray[np.uint8]
REAL_SHARE = 0.15
"""How many of the film crops are from real film photographs, as long as there are any."""


class Pairs(Batches):
    """Batches of float32 (n, side, side, 3) in 0..1 and targets (n, 1), 1 for film: digital, film, digital, film, ...

    ``digital`` and ``film`` are whole photographs, uint8 (h, w, 3). The same seed and epoch give the same
    batches.
    """

    def __init__(
        self, digital: list[Picture], film: list[Picture], side: int, batch: int, seed: int, per_epoch: int
    ) -> None:
        super().__init__(workers=2, max_queue_size=8)
        self.digital, self.film, self.side, self.seed = digital, film, side, seed
        self.pairs, self.batches = batch // 2, -(-per_epoch // batch)

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng([self.seed, self.epoch, number])
        crops = np.stack([crop for _ in range(self.pairs) for crop in self._pair(rng)])
        return crops.astype(np.float32) / 255.0, np.tile(np.array([[0.0], [1.0]], np.float32), (self.pairs, 1))

    def _pair(self, rng: np.random.Generator) -> tuple[Picture, Picture]:
        jpegs = make_twins(self.digital[int(rng.integers(len(self.digital)))], self.side, rng)
        if self.film and rng.random() < REAL_SHARE:
            jpegs = jpegs[0], make_single(self.film[int(rng.integers(len(self.film)))], self.side, rng)
        one, other = (crop_resize(np.asarray(simplejpeg.decode_jpeg(jpeg, "RGB")), self.side) for jpeg in jpegs)
        return (one, other) if rng.random() < 0.5 else (one[:, ::-1], other[:, ::-1])

    def all(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The whole epoch at once, to judge by: crops (n, side, side, 3) and targets (n, 1)."""
        crops, targets = zip(*(self[number] for number in range(len(self))), strict=True)
        return np.concatenate(crops), np.concatenate(targets)
