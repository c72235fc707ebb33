import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training import negative_condition_loop, train_negative_condition
from training.negative_condition import build, load
from training.negative_condition_data import PLACES, Negatives
from training.negative_condition_loop import DeviceError, Recipe, choose_device, train
from training.negative_condition_report import (
    READABLE,
    Answers,
    answer,
    calibrate,
    calibration_errors,
    intervals,
    measure,
    objective,
)
from training.record import WEIGHTS
from training.train_negative_condition import command

SIZE = NEGATIVE_CONDITION.size
pytestmark = pytest.mark.usefixtures("narrow")


def truth_of(defects: list[list[int]]) -> Negatives:
    """Black pictures with the given defects in their first place."""
    places = torch.zeros(len(defects), len(DEFECTS), PLACES, PLACES, dtype=torch.bool)
    for row, names in zip(places, defects, strict=True):
        row[names, 0, 0] = True
    return Negatives(torch.zeros(len(defects), SIZE, SIZE, 3, dtype=torch.uint8), places)


def answers_of(readable_logits: list[float]) -> Answers:
    logits = torch.tensor([[-x, x] for x in readable_logits])
    return Answers(
        logits, torch.zeros(len(logits), len(DEFECTS)), torch.zeros(len(logits), len(DEFECTS), PLACES, PLACES)
    )


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
    assert objective(right, truth.places.float(), smoothing=0.0) < 0.01
    assert objective(right, truth.places.float()) > 0.1, "labels are not smoothed"
    assert objective(wrong, truth.places.float()) > 5


def doubtful(shift: float = 0.0) -> tuple[np.ndarray, Negatives]:
    """Logits of 400 negatives, three times too sure and off by ``shift``, and the truth."""
    rng = np.random.default_rng(0)
    readable = rng.random(400) < 0.5
    logits = np.where(readable, 1.0, -1.0) + rng.normal(0.0, 1.5, 400) + shift
    return logits * 3, truth_of([[] if good else [0] for good in readable])


def test_calibration_tempers_a_network_that_is_too_sure() -> None:
    logits, truth = doubtful()
    answers, network = answers_of(logits.tolist()), build()
    before, tie = network.fc.weight.clone(), network.tie.item()
    scale, offset = calibrate(network, answers, truth)
    assert scale < 0.7
    assert abs(offset) < 0.5
    torch.testing.assert_close(network.fc.weight, before * scale)
    assert network.tie.item() == pytest.approx(tie * scale)
    tempered = measure(answers_of((logits * scale).tolist()), truth)
    assert tempered["negative_log_likelihood"] < measure(answers, truth)["negative_log_likelihood"]


def test_the_record_tells_the_calibration_error_before_and_after() -> None:
    logits, truth = doubtful(shift=1.0)
    scale, offset = calibrate(build(), answers_of(logits.tolist()), truth)
    served = answers_of(((2 * logits * scale + offset) / 2).tolist())
    errors = calibration_errors(served, truth, scale, offset)
    assert errors["before"] > 0.15
    assert errors["served"] < 0.06
    unfitted = calibration_errors(answers_of(logits.tolist()), truth, 1.0, 0.0)
    assert unfitted["before"] == pytest.approx(unfitted["served"], abs=1e-4)
    assert unfitted["before"] == pytest.approx(errors["before"], abs=1e-3)


def test_calibration_takes_back_a_leaning_to_one_label() -> None:
    logits, truth = doubtful(shift=1.0)
    answers, network = answers_of(logits.tolist()), build()
    scale, offset = calibrate(network, answers, truth)
    assert offset < -0.5
    bias = network.fc.bias.detach().numpy()
    assert bias[READABLE] - bias[1 - READABLE] == pytest.approx(offset)
    margins = 2 * logits * scale + offset
    shifted = measure(answers_of((margins / 2).tolist()), truth)
    leaning = measure(answers, truth)
    assert leaning["recall_readable"] > leaning["recall_damaged"] + 0.1
    assert abs(shifted["recall_readable"] - shifted["recall_damaged"]) < 0.1


