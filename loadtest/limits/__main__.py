"""``python -m loadtest.limits``: how near to the hardware, how it bends, whether it breaks."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from film.errors import SafelightError
from film.specs import CLASSIFIERS, MAX_BATCH, classifier
from loadtest import machine
from loadtest.ending import ended_by_sigterm
from loadtest.limits import bend as bending
from loadtest.limits import near, record
from loadtest.limits import overload as overloading
from loadtest.limits import scans as scanning
from loadtest.limits import soak as soaking
from loadtest.limits.bench import Bench, Pair
from loadtest.limits.record import Record
from loadtest.limits.target import opened
from loadtest.pictures import KINDS, MIXES, make, mix, read
from serving.settings import PROFILES

NAMES = tuple(spec.name for spec in CLASSIFIERS)
CPU = "cpu"


@dataclass(frozen=True)
class Options:
    """What every command is told."""

    profile: str
    host: str
    http_host: str
    seconds: float
    rounds: int
    models: str
    pictures: Path | None
    count: int
    processes: int
    out: Path
    fresh: bool


def common(command: Callable[..., None], seconds: float = 5.0) -> Callable[..., None]:
    """The options of every command, which gets them as one ``Options``; ``seconds`` is the default of that one."""

    @functools.wraps(command)
    def called(**values: Any) -> None:
        own = {name: values.pop(name) for name in list(values) if name not in Options.__dataclass_fields__}
        try:
            with ended_by_sigterm():
                command(Options(**values), **own)
        except SafelightError as error:
            raise click.ClickException(str(error)) from error

    options = [
        click.option("--profile", default=CPU, show_default=True, type=click.Choice([p.name for p in PROFILES])),
        click.option("--host", default="", metavar="HOST:PORT", help="gRPC of a running server. [default: start one]"),
        click.option("--http-host", default="", metavar="HOST:PORT", help="Its HTTP. [default: the same host, 8000]"),
        click.option(
            "--seconds", default=seconds, show_default=True, type=click.FloatRange(0.1), help="Each measurement."
        ),
        click.option("--rounds", default=3, show_default=True, type=click.IntRange(1)),
        click.option("--models", default=",".join(NAMES), show_default=True, help="Classifiers, joined by commas."),
        click.option(
            "--pictures",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Folder of pictures to send, instead of those made here.",
        ),
        click.option("--count", default=24, show_default=True, type=click.IntRange(1), help="Pictures to make."),
        click.option(
            "--processes", default=1, show_default=True, type=click.IntRange(1, 64), help="Sending processes."
        ),
        click.option(
            "--out", default=Path("out/limits"), show_default=True, type=click.Path(file_okay=False, path_type=Path)
        ),
        click.option("--fresh", is_flag=True, help="Do not go on with a run that was broken off."),
    ]
    return functools.reduce(lambda made, option: option(made), reversed(options), called)


def _joined(numbers: Iterable[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _numbers(text: str, kind: Callable[[str], Any] = int) -> tuple[Any, ...]:
    """Of a text with commas."""
    try:
        numbers = tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not numbers joined by commas") from None
    if min(numbers) <= 0:
        raise click.BadParameter(f"{text!r} has a number that is not above 0")
    return numbers


def _numbers_of(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    return _numbers(text)


def _batches_of(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    numbers: tuple[int, ...] = _numbers(text)
    if max(numbers) > MAX_BATCH:
        raise click.BadParameter(f"{text!r} has more than the {MAX_BATCH} pictures that a request may have")
    return numbers


def _pairs_of(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[Pair, ...]:
    """Of "1x8,8x4"; none of nothing."""
    if not text:
        return ()
    pairs = [_numbers(part.replace("x", ",")) for part in text.split(",")]
    if any(len(pair) != 2 for pair in pairs):
        raise click.BadParameter(f"{text!r} is not pairs as 1x8,8x4")
    if any(pair[0] > MAX_BATCH for pair in pairs):
        raise click.BadParameter(f"{text!r} has more than the {MAX_BATCH} pictures that a request may have")
    return tuple((pair[0], pair[1]) for pair in pairs)


@click.group(
    epilog="""\b
