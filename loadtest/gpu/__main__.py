"""``python -m loadtest.gpu``: everything that is to be known about a GPU machine, in one call."""

import signal
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.markdown import Markdown

from film.specs import PICTURE_SUFFIXES

INTERRUPTED = 130
"""Exit code of what was stopped by Ctrl-C, in a shell."""


@click.command(
    epilog="""\b
Examples:
  python -m loadtest.gpu                                  on a machine with a GPU, about ten minutes
  python -m loadtest.gpu --device cpu --seconds 0.2       a dry run of the same on any machine
  python -m loadtest.gpu --pictures my/scans --no-served"""
)
@click.option("--device", default="cuda", show_default=True, help="cuda, cuda:1 or cpu.")
@click.option("--profile", help="Of the server. [default: cuda, or cpu with --device cpu]")
@click.option("--seconds", default=2.0, show_default=True, help="For each single measurement.")
@click.option("--batches", default="1,8,64", show_default=True, help="Of the networks alone.")
@click.option("--clients", default=4, show_default=True, help="Processes that ask the server.")
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
    batches: str,
    clients: int,
    export: bool | None,
    served: bool,
    overlay: Path | None,
    pictures: Path,
    repository: Path,
    out: Path,
) -> None:
    """Measure this machine's GPU: its limits, the networks, decoding, and Triton from JPEG to verdict.

    Writes OUT.md and OUT.json after each step, so that what was measured is there however it ends. Exit code 1 where
    there is no such device or no picture.
    """
    import torch  # seconds that --help need not pay

    from loadtest.gpu import exports, output
    from loadtest.gpu.conditions import conditions
    from loadtest.gpu.results import Plan, Results
    from loadtest.gpu.run import measure

    console = Console(stderr=True)
    blobs = [path.read_bytes() for path in sorted(pictures.rglob("*")) if path.suffix.lower() in PICTURE_SUFFIXES]
    if not blobs:
        raise click.ClickException(f"{pictures} has no pictures in it; name a folder with --pictures.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise click.ClickException("There is no CUDA device here. A dry run: python -m loadtest.gpu --device cpu")
    plan = Plan(
        torch.device(device),
        repository,
        profile or ("cpu" if device == "cpu" else "cuda"),
        seconds,
        tuple(int(batch) for batch in batches.split(",")),
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


if __name__ == "__main__":
    main(prog_name="python -m loadtest.gpu")
