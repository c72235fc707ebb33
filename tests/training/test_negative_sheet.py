import re
from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner

from film.specs import DEFECTS
from training.data.darkroom.scanner import KINDS
from training.data.darkroom_sheet import CAPTION, COLUMNS, SIDE, command


def test_the_command_writes_a_row_for_every_defect(tmp_path: Path) -> None:
    (tmp_path / "digital").mkdir()
    rng = np.random.default_rng(1)
    for number in range(2):
        coarse = rng.integers(0, 256, (12, 18, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (90, 60), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(tmp_path / "digital" / f"{number}.png"), picture)
    result = CliRunner().invoke(command, ["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    negatives = cv2.imread(str(tmp_path / "out" / "negatives.png"))
    assert negatives.shape == ((len(DEFECTS) + 8) * (SIDE + CAPTION), COLUMNS * (SIDE + 2), 3)
    assert cv2.imread(str(tmp_path / "out" / "positives.png")).shape[0] == (3 + len(KINDS)) * (SIDE + CAPTION)
    grain = cv2.imread(str(tmp_path / "out" / "grain.png"))
    assert grain.shape[0] == 3 * (SIDE + CAPTION)
    digital, film = (grain[row * (SIDE + CAPTION) :][:SIDE, :SIDE].astype(float) for row in (0, 1))
    assert np.abs(digital - film).mean() > 2
    speeds = re.findall(r" ([0-9.]+)(?:;|$)", result.output.strip().splitlines()[-1])
    assert len(speeds) == 3
    assert all(float(speed) > 0 for speed in speeds)


def test_no_photographs_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "--data" in result.output
