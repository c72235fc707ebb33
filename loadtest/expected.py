"""The right answers, computed in this process with what the server serves, and whether an answer is one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.answers import Prediction
from film.network import load_network
from film.preprocess import preprocess
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, VALID, ModelSpec, classifier
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY, profile

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Expected:
    """What one picture must get: each model's probabilities in the order of its labels, by the model's name.

    A probability may be ``tolerance`` off.
    """

    scores: Mapping[str, Scores]
    tolerance: float


def expect(
    blobs: Sequence[bytes],
    models: Sequence[str] = (FILM_ORIGIN.name, NEGATIVE_CONDITION.name),
    repository: Path = DEFAULT_REPOSITORY,
    profile_name: str = "cpu",
) -> list[Expected]:
    """What the server of ``profile_name`` must say of each of ``blobs``; NetworkError where there is no network."""
    chosen = profile(profile_name)
    # A GPU's files do not run here; what they answer is held against the CPU's, within the profile's tolerance.
    answers = {model: _scores(classifier(model), blobs, repository) for model in models}
    return [
        Expected({model: rows[index] for model, rows in answers.items()}, chosen.tolerance)
        for index in range(len(blobs))
    ]


def wrong(answer: Prediction, expected: Expected) -> str:
    """What is wrong with ``answer``; empty where nothing is."""
    if answer.error:
        return answer.error
    given = {FILM_ORIGIN.name: answer.origin, NEGATIVE_CONDITION.name: answer.condition}
    for model, scores in expected.scores.items():
        verdict = given[model]
        if verdict is None:
            return f"no verdict of {model}"
        probabilities = np.array([verdict.scores[label] for label in classifier(model).labels])
        difference = float(np.abs(probabilities - scores).max())
        if not difference <= expected.tolerance:
            return f"{model} is {difference:.3g} off the right probability"
    return ""


def _scores(spec: ModelSpec, blobs: Sequence[bytes], repository: Path) -> Scores:
    network = load_network(network_file(repository, spec, ""), precision=spec.precision)
    rows: list[Any] = []
    for blob in blobs:  # one at a time: a batch of 700 x 700 pictures is large
        pixels = preprocess([blob], spec.size)
        rows.append(network({spec.pixels.name: pixels.pixels, VALID.name: pixels.valid})[spec.outputs[0].name][0])
    return np.array(rows, np.float32)
