"""What is measured in a process of its own, which may crash; each part gives what it finds as soon as it is found."""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from film.preprocess import preprocess
from film.specs import PARITY_TOLERANCE, Arithmetic, ModelSpec, tolerated
from film.torch_network import as_it_stands, as_served
from loadtest.gpu import ceilings, cost, decode, networks
from loadtest.gpu.networks import Unavailable
from loadtest.gpu.results import Plan, reason
from loadtest.gpu.timing import seconds_each

ARITHMETIC: dict[str, Arithmetic] = {"f32": "fp32", "fp16": "fp16", "bf16": "bf16"}
BYTES = {"f32": 4, "fp16": 2, "bf16": 2}
"""Of a value in a precision, for the roofline."""
PARITY_BATCH = 8
"""Pictures that every way is judged on, against TorchScript in single precision on the CPU."""
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


def networks_of(
    plan: Plan, spec: ModelSpec, limits: ceilings.Ceilings, blobs: Sequence[bytes], names: Sequence[str]
) -> Iterator[Found]:
    """The ways to run a network that are called ``names``."""
    _choose(plan)
    folder, cpu = plan.repository / spec.network_model / "1", torch.device("cpu")
    pictures = preprocess(blobs, spec.size).pixels
    try:
        with as_served():
            trusted = networks.ways(spec, cpu)[0].load(folder, cpu)
            needed = cost.read_cost(networks.published(folder, "model.onnx"))
            truth = [value.numpy() for value in trusted(*networks.example(spec, pictures, PARITY_BATCH, cpu))]
    except Unavailable as error:
        yield "missing", f"{spec.network_model}: {error}"
        return
    for way in (way for way in networks.ways(spec, plan.device) if way.name in names):
        yield DOING, f"{spec.network_model}: {way.name}"
        try:
            with as_served() if way.precision == "f32" else as_it_stands():
                run = way.load(folder, plan.device)
                inputs = networks.example(spec, pictures, PARITY_BATCH, plan.device)
                said = [value.float().cpu().numpy() for value in run(*inputs)]
                rates = _rates(plan, spec, way, run, pictures, limits, needed)
            judged = _judged(spec, way, said, truth)
        except Exception as error:  # whatever a library raises: the rest is to be measured all the same
            yield "missing", f"{spec.network_model}, {way.name}: {reason(error)}"
            continue
        for rate in rates:
            yield "networks", {"model": spec.name, "way": way.name, **rate, **judged}


def _judged(
    spec: ModelSpec, way: networks.Way, said: Sequence[NDArray[Any]], truth: Sequence[NDArray[Any]]
) -> dict[str, Any]:
    """How far ``said`` is from ``truth``, each output held to its own tolerance, as when it was exported."""
    allowed = [tolerated(output, PARITY_TOLERANCE[ARITHMETIC[way.precision]]) for output in spec.outputs]
    differences = [np.abs(a - b).max() for a, b in zip(said, truth, strict=True)]
    return {
        "largest_difference": float(np.max(differences)),  # NaN where any is
        "within_tolerance": all(bool(one <= most) for one, most in zip(differences, allowed, strict=True)),
    }


def _rates(
    plan: Plan,
    spec: ModelSpec,
    way: networks.Way,
    run: networks.Run,
    pictures: NDArray[np.uint8],
    limits: ceilings.Ceilings,
    needed: cost.Cost,
) -> list[dict[str, Any]]:
    """Pictures/s of each batch, what the roofline of each operator allows, and which part of it that is.

    ``of_ideal`` is the part of what were possible if all arithmetic ran beside all memory traffic.
    """
    rows = []
    for batch in plan.batches:
        inputs = networks.example(spec, pictures, batch, plan.device)
        each = seconds_each(partial(run, *inputs), plan.device, plan.seconds)
        machine = limits.matrix[way.precision], limits.copy, BYTES[way.precision]
        bound, ideal = needed.seconds(batch, *machine), needed.whole.seconds(batch, *machine)
        rows.append(
            {
                "batch": batch,
                "pictures_per_second": batch / each,
                "roofline": batch / bound,
                "of_roofline": bound / each,
                "of_ideal": ideal / each,
            }
        )
    return rows


def decoders_of(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes]) -> Iterator[Found]:
    """Every decoder for the pixels of a network."""
    _choose(plan)
    for decoder in decode.decoders(plan.device):
        yield DOING, f"{spec.name}: {decoder.name}"
        try:
            rate = decode.pictures_per_second(decoder, spec, blobs, max(plan.batches), plan.seconds)
        except Exception as error:  # as above
            yield "missing", f"{spec.name}, {decoder.name}: {reason(error)}"
            continue
        yield "decoders", {"model": spec.name, "decoder": decoder.name, "pictures_per_second": rate}


def _choose(plan: Plan) -> None:
    if plan.device.index is not None and plan.device.type == "cuda":
        torch.cuda.set_device(plan.device)  # or graphs, streams and TensorRT would use the first
