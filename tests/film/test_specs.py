"""The facts agree with each other."""

import pytest

from film import specs


@pytest.mark.parametrize("spec", specs.CLASSIFIERS, ids=lambda spec: spec.name)
def test_scores_come_first_and_carry_the_labels(spec: specs.ModelSpec) -> None:
    assert spec.outputs[0].name == "SCORES"
    assert spec.outputs[0].labels == spec.labels
    assert spec.labels[spec.positive_index] == spec.positive
    assert 0 < spec.threshold < 1


@pytest.mark.parametrize("spec", specs.CLASSIFIERS, ids=lambda spec: spec.name)
def test_the_band_of_doubt_is_around_the_threshold_and_other_uses_give_it_to_one_side(spec: specs.ModelSpec) -> None:
    low, high = spec.unsure
    assert 0 < low < spec.threshold < high < 1
    assert sorted(use.threshold for use in spec.uses) == [low, high]


@pytest.mark.parametrize("spec", specs.CLASSIFIERS, ids=lambda spec: spec.name)
def test_a_step_knows_its_classifier(spec: specs.ModelSpec) -> None:
    for name in (spec.name, spec.preprocess_model, spec.network_model):
        assert specs.classifier(name) is spec


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(KeyError, match="no classifier is called 'nonsense'"):
        specs.classifier("nonsense")
