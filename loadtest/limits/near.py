"""``ceiling``: how near to the hardware. The server end to end against the same work in process, in one run.

What a request costs beyond the models' own work, at one request in flight, in two ways (both in the page):

- *outside the steps*: its latency less the time that Triton's statistics say the two steps worked for it: the client,
  the wire, the scheduler, queues and the copies between the steps.
- *beyond in-process*: its latency less that of the same picture decoded and judged in a process without a server: all
  of the above, and the way to the Python processes and back.

A picture of 1 x 1 shows the same where nothing is to be decoded and next to nothing to be sent.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import simplejpeg

from film.specs import ModelSpec
from loadtest.ceiling import ARRANGEMENTS, HALVES, InProcess
from loadtest.drive import Drivers
from loadtest.limits import page
from loadtest.limits.bench import Bench, Pair, failures, figures, median, models_of, rotated
from loadtest.limits.record import Record, Row
from loadtest.limits.target import PROTOCOLS

PAIRS: tuple[Pair, ...] = ((1, 8), (1, 16), (1, 32), (1, 64), (8, 4), (8, 8), (16, 4))
"""Batch and requests in flight among which the best is looked for."""
IN_PROCESS = (*ARRANGEMENTS, *HALVES)


def measure(bench: Bench, pairs: Sequence[Pair] = PAIRS) -> None:
    """Rounds in which everything takes its turn, each in another order."""
    wires = bench.target.protocols
    of_a_round = len(IN_PROCESS) + len(wires) + 2 * (1 + len(wires))
    bench.total = len(bench.specs) * (len(pairs) * len(wires) + bench.rounds * of_a_round)
    tiny = [simplejpeg.encode_jpeg(np.full((1, 1, 3), 128, np.uint8), colorsubsampling="444")]
    with ExitStack() as stack:
        drivers = stack.enter_context(bench.drivers())
        small = stack.enter_context(bench.drivers(tiny, processes=1))
        machines = {spec: stack.enter_context(InProcess(spec, bench.blobs)) for spec in bench.specs}
        pixels = {spec: stack.enter_context(InProcess(spec, tiny)) for spec in bench.specs}
        best = {(s, wire): bench.search(drivers, s, pairs, wire) for s in bench.specs for wire in wires}
        for number in range(bench.rounds):
            for spec in bench.specs:
                work: list[Callable[[], Row]] = [
                    *(partial(in_process, bench, machines[spec], spec, number, way) for way in IN_PROCESS),
                    *(partial(served, bench, drivers, spec, number, w, best[spec, w]) for w in wires),
                ]
                for turn in rotated(work, number):
                    turn()
                _one_request(bench, drivers, machines[spec], spec, number, "photograph")
                _one_request(bench, small, pixels[spec], spec, number, "1 x 1")


def report(record: Record) -> None:
    """Two tables, and bars of pictures/s."""
    parts = ["## Pictures/s", _rates(record), "## What a request costs beyond the work", _overheads(record)]
    page.write(record, "How near to the hardware", [*parts, __doc__.split("\n\n", 1)[1] if __doc__ else ""])
    names = models_of(record)
    axes = page.axes(len(names) or 1)
    for each, model in zip(axes, names, strict=False):
        labels = [*IN_PROCESS, *measured(record)]
        values = [median(record.of(what=what, model=model), "rate") or 0.0 for what in labels]
        colours = [page.COLOURS[2 if what in PROTOCOLS else 4 if what in HALVES else 0] for what in labels]
        each.barh(labels, values, color=colours)
        each.invert_yaxis()
        each.set(title=model, xlabel="pictures/s")
    page.save(record, axes)


def measured(record: Record) -> list[str]:
    """The protocols that the server was asked with."""
    return [wire for wire in PROTOCOLS if record.of(what=wire)]


def best_arrangement(record: Record, model: str) -> str:
    """The arrangement with the highest median."""
    return max(ARRANGEMENTS, key=lambda way: median(record.of(what=way, model=model), "rate") or 0.0)


def ratios(record: Record, model: str, what: str, way: str) -> list[float]:
    """Of each round that has both: the rate of ``what`` over that of ``way``."""
    rates = [{row["round"]: row["rate"] for row in record.of(what=name, model=model)} for name in (what, way)]
    return [rates[0][number] / rates[1][number] for number in rates[0] if rates[1].get(number)]


def shares(values: Sequence[float]) -> str:
    """The median, and from where to where they went."""
    return f"{statistics.median(values):.0%} ({min(values):.0%} to {max(values):.0%})" if values else "-"


def in_process(bench: Bench, machine: InProcess, spec: ModelSpec, number: int, way: str) -> Row:
    """The row of one arrangement, or of one half, in one round."""

    def rate() -> Row:
        found = machine.rate(way, bench.seconds)
        return {"rate": found.pictures_per_second, "busy": found.busy}

    return bench.row({"what": way, "model": spec.name, "round": number}, rate)


def served(bench: Bench, drivers: Drivers, spec: ModelSpec, number: int, protocol: str, pair: Pair) -> Row:
    """The row of one protocol in one round, at ``pair``."""
    key = {"what": protocol, "model": spec.name, "round": number}
    said = {"batch": pair[0], "concurrency": pair[1]}
    return bench.row(key, lambda: {**said, **figures(drivers.drive(bench.load(spec, pair, protocol)))})


def _one_request(
    bench: Bench, drivers: Drivers, machine: InProcess, spec: ModelSpec, number: int, picture: str
) -> None:
    key = {"model": spec.name, "round": number, "picture": picture}
    bench.row({"what": "one in process", **key}, lambda: {"seconds": machine.one_picture(bench.seconds / 2)})
    steps = (spec.preprocess_model, spec.network_model)

    def costs(protocol: str) -> Row:
        before = bench.target.computed(steps)
        driven = drivers.drive(bench.load(spec, (1, 1), protocol, bench.seconds / 2))
        computed = bench.target.computed(steps) - before
        times = [one.ended - one.began for one in driven.sent if not one.outcome]
        if len(times) < len(driven.sent):  # what the steps computed is of others too
            return {"seconds": None, "computed": None, **figures(driven)}
        return {"seconds": statistics.fmean(times), "computed": computed / len(times), **figures(driven)}

    for protocol in bench.target.protocols:
        bench.row({"what": f"one over {protocol}", **key}, partial(costs, protocol))


def _rates(record: Record) -> str:
    rows = []
    for model in models_of(record):
        way = best_arrangement(record, model)
        for what in (*IN_PROCESS, *measured(record)):
            found = record.of(what=what, model=model)
            last = found[-1] if found else {}
            pair = f", {last['concurrency']} requests of {last['batch']}" if "batch" in last else ""
            ceiling = " (the ceiling)" if what == way else ""
            rows.append(
                [
                    model,
                    f"{what}{pair}{ceiling}",
                    page.number(median(found, "rate")),
                    shares(ratios(record, model, what, way)),
                    page.number(median(found, "busy"), 2),
                    failures(found) if what in PROTOCOLS else "-",
                ]
            )
    return page.table(["model", "what", "pictures/s", "of the ceiling", "cores busy", "failed requests"], rows)


def _overheads(record: Record) -> str:
    rows = []
    for model in models_of(record):
        for picture in ("photograph", "1 x 1"):
            alone = median(record.of(what="one in process", model=model, picture=picture), "seconds")
            for protocol in PROTOCOLS:
                found = record.of(what=f"one over {protocol}", model=model, picture=picture)
                latency, computed = median(found, "seconds"), median(found, "computed")
                if alone is None or latency is None or computed is None:
                    continue
                outside, beyond = (f"{1e6 * (latency - less):,.0f}" for less in (computed, alone))
                times = [page.milliseconds(value) for value in (latency, computed, alone)]
                rows.append([model, picture, protocol, *times, outside, beyond])
    head = ["model", "picture", "wire", "latency, ms", "the steps', ms", "in process, ms"]
    return page.table([*head, "outside the steps, µs", "beyond in-process, µs"], rows)
