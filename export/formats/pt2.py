"""PT2: the graph exported by torch.export and compiled by AOTInductor, for Triton's torch_aoti platform.

It is machine code of the device that it was compiled on, so it is made where it will be served.
"""

import json
import pickle
import platform
import re
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from export.errors import ExportError
from export.format import Format
from export.formats.torchscript import Named
from export.graphs import FilmOriginGraph, NegativeConditionGraph
from export.half_graph import half_graph
from export.runtimes import Arrays, Run, Trial, batches_on
from export.source import Source
from film.published import COMPILED_FILE
from film.specs import COMPILED_BATCH, FILM_ORIGIN_EXPLAIN, MAX_BATCH, VALID, Arithmetic, ModelSpec
from film.torch_network import as_served, compiled_for, example, load_module, single_precision

_PLAIN_PROCESSOR = "haswell"
"""Which compilers have known for long: AVX2, as every machine with a GPU that is worth compiling for."""


def _lacks(_spec: ModelSpec) -> str:
    if shutil.which("g++") or shutil.which("clang++"):
        return ""
    return "AOTInductor needs a C++ compiler: apt install g++"


def write_pt2(graph: torch.nn.Module, spec: ModelSpec, path: Path, device: torch.device) -> None:
    """Compile ``graph`` (a module of ``export.graphs`` in PyTorch alone) for ``device`` into ``path``.

    It takes batches of up to ``COMPILED_BATCH``.
    """
    batch = torch.export.Dim("batch", min=1, max=COMPILED_BATCH)
    with (
        warnings.catch_warnings(),
        torch.no_grad(),
        single_precision(),  # compiled products of matrices keep what they saw
    ):
        warnings.simplefilter("ignore")
        program = torch.export.export(
            Named(deepcopy(graph).to(device)).eval(),
            # Kernels for a GPU are laid out for what they see here: as much as a request has.
            example(spec, str(device), MAX_BATCH if device.type == "cuda" else 2),
            dynamic_shapes={spec.pixels.name: {0: batch}, VALID.name: {0: batch}},
        )
        torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=_options(device))


def _options(device: torch.device) -> dict[str, Any]:
    """A file for a GPU is to run beside any of that kind, whatever the processor: what the host computes is little."""
    plain = device.type == "cuda" and platform.machine() == "x86_64" and hasattr(torch._inductor.config.cpp, "march")
    return {"cpp.march": _PLAIN_PROCESSOR} if plain else {}


def start(path: Path, spec: ModelSpec, device: torch.device) -> Run:
    """Load ``path``, which was compiled for ``device``."""
    loaded = load_module(path, str(device))

    def run(inputs: Arrays) -> dict[str, Any]:
        with as_served():
            outputs = loaded(*(torch.from_numpy(inputs[name]).to(device) for name in (spec.pixels.name, VALID.name)))
        return {output.name: value.cpu().numpy() for output, value in zip(spec.outputs, outputs, strict=True)}

    return run


def check_alone(path: Path, spec: ModelSpec, device: torch.device) -> str:
    """Have another process load ``path`` and judge pictures, as a server does; ExportError if it cannot.

    What it records there must answer as it does when it is launched, in batches of every size.

    Returns why it is launched step by step there, "" where it is recorded or on a CPU. The process that compiled a
    file may run it where no other can, as there were such files on an H200 (docs/gpu.md).
    """
    where = f"cuda:{device.index or 0}" if device.type == "cuda" else str(device)
    given = pickle.dumps((path.resolve(), spec, where))
    project = Path(__file__).parents[2]
    try:
        ended = subprocess.run(
            [sys.executable, "-c", ALONE],
            input=given,
            cwd=project,
            capture_output=True,
            timeout=_SECONDS_ALONE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"another process did not load it in {_SECONDS_ALONE} s") from None
    if ended.returncode:
        how = signal.Signals(-ended.returncode).name if ended.returncode < 0 else f"code {ended.returncode}"
        raise ExportError(f"another process that loads it ends with {how}; it said: {_reason(ended.stderr)}")
    said = [line for line in ended.stdout.decode(errors="replace").splitlines() if line.startswith(UNRECORDED)]
    if not said:
        raise ExportError("another process that loads it ends before it says how it runs there")
    return str(json.loads(said[-1].removeprefix(UNRECORDED)))


def _reason(said: bytes) -> str:
    """The line of a traceback that names the error, or the last line."""
    lines = said.decode(errors="replace").strip().splitlines() or ["nothing"]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines)[-1]


UNRECORDED = "unrecorded: "
"""How the line begins that answers us, as JSON: libraries print lines of their own."""
ALONE = f"""
import json
import pickle
import sys

from film.torch_network import example, load_torch_network

file, spec, device = pickle.load(sys.stdin.buffer)
network = load_torch_network(file, spec, device, recorded=True)
for output in network(*example(spec, device)).values():
    output.cpu()
network.check_recorded()
print("\\n{UNRECORDED}" + json.dumps(network.unrecorded))
"""
_SECONDS_ALONE = 180


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    cuda = source.device.type == "cuda"
    if cuda and source.spec.name == FILM_ORIGIN_EXPLAIN.name:
        raise ExportError(
            f"{source.spec.name} cannot be compiled for a GPU: it explains by Keras's layers, which export keeps on "
            "the CPU. Its TorchScript (--to torchscript) names no device."
        )
    graph = source.torch_graph
    if _halved(source) and isinstance(graph, NegativeConditionGraph):
        graph = half_graph(graph)
    if cuda and isinstance(graph, FilmOriginGraph):
        from export.grain_kernels import by_kernels  # brings in Keras, as this network did

        graph = by_kernels(graph)
    write_pt2(graph, source.spec, path, source.device)
    unrecorded = check_alone(path, source.spec, source.device)
    return {
        "device": str(source.device),
        "compiled_for": compiled_for(str(source.device)),
        "loads_alone": True,
        **({"unrecorded": unrecorded} if unrecorded else {}),
    }


def _halved(source: Source) -> bool:
    """In half precision on a GPU, unless the network wants more."""
    return source.device.type == "cuda" and source.spec.precision != "f32"


def _trials(source: Source) -> Sequence[Trial]:
    arithmetic: Arithmetic = "fp16" if _halved(source) else "fp32"
    device, spec = source.device, source.spec
    batches = batches_on(device.type)
    return (Trial(f"AOTInductor on {device}", arithmetic, lambda path: start(path, spec, device), batches=batches),)


FORMAT = Format("pt2", (COMPILED_FILE,), ("torch",), _lacks, _write, _trials)
