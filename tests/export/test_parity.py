"""The gate, tried with a network small enough to be wrong in every way."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.errors import ParityError
from export.format import load_format
from export.graphs import EXPORTABLES
from export.labelled import Pictures
from export.parity import answers, largest_difference
from export.runtimes import GPU_BATCHES, Arrays, Trial
from export.source import Source
from film.specs import FILM_ORIGIN, MAX_BATCH, ONNX_TOLERANCE, VALID, ModelSpec, TensorSpec
from tests.export.conftest import check_parity

SPEC = ModelSpec("toy", 8, ("no", "yes"), "yes", 0.5, (TensorSpec("SCORES", "FP32", (2,), ("no", "yes")),))
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


class Toy(nn.Module):
    """The mean of the picture as a probability, plus ``error``."""

    def __init__(self, error: float = 0.0, *, nan: bool = True, leaky: bool = False, sides: int = 2) -> None:
        super().__init__()
        self.error, self.nan, self.leaky, self.sides = error, nan, leaky, sides

    def forward(self, pixels: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        yes = pixels.float().mean((1, 2, 3), keepdim=False)[:, None] / 255 + self.error
        scores = torch.cat((1 - yes, yes), 1).repeat(1, self.sides // 2)
        if not self.nan:
            return (scores + 0 * valid.float(),)
        valid = valid & valid.all() if self.leaky else valid
        return (torch.where(valid, scores, torch.full((), float("nan"))),)


def artefact(graph: nn.Module, folder: Path, spec: ModelSpec = SPEC) -> Path:
    """By PyTorch's older exporter: a toy needs no better one, and it is many times as fast."""
    path, names = folder / "model.onnx", [SPEC.pixels.name, VALID.name, "SCORES"]
    shown = torch.zeros(2, *spec.pixels.shape, dtype=torch.uint8), torch.ones(2, *VALID.shape, dtype=torch.bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            shown,
            path,
            input_names=names[:2],
            output_names=names[2:],
            dynamic_axes={name: {0: "batch"} for name in names},
            dynamo=False,
        )
    return path


def test_a_true_file_passes_in_every_runtime(tmp_path: Path) -> None:
    differences = check_parity(Toy(), SPEC, artefact(Toy(), tmp_path), PICTURES)
    assert set(differences) == {"openvino", "onnxruntime"}
    assert all(0 <= value < 1e-5 for value in differences.values())


def test_a_difference_within_the_tolerance_is_reported(tmp_path: Path) -> None:
    differences = check_parity(Toy(), SPEC, artefact(Toy(ONNX_TOLERANCE / 2), tmp_path), PICTURES)
    assert differences["onnxruntime"] == pytest.approx(ONNX_TOLERANCE / 2, rel=0.01)


@pytest.mark.parametrize("error", [2 * ONNX_TOLERANCE, -0.1, float("nan")])
def test_a_difference_over_the_tolerance_is_refused(tmp_path: Path, error: float) -> None:
    with pytest.raises(ParityError, match=r"toy_net: SCORES of openvino at batch 1 is"):
        check_parity(Toy(), SPEC, artefact(Toy(error), tmp_path), PICTURES)


def test_a_tensor_with_slack_may_be_off_by_more(tmp_path: Path) -> None:
    file = artefact(Toy(2 * ONNX_TOLERANCE), tmp_path)
    check_parity(Toy(), replace(SPEC, outputs=(replace(SPEC.outputs[0], slack=3.0),)), file, PICTURES)
    with pytest.raises(ParityError, match=r"0\.0015 is allowed"):
        check_parity(Toy(), replace(SPEC, outputs=(replace(SPEC.outputs[0], slack=1.5),)), file, PICTURES)


def test_numbers_for_a_picture_that_is_not_valid_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="NaN exactly for the pictures that are not valid"):
        check_parity(Toy(), SPEC, artefact(Toy(nan=False), tmp_path), PICTURES)


def test_nan_for_the_neighbours_of_one_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="NaN exactly for the pictures that are not valid"):
        check_parity(Toy(), SPEC, artefact(Toy(leaky=True), tmp_path), PICTURES)


def said_by(scores: Callable[[NDArray[np.uint8], NDArray[np.bool_]], NDArray[Any]]) -> float:
    trial = Trial("toy", "fp32", lambda _: lambda inputs: {"SCORES": scores(inputs[SPEC.pixels.name], inputs["VALID"])})
    return largest_difference(answers(Toy(), SPEC, PICTURES), SPEC, trial, trial.start(Path()), PICTURES)


def right(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[Any]:
    (scores,) = Toy()(torch.from_numpy(pixels), torch.from_numpy(valid))
    return np.asarray(scores.numpy())


@pytest.mark.parametrize("row", [0, 1, -1])
def test_nan_in_one_row_always_is_refused(row: int) -> None:
    def guess(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[Any]:
        scores = right(pixels, np.ones_like(valid))
        scores[row:][: len(scores) > 1] = np.nan
        return scores

    assert said_by(right) < 1e-5
    with pytest.raises(ParityError, match="NaN exactly for the pictures that are not valid"):
        said_by(guess)


def test_a_single_picture_that_is_not_valid_is_tried() -> None:
    def careless(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[Any]:
        return right(pixels, valid if len(valid) > 1 else np.ones_like(valid))

    with pytest.raises(ParityError, match="at batch 1 is not NaN exactly"):
        said_by(careless)


def test_an_output_of_another_type_is_refused() -> None:
    with pytest.raises(ParityError, match="is of float64 and not of float32"):
        said_by(lambda pixels, valid: right(pixels, valid).astype(np.float64))


def test_an_output_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="not of shape"):
        check_parity(Toy(), SPEC, artefact(Toy(sides=4), tmp_path), PICTURES)


def test_a_file_is_judged_in_every_batch_of_its_trial() -> None:
    truth = answers(Toy(), SPEC, PICTURES)

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        pixels, valid = (torch.from_numpy(inputs[name]) for name in (SPEC.pixels.name, VALID.name))
        (scores,) = Toy(0.1 if len(pixels) == MAX_BATCH else 0.0)(pixels, valid)
        return {"SCORES": scores.numpy()}

    small = Trial("toy", "fp32", lambda _: run)
    assert largest_difference(truth, SPEC, small, run, PICTURES) < 1e-5
    with pytest.raises(ParityError, match=f"at batch {MAX_BATCH} is 0.1"):
        largest_difference(truth, SPEC, replace(small, batches=GPU_BATCHES), run, PICTURES)


@pytest.mark.parametrize(
    ("name", "device", "largest"),
    [
        ("pt2", "cpu", [8]),
        ("pt2", "cuda:1", [MAX_BATCH]),
        ("torchscript", "cpu", [8, MAX_BATCH]),
        ("torchscript", "cuda:1", [8, MAX_BATCH]),
    ],
)
def test_on_a_gpu_the_largest_batch_is_tried_too(name: str, device: str, largest: list[int]) -> None:
    model = EXPORTABLES[FILM_ORIGIN.name]
    source = Source(model, Path("absent"), Path("absent"), Pictures(), torch.device(device))
    assert [max(trial.batches) for trial in load_format(name).trials(source)] == largest
