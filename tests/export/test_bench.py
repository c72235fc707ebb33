"""The comparison of runtimes: fair turns, medians, and a file of figures."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from export.__main__ import main
from export.bench import BASELINE, compare, machine
from film.published import has_int8
from training.negative_condition import build, save

PIXELS = np.zeros((4, 2, 2, 3), np.uint8)


def test_contestants_take_turns_and_get_a_figure_a_round() -> None:
    turns: list[str] = []

    def contestant(name: str, seconds: float) -> object:
        def run(_pixels: object) -> None:
            turns.append(name)
            time.sleep(seconds)

        return run

    rates = compare({"slow": contestant("slow", 0.02), "fast": contestant("fast", 0.002)}, PIXELS, 3, 0.01)  # type: ignore[dict-item]
    assert [len(values) for values in rates.values()] == [3, 3]
    assert max(rates["slow"]) < min(rates["fast"])
    assert max(rates["slow"]) <= len(PIXELS) / 0.02
    order = [name for name, before in zip(turns[2:], turns[1:], strict=False) if name != before]
    assert order == ["slow", "fast"] * 3


def test_the_machine_is_described() -> None:
    assert set(machine()) == {"processor", "cores", "has", "load_average"}
    assert machine()["cores"] > 0


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("model", ["negative_condition"])
def test_every_runtime_is_measured_from_the_command_line(model: str, tmp_path: Path) -> None:
    save(build(3), tmp_path / f"{model}.safetensors")
    arguments = ["bench", model, "--rounds", "1", "--seconds", "0.01"]
    paths = ["--weights", str(tmp_path), "--out", str(tmp_path / "bench.json")]
    done = CliRunner().invoke(main, [*arguments, *paths])
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "bench.json").read_text())["pictures_per_second"][model]
    assert {"TorchScript, batch 1", "ONNX Runtime", "OpenVINO f32"} <= set(figures)
    assert ("OpenVINO int8" in figures) == has_int8()
    assert all(values[0] > 0 for values in figures.values())
    assert BASELINE in done.output
