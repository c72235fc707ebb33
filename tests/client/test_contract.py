"""What the client makes of an answer, and which answers it does not accept."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from client import Client, FakeTransport, Request, Response, ResponseInvalid
from client.contract import CLASSIFIER_NAMES, verdict
from film.specs import CLASSIFIERS, DEFECTS, FILM_ORIGIN, HEATMAP, INVERSION_MODEL, NEGATIVE_CONDITION, ModelSpec

Change = Callable[[NDArray[Any]], NDArray[Any]]


def answering(**changes: Change | None) -> Client:
    """A client of a fake server whose outputs are changed; None leaves one out."""

    def answer(request: Request) -> Response:
        response = dict(fake.made_up(request))
        for name, change in changes.items():
            if name in response:
                made_up = response.pop(name)
                if change is not None:
                    response[name] = change(made_up)
        return response

    fake = FakeTransport(answer=answer)
    return Client(transport=fake)


def nothing(made_up: NDArray[Any]) -> NDArray[Any]:
    return np.empty(0, dtype=made_up.dtype)


@pytest.mark.parametrize(
    ("output", "change", "complaint"),
    [
        ("SCORES", None, "no output SCORES"),
        ("ERROR", None, "no output ERROR"),
        ("SCORES", nothing, r"SCORES of shape \[0\], not \[1, 2\]"),
        ("ERROR", nothing, r"ERROR of shape \[0\]"),
        ("SCORES", lambda made_up: made_up[:, :1], r"shape \[1, 1\], not \[1, 2\]"),
        ("SCORES", lambda made_up: made_up.astype(np.float64), "as float64, not as FP32"),
        ("SCORES", lambda made_up: made_up * np.nan, "empty or unknown SCORES"),
        ("DEFECTS", lambda made_up: made_up * np.inf, "empty or unknown DEFECTS"),
        ("DEFECT_MAP", lambda made_up: made_up.reshape(1, -1), r"DEFECT_MAP of shape \[1, 1536\]"),
    ],
)
def test_an_answer_that_breaks_the_contract_is_never_taken_for_a_verdict(
    output: str, change: Change | None, complaint: str
) -> None:
    with pytest.raises(ResponseInvalid, match=complaint):
        answering(**{output: change}).classify([b"picture"])


@pytest.mark.parametrize(
    ("output", "change", "complaint"),
    [
        ("HEATMAP", None, "film_origin_explain gave no output HEATMAP"),
        ("HEATMAP", lambda made_up: made_up[:, :-1], r"HEATMAP of shape \[1, 34, 35\], not \[1, 35, 35\]"),
        ("HEATMAP", lambda made_up: made_up * np.nan, "empty or unknown HEATMAP"),
        ("HEATMAP", lambda made_up: made_up - 2, "HEATMAP of -2 to -1, not of 0 to 1"),
        ("SCORES", lambda made_up: made_up + 1, "SCORES of 1.* not of 0 to 1"),
        ("ERROR", None, "no output ERROR"),
    ],
)
def test_a_map_that_breaks_the_contract_is_never_taken_for_an_explanation(
    output: str, change: Change | None, complaint: str
) -> None:
    def rounded(made_up: NDArray[Any]) -> NDArray[Any]:
        return np.round(made_up)

    with pytest.raises(ResponseInvalid, match=complaint):
        answering(**{"HEATMAP": rounded, output: change}).explain([b"picture"])


def test_what_arithmetic_rounds_past_one_is_taken() -> None:
    (seen,) = answering(HEATMAP=lambda made_up: np.full_like(made_up, 1 + 1e-6)).explain([b"picture"])
    assert seen.error is None


def test_an_empty_positive_without_a_reason_is_refused() -> None:
    def emptied(made_up: NDArray[Any]) -> NDArray[Any]:
        return np.array([[b""]], dtype=np.object_)

    with pytest.raises(ResponseInvalid, match=f"{INVERSION_MODEL} gave an empty or unknown POSITIVE"):
        answering(POSITIVE=emptied).invert([b"negative"])


@pytest.mark.parametrize("spec", CLASSIFIERS, ids=CLASSIFIER_NAMES)
@given(score=st.floats(0, 1, width=32))
def test_a_verdict_is_the_positive_label_from_the_threshold_on(spec: ModelSpec, score: float) -> None:
    scores = np.full(2, 1 - score, dtype=np.float32)
    scores[spec.positive_index] = score

    chosen = verdict(spec, scores)

    assert (chosen.label == spec.positive) == (score >= spec.threshold)
    assert chosen.probability == chosen.scores[chosen.label]
    assert list(chosen.scores) == list(spec.labels)


@pytest.mark.parametrize("spec", CLASSIFIERS, ids=CLASSIFIER_NAMES)
@pytest.mark.parametrize(
    ("score", "unsure"), [(0.0, False), (0.39, False), (0.41, True), (0.5, True), (0.59, True), (0.61, False)]
)
def test_a_verdict_near_the_threshold_is_unsure_whichever_label_it_is(
    spec: ModelSpec, score: float, unsure: bool
) -> None:
    scores = np.full(2, 1 - score, dtype=np.float32)
    scores[spec.positive_index] = score
    assert verdict(spec, scores).unsure is unsure
    assert str(verdict(spec, scores)).endswith("%?" if unsure else "%")


def test_defects_carry_their_names_and_places() -> None:
    (seen,) = Client(transport=FakeTransport()).classify([b"negative"], [NEGATIVE_CONDITION.name])

    assert seen.origin is None
    assert tuple(seen.defects) == DEFECTS
    assert seen.defect_map is not None
    assert seen.defect_map.shape == NEGATIVE_CONDITION.outputs[2].shape
    named = list(seen.named_defects.values())
    assert named == sorted((chance for chance in seen.defects.values() if chance >= 0.5), reverse=True)


def test_every_prediction_becomes_strict_json() -> None:
    seen = Client(transport=FakeTransport(errors={b"bad": "broken"})).classify([b"good", b"bad"])

    good, bad = (json.loads(json.dumps(one.to_dict(maps=True), allow_nan=False)) for one in seen)

    assert good["origin"]["label"] in ("digital", "film")
    assert good["origin"]["unsure"] is seen[0].origin.unsure
    assert np.shape(good["defect_map"]) == NEGATIVE_CONDITION.outputs[2].shape
    assert good["error"] is None
    assert bad == {
        "source": "#1",
        "origin": None,
        "condition": None,
        "defects": {},
        "named_defects": [],
        "defect_map": None,
        "error": "broken",
    }
    assert "defect_map" not in seen[0].to_dict()


def test_the_map_of_a_defect_is_found_by_its_name() -> None:
    (seen,) = Client(transport=FakeTransport()).classify([b"negative"], [NEGATIVE_CONDITION.name])
    for name, where in zip(DEFECTS, seen.defect_map, strict=True):
        assert np.array_equal(seen.map_of(name), where)
    with pytest.raises(KeyError, match="'scratches' is no defect"):
        seen.map_of("scratches")
    (other,) = Client(transport=FakeTransport()).classify([b"negative"], [FILM_ORIGIN.name])
    assert other.map_of("holes") is None


def test_every_explanation_becomes_strict_json() -> None:
    seen = Client(transport=FakeTransport(errors={b"bad": "broken"})).explain([b"good", b"bad"])

    good, bad = (json.loads(json.dumps(one.to_dict(), allow_nan=False)) for one in seen)

    assert good["origin"]["label"] in ("digital", "film")
    assert np.shape(good["heatmap"]) == HEATMAP.shape
    assert bad == {"source": "#1", "origin": None, "heatmap": None, "error": "broken"}
