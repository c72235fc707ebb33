from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="training needs the train extra")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.tensorboard import Log


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_curves_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    with Log(tmp_path / "run") as log:
        for step, loss in enumerate([0.75, 0.5, 0.25]):
            log.scalars(step, {"loss/train": loss, "rate": 0.125})
    seen = read(tmp_path / "run")
    assert seen.Tags()["scalars"] == ["loss/train", "rate"]
    assert [(point.step, point.value) for point in seen.Scalars("loss/train")] == [(0, 0.75), (1, 0.5), (2, 0.25)]


def test_pictures_come_as_pixels_or_as_a_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    with Log(tmp_path) as log:
        log.image(1, "sheet", pixels)
        log.image(2, "sheet", file.getvalue())
    for step, shown in enumerate(read(tmp_path).Images("sheet"), 1):
        assert shown.step == step
        assert np.array_equal(np.asarray(Image.open(BytesIO(shown.encoded_image_string)).convert("RGB")), pixels)


def test_a_run_that_goes_on_takes_the_place_of_what_was_lost(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        for step in range(4):
            log.scalars(step, {"loss": 1.0})
    with Log(tmp_path, step=2) as log:
        log.scalars(2, {"loss": 0.5})
    assert [(point.step, point.value) for point in read(tmp_path).Scalars("loss")] == [(0, 1.0), (1, 1.0), (2, 0.5)]
