"""``python -m loadtest.perf``: perf_analyzer over real pictures, with a report."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from film.specs import CLASSIFIERS, MAX_BATCH
from loadtest.ending import ended_by_sigterm

if TYPE_CHECKING:
    from loadtest.perf.analyzer import Mode, Row, Sweep
    from loadtest.perf.program import Program

    Keep = Callable[[Sequence[Row], Sequence[str]], None]
    """Given what is measured so far, and what is not."""

_EPILOG = """\b
Examples:
  python -m loadtest.perf --fetch
  python -m loadtest.perf --concurrency 1:33:8 --rate 5:40:5 --mix scan
  python -m loadtest.perf --url gpu-box:8001 --pictures my/scans --batch 8

\b
Exit codes: 0 all was measured, 1 some of it was not, 2 perf_analyzer is not there,
the command was not understood or a server could not be started, 3 wrong answers.
"""


class CannotMeasure(click.ClickException):
    """No perf_analyzer, no server or no pictures."""

    exit_code = 2


class AnswersWrongly(click.ClickException):
    """The server gives wrong answers, and perf_analyzer would not notice."""

    exit_code = 3


@click.command(epilog=_EPILOG)
@click.option("--url", help="host:port (gRPC) of a running server. [default: one is started]")
@click.option("--profile", default="cpu", show_default=True, help="Of the server.")
@click.option(
    "--overlay",
    type=click.Path(exists=True, path_type=Path),
    help="Of the server that is started, from safelight tune.",
)
@click.option("--models", default=",".join(spec.name for spec in CLASSIFIERS), show_default=True, help="One by one.")
@click.option(
    "--concurrency", default="1:9:2", show_default=True, help="Requests in flight, start:end:step; '' for none."
)
@click.option("--rate", default="", show_default="none", help="Requests/s that come by chance, start:end:step.")
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), default=1, show_default=True, help="Pictures of a request.")
@click.option("--seconds", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Of a measuring window.")
@click.option("--trials", type=click.IntRange(3), default=10, show_default=True, help="Windows a level at most.")
@click.option(
    "--stability",
    type=click.FloatRange(0, min_open=True),
    help="Percent within which three windows must agree. [default: 10, or 50 of what comes by chance]",
)
@click.option("--shared-memory", is_flag=True, help="Pictures go through shared memory, on one machine.")
@click.option(
    "--mix", "mix_name", default="mixed", show_default=True, help="Pictures to make: mixed, small, phone, scan."
)
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of pictures to send instead.",
)
@click.option("--count", type=click.IntRange(1), default=24, show_default=True, help="Pictures to make.")
@click.option("--fetch", "get", is_flag=True, help="Get perf_analyzer (20 MB) where none runs here.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/perf"), show_default=True)
@ended_by_sigterm()
def main(
    url: str | None,
    profile: str,
    overlay: Path | None,
    models: str,
    concurrency: str,
    rate: str,
    batch: int,
    seconds: float,
    trials: int,
    stability: float | None,
    shared_memory: bool,
    mix_name: str,
    pictures: Path | None,
    count: int,
    get: bool,
    out: Path,
) -> None:
    """Measure a server with perf_analyzer, Triton's own load generator, over real pictures.

    It does not look at answers, so all pictures are asked about through the client first, and again at the end. Writes
    report.md, report.png and report.json after each sweep, and perf_analyzer's own tables and logs beside them.
    """
    from film.errors import SafelightError
    from loadtest.perf.analyzer import STABILITY, Row, Sweep, write_inputs
    from loadtest.perf.program import find_program, get_program
    from loadtest.perf.report import markdown, write_report

    names = [name.strip() for name in models.split(",") if name.strip()]
    known = [spec.name for spec in CLASSIFIERS]
    if not names or not set(names) <= set(known):
        raise click.BadParameter(f"{models!r}: it must be some of {', '.join(known)}", param_hint="--models")
    loads: list[tuple[Mode, str]] = [("concurrency", concurrency)] if concurrency else []
    loads += [("rate", rate)] if rate else []
    try:
        program = get_program() if get else find_program()
        sweeps = [
            Sweep(name, mode, levels, url or "", batch, seconds, stability or STABILITY[mode], trials, shared_memory)
            for name in names
            for mode, levels in loads
        ]
        out.mkdir(parents=True, exist_ok=True)
        blobs = _blobs(mix_name, pictures, count)
        inputs = out / "inputs.json"
        write_inputs(blobs, inputs)
        about = {"pictures": str(pictures or f"{count} made, {mix_name}"), "batch": batch, "profile": profile}

        def keep(rows: Sequence[Row], missing: Sequence[str]) -> None:
            write_report(rows, about, missing, out)

        with _server(url, profile, overlay, names) as address:
            rows, missing = _measure(program, sweeps, address, inputs, out, (blobs, names, profile), keep)
    except (SafelightError, OSError) as error:
        raise CannotMeasure(str(error)) from error
    click.echo(markdown(rows, about, missing))
    click.echo(f"Written to {out / 'report.md'}, with report.png and report.json")
    if missing:
        sys.exit(1)


@contextmanager
def _server(url: str | None, profile: str, overlay: Path | None, models: list[str]) -> Iterator[str]:
    """The address of the server to measure, started for the while where none was named."""
    if url:
        yield url
        return
    from serving.server import ServerProcess, on_free_ports
    from serving.settings import Settings

    with ServerProcess(on_free_ports(Settings(profile=profile, models=tuple(models), overlay=overlay))) as server:
        yield server.grpc_url


def _measure(
    program: "Program",
    sweeps: list["Sweep"],
    address: str,
    inputs: Path,
    out: Path,
    asked: tuple[list[bytes], list[str], str],
    keep: "Keep",
) -> tuple[list["Row"], list[str]]:
    """The rows and what is missing; ``keep`` is given both after each sweep and at the end."""
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import Progress

    from film.errors import SafelightError
    from loadtest.perf.analyzer import run
    from loadtest.perf.program import AnalyzerError

    rows: list[Row] = []
    missing: list[str] = []
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("right answers?", total=len(sweeps) + 2)
        _check(address, *asked)
        for sweep in sweeps:
            progress.update(task, advance=1, description=f"{sweep.model}, {sweep.mode} {sweep.levels}")
            try:
                measured = run(program, replace(sweep, url=address), inputs, out)
            except AnalyzerError as error:
                missing.append(str(error))
            else:
                rows += measured
                if levels := sweep.left_out(measured):
                    told = f"{', '.join(f'{level:g}' for level in levels)}; {out / sweep.name}.log says why"
                    missing.append(f"{sweep.model}, {sweep.mode}: {told}")
            keep(rows, missing)
        progress.update(task, advance=1, description="still right answers?")
        try:
            _check(address, *asked)
        except (AnswersWrongly, SafelightError) as error:
            keep(rows, [*missing, f"whether answers were still right at the end: {error}"])
            raise
    return rows, missing


def _check(address: str, blobs: list[bytes], models: list[str], profile: str) -> None:
    """Ask about every picture through the client; AnswersWrongly where an answer is wrong."""
    from client import Client
    from loadtest.expected import expect, wrong

    expected = expect(blobs, models, profile_name=profile)
    with Client(address) as client:
        for number, (told, right) in enumerate(zip(client.iter_classify(blobs, models), expected, strict=True)):
            if fault := wrong(told, right):
                raise AnswersWrongly(f"picture {number + 1} of {len(blobs)}: {fault}")


def _blobs(mix_name: str, folder: Path | None, count: int) -> list[bytes]:
    from loadtest.pictures import make, mix, read

    return read(folder) if folder else make(mix(mix_name), count)


if __name__ == "__main__":
    main(prog_name="python -m loadtest.perf")
