import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("torch", reason="training needs the train extra")

from film.specs import FILM_ORIGIN
from training import film_origin
from training.evaluate import Judgement, command, judge, markdown
from training.metrics import confusion, measure


def test_perfect_answers_have_perfect_numbers_and_no_doubt() -> None:
    targets = np.array([True, False] * 10)
    numbers = measure(np.where(targets, 0.9, 0.1), targets, [str(n // 2) for n in range(20)], 0.5, rounds=50)
    assert {(m.value, m.low, m.high) for m in numbers.values()} == {(1.0, 1.0, 1.0)}


def test_numbers_are_what_the_counts_say() -> None:
    scores = np.array([0.9, 0.8, 0.2, 0.6, 0.1])
    targets = np.array([True, True, True, False, False])
    numbers = measure(scores, targets, list("abcde"), 0.5, rounds=20)
    assert numbers["accuracy"].value == pytest.approx(3 / 5)
    assert numbers["recall_positive"].value == pytest.approx(2 / 3)
    assert numbers["recall_negative"].value == pytest.approx(1 / 2)
    assert numbers["auc"].value == pytest.approx(5 / 6)
    assert confusion(scores, targets, 0.5) == [[1, 1], [1, 2]]


def test_pictures_of_few_sources_promise_less() -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(120) % 2 == 1
    by_source = np.repeat(rng.random(12) < 0.6, 10)  # all of a source right, or all wrong
    scores = np.where(by_source == targets, 0.9, 0.1)
    few = measure(scores, targets, [str(n // 10) for n in range(120)], 0.5, rounds=300)["recall_positive"]
    many = measure(scores, targets, [str(n) for n in range(120)], 0.5, rounds=300)["recall_positive"]
    assert few.value == many.value
    assert few.high - few.low > 1.5 * (many.high - many.low)


def test_one_class_has_no_curve() -> None:
    number = measure(np.array([0.2, 0.7]), np.array([True, True]), ["a", "b"], 0.5, rounds=10)["auc"]
    assert np.isnan(number.value)
    assert str(number) == "-"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for label, grey in (("digital", 40), ("film", 220)):
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.new("RGB", (90, 60), (grey, grey, grey + number)).save(tmp_path / label / f"s{number}_{number}.png")
    (tmp_path / "film" / "broken_1.jpg").write_bytes(b"no picture at all")
    return tmp_path


def test_a_broken_picture_is_told_of_and_left_out(pictures: Path) -> None:
    judgement = judge(FILM_ORIGIN, pictures, lambda pixels: float(pixels.mean()) / 255)
    assert isinstance(judgement, Judgement)
    assert judgement.targets.tolist() == [False] * 3 + [True] * 3
    assert judgement.measures["accuracy"].value == 1.0
    assert len(judgement.unreadable) == 1
    assert "broken_1.jpg" in markdown([judgement])
    assert judge(FILM_ORIGIN, pictures / "nowhere", lambda pixels: 0.0) is None


def test_the_command_writes_a_table_numbers_and_a_plot(pictures: Path, tmp_path: Path) -> None:
    weights, out = tmp_path / "weights", tmp_path / "report"
    film_origin.save(film_origin.build(), weights / "film_origin.safetensors")
    options = ["--data", pictures, "--negatives", tmp_path / "none", "--weights", weights, "--out", out]
    result = CliRunner().invoke(command, [str(option) for option in options])
    assert result.exit_code == 0, result.output
    assert "negative_condition is left out" in result.output
    record = json.loads((out / "evaluation.json").read_text())["film_origin"]
    assert record["pictures"] == 6
    assert sum(map(sum, record["confusion"])) == 6
    assert (out / "evaluation.md").read_text() in result.output
    assert (out / "evaluation.png").stat().st_size > 5000


def test_nothing_to_judge_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    options = ["--data", tmp_path / "a", "--negatives", tmp_path / "b", "--weights", tmp_path, "--out", tmp_path / "o"]
    result = CliRunner().invoke(command, [str(option) for option in options])
    assert result.exit_code == 1
    assert "--data" in result.output
