"""The facts agree with each other."""

import pytest

from film import specs


@pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
def test_scores_come_first_and_carry_the_labels(spec: specs.ModelSpec) -> None:
    assert spec.outputs[0].name == "SCORES"
    assert spec.outputs[0].labels == spec.labels
    assert spec.labels[spec.positive_index] == spec.positive
    assert 0 < spec.threshold < 1


@pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
def test_the_band_of_doubt_is_around_the_threshold_and_other_uses_give_it_to_one_side(spec: specs.ModelSpec) -> None:
    low, high = spec.unsure
    assert 0 < low < spec.threshold < high < 1
    assert sorted(use.threshold for use in spec.uses) == [low, high]


@pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
def test_a_step_knows_its_classifier(spec: specs.ModelSpec) -> None:
    for name in (spec.name, spec.network_model):
        assert specs.classifier(name) is spec


@pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
def test_a_preprocessing_step_makes_the_pixels_of_all_who_share_it(spec: specs.ModelSpec) -> None:
    step = specs.classifier(spec.preprocess_model)
    assert step.preprocess_model == spec.preprocess_model
    assert step.pixels == spec.pixels


def test_an_explanation_begins_with_the_answer_that_it_explains() -> None:
    explanation = specs.FILM_ORIGIN_EXPLAIN
    explained = specs.classifier(explanation.family)
    assert explained is specs.FILM_ORIGIN
    assert explanation.outputs[: len(explained.outputs)] == explained.outputs


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(KeyError, match="no classifier is called 'nonsense'"):
        specs.classifier("nonsense")
