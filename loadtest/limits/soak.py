"""``soak``: the same load for long, and whether the server grows: memory, shared memory, files, threads.

Memory is the proportional set size (PSS) of Triton, its models' processes and whatever else it started: what it takes
from the machine, shared pages divided among those who share them. Open files and threads are counted over the same
processes; shared memory is what lies in /dev/shm under the server's name. The slope is Theil's and Sen's, of medians of
24 blocks with an interval of 95 %; an interval that lies above nothing is growth, any other is not told from noise.
Before that the same load runs for a while, in which heaps find their size; those samples are drawn and not judged.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import psutil

from loadtest.drive import Drivers, Load
from loadtest.family import family
from loadtest.limits import page
from loadtest.limits.bench import Bench, failures, figures, median
from loadtest.limits.record import Record, Row
from loadtest.limits.target import TargetError
from loadtest.limits.trend import CONFIDENCE, Trend, trend
from serving import leftovers

CONCURRENCY = 8
CHUNK = 30.0
"""Seconds after which the load's figures are written down and it begins anew."""
WARM_UP = 10.0
"""Minutes of the same load before what is judged."""
SETTLING = "settling"
"""What a sample of that time is called."""
METRICS = {"memory": 2**20, "shared": 2**20, "files": 1, "threads": 1}
"""What is sampled, and what its unit in a table is: MiB, or one."""
_UNITS = {2**20: "MiB", 1: ""}
_HOUR = 3600


def measure(
    bench: Bench,
    minutes: float,
    every: float = 2.0,
    concurrency: int = CONCURRENCY,
    chunk: float = CHUNK,
    warm_up: float = WARM_UP,
) -> None:
    """Ask every model of the bench, one picture a request, for ``warm_up`` and then ``minutes``.

    A sample each ``every`` seconds.

    TargetError where the server's process is not on this machine, or ends.
    """
    if not bench.target.process:
        raise TargetError("the server's process is not among yours on this machine; a soak has to look at its memory")
    models = tuple(spec.name for spec in bench.specs)
    load = Load(bench.target.grpc, models, chunk, concurrency=concurrency, warm_up=0)
    seconds = 60 * (warm_up + minutes)
    bench.total = max(1, int(seconds / chunk))
    with bench.drivers() as drivers:
        begun = time.monotonic()
        for number in itertools.count():
            left = begun + seconds - time.monotonic()
            if left <= 0:
                return
            bench.say(f"{left / 60:.0f} minutes to go", bench.total)
            for row in _chunk(bench, drivers, replace(load, seconds=min(chunk, left)), every, number):
                at = time.monotonic() - begun
                settling = {"what": SETTLING} if row["what"] == "sample" and at < 60 * warm_up else {}
                bench.record.add({"at": at, **row, **settling})


def sample(process: int) -> Row:
    """Of the server with that process id and all its descendants: bytes, open files and threads.

    TargetError where it has ended.
    """
    processes = family(process)
    if not processes:
        raise TargetError(f"the server (process {process}) has ended")
    totals = {"memory": 0, "files": 0, "threads": 0, "processes": 0}
    parts: dict[str, int] = {}
    for one in processes:
        try:
            name = _part(one)
            told = {"memory": one.memory_full_info().pss, "files": one.num_fds(), "threads": one.num_threads()}
        except (psutil.NoSuchProcess, psutil.ZombieProcess):  # a process that ended since
            continue
        for kind, value in told.items():
            totals[kind] += value
        totals["processes"] += 1
        parts[name] = parts.get(name, 0) + told["memory"]
    return {**totals, "parts": parts, "shared": shared_memory(process)}


def _part(process: psutil.Process) -> str:
    """The instance of a model that a process of Triton's Python backend is, or the program that it runs."""
    told, program = process.cmdline(), str(process.name())
    return str(told[_INSTANCE]) if program.startswith(_STUB) and len(told) > -_INSTANCE else program


