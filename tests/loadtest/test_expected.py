"""A right answer passes; everything else is called wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from client.answers import Prediction
from client.contract import Answer, prediction
from client.pictures import Picture
from film.specs import CLASSIFIERS, DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec, TensorSpec, tolerated
from loadtest import pictures
from loadtest.expected import Expected, Outputs, expect, wrong

TOLERANCE = 0.001
CHANCES = np.linspace(0.1, 0.6, len(DEFECTS), dtype=np.float32)
MAP = np.linspace(0.2, 0.8, len(DEFECTS) * 16 * 16, dtype=np.float32).reshape(len(DEFECTS), 16, 16)
EXPECTED = Expected(
    {
        FILM_ORIGIN.name: {"SCORES": np.array([0.2, 0.8], np.float32)},
        NEGATIVE_CONDITION.name: {
            "SCORES": np.array([0.6, 0.4], np.float32),
            "DEFECTS": CHANCES,
            "DEFECT_MAP": MAP,
        },
    },
    TOLERANCE,
)
OUTPUTS = [(spec, output) for spec in CLASSIFIERS for output in spec.outputs]
each_output = pytest.mark.parametrize(("spec", "output"), OUTPUTS, ids=lambda each: each.name)


def answered(outputs: Mapping[str, Outputs]) -> Prediction:
    """What the client makes of these answers."""
    return prediction(Picture("#0", b""), {model: Answer(each) for model, each in outputs.items()})


def moved(spec: ModelSpec, output: TensorSpec, far: float) -> Prediction:
    """The right answer, but for the last value of one output of one model."""
    values = EXPECTED.outputs[spec.name][output.name].copy()
    values.flat[-1] += far
    return answered({**EXPECTED.outputs, spec.name: {**EXPECTED.outputs[spec.name], output.name: values}})


RIGHT = answered(EXPECTED.outputs)


def test_the_right_answer_passes() -> None:
    assert wrong(RIGHT, EXPECTED) == ""


@each_output
def test_every_output_may_be_off_by_what_is_tolerated_of_it(spec: ModelSpec, output: TensorSpec) -> None:
    assert wrong(moved(spec, output, 0.9 * tolerated(output, TOLERANCE)), EXPECTED) == ""


@each_output
@pytest.mark.parametrize("far", [1.1, -1.1, 500, float("nan")])
def test_an_answer_with_one_output_off_is_wrong_and_the_output_named(
    spec: ModelSpec, output: TensorSpec, far: float
) -> None:
    said = wrong(moved(spec, output, far * tolerated(output, TOLERANCE)), EXPECTED)
    assert said.startswith(f"{spec.name} is ")
    assert said.endswith(f" off the right probability in {output.name}")


def test_defects_are_held_by_their_names_and_not_by_their_order() -> None:
    turned = replace(RIGHT, defects=dict(reversed(RIGHT.defects.items())))
    assert wrong(turned, EXPECTED) == ""
    swapped = replace(RIGHT, defects=dict(zip(DEFECTS, map(float, CHANCES[::-1]), strict=True)))
    assert wrong(swapped, EXPECTED) == "negative_condition is 0.5 off the right probability in DEFECTS"


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ({"origin": None}, "no SCORES of film_origin"),
        ({"condition": None}, "no SCORES of negative_condition"),
        ({"defects": {}}, "no DEFECTS of negative_condition"),
        ({"defect_map": None}, "no DEFECT_MAP of negative_condition"),
    ],
)
def test_a_missing_output_is_wrong(without: dict[str, Any], said: str) -> None:
    assert wrong(replace(RIGHT, **without), EXPECTED) == said


def test_a_model_that_nobody_asked_needs_no_answer() -> None:
    asked = {FILM_ORIGIN.name: EXPECTED.outputs[FILM_ORIGIN.name]}
    assert wrong(answered(asked), Expected(asked, TOLERANCE)) == ""


def test_an_error_is_wrong_in_its_own_words() -> None:
    assert wrong(Prediction("#0", error="cut short"), EXPECTED) == "cut short"


def test_the_answer_to_another_picture_is_wrong() -> None:
    first, second = expect(pictures.read(pictures.SAMPLES)[:2], [FILM_ORIGIN.name])
    answer = answered(second.outputs)
    assert wrong(answer, second) == ""
    assert "off the right probability" in wrong(answer, first)


def test_expectations_are_every_output_of_the_asked_models_in_order_of_the_pictures() -> None:
    blobs = pictures.read(pictures.SAMPLES)[:2]
    forth = expect(blobs, [NEGATIVE_CONDITION.name])
    back = expect(blobs[::-1], [NEGATIVE_CONDITION.name])
    for one, other in zip(forth, back[::-1], strict=True):
        assert set(one.outputs) == {NEGATIVE_CONDITION.name}
        values, again = (each.outputs[NEGATIVE_CONDITION.name] for each in (one, other))
        assert {name: each.shape for name, each in values.items()} == {
            output.name: output.shape for output in NEGATIVE_CONDITION.outputs
        }
        assert values["SCORES"].sum() == pytest.approx(1, abs=1e-3)
        for name, each in values.items():
            np.testing.assert_allclose(each, again[name], atol=1e-6)
