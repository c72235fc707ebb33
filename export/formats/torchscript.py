"""TorchScript, for Triton's pytorch_libtorch backend.

That backend finds inputs by the names of forward's arguments and outputs by their order, so the arguments here are
called as the tensors are. The file is not frozen, so that it can be moved between a CPU and a GPU.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export.errors import ExportError
from export.format import Format
from export.runtimes import Arrays, Run, Trial, batches_on
from export.source import Source
from film.specs import VALID, ModelSpec
from film.torch_network import as_served, example, load_module, single_precision


class Named(nn.Module):
    """A serving graph whose forward's arguments are called as the tensors are."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.served = graph

    def forward(self, PIXELS: Tensor, VALID: Tensor) -> tuple[Tensor, ...]:  # noqa: N803 - Triton goes by these
        """PIXELS, VALID -> the outputs of ``specs``, in order."""
        outputs: tuple[Tensor, ...] = self.served(PIXELS, VALID)
        return outputs


def write_torchscript(graph: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Trace ``graph`` (a module of ``export.graphs`` in PyTorch alone) into ``path``; any batch can be run after."""
    with warnings.catch_warnings(), torch.no_grad(), single_precision():  # a trace keeps whether TF32 is allowed
        warnings.simplefilter("ignore")  # TorchScript is deprecated; Triton's backend takes nothing else
        traced = torch.jit.trace(Named(graph).eval(), example(spec, "cpu", 2), check_trace=False)  # type: ignore[no-untyped-call]
        _name_no_device(traced)
        torch.jit.save(traced, str(path))


def _name_no_device(traced: torch.jit.ScriptModule) -> None:
    """Have every step of a trace stay on the device that its tensor is on, or raise ExportError.

    Keras moves each tensor to its device by name, also where it is already, and a trace keeps the name: on a GPU the
    file would carry every tensor to the CPU, away from its own weights. Traced on one device, the moves do nothing.
    """
    torch._C._jit_pass_inline(traced.graph)
    for node in [node for node in traced.graph.nodes() if node.kind() == "aten::to"]:
        arguments = [argument.name for argument in torch._C.parse_schema(node.schema()).arguments]
        for place in reversed(range(len(arguments))):
            if arguments[place] in ("device", "layout", "pin_memory"):
                node.removeInput(place)  # what is left is aten::to.dtype
    named = {node.kind() for node in traced.graph.nodes() if any(_is_device(value) for value in node.inputs())}
    if named:
        raise ExportError(f"the trace names a device in {', '.join(sorted(named))}: it would run nowhere else.")


def _is_device(value: torch._C.Value) -> bool:
    return str(value.type()) == "Device" and bool(value.node().hasAttribute("value"))


def start(path: Path, spec: ModelSpec, device: torch.device) -> Run:
    """Load ``path`` on ``device``; inputs are given by name, as Triton does."""
    loaded = load_module(path, str(device))

    def run(inputs: Arrays) -> dict[str, Any]:
        with as_served():
            tensors = {name: torch.from_numpy(value).to(device) for name, value in inputs.items()}
            outputs = loaded(**tensors)
        return {output.name: value.cpu().numpy() for output, value in zip(spec.outputs, outputs, strict=True)}

    return run


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    write_torchscript(source.torch_graph, source.spec, path)
    return {"arguments": [source.spec.pixels.name, VALID.name]}


def _trials(source: Source) -> Sequence[Trial]:
    """On the CPU and on a GPU, wherever it was made: any machine may serve it."""
    gpu = source.device if source.device.type == "cuda" else torch.device("cuda")
    lacks = "" if torch.cuda.is_available() else "there is no GPU"
    return (_trial(source.spec, torch.device("cpu")), _trial(source.spec, gpu, lacks))


def _trial(spec: ModelSpec, device: torch.device, lacks: str = "") -> Trial:
    batches = batches_on(device.type)
    return Trial(f"torch.jit on {device}", "fp32", lambda path: start(path, spec, device), lacks, batches)


FORMAT = Format("torchscript", ("model.pt",), ("torch",), lambda _spec: "", _write, _trials)