def test_nothing_is_calibrated_by_one_label_or_by_answers_that_are_backwards() -> None:
    logits, truth = doubtful()
    network = build()
    before = network.fc.weight.clone()
    assert calibrate(network, answers_of((-logits).tolist()), truth) == (1.0, 0.0)
    assert calibrate(network, answers_of([1.0, 2.0]), truth_of([[], []])) == (1.0, 0.0)
    assert torch.equal(network.fc.weight, before)


def white_squares() -> Negatives:
    """Grey noise, every second with a white square, which is called a hole."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 120, (16, SIZE, SIZE, 3), dtype=np.uint8)
    places = np.zeros((16, len(DEFECTS), PLACES, PLACES), bool)
    for index in range(0, 16, 2):
        row, column = rng.integers(0, 4, 2) * 4
        places[index, 3, row : row + 4, column : column + 4] = True
        y, x = row * SIZE // PLACES, column * SIZE // PLACES
        pixels[index, y : y + 61, x : x + 61] = 255
    return Negatives(torch.from_numpy(pixels), torch.from_numpy(places))


def first(data: Negatives, count: int) -> Negatives:
    return Negatives(data.pixels[:count], data.places[:count])


def test_training_learns_to_find_a_white_square() -> None:
    data = white_squares()
    few = first(data, 4)
    network = build(0)
    recipe = Recipe(quarter_epochs=4, epochs=0, batch=2, warm_up=4, learning_rate=1e-2)
    history = train(network, data, few, recipe)
    assert len(history.f1) == 4
    assert history.train_loss[3] < 0.7 * history.train_loss[0]
    assert measure(answer(network, few.pixels), few)["auc_places"]["holes"] > 0.8


def test_what_is_learnt_does_not_depend_on_how_many_threads_make_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    data, recipe, losses = white_squares(), Recipe(quarter_epochs=1, epochs=0, batch=2, warm_up=1), []
    for workers in (1, 3, 100):
        monkeypatch.setattr(negative_condition_loop, "_preparing", lambda _device, workers=workers: workers)
        losses.append(train(build(0), data, first(data, 2), recipe).train_loss)
    assert losses[0] == losses[1] == losses[2]


def test_a_killed_training_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, few, checkpoint = first(white_squares(), 4), first(white_squares(), 2), tmp_path / "checkpoint.pt"
    recipe = Recipe(quarter_epochs=2, epochs=0, batch=2, warm_up=1)
    whole = build(0)
    history = train(whole, data, few, recipe, checkpoint)
    kept = torch.load(checkpoint, weights_only=True)

    killed = build(0)
    train(killed, data, few, replace(recipe, minutes=1e-9), tmp_path / "killed.pt")
    half = torch.load(tmp_path / "killed.pt", weights_only=True)
    assert len(half["history"]["f1"]) == 1
    with monkeypatch.context() as on_a_gpu:  # that this machine need not have
        on_a_gpu.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        torch.save(half, tmp_path / "killed.pt")
    resumed = train(build(1), data, few, recipe, tmp_path / "killed.pt")

    assert len(resumed.f1) == len(history.f1) == 2
    assert resumed.train_loss == pytest.approx(history.train_loss, rel=1e-3)
    again = torch.load(tmp_path / "killed.pt", weights_only=True)
    torch.testing.assert_close(again["network"]["fc.weight"], kept["network"]["fc.weight"], rtol=1e-2, atol=1e-3)


def test_a_checkpoint_of_another_recipe_is_left_alone(tmp_path: Path) -> None:
    data, few, checkpoint = first(white_squares(), 4), first(white_squares(), 2), tmp_path / "checkpoint.pt"
    recipe = Recipe(quarter_epochs=1, epochs=0, batch=2)
    train(build(0), data, few, recipe, checkpoint)
    assert len(train(build(0), data, few, replace(recipe, seed=1), checkpoint).f1) == 1


def test_a_checkpoint_of_other_data_is_left_alone_and_the_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, few, checkpoint = first(white_squares(), 4), first(white_squares(), 2), tmp_path / "checkpoint.pt"
    other = Negatives(255 - data.pixels, data.places)
    recipe = Recipe(quarter_epochs=1, epochs=0, batch=2, warm_up=1)

    def starts_anew(learnt: Negatives, held_out: Negatives) -> bool:
        """Whether a training did an epoch of its own; the checkpoint that it found is put back."""
        before = checkpoint.read_bytes()
        capsys.readouterr()
        train(build(1), learnt, held_out, recipe, checkpoint)
        anew = checkpoint.read_bytes() != before
        assert ("checkpoint.pt is of another training (data): starting anew" in capsys.readouterr().out) is anew
        checkpoint.write_bytes(before)
        return anew

    train(build(0), data, few, recipe, checkpoint)
    assert not starts_anew(Negatives(data.pixels.clone(), data.places), few)
    assert starts_anew(other, few)
    assert starts_anew(data, first(other, 2))

    old = torch.load(checkpoint, weights_only=True)
    del old["data"]
    torch.save(old, checkpoint)
    assert starts_anew(data, few), "a checkpoint of before says nothing of its data"


def test_a_cosine_falls_every_epoch_and_a_plateau_waits() -> None:
    data = first(white_squares(), 2)
    rates = {
        schedule: train(
            build(0), data, data, Recipe(quarter_epochs=2, epochs=0, batch=2, warm_up=0, schedule=schedule)
        ).learning_rate
        for schedule in ("cosine", "plateau")
    }
    assert rates["cosine"][0] > rates["cosine"][1]
    assert rates["plateau"] == [Recipe.learning_rate] * 2


@pytest.fixture
def worsening(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Held-out losses that the loop is told, one an epoch: the first is the best."""
    losses = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]
    told = iter(losses)
    true = negative_condition_loop.objective

    def objective_of(logits: object, places: torch.Tensor, **known: object) -> torch.Tensor:
        return torch.tensor(next(told)) if isinstance(logits, Answers) else true(logits, places, **known)  # type: ignore[arg-type]

    monkeypatch.setattr(negative_condition_loop, "objective", objective_of)
    return losses


