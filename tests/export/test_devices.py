"""What holds where there is a GPU, as far as it can be seen without one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.errors import ExportError
from export.formats import pt2, torchscript
from export.graphs import EXPORTABLES
from export.labelled import Pictures
from export.source import Source
from film.specs import FILM_ORIGIN, FILM_ORIGIN_EXPLAIN, VALID, ModelSpec, TensorSpec
from film.torch_network import TorchNetwork

TOY = ModelSpec("toy", 2, ("no", "yes"), "yes", 0.5, (TensorSpec("SCORES", "FP32", (2,), ("no", "yes")),))
AS_IT_LOOKS_WITH_A_GPU = """
import os, torch
torch.cuda.is_available = lambda: True
import training
assert "KERAS_TORCH_DEVICE" not in os.environ, "training may use the GPU"
import export
import keras
print(keras.ops.ones(1).device)
"""


def test_export_keeps_keras_on_the_cpu_and_training_does_not() -> None:
    clean = {name: value for name, value in os.environ.items() if name != "KERAS_TORCH_DEVICE"}
    run = subprocess.run(
        [sys.executable, "-c", AS_IT_LOOKS_WITH_A_GPU], env=clean, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "cpu", run.stderr


def test_what_cannot_be_compiled_for_a_gpu_says_so(tmp_path: Path) -> None:
    made = Source(EXPORTABLES[FILM_ORIGIN_EXPLAIN.name], tmp_path, tmp_path, Pictures(()), torch.device("cuda"))
    with pytest.raises(ExportError, match="film_origin_explain cannot be compiled for a GPU"):
        pt2.FORMAT.write(made, tmp_path / "model.pt2")


class Watched:
    """A network that remembers whether it might have been computed in TF32: convolutions, products of matrices."""

    def __init__(self) -> None:
        self.saw: list[tuple[bool, bool]] = []

    def __call__(self, *_: torch.Tensor, **__: torch.Tensor) -> tuple[torch.Tensor]:
        self.saw.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return (torch.zeros(1, 2),)


def run_everywhere(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """What a network sees that is run by the server's adapter, as TorchScript by the gate, and as PT2 by the gate."""
    network: Any = Watched()
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: network)
    monkeypatch.setattr(torch._inductor, "aoti_load_package", lambda _: network)
    pixels, valid = np.zeros((1, *spec.pixels.shape), np.uint8), np.ones((1, *VALID.shape), np.bool_)
    inputs = {spec.pixels.name: pixels, VALID.name: valid}
    TorchNetwork(spec, network, "cpu")({name: [torch.from_numpy(value)] for name, value in inputs.items()})
    for form in (torchscript, pt2):
        form.start(Path("no file"), spec, torch.device("cpu"))(inputs)
    return network.saw


@pytest.fixture
def eager_for_tf32() -> Iterator[None]:
    """A process in which PyTorch may use TF32 for everything; for convolutions it may anyway."""
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.usefixtures("eager_for_tf32")
def test_what_asks_for_single_precision_is_never_run_in_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FILM_ORIGIN.precision == "f32"
    assert run_everywhere(replace(TOY, precision="f32"), monkeypatch) == [(False, False)] * 3
    assert torch.backends.cudnn.allow_tf32, "the process's setting is as it was"
    assert run_everywhere(TOY, monkeypatch) == [(True, True)] * 3


def test_a_file_is_compiled_with_the_precision_that_it_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    watched = Watched()
    monkeypatch.setattr(torch.export, "export", lambda *_, **__: None)
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", lambda *_, **__: watched())
    for spec in (replace(TOY, precision="f32"), TOY):
        pt2.write_pt2(torch.nn.Identity(), spec, tmp_path / "model.pt2", torch.device("cpu"))
    assert [convolutions for convolutions, _ in watched.saw] == [False, True]
