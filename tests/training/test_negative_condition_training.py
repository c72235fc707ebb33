import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.negative_condition import build, load
from training.negative_condition_data import Negatives
from training.negative_condition_report import Answers, answer, calibrate, measure, objective
from training.train_negative_condition import Recipe, command, train

SIZE = NEGATIVE_CONDITION.size


def truth_of(defects: list[list[int]]) -> Negatives:
    """Black pictures with the given defects in their first place."""
    places = torch.zeros(len(defects), len(DEFECTS), 8, 8, dtype=torch.bool)
    for row, names in zip(places, defects, strict=True):
        row[names, 0, 0] = True
    return Negatives(torch.zeros(len(defects), SIZE, SIZE, 3, dtype=torch.uint8), places)


def answers_of(readable_logits: list[float]) -> Answers:
    logits = torch.tensor([[-x, x] for x in readable_logits])
    return Answers(logits, torch.zeros(len(logits), len(DEFECTS)), torch.zeros(len(logits), len(DEFECTS), 8, 8))


def test_measures_of_a_case_worked_by_hand() -> None:
    truth = truth_of([[], [], [0], [1], [1, 2]])
    metrics = measure(answers_of([2.0, -1.0, -2.0, 1.0, -3.0]), truth)
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["recall_readable"] == pytest.approx(1 / 2)
    assert metrics["recall_damaged"] == pytest.approx(2 / 3)
    assert metrics["f1"] == pytest.approx(0.5)
    assert metrics["confusion"] == [[2, 1], [1, 1]]
    assert metrics["auc"]["noise"] == pytest.approx(0.5)
    assert metrics["auc"]["holes"] is None


def test_the_objective_is_least_for_the_truth() -> None:
    truth = truth_of([[], [3]])
    places = truth.places.float() * 20 - 10
    right = Answers(torch.tensor([[-5.0, 5.0], [5.0, -5.0]]), places.amax((2, 3)), places)
    wrong = Answers(-right.condition, right.defects, places)
    assert objective(right, truth.places.float()) < 0.01
    assert objective(wrong, truth.places.float()) > 5


def test_calibration_tempers_a_network_that_is_too_sure_and_changes_no_verdict() -> None:
    rng = np.random.default_rng(0)
    readable = rng.random(400) < 0.5
    logits = torch.from_numpy(np.where(readable, 1.0, -1.0) + rng.normal(0.0, 1.5, 400)).float() * 3
    truth = truth_of([[] if good else [0] for good in readable])
    answers = answers_of(logits.tolist())
    network = build()
    before = network.fc.weight.clone()
    temperature = calibrate(network, answers, truth)
    assert temperature > 1.5
    torch.testing.assert_close(network.fc.weight * temperature, before)
    tempered = measure(answers_of((logits / temperature).tolist()), truth)
    untempered = measure(answers, truth)
    assert tempered["negative_log_likelihood"] < untempered["negative_log_likelihood"]
    assert tempered["confusion"] == untempered["confusion"]


def test_training_learns_to_find_a_white_square() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 120, (16, SIZE, SIZE, 3), dtype=np.uint8)
    places = np.zeros((16, len(DEFECTS), 8, 8), bool)
    for index in range(0, 16, 2):
        row, column = rng.integers(0, 4, 2) * 2
        places[index, 3, row : row + 2, column : column + 2] = True
        y, x = row * SIZE // 8, column * SIZE // 8
        pixels[index, y : y + 61, x : x + 61] = 255
    data = Negatives(torch.from_numpy(pixels), torch.from_numpy(places))
    few = Negatives(data.pixels[:4], data.places[:4])
    network = build(0)
    history = train(network, data, few, Recipe(quarter_epochs=3, epochs=0, batch=4))
    assert len(history.f1) == 3
    assert history.train_loss[2] < 0.7 * history.train_loss[0]
    assert measure(answer(network, few.pixels), few)["auc_places"]["holes"] > 0.8


def write_pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number in range(count):
        coarse = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), cv2.resize(coarse, (300, 200), interpolation=cv2.INTER_CUBIC))


@pytest.mark.timeout(200)
def test_a_tiny_training_runs_from_the_command_line(tmp_path: Path) -> None:
    write_pictures(tmp_path / "digital", 4)
    write_pictures(tmp_path / "real" / "readable", 1)
    (tmp_path / "real" / "readable" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    weights, out = tmp_path / "weights" / "n.safetensors", tmp_path / "out"
    arguments = ["--data", tmp_path, "--out", out, "--weights", weights, "--real", tmp_path / "real"]
    result = CliRunner().invoke(command, ["--tiny", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "confusion" in result.output
    measured = json.loads(weights.with_suffix(".json").read_text())["measured"]
    assert measured["epochs"] == 2
    good, broken = sorted(measured["real"], key=lambda row: "error" in row)
    assert good["verdict"] in NEGATIVE_CONDITION.labels
    assert broken["error"]
    assert {path.name for path in out.iterdir()} == {"history.png", "misjudged.png"}
    load(weights)


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "digital", 4)
    for picture in (tmp_path / "digital").iterdir():
        picture.write_bytes(b"no picture")
    arguments = ["--tiny", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert ".jpg cannot be trained on" in result.output.replace("\n", "")
