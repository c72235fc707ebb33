from pathlib import Path

import pytest
import torch

from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from loadtest.gpu import parts
from loadtest.gpu.networks import Unavailable
from loadtest.gpu.results import Plan
from loadtest.gpu.stem import first_convolution, stems
from loadtest.pictures import SAMPLES, read
from serving.settings import DEFAULT_REPOSITORY
from training.negative_condition import NegativeCondition

BLOBS = read(SAMPLES / "digital")
PLAN = Plan(torch.device("cpu"), DEFAULT_REPOSITORY, "cpu", 0.01, (1, 2), served=False)


@pytest.mark.parametrize("name", ["3 channels, 7x7", "8 channels, 7x7", "12 channels, 4x4", "16 channels, 4x4"])
def test_each_rewriting_is_the_convolution_of_the_network(name: str) -> None:
    """To the rounding of double precision: the sums are the same and in another order."""
    torch.manual_seed(0)
    convolution = NegativeCondition().conv1.double().eval()
    picture = torch.randn(2, 3, NEGATIVE_CONDITION.size, NEGATIVE_CONDITION.size, dtype=torch.float64)
    (stem,) = (one for one in stems(convolution.weight) if one.name == name)
    given = stem.given(picture)
    assert f"{given.shape[1]} channels" in name
    assert all(part.is_contiguous(memory_format=torch.channels_last) for part in (given, stem.weight))
    torch.testing.assert_close(stem(given), convolution(picture), rtol=0, atol=1e-12)


def test_all_are_measured_and_right() -> None:
    found = list(parts.stems_of(PLAN, NEGATIVE_CONDITION, BLOBS))
    rows = [value for kind, value in found if kind == "stems"]
    assert [row["way"] for row in rows] == [one.name for one in stems(torch.zeros(1, 3, 7, 7))]
    assert all(row["batch"] == 2 and row["seconds"] > 0 and row["largest_difference"] < 1e-5 for row in rows)


def test_a_network_with_another_first_convolution_is_not_rewritten() -> None:
    with pytest.raises(Unavailable, match="not one of 7x7 in steps of 2"):
        first_convolution(DEFAULT_REPOSITORY / FILM_ORIGIN.network_model / "1" / "model.onnx")


def test_a_network_without_a_file_is_said(tmp_path: Path) -> None:
    plan = Plan(torch.device("cpu"), tmp_path, "cpu")
    ((kind, said),) = parts.stems_of(plan, NEGATIVE_CONDITION, BLOBS)
    assert kind == "missing"
    assert said == "negative_condition_net, its first convolution: model.onnx is missing: python -m export"
