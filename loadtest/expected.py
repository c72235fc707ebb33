"""The right answers, computed in this process with what the server serves, and whether an answer is one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.answers import Prediction
from film.network import load_network
from film.preprocess import preprocess
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, VALID, ModelSpec, classifier, tolerated
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY, profile

Values = NDArray[np.float32]
Outputs = Mapping[str, Values]
"""What a model says of one picture: its outputs by name."""
Told = Mapping[str, float] | Values | None
"""One of them as the client hands it on: by label, or as it came; None where it is not there."""


@dataclass(frozen=True)
class Expected:
    """What one picture must get: every output of each model, by the model's name.

    A probability may be ``tolerance`` off, and an output with slack as many times that (``film.specs.tolerated``).
    """

    outputs: Mapping[str, Outputs]
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
    answers = {model: _outputs(classifier(model), blobs, repository) for model in models}
    return [
        Expected({model: rows[index] for model, rows in answers.items()}, chosen.tolerance)
        for index in range(len(blobs))
    ]


def wrong(answer: Prediction, expected: Expected) -> str:
    """What is wrong with ``answer``; empty where nothing is."""
    if answer.error:
        return answer.error
    told = _told(answer)
    for model, right in expected.outputs.items():
        for output, given in zip(classifier(model).outputs, told[model], strict=True):
            if given is None:
                return f"no {output.name} of {model}"
            values = np.array([given[label] for label in output.labels]) if isinstance(given, Mapping) else given
            difference = float(np.abs(values - right[output.name]).max())
            if not difference <= tolerated(output, expected.tolerance):
                return f"{model} is {difference:.3g} off the right probability in {output.name}"
    return ""


def _told(answer: Prediction) -> Mapping[str, Sequence[Told]]:
    """Of each model what ``answer`` has of its outputs, in their order."""
    origin, condition = answer.origin, answer.condition
    return {
        FILM_ORIGIN.name: (origin.scores if origin else None,),
        NEGATIVE_CONDITION.name: (condition.scores if condition else None, answer.defects or None, answer.defect_map),
    }


def _outputs(spec: ModelSpec, blobs: Sequence[bytes], repository: Path) -> list[Outputs]:
    network = load_network(network_file(repository, spec, ""), precision=spec.precision)
    rows: list[Outputs] = []
    for blob in blobs:  # one at a time: a batch of 700 x 700 pictures is large
        pixels = preprocess([blob], spec.size)
        answer = network({spec.pixels.name: pixels.pixels, VALID.name: pixels.valid})
        rows.append({output.name: answer[output.name][0] for output in spec.outputs})
    return rows
