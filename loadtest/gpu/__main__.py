"""``python -m loadtest.gpu``: everything that is to be known about a GPU machine, in one call."""

import re
import signal
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click
from rich.console import Console
from rich.markdown import Markdown

from film.specs import COMPILED_BATCH
from loadtest.pictures import PicturesError, read
from serving.settings import PROFILES

if TYPE_CHECKING:
    import torch

INTERRUPTED = 130
"""Exit code of what was stopped by Ctrl-C, in a shell."""


def _known_device(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r} is not cpu, cuda or one of several, as in cuda:1")
    return value


def _some_batches(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        batches = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} are no whole numbers with commas between them") from None
    if not all(1 <= batch <= COMPILED_BATCH for batch in batches):
        raise click.BadParameter(f"every batch must be from 1 to {COMPILED_BATCH}")
    return batches


@click.command(
    epilog="""\b
Examples:
  python -m loadtest.gpu                                  on a machine with a GPU, under ten minutes
  python -m loadtest.gpu --device cpu --batches 1,4       a dry run of the same on any machine
  python -m loadtest.gpu --device cpu --export            with the files that a fresh clone lacks, made first
  python -m loadtest.gpu --pictures my/scans --no-served"""
)
@click.option("--device", default="cuda", show_default=True, callback=_known_device, help="cuda, cuda:1 or cpu.")
@click.option(
    "--profile",
    type=click.Choice([known.name for known in PROFILES]),
    show_default="cuda, or cpu with --device cpu",
    help="Of the server.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Of one measurement of a network or a decoder; the server is asked for three times as long.",
)
@click.option(
    "--batches",
    show_default="1,8,64,256, or 1,8 with --device cpu",
    callback=_some_batches,
    help="Of the networks alone; decoders and the server get the largest, or what a request may have.",
)
@click.option("--clients", type=click.IntRange(1), default=4, show_default=True, help="Processes that ask the server.")
@click.option(
    "--export/--no-export",
    default=None,
    show_default="on a GPU",
    help="First make the files for this device, in a copy of the repository, OUT-repository, which is then measured.",
)
@click.option("--served/--no-served", default=True, show_default=True, help="Measure the server too.")
@click.option(
    "--overlay",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings of this machine for the server, as `safelight tune` writes them.",
)
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("samples"),
    show_default=True,
    help="Real pictures to decode and judge.",
)
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("model_repository"),
    show_default=True,
    help="Of the networks, and of the server. Nothing in it is changed.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/gpu"), show_default=True)
def main(
    device: str,
    profile: str | None,
    seconds: float,
    batches: tuple[int, ...] | None,
    clients: int,
    export: bool | None,
    served: bool,
    overlay: Path | None,
    pictures: Path,
    repository: Path,
    out: Path,
) -> None:
    """Measure this machine's GPU: its limits, the networks, decoding, and Triton from JPEG to verdict.

    Writes OUT.md and OUT.json after each step, so that what was measured is there however it ends; those
    of an earlier run are moved aside. Exit code 1 where there is no such device or no picture, 130 where it was
    interrupted.
    """
    import torch  # seconds that --help need not pay

    from loadtest.gpu import exports, output
    from loadtest.gpu.conditions import conditions
    from loadtest.gpu.results import BATCHES, BATCHES_ON_CPU, Plan, Results
    from loadtest.gpu.run import measure

    console = Console(stderr=True)
    try:
        blobs = read(pictures)
    except PicturesError as error:
        raise click.ClickException(str(error)) from error
    if why := _lacks(torch.device(device)):
        raise click.ClickException(f"{why} A dry run: python -m loadtest.gpu --device cpu")
    plan = Plan(
        torch.device(device),
        repository,
        profile or ("cpu" if device == "cpu" else "cuda"),
        seconds,
        batches or (BATCHES_ON_CPU if device == "cpu" else BATCHES),
        clients,
        served,
        overlay,
        out,
    )
    output.begin(plan)
    results, ended = Results(conditions(plan, str(pictures), blobs)), False

    def say(doing: str) -> None:
        output.write(plan, results)
        status.update(doing)

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)  # `timeout` sends it twice, and what was measured is yet to be written
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    with console.status("copying the model repository") as status:
        try:
            if export or (export is None and device != "cpu"):
                plan = replace(plan, repository=exports.copy(repository, plan.beside("-repository")))
                results.conditions["repository"] = str(plan.repository)
                exports.make_all(plan, results, say)
            measure(plan, blobs, results, say)
        except KeyboardInterrupt:
            results.missing.append("what was to follow when it was interrupted")
            ended = True
    page = output.write(plan, results)
    signal.signal(signal.SIGTERM, before)
    Console().print(Markdown(page))
    console.print(f"Written to {plan.beside('.md')} and {plan.beside('.json')}")
    if ended:
        raise click.exceptions.Exit(INTERRUPTED)


def _lacks(device: "torch.device") -> str:
    """Why nothing can be measured on ``device``, as a sentence; "" where it is there."""
    import torch

    if device.type == "cpu":
        return ""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return "There is no CUDA device here."
    return "" if (device.index or 0) < count else f"There is no {device} here, the last is cuda:{count - 1}."


if __name__ == "__main__":
    main(prog_name="python -m loadtest.gpu")
