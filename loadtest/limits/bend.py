"""``bend``: throughput and latency against the size of pictures, pictures in a request, and requests in flight.

Three lines through one point rather than a whole grid: sizes with one picture a request and a fixed number in flight;
requests of more pictures, of the middle size, four in flight; more requests in flight, each of one picture. A closed
loop waits for every answer, so latency is at least what is in flight divided by the throughput.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from film.specs import ModelSpec
from loadtest.drive import Drivers
from loadtest.limits import page
from loadtest.limits.bench import Bench, Pair, failures, figures, median, models_of
from loadtest.limits.record import Record

BATCHES = (1, 2, 4, 8, 16, 32, 64)
CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
IN_FLIGHT = 16
"""Of the line of sizes."""
BATCHES_IN_FLIGHT = 4
"""Of the line of batches."""
SWEEPS = ("size", "batch", "concurrency")
MIDDLE = "phone"
"""The kind of pictures that batches and requests in flight are measured with."""


def measure(
    bench: Bench,
    kinds: Mapping[str, Sequence[bytes]],
    batches: Sequence[int] = BATCHES,
    concurrencies: Sequence[int] = CONCURRENCIES,
) -> None:
    """Rounds over all points of the three lines; ``kinds`` are the pictures of each size, by its name."""
    points = [("size", kind, (1, IN_FLIGHT)) for kind in kinds]
    if MIDDLE in kinds:
        points += [("batch", MIDDLE, (batch, BATCHES_IN_FLIGHT)) for batch in batches]
        points += [("concurrency", MIDDLE, (1, concurrency)) for concurrency in concurrencies]
    bench.total = bench.rounds * len(bench.specs) * len(points)
    with ExitStack() as stack:
        drivers = {kind: stack.enter_context(bench.drivers(blobs)) for kind, blobs in kinds.items()}
        for number in range(bench.rounds):
            for spec in bench.specs:
                for sweep, kind, pair in points:
                    _point(bench, drivers[kind], spec, number, sweep, kind, pair)


def _point(bench: Bench, drivers: Drivers, spec: ModelSpec, number: int, sweep: str, kind: str, pair: Pair) -> None:
    key = {"sweep": sweep, "model": spec.name, "kind": kind, "batch": pair[0], "concurrency": pair[1], "round": number}
    bench.row(key, partial(lambda load: figures(drivers.drive(load)), bench.load(spec, pair)))


def report(record: Record) -> None:
    """A table of each line, and its plots: pictures/s above, latency below."""
    head = ["model", "pictures", "batch", "in flight", "pictures/s", "p50, ms", "p99, ms", "client CPU", "failed"]
    parts = [f"## By {sweep}\n\n{page.table(head, _rows(record, sweep))}" for sweep in SWEEPS]
    page.write(record, "How the server bends", [*parts, (__doc__ or "").split("\n\n", 1)[1]])
    axes = page.axes(len(SWEEPS), rows=2)
    for index, sweep in enumerate(SWEEPS):
        for each, figure, label in (
            (axes[index], "rate", "pictures/s"),
            (axes[index + len(SWEEPS)], "p99", "99 % of requests within, s"),
        ):
            for colour, model in zip(page.COLOURS, models_of(record), strict=False):
                points = [(row[0], median(row[1], figure)) for row in _points(record, sweep, model)]
                drawn = [(str(x), y) for x, y in points if y is not None]
                each.plot([x for x, _ in drawn], [y for _, y in drawn], "o-", color=colour, label=model)
            each.set(title=f"by {sweep}", xlabel=sweep, ylabel=label, ylim=(0, None))
            each.legend(fontsize=7)
    page.save(record, axes)


_NAMES = {"size": "kind", "batch": "batch", "concurrency": "concurrency"}
"""The column that a line goes along."""


def _points(record: Record, sweep: str, model: str) -> list[tuple[object, list[dict[str, object]]]]:
    """Along a line: where, and the rows of all rounds there."""
    rows = record.of(sweep=sweep, model=model)
    places = list(dict.fromkeys(row[_NAMES[sweep]] for row in rows))
    return [(place, [row for row in rows if row[_NAMES[sweep]] == place]) for place in places]


def _rows(record: Record, sweep: str) -> list[list[str]]:
    table = []
    for model in models_of(record):
        for _, rows in _points(record, sweep, model):
            cpu = median(({"cores": row["client_cpu"]} for row in rows), "cores")
            table.append(
                [
                    model,
                    *(str(rows[0][name]) for name in ("kind", "batch", "concurrency")),
                    page.number(median(rows, "rate")),
                    page.milliseconds(median(rows, "p50")),
                    page.milliseconds(median(rows, "p99")),
                    f"{page.number(cpu, 2)} s",
                    failures(rows),
                ]
            )
    return table
