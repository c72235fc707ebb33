"""Everything that is measured on one machine, in order; what cannot be had there is said and left out."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from film.errors import SafelightError
from film.preprocess import preprocess
from film.specs import CLASSIFIERS, PARITY_TOLERANCE, Arithmetic, ModelSpec, tolerated
from film.torch_network import true_to
from loadtest.gpu import ceilings, cost, decode, networks, served
from loadtest.gpu.networks import Unavailable
from loadtest.gpu.timing import seconds_each
from serving.settings import Settings

ARITHMETIC: dict[str, Arithmetic] = {"f32": "fp32", "fp16": "fp16", "bf16": "bf16"}
BYTES = {"f32": 4, "fp16": 2, "bf16": 2}
"""Of a value in a precision, for the roofline."""
Say = Callable[[str], None]
PARITY_BATCH = 8
"""Pictures that every way is judged on, against TorchScript in single precision on the CPU."""


@dataclass(frozen=True)
class Plan:
    """``seconds`` is for each single measurement; ``batches`` are those of the networks alone."""

    device: torch.device
    repository: Path
    profile: str
    seconds: float = 2.0
    batches: tuple[int, ...] = (1, 8, 64)
    clients: int = 4
    served: bool = True


@dataclass
class Results:
    """Rows for the tables, as plain values. ``missing`` says what could not be measured, and why."""

    machine: dict[str, str] = field(default_factory=dict)
    ceilings: dict[str, Any] = field(default_factory=dict)
    networks: list[dict[str, Any]] = field(default_factory=list)
    decoders: list[dict[str, Any]] = field(default_factory=list)
    served: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def measure(plan: Plan, blobs: Sequence[bytes], say: Say = lambda _: None) -> Results:
    """Ceilings, networks, decoders and the server, on ``plan.device``; ``blobs`` are encoded pictures."""
    if plan.device.index is not None and plan.device.type == "cuda":
        torch.cuda.set_device(plan.device)  # or graphs, streams and TensorRT would use the first
    results = Results(machine=describe(plan.device))
    say("the device's own limits")
    limits = ceilings.measure(plan.device, 4 * plan.seconds)
    results.ceilings = asdict(limits)
    for spec in CLASSIFIERS:
        _networks(plan, spec, limits, blobs, results, say)
    for spec in CLASSIFIERS:
        _decoders(plan, spec, blobs, results, say)
        if plan.served:
            say(f"{spec.name}: JPEG to verdict through Triton")
            _served(plan, spec, blobs, results)
    return results


def describe(device: torch.device) -> dict[str, str]:
    """What the machine is, for whoever reads the numbers."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    cuda = {"cuda": str(torch.version.cuda)} if device.type == "cuda" else {}
    return {"device": name, **versions, **cuda}


def _networks(
    plan: Plan, spec: ModelSpec, limits: ceilings.Ceilings, blobs: Sequence[bytes], results: Results, say: Say
) -> None:
    folder, cpu = plan.repository / spec.network_model / "1", torch.device("cpu")
    pictures = preprocess(blobs, spec.size).pixels
    try:
        trusted = networks.ways(spec, cpu)[0].load(folder, cpu)
        needed = cost.read_cost(networks.published(folder, "model.onnx"))
    except Unavailable as error:
        results.missing.append(f"{spec.network_model}: {error}")
        return
    truth = [value.numpy() for value in trusted(*networks.example(spec, pictures, PARITY_BATCH, cpu))]
    for way in networks.ways(spec, plan.device):
        say(f"{spec.network_model}: {way.name}")
        try:
            with true_to(way.precision):
                run = way.load(folder, plan.device)
                inputs = networks.example(spec, pictures, PARITY_BATCH, plan.device)
                said = [value.float().cpu().numpy() for value in run(*inputs)]
                rates = _rates(plan, spec, way, run, pictures, limits, needed)
        except (Unavailable, RuntimeError) as error:
            results.missing.append(f"{spec.network_model}, {way.name}: {str(error).splitlines()[0]}")
            continue
        judged = _judged(spec, way, said, truth)
        results.networks += [{"model": spec.name, "way": way.name, **rate, **judged} for rate in rates]


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
    """Pictures/s of each batch, and what the roofline allows."""
    rows = []
    for batch in plan.batches:
        inputs = networks.example(spec, pictures, batch, plan.device)
        each = seconds_each(partial(run, *inputs), plan.device, plan.seconds)
        bound = needed.seconds(batch, limits.matrix[way.precision], limits.copy, BYTES[way.precision])
        rows.append(
            {
                "batch": batch,
                "pictures_per_second": batch / each,
                "roofline": batch / bound,
                "of_roofline": bound / each,
            }
        )
    return rows


def _decoders(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes], results: Results, say: Say) -> None:
    for decoder in decode.decoders(plan.device):
        say(f"{spec.name}: {decoder.name}")
        try:
            work = decoder.open(spec)
            rate = decode.pictures_per_second(work, blobs, max(plan.batches), plan.seconds)
        except (Unavailable, RuntimeError) as error:
            results.missing.append(f"{spec.name}, {decoder.name}: {str(error).splitlines()[0]}")
            continue
        results.decoders.append({"model": spec.name, "decoder": decoder.name, "pictures_per_second": rate})


def _served(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes], results: Results) -> None:
    settings = Settings(profile=plan.profile, models=(spec.name,), repository=plan.repository.absolute())
    try:
        found = served.measure(settings, spec, blobs, 3 * plan.seconds, plan.clients, max(plan.batches))
    except (SafelightError, served.NoVerdict) as error:
        results.missing.append(f"{spec.name} through Triton, profile {plan.profile}: {error}")
        return
    fastest = max((row["pictures_per_second"] for row in results.decoders if row["model"] == spec.name), default=None)
    results.served.append(
        {
            "model": spec.name,
            "profile": plan.profile,
            "pictures_per_second": found.pictures_per_second,
            "of_decoding": found.pictures_per_second / fastest if fastest else None,
            "wrong": found.wrong,
            "reason": found.reason,
        }
    )
