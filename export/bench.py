"""``python -m export bench``: how many pictures a second each runtime gets through on this CPU, the network alone."""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from export.publish import version_folder
from film.published import INT8_FILE, has_int8
from film.specs import CLASSIFIERS, VALID

if TYPE_CHECKING:
    from torch import nn

    from export.source import Source

BASELINE = "PyTorch eager"
BATCHES = (1, 8)
"""PyTorch is given one picture at a time and eight, for which of them is faster depends on the network."""
PICTURES = 8
"""In a round, at least; more where they take less than ``SECONDS``."""
Pixels = NDArray[np.uint8]
Contestant = Callable[[Pixels], object]
EPILOG = """\b
Examples:
  python -m export bench
  python -m export bench negative_condition --rounds 9 --seconds 5"""


@click.command(epilog=EPILOG)
@click.argument("models", nargs=-1, type=click.Choice([spec.name for spec in CLASSIFIERS]), metavar="[MODEL]...")
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Of every contestant, in turn; the median counts.",
)
@click.option("--seconds", default=2.0, show_default=True, help="That a contestant works in a round, about.")
@click.option(
    "--weights", type=click.Path(file_okay=False, path_type=Path), default=Path("training/weights"), show_default=True
)
@click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("model_repository"),
    show_default=True,
    help="Where the int8 file lies, if there is one.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("out/bench.json"),
    show_default=True,
    help="Where the figures go as JSON.",
)
def command(models: tuple[str, ...], rounds: int, seconds: float, weights: Path, repository: Path, out: Path) -> None:
    """Compare OpenVINO, ONNX Runtime, TorchScript and eager PyTorch on this processor, the network alone.

    OpenVINO and ONNX Runtime run as they are served (film.network); PyTorch with its default memory format. int8 is
    the published file.
    """
    from export.graphs import EXPORTABLES
    from export.labelled import Pictures
    from export.source import Source

    found, console = {}, Console(stderr=True)
    for name in models or [spec.name for spec in CLASSIFIERS]:
        source = Source(EXPORTABLES[name], weights / f"{name}.safetensors", Path("samples"), Pictures())
        with tempfile.TemporaryDirectory() as folder:
            with console.status(f"Preparing {name} for every runtime"):
                contestants = _contestants(source, Path(folder), repository)
            found[name] = compare(contestants, source.judged_on[:PICTURES], rounds, seconds, name)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": machine(), "pictures_per_second": found}, indent=1) + "\n", encoding="utf-8")
    for name, rates in found.items():
        Console().print(_table(name, rates))
    click.echo(f"Medians of {rounds} interleaved rounds on {machine()['processor']}. JSON: {out}")


def compare(
    contestants: Mapping[str, Contestant], pixels: Pixels, rounds: int, seconds: float, title: str = ""
) -> dict[str, list[float]]:
    """Pictures a second of each contestant, one figure a round; every round goes through all of them."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run(pixels)  # what is compiled or allocated once
    for _ in track(range(rounds), f"Comparing {title}", console=Console(stderr=True), transient=True):
        for name, run in contestants.items():
            start, done = time.perf_counter(), 0
            while (spent := time.perf_counter() - start) < seconds or not done:
                run(pixels)
                done += len(pixels)
            rates[name].append(done / spent)
    return rates


def _contestants(source: "Source", folder: Path, repository: Path) -> dict[str, Contestant]:
    import torch

    from export.formats.torchscript import write_torchscript
    from export.runtimes import cpu_has_bf16
    from film.network import load_network

    spec, graph = source.spec, source.torch_graph
    source.write_onnx(folder / "model.onnx")
    write_torchscript(graph, spec, folder / "model.pt")
    script = torch.jit.load(str(folder / "model.pt"))  # type: ignore[no-untyped-call]
    found: dict[str, Contestant] = {}
    for batch in BATCHES:
        found[f"{BASELINE}, batch {batch}"] = partial(_in_torch, graph, batch)
        found[f"TorchScript, batch {batch}"] = partial(_in_torch, script, batch)
    kinds = {"ONNX Runtime": ("onnxruntime", "f32"), "OpenVINO f32": ("openvino", "f32")}
    if cpu_has_bf16():
        kinds["OpenVINO bf16"] = ("openvino", "auto")
    for name, (runtime, precision) in kinds.items():
        network = load_network(folder / "model.onnx", runtime=runtime, precision=precision)
        found[name] = partial(_served, network, spec.pixels.name)
    int8 = version_folder(repository, spec) / INT8_FILE
    if int8.is_file() and has_int8():
        network = load_network(int8, runtime="openvino")
        found["OpenVINO int8"] = partial(_served, network, spec.pixels.name)
    return found


def _in_torch(graph: "nn.Module", batch: int, pixels: Pixels) -> None:
    import torch

    with torch.no_grad():
        for part in torch.split(torch.from_numpy(pixels), batch):
            graph(part, torch.ones(len(part), *VALID.shape, dtype=torch.bool))


def _served(network: Callable[[dict[str, Any]], object], pixels_name: str, pixels: Pixels) -> None:
    network({pixels_name: pixels, VALID.name: np.ones((len(pixels), *VALID.shape), np.bool_)})


def machine() -> dict[str, Any]:
    """What the figures are of: processor, cores that may be used, whether it has bf16 and AMX, and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name", platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "has": [
            flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8") if flag in flags
        ],
        "load_average": os.getloadavg()[0],
    }


def _table(name: str, rates: Mapping[str, list[float]]) -> Table:
    medians = {contestant: statistics.median(values) for contestant, values in rates.items()}
    eager = max(value for contestant, value in medians.items() if contestant.startswith(BASELINE))
    table = Table(name, "pictures/s", "lowest to highest", f"times {BASELINE}")
    for contestant, median in medians.items():
        low, high = min(rates[contestant]), max(rates[contestant])
        table.add_row(contestant, f"{median:.1f}", f"{low:.1f} to {high:.1f}", f"{median / eager:.2f}")
    return table
