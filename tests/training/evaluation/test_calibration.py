import numpy as np
import pytest

from training.evaluation.calibration import before, calibration_error, reliability


def test_honest_probabilities_have_no_error_and_boastful_ones_have() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(40_000)
    targets = rng.random(40_000) < scores
    assert calibration_error(scores, targets) < 0.01
    assert calibration_error(np.where(scores > 0.5, 0.99, 0.01), targets) == pytest.approx(0.24, abs=0.02)


def test_both_classes_count_alike() -> None:
    targets = np.array([True] * 90 + [False] * 10)
    (one,) = reliability(np.full(100, 0.55), targets)
    assert one.said == pytest.approx(0.55)
    assert (one.true, one.share, one.pictures) == (pytest.approx(0.5), pytest.approx(1.0), 100)


def test_one_class_says_nothing_of_calibration() -> None:
    assert reliability(np.array([0.2]), np.array([True])) == []
    assert np.isnan(calibration_error(np.array([0.2]), np.array([True])))


@pytest.mark.parametrize(
    ("measured", "scale", "offset"),
    [
        ({"calibration": {"scale": 1.8, "offset": -0.3, "pictures": 130}}, 1.8, -0.3),
        ({"temperature": 2.0}, 0.5, 0.0),
        ({"calibration": {"temperature": 0.5}}, 2.0, 0.0),
    ],
)
def test_the_last_fit_of_a_training_can_be_taken_back(measured: dict[str, object], scale: float, offset: float) -> None:
    raw = np.array([0.1, 0.5, 0.8])
    served = 1 / (1 + np.exp(-(scale * np.log(raw / (1 - raw)) + offset)))
    assert before(served, measured) == pytest.approx(raw)


def test_without_a_record_there_is_no_before() -> None:
    assert before(np.array([0.5]), {}) is None
    assert before(np.array([0.5]), {"calibration": "none"}) is None
    assert np.isfinite(before(np.array([0.0, 1.0]), {"temperature": 2.0})).all()
