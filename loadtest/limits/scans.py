"""``scans``: pictures of 24 megapixels, the server end to end against Pillow in process, in one run.

The rival is what most programs do, with everything in its favour: Pillow decodes the whole picture and resizes the
centre square with its Lanczos, and the same network in the same runtime judges it, in one process with all cores and no
server. The best of its arrangements counts.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from loadtest.ceiling import ARRANGEMENTS, InProcess
from loadtest.limits import page
from loadtest.limits.bench import Bench, Pair, failures, median, models_of, rotated
from loadtest.limits.near import best_arrangement, in_process, measured, ratios, served
from loadtest.limits.record import Record, Row
from loadtest.limits.target import PROTOCOLS

PAIRS: tuple[Pair, ...] = ((1, 4), (1, 8), (1, 16), (4, 4))


def measure(bench: Bench, pairs: Sequence[Pair] = PAIRS) -> None:
    """Rounds in which the rival's arrangements and all protocols take turns, each in another order."""
    bench.total = len(bench.specs) * (len(pairs) + bench.rounds * (len(ARRANGEMENTS) + len(bench.target.protocols)))
    with ExitStack() as stack:
        drivers = stack.enter_context(bench.drivers())
        rivals = {spec: stack.enter_context(InProcess(spec, bench.blobs, decoder="pillow")) for spec in bench.specs}
        best = {spec: bench.search(drivers, spec, pairs) for spec in bench.specs}
        for number in range(bench.rounds):
            for spec in bench.specs:
                work: list[Callable[[], Row]] = [
                    *(partial(in_process, bench, rivals[spec], spec, number, way) for way in ARRANGEMENTS),
                    *(partial(served, bench, drivers, spec, number, w, best[spec]) for w in bench.target.protocols),
                ]
                for turn in rotated(work, number):
                    turn()


def report(record: Record) -> None:
    """A table of rates and how many times the rival's they are, and bars."""
    rows = []
    names = models_of(record)
    for model in names:
        way = best_arrangement(record, model)
        for what in (*ARRANGEMENTS, *measured(record)):
            found = record.of(what=what, model=model)
            times = ratios(record, model, what, way)
            ratio = f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})" if times else "-"
            name = what if what in PROTOCOLS else f"Pillow, {what}{' (the rival)' if what == way else ''}"
            failed = failures(found) if what in PROTOCOLS else "-"
            rows.append([model, name, page.number(median(found, "rate")), ratio, failed])
    head = ["model", "what", "pictures/s", "times the rival", "failed requests"]
    page.write(record, "Scans of 24 megapixels", [page.table(head, rows), (__doc__ or "").split("\n\n", 1)[1]])
    axes = page.axes(len(names) or 1)
    for each, model in zip(axes, names, strict=False):
        labels = [*ARRANGEMENTS, *measured(record)]
        values = [median(record.of(what=what, model=model), "rate") or 0.0 for what in labels]
        bars = [what if what in PROTOCOLS else f"Pillow, {what}" for what in labels]
        each.barh(bars, values, color=[page.COLOURS[2 if what in PROTOCOLS else 1] for what in labels])
        each.invert_yaxis()
        each.set(title=model, xlabel="pictures/s")
    page.save(record, axes)
