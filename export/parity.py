"""The parity gate: a file is published only if it answers as the trained network does, however it is run.

Judged on pictures in batches of several sizes, some of them flagged as not valid: the largest difference of any
probability must stay within ``specs.PARITY_TOLERANCE`` (a map's, within that times its slack), and NaN must stand
exactly where a picture is not valid.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.errors import ParityError
from export.runtimes import Arrays, Run, Trial
from film.specs import PARITY_TOLERANCE, VALID, ModelSpec

TOGETHER = 4
"""Pictures that the trained network is given at a time: at 700x700 a gigabyte holds no more than a dozen."""


def answers(graph: nn.Module, spec: ModelSpec, pictures: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """What the trained network says of each picture, all of them valid; float32 [n, ...] for each output."""
    valid = torch.ones(TOGETHER, *VALID.shape, dtype=torch.bool)
    with torch.no_grad():
        parts = [
            graph(torch.from_numpy(part), valid[: len(part)])
            for part in (pictures[start : start + TOGETHER] for start in range(0, len(pictures), TOGETHER))
        ]
    return {
        tensor.name: torch.cat(values).numpy()
        for tensor, values in zip(spec.outputs, zip(*parts, strict=True), strict=True)
    }


def largest_difference(truth: Arrays, spec: ModelSpec, trial: Trial, run: Run, pictures: NDArray[np.uint8]) -> float:
    """How far ``run``, which is ``trial`` started, is from ``truth`` on ``pictures``; raises ParityError."""
    largest = 0.0
    tolerance = PARITY_TOLERANCE[trial.arithmetic]
    for index, valid in _batches(len(pictures), trial.batches):
        got = run({spec.pixels.name: pictures[index], VALID.name: valid})
        for tensor in spec.outputs:
            where = f"{spec.network_model}: {tensor.name} of {trial.runtime} at batch {len(index)}"
            if tensor.name not in got or got[tensor.name].shape != (len(index), *tensor.shape):
                raise ParityError(f"{where} is missing or is not of shape {tensor.shape}. Not published.")
            if got[tensor.name].dtype != np.float32:  # FP32, as every configuration has it
                raise ParityError(f"{where} is of {got[tensor.name].dtype} and not of float32. Not published.")
            _check_nan(where, got[tensor.name], valid)
            difference = np.abs(got[tensor.name] - truth[tensor.name][index])[valid[:, 0]].max(initial=0.0)
            allowed = tolerance * tensor.slack
            if not difference <= allowed:
                raise ParityError(
                    f"{where} is {difference:.2g} away from the trained network; {allowed:g} is allowed in "
                    f"{trial.arithmetic}. Not published: look for an operation that the export changed."
                )
            largest = max(largest, float(difference))
    return largest


def _check_nan(where: str, output: NDArray[Any], valid: NDArray[np.bool_]) -> None:
    nan = np.isnan(output).reshape(len(output), -1)
    if not (nan.all(1) == ~valid[:, 0]).all() or not (nan.any(1) == ~valid[:, 0]).all():
        raise ParityError(f"{where} is not NaN exactly for the pictures that are not valid. Not published.")


def _batches(count: int, sizes: Sequence[int]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Which of ``count`` pictures, and VALID, for batches of each of ``sizes``; of several one is not valid.

    That is the last, the first, the second and so on in turn, so that a file cannot know which. Every picture is valid
    in some batch: the single ones; at the end one that is not valid is alone. Short ends are filled from the beginning.
    """
    for size in sizes:
        for number, start in enumerate(range(0, count, size)):
            valid = np.ones((size, *VALID.shape), np.bool_)
            if size > 1:
                valid[(number - 1) % size] = False
            yield np.arange(start, start + size) % count, valid
    yield np.zeros(1, np.intp), np.zeros((1, *VALID.shape), np.bool_)
