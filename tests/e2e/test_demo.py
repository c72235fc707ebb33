"""What `make run` shows, with the models and the samples that are shipped."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from safelight.demo import SAMPLES

pytestmark = pytest.mark.e2e


def test_the_demo_judges_every_sample_inverts_the_negatives_and_draws_where_the_verdicts_come_from(
    tmp_path: Path,
) -> None:
    samples = sorted(SAMPLES.rglob("*.jpg"))
    negatives = sorted((SAMPLES / "negatives").glob("*.jpg"))
    assert negatives

    done = subprocess.run(
        [sys.executable, "-m", "safelight", "demo", "--out", str(tmp_path)], capture_output=True, text=True, timeout=280
    )

    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if ".jpg " in line]
    assert [Path(row[0]).name for row in rows] == [sample.name for sample in samples]
    assert {row[1] for row in rows} <= {"film", "digital"}
    assert {row[3] for row in rows} <= {"readable", "damaged"}
    written = sorted((tmp_path / "positives").iterdir())
    assert [path.name for path in written] == [f"{negative.stem}_positive.jpg" for negative in negatives]
    assert [Image.open(path).size for path in written] == [Image.open(path).size for path in negatives]
    explained = sorted(path.name for path in (tmp_path / "explained").iterdir())
    assert explained == sorted(
        f"{sample.stem}_defects.jpg" if sample in negatives else f"{sample.stem}_explained.jpg" for sample in samples
    )
    assert str(tmp_path / "positives") in done.stdout
    assert str(tmp_path / "explained") in done.stdout
    assert "make serve" in done.stdout
    with Image.open(tmp_path / "contact_sheet.jpg") as sheet:
        cells = len(samples) + len(negatives)
        assert sheet.width // 250 * (sheet.height // 250) >= cells
