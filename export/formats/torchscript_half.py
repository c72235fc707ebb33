"""TorchScript in half precision, for a GPU where there is no machine code (PT2) that fits it.

On an H200 it was seven times as fast as the same in single precision, for 64 pictures at a time (docs/gpu.md). It needs
no compiler, and runs on any GPU; most CPUs compute half precision slower than single.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from export.errors import ExportError
from export.format import Format
from export.formats.torchscript import start, write_torchscript
from export.graphs import NegativeConditionGraph
from export.half_graph import half_graph
from export.runtimes import Trial, batches_on
from export.source import Source
from film.published import HALF_FILE
from film.specs import VALID, ModelSpec


def _lacks(spec: ModelSpec) -> str:
    if spec.precision == "f32":
        return f"{spec.name} is computed in single precision"
    return "" if torch.cuda.is_available() else "it is for a GPU, and there is none"


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    graph = source.torch_graph
    if not isinstance(graph, NegativeConditionGraph):
        raise ExportError(f"{source.spec.name} is not made in half precision.")
    if source.device.type != "cuda":
        raise ExportError("it is judged on the GPU that it is for: --device cuda")
    write_torchscript(half_graph(graph), source.spec, path)
    return {"arguments": [source.spec.pixels.name, VALID.name]}


def _trials(source: Source) -> Sequence[Trial]:
    device, spec = source.device, source.spec
    batches = batches_on(device.type)
    return (Trial(f"torch.jit on {device}", "fp16", lambda path: start(path, spec, device), batches=batches),)


FORMAT = Format("torchscript_half", (HALF_FILE,), ("torch",), _lacks, _write, _trials)