_STUB, _INSTANCE = "triton_python", -2
"""How the name of such a process begins (Linux cuts it at 15 letters), and where its instance is told."""


def shared_memory(process: int, folder: Path = leftovers.SHARED_MEMORY) -> int:
    """Bytes of ``folder`` that the server's shared memory really takes."""
    total = 0
    for region in folder.glob(f"{leftovers.prefix(process)}*"):
        try:
            total += 512 * region.stat().st_blocks
        except FileNotFoundError:  # it was let go of meanwhile
            continue
    return total


def trends(record: Record) -> Mapping[str, Trend]:
    """Of each metric and each process's memory after the warm-up, an hour; empty where there are too few samples."""
    judged = record.of(what="sample")
    if len(judged) < 4:
        return {}
    times = [row["at"] / _HOUR for row in judged]
    found = {name: trend(times, [row[name] / unit for row in judged]) for name, unit in METRICS.items()}
    for name in judged[-1]["parts"]:  # those that have been there all the time; one that died is another one since
        if all(name in row["parts"] for row in judged):
            found[f"memory of {name}"] = trend(times, [row["parts"][name] / METRICS["memory"] for row in judged])
    return found


def verdict(found: Trend) -> str:
    """In words."""
    return "grows" if found.grows else "no growth beyond noise"


def report(record: Record) -> None:
    """A table of trends with verdicts, the load's own figures, and plots over time."""
    found = trends(record)
    loads = record.of(what="load")
    samples = [*record.of(what=SETTLING), *record.of(what="sample")]
    rows = [
        [
            f"{name} {_UNITS[METRICS.get(name, 2**20)]}".strip(),
            *(page.number(value, 4) for value in (one.start, one.end)),
            *(page.number(value) for value in (one.slope, one.low, one.high)),
            verdict(one),
        ]
        for name, one in found.items()
    ]
    head = ["what", "at first", "at last", "slope an hour", f"{CONFIDENCE:.0%} from", "to", "verdict"]
    asked = sum(row["requests"] for row in loads)
    minutes = max((row["at"] for row in record.rows), default=0) / 60
    told = (
        f"{minutes:.1f} minutes, {asked:,} requests, {page.number(median(loads, 'rate'))} pictures/s in the median "
        f"(first {page.number(median(loads[:1], 'rate'))}, last {page.number(median(loads[-1:], 'rate'))}), "
        f"failed: {failures(loads)}."
    )
    parts = [told, page.table(head, rows) if rows else "Too few samples for a verdict."]
    page.write(record, "Soak", [*parts, (__doc__ or "").split("\n\n", 1)[1]])
    axes = page.axes(len(METRICS) + 1)
    for each, (name, unit) in zip(axes, METRICS.items(), strict=False):
        each.plot([row["at"] / 60 for row in samples], [row[name] / unit for row in samples], color=page.COLOURS[0])
        each.set(title=f"{name} {_UNITS[unit]}".strip(), xlabel="minutes")
    axes[-1].plot([row["at"] / 60 for row in loads], [row["rate"] for row in loads], "o-", color=page.COLOURS[2])
    axes[-1].set(title="pictures/s", xlabel="minutes")
    for each in axes:
        each.margins(y=0.1)
        each.set_ylim(bottom=0)
    page.save(record, axes)


def recorded(found: Mapping[str, Trend]) -> Row:
    """The trends as a row of plain values."""
    return {
        "what": "trends",
        "at": 0.0,
        **{name: {**asdict(one), "verdict": verdict(one)} for name, one in found.items()},
    }


def _chunk(bench: Bench, drivers: Drivers, load: Load, every: float, number: int) -> Iterator[Row]:
    """Samples while the load runs, then its figures."""
    running = drivers.start(load)
    due = time.monotonic()
    while not running.done():
        yield {"what": "sample", **sample(bench.target.process)}
        due = max(due + every, time.monotonic())
        while not running.done() and time.monotonic() < due:
            time.sleep(min(0.1, every))
    yield {"what": "load", "chunk": number, **figures(running.result())}
