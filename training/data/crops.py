"""Batches of crops for Keras, half film and half digital."""

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.origin_set import OriginSet


class Crops(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of random square crops, float32 (n, side, side, 3) in 0..1, with targets (n, 1); 1 is film.

    An epoch shows ``per_epoch`` crops (default: one of each row), half of them film. ``fixed`` shows the same crops
    every epoch, for validation.
    """

    def __init__(
        self,
        pictures: OriginSet,
        rows: NDArray[np.int64],
        side: int,
        batch: int,
        seed: int,
        *,
        per_epoch: int | None = None,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        self.pictures, self.side, self.batch, self.seed, self.fixed = pictures, side, batch, seed, fixed
        targets = pictures.targets[rows]
        self.film, self.digital = rows[targets == 1], rows[targets == 0]
        self.count = per_epoch or len(rows)
        self.epoch = 0
        self._deal()

    def _deal(self) -> None:
        rng = np.random.default_rng([self.seed, 0 if self.fixed else self.epoch])
        half = self.count // 2
        chosen = np.concatenate([_draw(self.film, half, rng), _draw(self.digital, self.count - half, rng)])
        self.order, self.rng = rng.permutation(chosen), rng

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = self.order[number * self.batch : (number + 1) * self.batch]
        rng = np.random.default_rng([self.seed, 0 if self.fixed else self.epoch, 1 + number])
        room = self.pictures.pixels.shape[1] - self.side + 1
        corners = rng.integers(room, size=(len(rows), 2))
        places = zip(rows, corners, strict=True)
        crops = np.stack([self.pictures.pixels[r, y : y + self.side, x : x + self.side] for r, (y, x) in places])
        mirrored = rng.random(len(rows)) < 0.5
        crops[mirrored] = crops[mirrored][:, :, ::-1]
        return crops.astype(np.float32) / 255.0, self.pictures.targets[rows][:, None]

    def on_epoch_end(self) -> None:
        """Deal other pictures and crops for the next epoch."""
        self.epoch += 1
        self._deal()


def _draw(rows: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` of ``rows``, each as often as every other or once more."""
    rounds = -(-count // len(rows))
    return np.asarray(np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:count], np.int64)
