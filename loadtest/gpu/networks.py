"""The published networks alone, in every way in which this machine can run them, against the roofline.

Nothing is exported here: ``python -m export --device cuda`` makes the files first, and what is missing is said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from film.errors import SafelightError
from film.published import HALF_FILE, choose, manifest
from film.recorded import record
from film.specs import COMPILED_BATCH, ENGINE_BATCHES, FILM_ORIGIN, VALID, ModelSpec
from film.torch_network import compiled_for, load_module

Tensors = tuple[torch.Tensor, ...]
Run = Callable[[torch.Tensor, torch.Tensor], Tensors]
"""PIXELS uint8 [n, size, size, 3] and VALID bool [n, 1] on the device -> the outputs of the spec, in order."""
SINGLE_FILE, ENGINE = "model.pt", "model.plan"


class Unavailable(SafelightError):
    """This way of running a network does not exist here; the message says why."""


@dataclass(frozen=True)
class Way:
    """A way to run a network: the arithmetic that counts for its roofline, and how to load it from a version folder.

    ``load`` gets the folder and the device; ``largest`` is the largest batch that it takes. What is ``recorded`` wants
    a process to itself: a recording that fails spoils the generator of random numbers, without which nothing is
    compiled or loaded any more.
    """

    name: str
    precision: str
    load: Callable[[Path, torch.device], Run]
    recorded: bool = False
    largest: int = COMPILED_BATCH


def ways(spec: ModelSpec, device: torch.device, folder: Path) -> tuple[Way, ...]:
    """All ways to run the files of ``spec`` in ``folder`` on ``device``; reduced precision only for networks that are
    served in it, and engines, which are in the precision that their manifest says. One that explains another is run
    as it is served on a GPU, in one way."""
    cuda, reduced = device.type == "cuda", spec.precision != "f32"
    compiled = "fp16" if cuda and reduced else "f32"
    known = [Way("TorchScript f32", "f32", _torchscript())]
    if spec.explains:
        return tuple(known)
    known.append(Way(f"PT2 {compiled}", compiled, _pt2))
    if reduced:
        known.append(Way("TorchScript bf16, channels last", "bf16", _torchscript(kind=torch.bfloat16)))
    if cuda:
        served = _torchscript(HALF_FILE if reduced else SINGLE_FILE)
        if reduced:
            known.append(Way("TorchScript fp16", "fp16", served))
        known.append(Way(f"TorchScript {compiled} in a CUDA graph", compiled, _cuda_graph(served), recorded=True))
        known.append(Way(f"PT2 {compiled} in a CUDA graph", compiled, _cuda_graph(_pt2), recorded=True))
        engine = _engine_precision(folder)
        known.append(Way(f"TensorRT {engine}".rstrip(), engine, _tensorrt, largest=max(ENGINE_BATCHES)))
    return tuple(known)


def example(spec: ModelSpec, pictures: NDArray[np.uint8], batch: int, device: torch.device) -> Tensors:
    """PIXELS and VALID of ``batch`` pictures on ``device``, taken from ``pictures`` in turn."""
    index = np.arange(batch) % len(pictures)
    return torch.from_numpy(pictures[index]).to(device), torch.ones(
        batch, *VALID.shape, dtype=torch.bool, device=device
    )


def published(folder: Path, name: str) -> Path:
    """The file called ``name`` of a version ``folder``; Unavailable where it is missing."""
    if not (folder / name).is_file():
        raise Unavailable(f"{name} is missing: python -m export")
    return folder / name


def _torchscript(name: str = SINGLE_FILE, kind: torch.dtype | None = None) -> Callable[[Path, torch.device], Run]:
    """The file called ``name``; with a ``kind``, that is what it is computed in, channels last."""

    def load(folder: Path, device: torch.device) -> Run:
        network = load_module(published(folder, name), str(device))
        if kind:
            network = network.to(memory_format=torch.channels_last)

        def run(pixels: torch.Tensor, valid: torch.Tensor) -> Tensors:
            with torch.autocast(device.type, kind or torch.bfloat16, enabled=kind is not None):
                outputs = network(pixels, valid)
            return outputs if isinstance(outputs, tuple) else (outputs,)

        return run

    return load


def _pt2(folder: Path, device: torch.device) -> Run:
    file = published(folder, "model.pt2")
    if choose(folder, "model.pt2, model.pt", compiled_for=compiled_for(str(device))) != file:
        raise Unavailable(
            "model.pt2 was not compiled for this device, or is of other weights than model.pt: export both"
        )
    package = load_module(file, str(device))

    def run(pixels: torch.Tensor, valid: torch.Tensor) -> Tensors:
        outputs = package(pixels, valid)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)

    return run


def _cuda_graph(way: Callable[[Path, torch.device], Run]) -> Callable[[Path, torch.device], Run]:
    """The launches of one batch recorded once and replayed: small batches spend more time launching than computing."""

    def load(folder: Path, device: torch.device) -> Run:
        launched = way(folder, device)
        recorded: dict[int, tuple[torch.cuda.CUDAGraph, Tensors, Tensors]] = {}  # with outputs and inputs

        def run(pixels: torch.Tensor, valid: torch.Tensor) -> Tensors:
            if len(pixels) not in recorded:
                given = pixels.clone(), valid.clone()
                recorded[len(pixels)] = (*record(launched, given), given)
            graph, outputs, inputs = recorded[len(pixels)]
            for kept, new in zip(inputs, (pixels, valid), strict=True):
                kept.copy_(new)
            graph.replay()
            return outputs

        return run

    return load


def _engine_precision(folder: Path) -> str:
    """What the engine in ``folder`` computes in as far as its network bears it; "" where no manifest says."""
    return {"fp16": "fp16", "fp32": "f32"}.get(manifest(folder / ENGINE).get("arithmetic", ""), "")


def _tensorrt(folder: Path, device: torch.device) -> Run:
    try:
        import tensorrt as trt
    except ImportError as error:
        raise Unavailable("tensorrt is not installed") from error
    file = published(folder, ENGINE)
    if not _engine_precision(folder):
        raise Unavailable(f"{ENGINE} has no manifest that says what it computes in: python -m export --to tensorrt")
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(file.read_bytes())
    if engine is None:
        raise Unavailable(f"{ENGINE} does not fit this machine; export it here again")
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    given = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]

    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # TensorRT waits for all on the default one

    def run(pixels: torch.Tensor, valid: torch.Tensor) -> Tensors:
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for name, tensor in ((FILM_ORIGIN.pixels.name, pixels), (VALID.name, valid)):
                context.set_input_shape(name, tuple(tensor.shape))
                context.set_tensor_address(name, tensor.data_ptr())
            outputs = tuple(torch.empty(tuple(context.get_tensor_shape(name)), device=device) for name in given)
            for name, output in zip(given, outputs, strict=True):
                context.set_tensor_address(name, output.data_ptr())
            if not context.execute_async_v3(stream.cuda_stream):
                raise RuntimeError("the engine did not run")
        torch.cuda.current_stream(device).wait_stream(stream)
        return outputs

    return run
