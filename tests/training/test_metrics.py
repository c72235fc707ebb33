import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from training.metrics import best_threshold, confusion, leave_one_source_out, measure, numbers, resample


def test_perfect_answers_have_perfect_numbers_and_no_doubt() -> None:
    targets = np.array([True, False] * 10)
    found = measure(np.where(targets, 0.9, 0.1), targets, [str(n // 2) for n in range(20)], 0.5, rounds=50)
    assert {(m.value, m.low, m.high) for m in found.values()} == {(1.0, 1.0, 1.0)}


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.random(60) < 0.4
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * targets, 0.2), 0, 1), 1)  # many are equal
    verdicts = scores >= 0.5
    found = {name: m.value for name, m in measure(scores, targets, list(map(str, range(60))), 0.5, rounds=2).items()}
    precision, recall, f1, _ = sk.precision_recall_fscore_support(targets, verdicts, labels=[False, True])
    for column, label in enumerate(("negative", "positive")):
        for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert found[f"{name}_{label}"] == pytest.approx(value[column])
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(targets, verdicts))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(targets, verdicts))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(targets, scores))
    assert found["pr_auc_positive"] == pytest.approx(sk.average_precision_score(targets, scores))
    assert found["pr_auc_negative"] == pytest.approx(sk.average_precision_score(~targets, -scores))
    assert confusion(scores, targets, 0.5) == sk.confusion_matrix(targets, verdicts).tolist()


def test_a_weight_of_two_is_a_picture_that_is_there_twice() -> None:
    rng = np.random.default_rng(1)
    scores, targets, times = rng.random(20).round(1), np.arange(20) % 3 == 0, rng.integers(0, 4, 20)
    weighted = numbers(scores, targets, scores >= 0.5, times[None].astype(float))
    scores, targets = np.repeat(scores, times), np.repeat(targets, times)
    repeated = numbers(scores, targets, scores >= 0.5, np.ones((1, len(scores))))
    for name, value in repeated.items():
        assert weighted[name] == pytest.approx(value), name


def test_a_bootstrap_draws_whole_sources_and_as_many_of_each_class() -> None:
    targets = np.arange(40) < 24
    sources = [f"s{n // 4}" for n in range(40)]
    weights = resample(targets, sources, 200, np.random.default_rng(0))
    by_source = weights.reshape(200, 10, 4)
    assert (by_source == by_source[..., :1]).all()
    assert (weights[:, targets].sum(1) == 24).all()
    assert (weights[:, ~targets].sum(1) == 16).all()
    assert weights.std(0).min() > 0


def test_pictures_of_few_sources_promise_less() -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(120) % 2 == 1
    by_source = np.repeat(rng.random(12) < 0.6, 10)  # all of a source right, or all wrong
    scores = np.where(by_source == targets, 0.9, 0.1)
    few = measure(scores, targets, [str(n // 10) for n in range(120)], 0.5, rounds=300)["recall_positive"]
    many = measure(scores, targets, [str(n) for n in range(120)], 0.5, rounds=300)["recall_positive"]
    assert few.value == many.value
    assert few.high - few.low > 1.5 * (many.high - many.low)


def test_a_class_from_one_source_has_no_interval() -> None:
    scores, targets = np.array([0.9, 0.4, 0.2, 0.1, 0.6]), np.array([True, True, True, False, False])
    found = measure(scores, targets, ["a", "b", "c", "d", "d"], 0.5, rounds=50)
    assert str(found["recall_negative"]) == "50.0 (no interval)"
    assert str(found["accuracy"]).endswith("(no interval)")
    assert found["recall_positive"].low < found["recall_positive"].high


def test_one_class_has_no_curve() -> None:
    found = measure(np.array([0.2, 0.7]), np.array([True, True]), ["a", "b"], 0.5, rounds=10)
    assert str(found["auc"]) == str(found["recall_negative"]) == "-"
    assert found["recall_positive"].value == 0.5


@given(
    pictures=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=30),
    wanted=st.floats(0.05, 0.95),
)
def test_no_threshold_is_better_than_the_best(pictures: list[tuple[int, bool]], wanted: float) -> None:
    scores = np.array([score / 20 for score, _ in pictures])
    targets = np.array([target for _, target in pictures])

    def balanced(threshold: float) -> float:
        return float(((scores >= threshold)[targets]).mean() + ((scores < threshold)[~targets]).mean())

    best = best_threshold(scores, targets, wanted)
    if targets.all() or not targets.any():
        assert best == wanted
    else:
        reached = balanced(best)
        assert reached >= max(balanced(threshold) for threshold in np.linspace(0, 1.05, 43)) - 1e-9
        if balanced(wanted) >= reached - 1e-9:
            assert best == wanted


def test_the_threshold_of_a_source_does_not_know_its_pictures() -> None:
    scores = np.array([0.1, 0.3, 0.1, 0.3, 0.8, 0.9])
    targets = np.array([False, True, False, True, False, True])
    sources = ["a", "a", "b", "b", "odd", "odd"]
    thresholds = leave_one_source_out(scores, targets, sources)
    assert thresholds[4:].tolist() == pytest.approx([0.2, 0.2])
    # Other pictures of the odd source change the thresholds of the others, but not its own.
    changed = leave_one_source_out(np.append(scores[:4], [0.25, 0.9]), targets, sources)
    assert changed[4:].tolist() == thresholds[4:].tolist()
    assert changed[0] != thresholds[0]
