"""``python -m loadtest run``: a sweep of loads against a real server."""

import contextlib
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, track
from rich.table import Table

from client import Client, Retry, ServerUnavailable
from client.transport import parse_address
from film.specs import MAX_BATCH
from loadtest import machine, stage
from loadtest.ending import ended_by_sigterm
from loadtest.levels import SHAPES, shape
from loadtest.perf import beside
from loadtest.perf.program import NAME, find_program
from loadtest.pictures import MIXES
from loadtest.prepared import MODELS, prepare
from loadtest.report import Report, described, number, write
from loadtest.results import Outcome
from loadtest.stage import Stage, Target
from serving.server import ServerProcess, on_free_ports
from serving.settings import DEFAULT_REPOSITORY, PROFILES

NOT_MEASURED = 1
"""Exit code: some of it could not be measured."""
WRONG_ANSWERS = 3
"""Exit code: the server answered, and not always rightly."""
USERS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def _numbers(_: click.Context, __: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} are no numbers with commas between them") from None
    if not all(0 < number < math.inf for number in numbers):
        raise click.BadParameter("every number must be more than 0, and there must be an end to it")
    if len({f"{number:g}" for number in numbers}) < len(numbers):
        raise click.BadParameter("a number is there twice: its stage would overwrite the folder of the first")
    return numbers


@click.command(
    epilog="""\b
Examples:
  python -m loadtest run                                        1 to 64 users, mixed pictures, a server of its own
  python -m loadtest run --users 8 --seconds 30 --protocol http
  python -m loadtest run --rates 10,20,40,80 --mix small        arrivals that wait for nobody
  python -m loadtest run --users 32 --shape spike --seconds 60
  python -m loadtest run --users 16 --shape soak --seconds 3600
  python -m loadtest run --users 1,8,32 --perf-analyzer         Triton's own load generator in the same report
  python -m loadtest run --host gpu-box:8001 --pictures my/scans --models film_origin

\b
Exit codes:
  0  measured (refused requests are a result, too)
  1  could not be measured, or some of it by perf_analyzer
  3  measured, and the server gave wrong answers"""
)
@click.option("--users", default="", callback=_numbers, help="Users who wait for answers.  [default: 1,2,4,...,64]")
@click.option("--rates", default="", callback=_numbers, help="Requests a second that arrive, whatever happens.")
@click.option("--arrivals", type=click.Choice(["poisson", "fixed"]), default="poisson", show_default=True)
@click.option("--shape", "shape_name", type=click.Choice([*SHAPES]), default="constant", show_default=True)
@click.option("--seconds", type=click.FloatRange(2), default=20.0, show_default=True, help="Of each stage.")
@click.option("--warmup", type=click.FloatRange(0), default=3.0, show_default=True, help="Seconds of it not counted.")
@click.option(
    "--protocol",
    type=click.Choice(["grpc", "http"]),
    default="grpc",
    show_default=True,
    help="Of the server that is started; with --host its address says.",
)
@click.option("--models", type=click.Choice([*MODELS]), default="both", show_default=True)
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), default=1, show_default=True, help="Pictures in a request.")
@click.option("--mix", type=click.Choice([mix.name for mix in MIXES]), default="mixed", show_default=True)
@click.option("--count", type=click.IntRange(1), default=40, show_default=True, help="Pictures to make.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of pictures to send, instead of made ones.",
)
@click.option("--seed", default=0, show_default=True, help="Of the pictures, their order and arrivals.")
@click.option("--timeout", type=click.FloatRange(1), default=30.0, show_default=True, help="Seconds for an answer.")
@click.option(
    "--perf-analyzer", is_flag=True, help="Ask it too, at the same levels: `python -m loadtest.perf --fetch`."
)
@click.option("--host", help="A running server, as in localhost:8001 or http://localhost:8000; else one is started.")
@click.option("--pid", default=0, help="Of that server, if it runs here: for its processor time and memory.")
@click.option("--profile", type=click.Choice([known.name for known in PROFILES]), default="cpu", show_default=True)
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=DEFAULT_REPOSITORY,
    show_default="that of this checkout",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/load"), show_default=True)