def test_training_stops_early_and_keeps_its_best_epoch(worsening: list[float], tmp_path: Path) -> None:
    data, checkpoint = first(white_squares(), 2), tmp_path / "checkpoint.pt"
    network = build(0)
    recipe = Recipe(quarter_epochs=0, epochs=8, batch=2, warm_up=0, patience=1)
    history = train(network, data, data, recipe, checkpoint)
    assert history.validation_loss == pytest.approx(worsening[:3]), "one epoch more than its patience, and no further"
    kept = torch.load(checkpoint, weights_only=True)
    torch.testing.assert_close(network.fc.weight, kept["best"]["network"]["fc.weight"])
    assert not torch.equal(kept["best"]["network"]["fc.weight"], kept["network"]["fc.weight"])


def test_epochs_on_quarters_use_up_no_patience(worsening: list[float]) -> None:
    data = first(white_squares(), 2)
    recipe = Recipe(quarter_epochs=4, epochs=0, batch=2, warm_up=0, patience=1)
    assert len(train(build(0), data, data, recipe).f1) == 4


def test_a_plateau_lowers_the_rate_once_the_loss_no_longer_falls(worsening: list[float]) -> None:
    data = first(white_squares(), 2)
    recipe = Recipe(quarter_epochs=6, epochs=0, batch=2, warm_up=0, schedule="plateau")
    rates = train(build(0), data, data, recipe).learning_rate
    assert rates[:4] == [recipe.learning_rate] * 4
    assert rates[4:] == pytest.approx([0.3 * recipe.learning_rate] * 2)


