"""Real negatives, of which less is known than of simulated ones, beside these."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch
from click.testing import CliRunner

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.negative_condition import Logits, build
from training.negative_condition_data import PLACES, DataError, Negatives
from training.negative_condition_loop import Recipe, train
from training.negative_condition_real import find_real, measure_real, mix
from training.negative_condition_report import Answers, objective
from training.negative_condition_truth import Known, targets
from training.train_negative_condition import command

SIZE, NAN = NEGATIVE_CONDITION.size, float("nan")
pytestmark = pytest.mark.usefixtures("narrow")


def logits(count: int, seed: int = 0) -> Logits:
    generator = torch.Generator().manual_seed(seed)
    shapes = (count, 2), (count, len(DEFECTS)), (count, len(DEFECTS), PLACES, PLACES)
    return Logits(*(torch.randn(shape, generator=generator).requires_grad_() for shape in shapes))


def simulated(count: int = 4) -> Negatives:
    """Grey squares; every second has a hole."""
    places = torch.zeros(count, len(DEFECTS), PLACES, PLACES, dtype=torch.bool)
    places[1::2, DEFECTS.index("holes"), :4, :4] = True
    pixels = np.random.default_rng(0).integers(60, 120, (count, SIZE, SIZE, 3), np.uint8)
    return Negatives(torch.from_numpy(pixels), places)


def real(readable: list[bool], defects: list[list[float]]) -> Negatives:
    said = torch.tensor(defects)
    places = torch.zeros(len(readable), len(DEFECTS), PLACES, PLACES, dtype=torch.bool)
    pixels = torch.zeros(len(readable), SIZE, SIZE, 3, dtype=torch.uint8)
    return Negatives(pixels, places, Known(torch.tensor(readable, dtype=torch.bool), said, said == 0))


UNSAID = [NAN] * 6
HOLES = [NAN, NAN, NAN, 1.0, NAN, 0.0]


def write(file: Path, seed: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    cv2.imwrite(str(file), cv2.resize(coarse, (300, 200), interpolation=cv2.INTER_CUBIC))


def test_where_everything_is_known_the_objective_is_the_same() -> None:
    negatives = simulated()
    together = mix(negatives, real([], np.zeros((0, 6)).tolist()))
    said, places = logits(4), negatives.places.float()
    for whole in (True, False):
        known = targets(together.known, torch.arange(4), places, whole)  # type: ignore[arg-type]
        torch.testing.assert_close(objective(said, places, known=known), objective(said, places))


def test_what_is_not_known_teaches_nothing() -> None:
    negatives = real([False, False], [UNSAID, HOLES])
    said, places = logits(2), negatives.places.float()
    objective(said, places, known=targets(negatives.known, torch.arange(2), places, whole=True)).backward()  # type: ignore[arg-type, no-untyped-call]
    condition, defects, where = (part.grad for part in said)
    assert (condition != 0).all(), "the verdict is known"
    assert (defects != 0).nonzero().tolist() == [[1, 3], [1, 5]]
    assert (where != 0).any((2, 3)).nonzero().tolist() == [[1, 5]], "only a defect that is not there is nowhere"


def test_a_quarter_of_a_damaged_negative_may_be_either_and_one_of_a_readable_is_readable() -> None:
    negatives = real([True, False, False], [[0.0] * 6, UNSAID, HOLES])
    known = targets(negatives.known, torch.arange(3), negatives.places.float(), whole=False)  # type: ignore[arg-type]
    assert known.readable.tolist()[0] == 1.0
    assert known.readable[1:].isnan().all()
    assert known.defects[0].tolist() == [0.0] * 6
    assert known.defects[2].nan_to_num(-1).tolist() == [-1, -1, -1, -1, -1, 0]
    said = logits(3)
    assert torch.isfinite(objective(said, negatives.places.float(), known=known))


def test_real_negatives_are_trained_on_beside_simulated_ones() -> None:
    together = mix(simulated(6), real([True, False], [[0.0] * 6, HOLES]))
    assert len(together) == 8
    assert together.readable.tolist() == [True, False] * 4
    assert together.defects[:, DEFECTS.index("holes")].tolist() == [False, True] * 4
    recipe = Recipe(quarter_epochs=1, epochs=1, batch=2, warm_up=2)
    history = train(build(0), together, simulated(2), recipe)
    assert np.isfinite(history.train_loss).all()


def test_folders_and_tables_are_split_by_source(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path / "readable" / f"roll{number // 2}_{number}.png", number)
    rows = ["file,label,source,holes,noise"]
    for number in range(5):
        write(tmp_path / "table" / f"{number}.png", 20 + number)
        rows.append(f"{number}.png,damaged,box {number},1,{'0' if number % 2 else ''}")
    (tmp_path / "table" / "labels.csv").write_text("\n".join(rows) + "\n")
    found = find_real([tmp_path, tmp_path / "table"], seed=0)
    assert found is not None
    assert (len(found.train), len(found.test)) == (12, 3)
    assert len({path.name.split("_")[0] for path in found.paths if "roll" in path.name}) == 4
    damaged = found.train.known.defects[~found.train.readable]  # type: ignore[union-attr]
    assert (damaged[:, DEFECTS.index("holes")] == 1).all()
    assert set(damaged[:, DEFECTS.index("noise")].nan_to_num(-1).tolist()) <= {0.0, -1.0}
    assert damaged[:, DEFECTS.index("dye_removal")].isnan().all()
    assert found.train.known.located[found.train.readable].all()  # type: ignore[union-attr]
    assert find_real(tmp_path / "nothing", seed=0) is None


def test_a_real_negative_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "torn.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"torn\.jpg cannot be trained on: .*Take it out"):
        find_real(tmp_path, seed=0)


def test_a_defect_is_measured_where_people_said_yes_and_no() -> None:
    hole, none = [NAN, NAN, NAN, 1.0, NAN, NAN], [0.0] * 6
    negatives = real([True, False, False], [none, hole, UNSAID])
    defects = torch.full((3, 6), -1.0)
    defects[1, 3], defects[2, 3] = 2.0, 5.0  # the third is surest of a hole, and nobody said whether there is one
    answers = Answers(torch.tensor([[-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]), defects, torch.zeros(3, 6, PLACES, PLACES))
    found = measure_real(answers, negatives)
    assert found["recall_damaged"] == 0.5
    assert found["recall_readable"] == 1.0
    assert found["auc"]["holes"] == 1.0
    assert found["auc"]["noise"] is None


def test_the_command_mixes_and_reports_them_apart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(5):
        write(data / "digital" / f"d{number}_1.png", number)
        write(data / "readable" / f"r{number}_1.png", 10 + number)
        write(data / "damaged" / f"b{number}_1.png", 20 + number)
    weights = tmp_path / "n.safetensors"
    paths = ["--data", data, "--out", tmp_path / "out", "--weights", weights, "--real", data]
    result = CliRunner().invoke(command, ["--tiny", *map(str, paths)])
    assert result.exit_code == 0, result.output
    measured = json.loads(weights.with_suffix(".json").read_text())["measured"]
    assert measured["real_negatives_trained_on"] == 8
    assert measured["held_out_real"]["pictures"] == 2
    judged = {row["file"] for row in measured["real"] if row["folder"] != "digital"}
    assert len(judged) == 2, "what was trained on is not judged as unseen"
