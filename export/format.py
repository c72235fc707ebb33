"""What a file format is to the exporter, and which there are. Loads no framework: ``--help`` lists them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.runtimes import Trial
from film.specs import ModelSpec

if TYPE_CHECKING:
    from export.source import Source

FORMATS = {
    "onnx": "ONNX, weights in half precision: what the cpu profile serves, but for int8",
    "torchscript": "TorchScript, for Triton's pytorch_libtorch",
    "torchscript_half": "the same of negative_condition in half precision, for a GPU without pt2",
    "pt2": "torch.export compiled by AOTInductor, for Triton's torch_aoti",
    "openvino": "OpenVINO's own file; f32 or bf16 is chosen when it is loaded",
    "openvino_int8": "negative_condition, the greater part in int8: served where the processor has AVX2",
    "tensorrt": "TensorRT engine, built and tried on the GPU that will serve it",
    "tensorrt_rtx": "TensorRT-RTX engine, built without a GPU for several generations",
}
"""Format: a line of help. Each is a module of ``export.formats``."""


@dataclass(frozen=True)
class Format:
    """How to make one kind of file and how to run it.

    ``files`` are written side by side, the one that is loaded first. ``tools`` are the packages that have a hand in
    it. ``lacks`` says of a model why the file cannot be made of it on this machine, "" where it can. ``write`` writes
    the first of ``files`` to a path, the others beside it, and returns facts for the manifest. ``trials`` are all ways
    in which the file may be run. Where it ``may_be_refused``, the gate's no is an answer and not a failure.
    """

    name: str
    files: tuple[str, ...]
    tools: tuple[str, ...]
    lacks: Callable[[ModelSpec], str]
    write: Callable[["Source", Path], Mapping[str, Any]]
    trials: Callable[["Source"], Sequence[Trial]]
    may_be_refused: bool = False


def load_format(name: str) -> Format:
    """The format called ``name``, one of ``FORMATS``."""
    found: Format = import_module(f"export.formats.{name}").FORMAT
    return found