@pytest.mark.parametrize("damaged", [1, 3, 7])
def test_an_epoch_has_as_many_damaged_as_readable_however_rare_one_is(
    damaged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = truth_of([[0]] * damaged + [[]] * (8 - damaged))
    data = Negatives(truth.pixels + torch.arange(8, dtype=torch.uint8)[:, None, None, None], truth.places)
    seen: list[tuple[int, bool]] = []

    def watch(pixels: torch.Tensor, places: torch.Tensor, _: object) -> tuple[torch.Tensor, torch.Tensor]:
        is_damaged = places.flatten(1).any(1).tolist()
        numbers = torch.round(pixels.amax((1, 2, 3)) * 255).int().tolist()
        seen.extend(zip(numbers, is_damaged, strict=True))
        return pixels, places

    monkeypatch.setattr(negative_condition_loop, "rephotograph", lambda pixels, _: pixels)
    monkeypatch.setattr(negative_condition_loop, "augment", watch)
    train(build(0), data, first(data, 2), Recipe(quarter_epochs=0, epochs=1, batch=4, warm_up=0))
    assert [there for _, there in seen].count(True) == len(seen) / 2 == 4
    assert len({number for number, there in seen if there}) == min(damaged, 4), "all of the rarer kind are shown"


def test_a_device_that_is_not_there_is_named() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="Cannot train on 'abacus'"):
        choose_device("abacus")


def test_intervals_hold_the_value_and_shrink_with_more_pictures() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (40, 400):
        readable = np.arange(count) % 2 == 0
        logits = np.where(readable, 1.0, -1.0) + rng.normal(0.0, 1.0, count)
        answers, truth = answers_of(logits.tolist()), truth_of([[] if good else [0] for good in readable])
        low, high = intervals(answers, truth, rounds=200)["recall_readable"]
        assert low <= measure(answers, truth)["recall_readable"] <= high
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


def test_intervals_are_no_narrower_for_many_negatives_of_the_same_few_photographs() -> None:
    rng = np.random.default_rng(1)
    photographs = np.repeat(np.arange(10), 40)
    readable = np.arange(400) % 2 == 0
    logits = np.where(readable, 1.0, -1.0) + rng.normal(0.0, 1.5, 10)[photographs]  # a photograph is easy or is not
    answers, alone = answers_of(logits.tolist()), truth_of([[] if good else [0] for good in readable])
    together = replace(alone, photographs=torch.from_numpy(photographs))
    for name in ("recall_readable", "recall_damaged"):
        few, many = (np.ptp(intervals(answers, truth, rounds=200)[name]) for truth in (together, alone))
        assert few > 3 * many
    one = replace(alone, photographs=torch.zeros(400, dtype=torch.int64))
    assert not intervals(answers, one, rounds=20), "one photograph tells nothing of others"


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
    (tmp_path / "real" / "readable" / "contact.jpg").mkdir()
    (tmp_path / "real" / "readable" / "gone.jpg").symlink_to("nowhere.jpg")
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
    assert {path.name for path in out.iterdir()} == {
        "history.png",
        "misjudged.png",
        "checkpoint.pt",
        "cache",
        "tensorboard",
    }
    load(weights)


def test_a_toy_run_leaves_weights_and_checkpoints_of_real_ones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, Path]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_negative_condition, "_run", lambda _, out, weights, *__: asked.append((out, weights)))
    (tmp_path / "digital").mkdir()
    for options in ([], ["--tiny"], ["--out", "mine"], ["--out", "mine", "--weights", "there.safetensors"]):
        assert CliRunner().invoke(command, ["--data", ".", *options]).exit_code == 0
    name = "negative_condition.safetensors"
    assert asked == [
        (Path("runs/negative_condition"), WEIGHTS / name),
        (Path("runs/tiny"), Path("runs/tiny", name)),
        (Path("mine"), Path("mine", name)),
        (Path("mine"), Path("there.safetensors")),
    ]


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "digital", 4)
    for picture in (tmp_path / "digital").iterdir():
        picture.write_bytes(b"no picture")
    arguments = ["--tiny", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert ".jpg cannot be trained on" in result.output.replace("\n", "")
