"""What each model promises, read from ``film.specs``: an answer is checked against it and turned into plain types."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.answers import Explanation, Positive, Prediction, Verdict
from client.errors import ResponseInvalid
from client.pictures import Picture
from client.transport import Response
from film.specs import (
    CLASSIFIERS,
    DEFECTS,
    ERROR,
    FILM_ORIGIN,
    FILM_ORIGIN_EXPLAIN,
    HEATMAP,
    INVERSION_MODEL,
    NEGATIVE_CONDITION,
    NETWORKS,
    POSITIVE,
    ModelSpec,
    TensorSpec,
)

CLASSIFIER_NAMES = tuple(spec.name for spec in CLASSIFIERS)
"""The models that ``classify`` can ask."""
OUTPUTS: Mapping[str, tuple[TensorSpec, ...]] = {
    **{spec.name: (*spec.outputs, ERROR) for spec in NETWORKS},
    INVERSION_MODEL: (POSITIVE, ERROR),
}
"""What every public model answers."""
_ROUNDING = 1e-4
"""How far past 0 or 1 a probability may be by the server's arithmetic."""


@dataclass(frozen=True)
class Answer:
    """One model's word on one picture: its outputs by name, without the batch; or the reason why there are none."""

    outputs: Mapping[str, Any]
    error: str | None = None


def read_response(model: str, response: Response, count: int) -> list[Answer]:
    """Check the answer of ``model`` to ``count`` pictures and take it apart, one Answer a picture, in order.

    Raises ResponseInvalid when an output is missing or has the wrong shape or type, and when a picture has neither
    an error nor a usable answer (NaN scores, a map beyond 0..1, an empty positive).
    """
    for spec in OUTPUTS[model]:
        _check(model, spec, response.get(spec.name), count)
    answers = []
    for row in range(count):
        error = response[ERROR.name][row, 0].decode("utf-8", "replace")
        outputs = {spec.name: response[spec.name][row] for spec in OUTPUTS[model] if spec is not ERROR}
        if not error:
            for name, value in outputs.items():
                _check_usable(model, name, value)
        answers.append(Answer({}, error) if error else Answer(outputs))
    return answers


def _check(model: str, spec: TensorSpec, found: NDArray[Any] | None, count: int) -> None:
    wanted = (count, *spec.shape)
    if found is None:
        raise ResponseInvalid(f"{model} gave no output {spec.name}; is another version of the model being served?")
    fits = len(found.shape) == len(wanted) and all(w in (-1, f) for w, f in zip(wanted, found.shape, strict=True))
    if not fits:
        raise ResponseInvalid(f"{model} gave {spec.name} of shape {list(found.shape)}, not {list(wanted)}")
    if found.dtype != (np.object_ if spec.dtype == "BYTES" else np.float32):
        raise ResponseInvalid(f"{model} gave {spec.name} as {found.dtype}, not as {spec.dtype}")
    if spec.dtype == "BYTES" and not all(isinstance(element, bytes) for element in found.flat):
        raise ResponseInvalid(
            f"{model} gave {spec.name} as JSON, not as bytes; does the server know Triton's extension for binary data?"
        )


def _check_usable(model: str, name: str, value: NDArray[Any]) -> None:
    usable = bool(value[0]) if value.dtype == np.object_ else bool(np.isfinite(value).all())
    if not usable:
        raise ResponseInvalid(f"{model} gave an empty or unknown {name} and no {ERROR.name} that would explain it")
    if value.dtype != np.object_ and not (value.min() >= -_ROUNDING and value.max() <= 1 + _ROUNDING):
        raise ResponseInvalid(f"{model} gave {name} of {value.min():.3g} to {value.max():.3g}, not of 0 to 1")


def verdict(spec: ModelSpec, scores: Iterable[float], threshold: float | None = None) -> Verdict:
    """Choose a label: the positive one from its threshold on, else the likeliest of the others. Unsure in between.

    ``scores`` are in the order of ``spec.labels``; without ``threshold`` it is the one of ``spec``.
    """
    named = dict(zip(spec.labels, map(float, scores), strict=True))
    others = [label for label in spec.labels if label != spec.positive]
    least = spec.threshold if threshold is None else threshold
    label = spec.positive if named[spec.positive] >= least else max(others, key=named.__getitem__)
    low, high = spec.unsure
    return Verdict(label, named[label], named, unsure=low < named[spec.positive] < high)


def prediction(picture: Picture, answers: Mapping[str, Answer]) -> Prediction:
    """Put together what the models in ``answers`` said of one picture; the first error is the prediction's."""
    origin = answers.get(FILM_ORIGIN.name, Answer({})).outputs
    condition = answers.get(NEGATIVE_CONDITION.name, Answer({})).outputs
    defects = condition.get("DEFECTS", ())
    defect_map = condition.get("DEFECT_MAP")
    return Prediction(
        source=picture.source,
        origin=verdict(FILM_ORIGIN, origin["SCORES"]) if origin else None,
        condition=verdict(NEGATIVE_CONDITION, condition["SCORES"]) if condition else None,
        defects=dict(zip(DEFECTS, map(float, defects), strict=False)),
        defect_map=None if defect_map is None else defect_map.copy(),
        error=picture.error or next((answer.error for answer in answers.values() if answer.error), None),
    )


def explanation(picture: Picture, answers: Mapping[str, Answer]) -> Explanation:
    """Where the verdict on one picture comes from."""
    answer = answers.get(FILM_ORIGIN_EXPLAIN.name, Answer({}))
    return Explanation(
        source=picture.source,
        origin=verdict(FILM_ORIGIN, answer.outputs["SCORES"]) if answer.outputs else None,
        heatmap=answer.outputs[HEATMAP.name].copy() if answer.outputs else None,
        error=picture.error or answer.error,
    )


def positive(picture: Picture, answers: Mapping[str, Answer]) -> Positive:
    """The positive of one negative."""
    answer = answers.get(INVERSION_MODEL, Answer({}))
    data = answer.outputs[POSITIVE.name][0] if answer.outputs else b""
    return Positive(picture.source, data, picture.error or answer.error)
