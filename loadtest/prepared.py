"""What is asked and what is right, made before the load begins: pictures, and the expected answer to each."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from loadtest import pictures
from loadtest.expected import Expected, Outputs, expect
from serving.settings import DEFAULT_REPOSITORY

MODELS = {
    "both": (FILM_ORIGIN.name, NEGATIVE_CONDITION.name),
    FILM_ORIGIN.name: (FILM_ORIGIN.name,),
    NEGATIVE_CONDITION.name: (NEGATIVE_CONDITION.name,),
}
"""What may be asked of the server, by the word for it."""


@dataclass(frozen=True)
class Prepared:
    """Encoded pictures and the right answer to each, in the same order."""

    blobs: Sequence[bytes]
    expected: Sequence[Expected]

    def save(self, folder: Path) -> None:
        """Write both into ``folder``, for another process to load."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, blob in enumerate(self.blobs):
            (folder / f"{number:06}").write_bytes(blob)
        plain = [{"tolerance": each.tolerance, "outputs": _plain(each.outputs)} for each in self.expected]
        (folder / "expected.json").write_text(json.dumps(plain), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Prepared":
        """What ``save`` wrote; FileNotFoundError where it did not."""
        plain = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        expected = [Expected(_arrays(each["outputs"]), each["tolerance"]) for each in plain]
        return Prepared([(folder / f"{number:06}").read_bytes() for number in range(len(expected))], expected)


def _plain(outputs: Mapping[str, Outputs]) -> dict[str, dict[str, Any]]:
    return {model: {name: values.tolist() for name, values in each.items()} for model, each in outputs.items()}


def _arrays(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, Outputs]:
    return {model: {name: np.array(v, np.float32) for name, v in each.items()} for model, each in plain.items()}


def prepare(
    folder: Path | None,
    mix: str,
    count: int,
    models: str = "both",
    *,
    seed: int = 0,
    repository: Path = DEFAULT_REPOSITORY,
    profile: str = "cpu",
) -> Prepared:
    """The pictures of ``folder``, or ``count`` made ones of ``mix`` where there is none, and the right answers.

    Raises PicturesError where there is no picture or mix, NetworkError where there is no network.
    """
    blobs = pictures.read(folder) if folder else pictures.make(pictures.mix(mix), count, seed)
    return Prepared(blobs, expect(blobs, MODELS[models], repository, profile))


class Deck:
    """Deals pictures by number, all of them in a random order before any comes again, so that a mix stays itself."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size, self._random = size, random.Random(seed)
        self._left: list[int] = []

    def deal(self, count: int) -> list[int]:
        """The next ``count`` numbers, from 0."""
        while len(self._left) < count:
            # below what is left, so that it is dealt later
            self._left = [*self._random.sample(range(self._size), self._size), *self._left]
        self._left, dealt = self._left[:-count], self._left[-count:]
        return dealt
