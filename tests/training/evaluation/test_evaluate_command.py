"""``python -m training evaluate`` from start to end, with both real networks, untrained."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

pytest.importorskip("torch", reason="training needs the train extra")

from film.specs import CLASSIFIERS, DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION
from training import evaluate, film_origin, negative_condition
from training.evaluate import command


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    served = film_origin.NETWORKS[film_origin.SERVED](FILM_ORIGIN.size)
    film_origin.save(served, folder / "film_origin.safetensors", film_origin.SERVED)
    negative_condition.save(negative_condition.build(), folder / "negative_condition.safetensors")
    record = {"recipe": {"seed": 5}, "measured": {"temperature": 1.1, "auc": {"holes": 0.75}}, "commit": "abc"}
    (folder / "negative_condition.json").write_text(json.dumps(record))
    return folder


def photographs(folder: Path, *labels: str) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (90, 60), (40 * number, 90, 9)).save(folder / label / f"name{number}_{number}.png")
    return folder


def run(*options: object) -> Result:
    return CliRunner().invoke(command, [str(option) for option in options])


def test_a_report_and_a_card_for_each_network(weights: Path, tmp_path: Path) -> None:
    data = photographs(tmp_path / "data", "film", "digital")
    negatives = photographs(tmp_path / "negatives", "readable", "damaged", "other")
    out, cards = tmp_path / "report", tmp_path / "cards"
    options = [
        "--data",
        data,
        "--negatives",
        negatives,
        "--weights",
        weights,
        "--out",
        out,
        "--cards",
        cards,
        "--quick",
    ]

    result = run(*options)

    assert result.exit_code == 0, result.output
    assert (out / "evaluation.md").read_text() in result.output
    page = (out / "report.html").read_text()
    assert all(f"<h2>{spec.name}</h2>" in page for spec in CLASSIFIERS)
    numbers = json.loads((out / "evaluation.json").read_text())
    assert {name: one["pictures"] for name, one in numbers.items()} == {"film_origin": 4, "negative_condition": 4}
    assert len(numbers["negative_condition"]["scores"]) == 6
    for spec in CLASSIFIERS:
        text = (cards / f"{spec.name}.md").read_text()
        assert text.startswith(f"# {spec.name}\n")
        assert "name0" not in text  # nobody's name
        assert "SIMULATED" in text
    card = (cards / "negative_condition.md").read_text()
    rows, columns = next(t.shape for t in NEGATIVE_CONDITION.outputs if t.name == "DEFECT_MAP")[1:]
    assert f"{rows} x {columns} places" in card
    assert "| auc, holes | 0.75 |" in card
    assert "| seed | 5 |" in card
    assert all(name.replace("_", " ") in card for name in DEFECTS)


def test_one_network_can_be_judged_alone_on_a_table(weights: Path, tmp_path: Path) -> None:
    photographs(tmp_path, "pictures")
    lines = ["file,label,source", "pictures/name0_0.png,damaged,a", "pictures/name1_1.png,readable,b"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    options = ["--models", "negative_condition", "--negatives", tmp_path / "labels.csv", "--weights", weights]
    result = run(*options, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "cards" / "negative_condition.md").is_file()
    assert not (tmp_path / "out" / "cards" / "film_origin.md").exists()


def test_only_what_a_training_kept_back_is_judged(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    lines = ["file,label,split"]
    for number in range(6):
        Image.new("RGB", (90, 60), (40 * number, 90, 9)).save(tmp_path / "pictures" / f"name{number}_1.png")
        lines.append(f"pictures/name{number}_1.png,{'damaged' if number % 2 else 'readable'},{'test' * (number < 2)}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    options = ["--models", "negative_condition", "--negatives", tmp_path, "--weights", weights]
    assert run(*options, "--out", tmp_path / "out", "--held-out").exit_code == 0
    numbers = json.loads((tmp_path / "out" / "evaluation.json").read_text())["negative_condition"]
    assert set(numbers["scores"]) == {str(tmp_path / f"pictures/name{number}_1.png") for number in range(2)}


def test_an_empty_fifth_and_a_report_that_cannot_be_written_are_told_first(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    lines = ["file,label,split"]
    for number in range(2):
        Image.new("RGB", (90, 60), (40 * number, 90, 9)).save(tmp_path / "pictures" / f"name{number}_1.png")
        lines.append(f"pictures/name{number}_1.png,{'damaged' if number else 'readable'},train")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    options = ["--models", "negative_condition", "--negatives", tmp_path, "--weights", weights]
    result = run(*options, "--out", tmp_path / "out", "--held-out", "--seed", 3)
    assert result.exit_code == 1
    assert "the fifth that a training with --seed 3 keeps back is empty" in result.output
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: pytest.fail("judged what cannot be told"))
    result = run(*options, "--out", tmp_path / "labels.csv" / "report")
    assert result.exit_code == 1
    assert f"{tmp_path / 'labels.csv'} is no folder that you may write to" in result.output
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)  # nothing is forbidden to root
    result = run(*options, "--out", tmp_path / "new" / "report")
    assert f"{tmp_path} is no folder that you may write to" in result.output


def test_weights_of_another_network_are_refused_in_a_sentence(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "film_origin.safetensors").write_bytes((weights / "negative_condition.safetensors").read_bytes())
    result = run("--data", photographs(tmp_path / "data", "film"), "--weights", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert f"Error: {tmp_path}" in result.output


def test_nothing_to_judge_is_an_error_that_says_what_to_do(weights: Path, tmp_path: Path) -> None:
    result = run("--data", tmp_path, "--negatives", tmp_path, "--weights", weights, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "film_origin is left out: there are no pictures in" in result.output
    assert "--data" in result.output
    result = run("--data", tmp_path, "--negatives", tmp_path, "--weights", tmp_path, "--out", tmp_path / "out")
    assert "film_origin.safetensors does not exist. Train it first" in result.output
    (tmp_path / "labels.csv").write_text("file,label\nnowhere.jpg,film\n")
    result = run("--data", tmp_path, "--weights", weights)
    assert result.exit_code == 1
    assert "line 2: there is no picture nowhere.jpg" in result.output
