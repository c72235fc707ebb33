"""A right answer passes; everything else is called wrong."""

from dataclasses import replace

import numpy as np
import pytest

from client.answers import Prediction, Verdict
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from loadtest import pictures
from loadtest.expected import Expected, expect, wrong

TOLERANCE = 0.001
EXPECTED = Expected(
    {FILM_ORIGIN.name: np.array([0.2, 0.8], np.float32), NEGATIVE_CONDITION.name: np.array([0.6, 0.4], np.float32)},
    TOLERANCE,
)


def verdict(spec: ModelSpec, first: float, second: float) -> Verdict:
    label = spec.labels[int(second > first)]
    return Verdict(label, max(first, second), dict(zip(spec.labels, (first, second), strict=True)))


RIGHT = Prediction("#0", verdict(FILM_ORIGIN, 0.2, 0.8), verdict(NEGATIVE_CONDITION, 0.6, 0.4))


def test_the_right_answer_passes_and_so_does_one_within_tolerance() -> None:
    assert wrong(RIGHT, EXPECTED) == ""
    assert wrong(replace(RIGHT, origin=verdict(FILM_ORIGIN, 0.2005, 0.7995)), EXPECTED) == ""


@pytest.mark.parametrize("scores", [(0.202, 0.798), (0.8, 0.2), (float("nan"), float("nan"))])
def test_another_probability_is_wrong(scores: tuple[float, float]) -> None:
    assert FILM_ORIGIN.name in wrong(replace(RIGHT, origin=verdict(FILM_ORIGIN, *scores)), EXPECTED)
    assert NEGATIVE_CONDITION.name in wrong(replace(RIGHT, condition=verdict(NEGATIVE_CONDITION, *scores)), EXPECTED)


def test_a_missing_verdict_is_wrong_unless_nobody_asked() -> None:
    silent = replace(RIGHT, condition=None)
    assert wrong(silent, EXPECTED) == f"no verdict of {NEGATIVE_CONDITION.name}"
    assert wrong(silent, Expected({FILM_ORIGIN.name: EXPECTED.scores[FILM_ORIGIN.name]}, TOLERANCE)) == ""


def test_an_error_is_wrong_in_its_own_words() -> None:
    assert wrong(Prediction("#0", error="cut short"), EXPECTED) == "cut short"


def test_the_answer_to_another_picture_is_wrong() -> None:
    first, second = expect(pictures.read(pictures.SAMPLES)[:2], [FILM_ORIGIN.name])
    scores = second.scores[FILM_ORIGIN.name]
    answer = Prediction("#0", origin=verdict(FILM_ORIGIN, float(scores[0]), float(scores[1])))
    assert wrong(answer, second) == ""
    assert "off the right probability" in wrong(answer, first)


def test_expectations_are_probabilities_of_the_asked_models_in_order_of_the_pictures() -> None:
    blobs = pictures.read(pictures.SAMPLES)[:2]
    forth = expect(blobs, [NEGATIVE_CONDITION.name])
    back = expect(blobs[::-1], [NEGATIVE_CONDITION.name])
    for one, other in zip(forth, back[::-1], strict=True):
        assert set(one.scores) == {NEGATIVE_CONDITION.name}
        assert one.scores[NEGATIVE_CONDITION.name].sum() == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose(
            one.scores[NEGATIVE_CONDITION.name], other.scores[NEGATIVE_CONDITION.name], atol=1e-6
        )