Examples:
  python -m loadtest.limits ceiling                       both models, their server started for it
  python -m loadtest.limits bend --host localhost:8001    a server that runs already
  python -m loadtest.limits scans --seconds 10 --count 8
  python -m loadtest.limits overload --models film_origin --seconds 10 --rounds 1
  python -m loadtest.limits soak --minutes 30"""
)
def main() -> None:
    """Measure the limits of a server; each command writes a table, a plot and all figures to OUT.

    The same command goes on where it was broken off, but for soak. Exit code 1 where something cannot be measured.
    """


@main.command()
@common
@click.option("--mix", "mixed", default="phone", show_default=True, type=click.Choice([m.name for m in MIXES]))
@click.option("--pairs", callback=_pairs_of, help="Batch x in flight to try, as 1x8,8x4.")
def ceiling(options: Options, mixed: str, pairs: tuple[Pair, ...]) -> None:
    """How near to the hardware: end to end against the same work in process."""
    _cpu_only(options)
    with _bench("ceiling", options, mixed, {"pairs": pairs}, near.report) as bench:
        near.measure(bench, pairs or near.PAIRS)


@main.command()
@common
@click.option("--kinds", default=",".join(k.name for k in KINDS), show_default=True, help="Sizes, joined by commas.")
@click.option("--batches", default=_joined(bending.BATCHES), show_default=True, callback=_batches_of)
@click.option("--in-flight", default=_joined(bending.CONCURRENCIES), show_default=True, callback=_numbers_of)
@click.option("--scans", default=6, show_default=True, type=click.IntRange(1), help="Pictures of 24 megapixels.")
def bend(options: Options, kinds: str, batches: tuple[int, ...], in_flight: tuple[int, ...], scans: int) -> None:
    """How throughput and latency bend: by picture size, batch, and requests in flight."""
    if options.pictures:
        raise click.UsageError("bend makes pictures of known sizes; it takes none of yours")
    names = [mix(name).name for name in kinds.split(",")]
    with Console(stderr=True).status("making pictures"):
        made = {name: make(mix(name), scans if name == "scan" else options.count) for name in names}
    told = {"batches": batches, "in_flight": in_flight}
    blobs = [blob for each in made.values() for blob in each]
    with _bench("bend", options, kinds, told, bending.report, blobs) as bench:
        bending.measure(bench, made, batches, in_flight)


@main.command()
@common
@click.option("--pairs", callback=_pairs_of, help="Batch x in flight to try, as 1x8,4x4.")
def scans(options: Options, pairs: tuple[Pair, ...]) -> None:
    """Pictures of 24 megapixels, end to end, against Pillow in process."""
    _cpu_only(options)
    with _bench("scans", options, "scan", {"pairs": pairs}, scanning.report) as bench:
        scanning.measure(bench, pairs or scanning.PAIRS)


@main.command()
@functools.partial(common, seconds=20.0)  # long enough for the longest queue to fill and to show
@click.option("--mix", "mixed", default="phone", show_default=True, type=click.Choice([m.name for m in MIXES]))
@click.option("--factors", default=_joined(overloading.FACTORS), show_default=True, help="Times the capacity.")
@click.option("--patience", default=overloading.PATIENCE, show_default=True, help="Seconds allowed for recovery.")
def overload(options: Options, mixed: str, factors: str, patience: float) -> None:
    """More than it can do: goodput, refusals, latency, and the way back."""
    times = _numbers(factors, float)
    with _bench("overload", options, mixed, {"factors": times}, overloading.report) as bench:
        overloading.measure(bench, times, patience)


@main.command()
@common
@click.option("--mix", "mixed", default="phone", show_default=True, type=click.Choice([m.name for m in MIXES]))
@click.option("--minutes", default=30.0, show_default=True, type=click.FloatRange(0.01))
@click.option("--warm-up", default=soaking.WARM_UP, show_default=True, type=click.FloatRange(0), help="Minutes before.")
@click.option("--every", default=2.0, show_default=True, type=click.FloatRange(0.1), help="Seconds between samples.")
@click.option("--in-flight", default=soaking.CONCURRENCY, show_default=True, type=click.IntRange(1))
def soak(options: Options, mixed: str, minutes: float, warm_up: float, every: float, in_flight: int) -> None:
    """The same load for long: does the server grow? --seconds and --rounds say nothing here."""
    told = {"warm_up": warm_up, "minutes": minutes, "in_flight": in_flight}
    with _bench("soak", options, mixed, told, soaking.report, resumed=False) as bench:
        soaking.measure(bench, minutes, every, in_flight, warm_up=warm_up)
        bench.record.add(soaking.recorded(soaking.trends(bench.record)))


@contextmanager
def _bench(
    name: str,
    options: Options,
    mixed: str,
    told: dict[str, Any],
    report: Callable[[Record], None],
    blobs: Sequence[bytes] = (),
    *,
    resumed: bool = True,
) -> Iterator[Bench]:
    """A server, pictures and a record; whatever was measured is reported at the end, also where it came too soon."""
    console = Console(stderr=True)
    specs = tuple(classifier(_known(model)) for model in options.models.split(","))
    if not blobs:
        with console.status("making pictures"):
            blobs = read(options.pictures) if options.pictures else make(mix(mixed), options.count)
    conditions = {
        "machine": {**machine.hardware(), "commit": machine.commit()},
        "pictures": record.described(str(options.pictures or mixed), blobs),
        "settings": {
            "profile": options.profile,
            "server": options.host or "of its own",
            "seconds": options.seconds,
            "rounds": options.rounds,
            "models": [spec.name for spec in specs],
            "processes": options.processes,
            **told,
        },
    }
    kept = Record(options.out / f"{name}.json", conditions, fresh=options.fresh or not resumed)
    columns = (SpinnerColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting the server", total=None)

        def say(what: str, total: int) -> None:
            progress.update(task, description=what, total=total, advance=1)

        try:
            with opened(options.host, options.http_host, options.profile, specs) as target:
                yield Bench(
                    target, kept, specs, blobs, options.profile, options.seconds, options.rounds, options.processes, say
                )
                kept.finish()
        finally:
            if kept.rows:
                kept.save()
                report(kept)
    Console().print(Markdown(kept.path.with_suffix(".md").read_text(encoding="utf-8")))
    console.print(f"Written to {kept.path.with_suffix('')}.md, .png and .json")


def _cpu_only(options: Options) -> None:
    if options.profile != CPU:
        raise click.UsageError(
            f"what works in process here is the {CPU} profile; for a GPU there is python -m loadtest.gpu"
        )


def _known(model: str) -> str:
    if model not in NAMES:
        raise click.BadParameter(f"there is no classifier {model!r}; there is {', '.join(NAMES)}")
    return model


if __name__ == "__main__":
    main(prog_name="python -m loadtest.limits")
