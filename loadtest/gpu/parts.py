"""What is measured in a process of its own, which may crash; each part gives what it finds as soon as it is found."""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from film.preprocess import preprocess
from film.specs import PARITY_TOLERANCE, Arithmetic, ModelSpec, tolerated
from film.torch_network import CPU_BATCH, as_it_stands, as_served
from loadtest.gpu import ceilings, cost, decode, networks, stem, whole
from loadtest.gpu.networks import Unavailable
from loadtest.gpu.results import Plan, reason
from loadtest.gpu.timing import seconds_each
from loadtest.gpu.use import Watch

ARITHMETIC: dict[str, Arithmetic] = {"f32": "fp32", "fp16": "fp16", "bf16": "bf16"}
BYTES = {"f32": 4, "fp16": 2, "bf16": 2}
"""Of a value in a precision, for the roofline."""
DOING = "doing"
Found = tuple[str, Any]
"""A field of ``Results`` and what belongs there, a row or a line where that is a list; or ``DOING`` and what comes."""


def limits_of(plan: Plan) -> Iterator[Found]:
    """The machine and its ceilings."""
    _choose(plan)
    yield "machine", describe(plan.device)
    yield "ceilings", asdict(ceilings.measure(plan.device, 4 * plan.seconds))


def describe(device: torch.device) -> dict[str, str]:
    """What the machine is, for whoever reads the numbers."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    cuda = {"cuda": str(torch.version.cuda)} if device.type == "cuda" else {}
    return {"device": name, **versions, **cuda}


@dataclass(frozen=True)
class _Bench:
    """What the ways of running a network are measured with: ``truth`` is what is right for ``pictures``, output by
    output; ``needed`` is what one picture costs."""

    plan: Plan
    spec: ModelSpec
    limits: ceilings.Ceilings
    needed: cost.Cost
    pictures: NDArray[np.uint8]
    truth: Sequence[NDArray[Any]]

    def row(self, way: networks.Way, run: networks.Run, batch: int) -> dict[str, Any]:
        """Pictures/s of ``batch`` at a time, which part that is of what the device can, and how right they are."""
        device = self.plan.device
        inputs = networks.example(self.spec, self.pictures, batch, device)
        said = [value.float().cpu().numpy() for value in run(*inputs)]
        each = seconds_each(partial(run, *inputs), device, self.plan.seconds)
        return {
            "model": self.spec.name,
            "way": way.name,
            "batch": batch,
            "pictures_per_second": batch / each,
            **self._of_limits(way, batch, each),
            **self._judged(way, said, batch),
        }

    def _of_limits(self, way: networks.Way, batch: int, each: float) -> dict[str, float]:
        """What the roofline of each operator allows, and the part of it that ``each`` second for a batch is.

        ``of_ideal`` is the part of what were possible if all arithmetic ran beside all memory traffic.
        """
        machine = self.limits.matrix[way.precision], self.limits.copy, BYTES[way.precision]
        bound, ideal = self.needed.seconds(batch, *machine), self.needed.whole.seconds(batch, *machine)
        return {"roofline": batch / bound, "of_roofline": bound / each, "of_ideal": ideal / each}

    def _judged(self, way: networks.Way, said: Sequence[NDArray[Any]], batch: int) -> dict[str, Any]:
        """How far ``said`` is from the truth, each output held to its own tolerance, as when it was exported."""
        index = np.arange(batch) % len(self.pictures)
        allowed = [tolerated(output, PARITY_TOLERANCE[ARITHMETIC[way.precision]]) for output in self.spec.outputs]
        differences = [np.abs(a - b[index]).max() for a, b in zip(said, self.truth, strict=True)]
        return {
            "largest_difference": float(np.max(differences)),  # NaN where any is
            "within_tolerance": all(bool(one <= most) for one, most in zip(differences, allowed, strict=True)),
        }


def networks_of(
    plan: Plan, spec: ModelSpec, limits: ceilings.Ceilings, blobs: Sequence[bytes], names: Sequence[str]
) -> Iterator[Found]:
    """The ways to run a network that are called ``names``, batch by batch."""
    _choose(plan)
    folder = plan.folder(spec)
    pictures = preprocess(blobs[: max(plan.batches)], spec.size).pixels
    try:
        truth = _truth(spec, folder, pictures)
        needed = cost.read_cost(networks.published(folder, "model.onnx"))
    except Unavailable as error:
        yield "missing", f"{spec.network_model}: {error}"
        return
    bench = _Bench(plan, spec, limits, needed, pictures, truth)
    for way in (way for way in networks.ways(spec, plan.device, folder) if way.name in names):
        yield DOING, f"{spec.network_model}: {way.name}"
        try:
            with _arithmetic(way):
                run = way.load(folder, plan.device)
        except Exception as error:  # whatever a library raises: the rest is to be measured all the same
            yield "missing", f"{spec.network_model}, {way.name}: {reason(error)}"
            continue
        for batch in plan.batches:
            if batch > way.largest:
                yield "missing", f"{spec.network_model}, {way.name}, batch {batch}: it takes at most {way.largest}"
                continue
            yield DOING, f"{spec.network_model}: {way.name}, batch {batch}"
            try:
                with _arithmetic(way):
                    row = bench.row(way, run, batch)
            except Exception as error:  # as above
                yield "missing", f"{spec.network_model}, {way.name}, batch {batch}: {reason(error)}"
                continue
            yield "networks", row


def _truth(spec: ModelSpec, folder: Path, pictures: NDArray[np.uint8]) -> list[NDArray[Any]]:
    """What every way is judged by: TorchScript in single precision on the CPU, a few pictures at a time."""
    cpu = torch.device("cpu")
    few = [pictures[start : start + CPU_BATCH] for start in range(0, len(pictures), CPU_BATCH)]
    with as_served():
        trusted = networks.ways(spec, cpu, folder)[0].load(folder, cpu)
        runs = [trusted(*networks.example(spec, part, len(part), cpu)) for part in few]
    return [torch.cat(values).numpy() for values in zip(*runs, strict=True)]


def _arithmetic(way: networks.Way) -> AbstractContextManager[None]:
    return as_served() if way.precision == "f32" else as_it_stands()


def stems_of(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes]) -> Iterator[Found]:
    """The first convolution of a network in every rewriting, for a batch of the plan; on a GPU in half precision.

    ``largest_difference`` is relative to the largest value that the convolution gives in double precision.
    """
    _choose(plan)
    device, batch = plan.device, plan.batch
    kind = torch.float16 if device.type == "cuda" else torch.float32
    pixels = preprocess(blobs[:batch], spec.size).pixels
    picture = networks.example(spec, pixels, batch, torch.device("cpu"))[0].permute(0, 3, 1, 2) / 255
    try:
        weight = stem.first_convolution(networks.published(plan.folder(spec), "model.onnx"))
    except Unavailable as error:
        yield "missing", f"{spec.network_model}, its first convolution: {error}"
        return
    first = picture[:1].double()
    truth = stem.stems(weight.double())[0](first)
    for one in stem.stems(weight.to(device, kind)):
        yield DOING, f"{spec.network_model}, its first convolution: {one.name}"
        try:
            with as_served():
                given = one.given(picture.to(device, kind))
                off = (one(given)[:1].double().cpu() - truth).abs().max() / truth.abs().max()
                each = seconds_each(partial(one, given), device, plan.seconds)
        except Exception as error:  # as above
            yield "missing", f"{spec.network_model}, its first convolution, {one.name}: {reason(error)}"
            continue
        row = {"model": spec.name, "way": one.name, "batch": batch, "seconds": each, "largest_difference": float(off)}
        yield "stems", row


def decoders_of(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes]) -> Iterator[Found]:
    """Every decoder for the pixels of a network; then how far the pixels of each are from the cpu profile's.

    In this order, as bringing pixels back from a GPU has ended a process before.
    """
    _choose(plan)
    batch, running = plan.batch, list[decode.Decoder]()
    for decoder in decode.decoders(plan.device):
        yield DOING, f"{spec.name}: {decoder.name}"
        try:
            row = _measured(plan, decoder, spec, blobs, batch)
        except Exception as error:  # as above
            yield "missing", f"{spec.name}, {decoder.name}: {reason(error)}"
            continue
        running.append(decoder)
        yield "decoders", {"model": spec.name, "decoder": decoder.name, **row}
    for decoder in running:
        yield DOING, f"{spec.name}: {decoder.name}, its pixels"
        try:
            off = decode.largest_difference(decoder, spec, blobs, batch)
        except Exception as error:  # as above
            yield "missing", f"{spec.name}, {decoder.name}, its pixels: {reason(error)}"
            continue
        yield "pixels", {"model": spec.name, "decoder": decoder.name, "largest_difference": off}


def in_process_of(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes]) -> Iterator[Found]:
    """JPEG to verdict in one process, without a server."""
    _choose(plan)
    for classifier in whole.classifiers(plan):
        yield DOING, f"{spec.name}: JPEG to verdict in process, {classifier.name}"
        try:
            row = _measured(plan, classifier, spec, blobs, plan.batch)
        except Exception as error:  # as above
            yield "missing", f"{spec.name} in process, {classifier.name}: {reason(error)}"
            continue
        yield "in_process", {"model": spec.name, "way": classifier.name, **row}


def _measured(
    plan: Plan, decoder: decode.Decoder, spec: ModelSpec, blobs: Sequence[bytes], batch: int
) -> dict[str, Any]:
    with Watch(os.getpid(), plan.device) as watch:
        rate = decode.measure(decoder, spec, blobs, batch, plan.seconds)
    return {"pictures_per_second": rate.pictures_per_second, **asdict(watch.use(rate.began, rate.ended))}


def _choose(plan: Plan) -> None:
    if plan.device.index is not None and plan.device.type == "cuda":
        torch.cuda.set_device(plan.device)  # or graphs, streams and TensorRT would use the first
