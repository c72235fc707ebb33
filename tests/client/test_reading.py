"""Answers read for other shares of the labels and other purposes; through both clients."""

import asyncio
from typing import Any

import numpy as np
import pytest

from client import AsyncClient, Client, FakeTransport, Prediction, Request, Response
from film.prior import with_prior
from film.specs import CLASSIFIERS, FILM_ORIGIN, NEGATIVE_CONDITION

BOTH = (FILM_ORIGIN.name, NEGATIVE_CONDITION.name)


def positive_of(chance: float) -> Any:
    """A server that gives every picture's positive label this probability."""

    def answer(request: Request) -> Response:
        return {**FakeTransport().made_up(request), "SCORES": np.array([[1 - chance, chance]], np.float32)}

    return answer


def classify(chance: float, models: tuple[str, ...] = BOTH, **options: Any) -> Prediction:
    """The same from both clients."""

    async def work() -> list[Prediction]:
        async with AsyncClient(transport=FakeTransport(answer=positive_of(chance))) as client:
            return await client.classify([b"a"], models, **options)

    with Client(transport=FakeTransport(answer=positive_of(chance))) as client:
        (seen,) = client.classify([b"a"], models, **options)
    (awaited,) = asyncio.run(work())
    assert seen.to_dict(maps=True) == awaited.to_dict(maps=True)
    return seen


def test_a_share_goes_into_the_probability_and_the_verdict() -> None:
    seen = classify(0.6, (FILM_ORIGIN.name,), prior=0.1)
    assert seen.origin
    assert seen.origin.label == "digital"
    assert seen.origin.scores["film"] == pytest.approx(with_prior(0.6, 0.1), abs=1e-6)
    assert sum(seen.origin.scores.values()) == pytest.approx(1)
    assert not seen.origin.unsure


def test_shares_of_both_labels_are_kept_apart() -> None:
    seen = classify(0.5, prior={"film": 0.2, "readable": 0.9})
    assert seen.origin
    assert seen.condition
    assert seen.origin.scores["film"] == pytest.approx(0.2, abs=1e-6)
    assert seen.condition.scores["readable"] == pytest.approx(0.9, abs=1e-6)


def test_no_share_of_a_label_leaves_it_as_it_is() -> None:
    assert classify(0.7, prior={"readable": 0.9}).origin == classify(0.7).origin


@pytest.mark.parametrize(("spec", "use"), [(spec, use) for spec in CLASSIFIERS for use in spec.uses], ids=str)
def test_a_use_moves_the_threshold_of_the_models_that_have_it(spec: Any, use: Any) -> None:
    just_over, just_under = (classify(use.threshold + step, (spec.name,), use=use.name) for step in (1e-3, -1e-3))
    labels = [(seen.origin or seen.condition).label for seen in (just_over, just_under)]  # type: ignore[union-attr]
    assert labels[0] == spec.positive != labels[1]


def test_a_use_that_only_one_model_has_leaves_the_other_alone() -> None:
    seen = classify(0.55, use="collection")
    assert seen.origin
    assert seen.condition
    assert (seen.origin.label, seen.condition.label) == ("digital", "readable")


def test_a_share_comes_before_a_use() -> None:
    seen = classify(0.5, (NEGATIVE_CONDITION.name,), prior=0.65, use="archive")
    assert seen.condition
    assert seen.condition.label == "readable"


def test_a_bad_picture_stays_one() -> None:
    with Client(transport=FakeTransport(errors={b"bad": "not a picture"})) as client:
        (seen,) = client.classify([b"bad"], prior={"film": 0.3}, use="archive")
    assert (seen.origin, seen.error) == (None, "not a picture")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"prior": 0.3}, r"does not say of what: name the label \(film=0.3, readable=0.3\)"),
        ({"prior": 0.0, "models": BOTH[:1]}, "between 0 and 1"),
        ({"prior": {"film": float("nan")}}, "between 0 and 1"),
        ({"prior": {"digital": 0.3}}, "'digital' cannot be; there are film, readable"),
        ({"prior": {"readable": 0.3}, "models": BOTH[:1]}, "there are film"),
        ({"use": "holiday"}, "there are archive, collection, scanning"),
        ({"use": "scanning", "models": BOTH[:1]}, "no use of film_origin; there are archive, collection"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Client(transport=FakeTransport()).iter_classify([b"a"], **options)