@ended_by_sigterm()
def command(**options: Any) -> None:
    """Put load on a server, a stage for each number of users or rate, and report what it did.

    Writes OUT/report.html and report.json, curve.png (or a plot over time of each stage that has a shape), all of them
    after each stage; and a folder for each with Locust's own page and tables, and a line for every request.
    """
    if options["perf_analyzer"] and options["shape_name"] != "constant":
        raise click.UsageError("--perf-analyzer knows no shapes: leave --shape out.")
    if options["perf_analyzer"] and parse_address(options["host"] or "localhost").secure:
        raise click.UsageError("--perf-analyzer asks without encryption here: name a --host that does without.")
    program = find_program() if options["perf_analyzer"] else None
    console = Console(stderr=True)
    out: Path = options["out"]
    out.mkdir(parents=True, exist_ok=True)
    facts = machine.facts()  # before there is any load of ours
    if options["host"]:
        _check(options["host"], MODELS[options["models"]])
    with tempfile.TemporaryDirectory(prefix="safelight-load-") as temporary:
        with console.status("making the pictures and the right answers"):
            made = prepare(
                options["pictures"],
                options["mix"],
                options["count"],
                options["models"],
                seed=options["seed"],
                repository=options["repository"],
                profile=options["profile"],
            )
            made.save(Path(temporary))
            seen = described(made.blobs)
        with contextlib.ExitStack() as running:
            with console.status("starting the server"):
                target = running.enter_context(_target(options, Path(temporary)))
            report = Report(facts, _question(options), seen, [])
            stages = _stages(options)
            for outcome in _outcomes(stages, target, out, console):
                report = replace(report, outcomes=[*report.outcomes, outcome])
                write(report, out)  # each time: whatever ends a later stage costs nothing of the earlier ones
            if program:
                planned = beside.sweeps(stages, target, MODELS[options["models"]], options["seconds"])
                done = beside.analyze(program, planned, made.blobs, out / NAME)
                for rows, missing in track(done, NAME, len(planned), console=console):
                    report = replace(report, analyzed=rows, unanalyzed=missing)
                    write(report, out)
    Console().print(_table(report.outcomes))
    console.print(f"Written to {out / 'report.html'}; numbers, plots and Locust's pages are beside it.")
    if report.wrong:
        console.print(f"The server gave {report.wrong} wrong answers.", style="red")
        raise SystemExit(WRONG_ANSWERS)
    if report.unanalyzed:
        console.print("\n".join(["Not measured:", *report.unanalyzed]), style="red")
        raise SystemExit(NOT_MEASURED)


def _check(url: str, models: Sequence[str]) -> None:
    """ServerUnavailable where there is no server at ``url``, or one of ``models`` is not ready there."""
    with Client(url, timeout=10, retry=Retry(attempts=1)) as client:
        status = client.status(models)
    if missing := [model for model in models if not status.models[model]]:
        raise ServerUnavailable(f"The server at {url} has no {missing[0]}, or it is not ready.")


@contextlib.contextmanager
def _target(options: dict[str, Any], prepared: Path) -> Iterator[Target]:
    """A server of our own, or the running one; ServingError where ours does not start."""
    common: dict[str, Any] = {
        "models": options["models"],
        "batch": options["batch"],
        "prepared": prepared,
        "timeout": options["timeout"],
        "warmup": options["warmup"],
        "seed": options["seed"],
    }
    if options["host"]:
        url = str(parse_address(options["host"]))
        yield Target(url, url, options["pid"], **common)
        return
    settings = replace(on_free_ports(), profile=options["profile"], repository=options["repository"])
    with ServerProcess(settings, log=options["out"] / "server.log") as server:
        url = f"grpc://{server.grpc_url}" if options["protocol"] == "grpc" else f"http://{server.http_url}"
        yield Target(url, server.grpc_url, server.process_id, **common)


def _stages(options: dict[str, Any]) -> list[Stage]:
    """A stage for each number of users, then one for each rate."""
    users = options["users"] or (() if options["rates"] else USERS)
    name, seconds = options["shape_name"], options["seconds"]
    word = "" if name == "constant" else f"-{name}"
    return [
        *(Stage(f"{amount:g}-users{word}", shape(name, seconds, round(amount) or 1)) for amount in users),
        *(
            Stage(f"{amount:g}-per-second{word}", shape(name, seconds, amount), options["arrivals"])
            for amount in options["rates"]
        ),
    ]


def _outcomes(stages: list[Stage], target: Target, out: Path, console: Console) -> Iterator[Outcome]:
    columns = (SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("stages", total=len(stages), said="")
        for each in stages:
            progress.update(task, description=each.name)
            outcome = stage.run(each, target, out / each.name)
            yield outcome
            progress.update(task, advance=1, said=f"{outcome.pictures:.1f} pictures/s")


def _question(options: dict[str, Any]) -> dict[str, Any]:
    """What was sent, for whoever reads the numbers."""
    protocol = options["protocol"]
    if options["host"]:
        protocol = "http" if parse_address(options["host"]).is_http else "grpc"
    return {
        "models": options["models"],
        "pictures": options["mix"] if options["pictures"] is None else str(options["pictures"]),
        "batch": options["batch"],
        "protocol": protocol,
        "shape": options["shape_name"],
        "arrivals": options["arrivals"] if options["rates"] else "users who wait",
        "seconds": options["seconds"],
        "warmup": options["warmup"],
        "timeout": options["timeout"],
        "seed": options["seed"],
        "server": options["host"] or f"started here, profile {options['profile']}",
    }


def _table(outcomes: Sequence[Outcome]) -> Table:
    head = ("stage", "pict./s", "p50", "p95", "p99", "server", "load", "failures")
    caption = "latency in ms; use of the server and of the load generator in cores"
    table = Table(*head, box=SIMPLE, caption=caption)
    for each in outcomes:
        latency, used = each.latency, each.usage
        failures = ", ".join(f"{count} {kind}" for kind, count in each.failures.items()) or "0"
        figures = (each.pictures, latency.p50, latency.p95, latency.p99, used.server_cores, used.generator_cores)
        table.add_row(each.name, *(number(figure) for figure in figures), failures)
    return table
