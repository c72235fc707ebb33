"""The second half of the gate: verdicts on labelled pictures."""

import numpy as np
import pytest

from export.accuracy import check_accuracy, compare
from export.errors import ParityError
from export.labelled import CALIBRATION_SEED, JUDGING_SEED, REAL, SHARED, Labelled, Pictures
from film.specs import (
    FILM_ORIGIN,
    FILM_ORIGIN_EXPLAIN,
    NEGATIVE_CONDITION,
    OUTLIER_TOLERANCE,
    ModelSpec,
    TensorSpec,
)
from tests.export.conftest import SAMPLES, MakeSource

SPEC = ModelSpec("toy", 2, ("no", "yes"), "yes", 0.5, (TensorSpec("SCORES", "FP32", (2,), ("no", "yes")),))
COUNT = 250


def scores(yes: np.ndarray) -> dict[str, np.ndarray]:
    return {"SCORES": np.stack((1 - yes, yes), 1).astype(np.float32)}


def check(before: np.ndarray, after: np.ndarray) -> object:
    """All that is over a half is truly positive; the file answers ``after``, in whatever batches it is asked."""
    numbers = np.arange(COUNT, dtype=np.uint8)
    pixels = np.broadcast_to(numbers[:, None, None, None], (COUNT, 2, 2, 3))
    labelled = Labelled(pixels, before >= 0.5, "250 toys")
    run = lambda inputs: scores(after[inputs["PIXELS"][:, 0, 0, 0]])  # noqa: E731
    return check_accuracy(SPEC, "abacus", run, labelled, scores(before))


BEFORE = np.linspace(0, 1, COUNT)


def test_the_same_answers_pass() -> None:
    found = check(BEFORE, BEFORE)
    assert found == compare(SPEC, BEFORE, BEFORE, BEFORE >= 0.5)
    assert (found.pictures, found.trained, found.file, found.changed) == (COUNT, 1.0, 1.0, 0)  # type: ignore[attr-defined]


def test_a_guess_that_turns_is_counted_and_let_through() -> None:
    after = np.where(np.arange(COUNT) == COUNT // 2, 0.49, BEFORE)
    found = check(BEFORE, after)
    assert (found.changed, found.changed_where_sure) == (1, 0)  # type: ignore[attr-defined]


def test_two_wrong_verdicts_in_250_are_more_than_half_a_point() -> None:
    after = np.where(np.isin(np.arange(COUNT), [COUNT // 2, COUNT // 2 + 1]), 0.49, BEFORE)
    with pytest.raises(ParityError, match=r"abacus on 250 toys is right 99\.2% of the time"):
        check(BEFORE, after)


def test_a_sure_verdict_must_not_turn() -> None:
    after = np.where(np.arange(COUNT) == COUNT - 1, 0.1, BEFORE)
    with pytest.raises(ParityError, match="changes 1 verdicts that the trained network was sure of"):
        check(BEFORE, after)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("picture", [0, COUNT // 2 - 1])
def test_an_answer_that_is_no_number_is_refused(broken: float, picture: int) -> None:
    after = np.where(np.arange(COUNT) == picture, broken, BEFORE)  # of pictures that are "no": NaN is not over a half
    with pytest.raises(ParityError, match="abacus on 250 toys gives a SCORES that is not finite"):
        check(BEFORE, after)


@pytest.mark.parametrize("off", [0.04, 0.06])
def test_no_answer_may_be_far_off_though_no_verdict_turns(off: float) -> None:
    after = np.where(np.arange(COUNT) == 10, BEFORE + off, BEFORE)
    if off < OUTLIER_TOLERANCE:
        assert check(BEFORE, after).largest_differences == {"SCORES": pytest.approx(off)}  # type: ignore[attr-defined]
    else:
        with pytest.raises(ParityError, match=r"SCORES that is 0\.06 away from the trained network's; 0\.05"):
            check(BEFORE, after)


def test_negatives_to_calibrate_on_are_not_those_to_judge_by(make_source: MakeSource) -> None:
    pictures = make_source("condition").pictures
    labelled = pictures.labelled(NEGATIVE_CONDITION)
    calibration = pictures.to_calibrate(NEGATIVE_CONDITION)
    assert labelled.pixels.shape == calibration.shape == (8, *NEGATIVE_CONDITION.pixels.shape)
    assert 0 < labelled.positive.sum() < 8
    assert labelled.said == "8 simulated negatives"
    assert CALIBRATION_SEED != JUDGING_SEED
    assert not any((one == other).all() for one in labelled.pixels for other in calibration)


@pytest.fixture(scope="module")
def photographs() -> Labelled:
    """All that there are for film_origin."""
    return Pictures(real=True).labelled(FILM_ORIGIN)


def test_photographs_are_labelled_by_their_folders(photographs: Labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = sum(1 for label in FILM_ORIGIN.labels for _ in (SAMPLES / label).iterdir())
    assert photographs.said.startswith(f"{shipped} of samples")
    assert 0 < photographs.positive.sum() < len(photographs.positive)
    monkeypatch.setitem(REAL, FILM_ORIGIN.name, (SAMPLES,))
    explained = Pictures(real=True).labelled(FILM_ORIGIN_EXPLAIN)
    np.testing.assert_array_equal(explained.positive, photographs.positive[:shipped])


@pytest.mark.shared_data
def test_real_photographs_are_added_where_a_developer_has_them(photographs: Labelled) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    assert "of validation" in photographs.said
    assert len(photographs.pixels) > 200
