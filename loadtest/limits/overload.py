"""``overload``: more than the server can do, sent by people who do not wait for each other.

Each round begins with its capacity: the most that a closed loop gets out of it, one picture a request. Then an open
loop at a share of that, and at several times it. *Goodput* is the rightly answered pictures a second within the load's
time, as a share of the capacity of that round; it should stay there however much is sent. What the server does not take
it should refuse at once. A refusal's time counts from when the request was sent, an answer's from when it was due. What
sending takes from a server on the same machine is in the table, as a share of all cores; *goodput of what was left* is
goodput over the cores that the sender left, as a share of the same at capacity: what the server made of the machine
that it had.

*throttled* is a client of ours as its users have it: it holds back much of what the server would refuse
(`client.throttle`); the times of refusals are of what was sent. *all* sends everything, as many strangers would who
send little each; the server alone refuses.

*Recovery* begins when the load ends: one picture after the other is sent, until three in a row come back within
one and a half times what they took before the load. What was queued until then has to be worked off first.
"""

import math
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from client import Client, ClientError, RequestThrottled, Retry, ServerOverloaded
from film.specs import ModelSpec
from loadtest.drive import Drivers, Load
from loadtest.driven import Driven
from loadtest.limits import page
from loadtest.limits.bench import Bench, Pair, failures, figures, known, median, models_of
from loadtest.limits.record import Record, Row
from loadtest.limits.target import TargetError

FACTORS = (0.5, 1.0, 2.0, 4.0)
"""Of the capacity, sent."""
PAIRS: tuple[Pair, ...] = ((1, 16), (1, 64), (1, 192))
"""Closed loops among which the capacity is looked for; the longest queue of a profile holds 256."""
SLACK, IN_A_ROW = 1.5, 3
"""Times the calm latency that counts as calm again, and how many in a row."""
CALM_PROBES = 15
PATIENCE = 120.0
"""Seconds after the load in which latency should be back."""
PAUSE = 0.05
"""Seconds before a refused probe is sent again."""
REFUSED, HELD_BACK = ServerOverloaded.__name__, RequestThrottled.__name__
SENDERS = {False: "all", True: "throttled"}
"""Whether a client holds requests back, in a word."""
_WHICH = ("model", "due, of capacity", "client")
_HEADS = (
    ("due/s", "goodput/s", "goodput, of capacity", "sender, of all cores", "goodput of what was left"),
    ("refused", "of these not sent", "refusal p50, ms", "refusal p99, ms", "answer p50, ms", "answer p99, ms"),
    ("recovery, s", "sent late p99, ms", "other failures"),
)
"""Of the report's tables, and of their columns."""
Probe = tuple[float, float]
"""When one picture was sent, in seconds, and how long its answer took; infinity for none."""


@dataclass(frozen=True)
class Normal:
    """What the server does without overload: ``capacity`` in pictures/s, ``latency`` of one picture in seconds.

    ``sender`` is the share of this machine's cores that sending took at capacity; NaN where the server is not known to
    be on it.
    """

    capacity: float
    latency: float
    sender: float


def measure(bench: Bench, factors: Sequence[float] = FACTORS, patience: float = PATIENCE) -> None:
    """Rounds over all factors for each model."""
    loads = [(factor, throttled) for factor in factors for throttled in (False, True) if not throttled or factor >= 1]
    bench.total = len(bench.specs) * (len(PAIRS) + 1 + bench.rounds * (1 + len(loads)))
    with bench.drivers() as drivers, Client(bench.target.grpc, retry=Retry(attempts=1), throttle=None) as client:
        for spec in bench.specs:
            pair = bench.search(drivers, spec, PAIRS)
            calm = bench.row({"what": "calm", "model": spec.name}, partial(_calm, bench, client, spec))
            for number in range(bench.rounds):
                key = {"what": "capacity", "model": spec.name, "round": number}
                peak = bench.row(key, partial(_capacity, bench, drivers, spec, pair))
                if not peak["rate"] or calm["seconds"] is None:
                    raise TargetError(f"{spec.name} gives no right answer, so there is no capacity: {peak['reason']}")
                sender = float("nan") if peak.get("sender") is None else float(peak["sender"])
                normal = Normal(float(peak["rate"]), float(calm["seconds"]), sender)
                for factor, throttled in loads:
                    key = {"what": "load", "model": spec.name, "factor": factor, "sends": SENDERS[throttled]}
                    rate = factor * normal.capacity
                    load = replace(bench.load(spec, pair), concurrency=0, rate=rate, throttled=throttled)
                    bench.row({**key, "round": number}, partial(_load, bench, drivers, client, load, normal, patience))


def recovered(probes: Sequence[Probe], calm: float, slack: float = SLACK, in_a_row: int = IN_A_ROW) -> float | None:
    """When the first of ``in_a_row`` probes in a row was sent that took ``slack`` times ``calm`` at most; else None."""
    run = 0
    for index, (_, took) in enumerate(probes):
        run = run + 1 if took <= slack * calm else 0
        if run == in_a_row:
            return probes[index - in_a_row + 1][0]
    return None


def report(record: Record) -> None:
    """A table, and goodput and latencies over what was sent."""
    names = models_of(record)
    rows = [cells for model in names for cells in _rows(record, model)]
    tables = [
        page.table([*_WHICH, *head], [[*which, *parts[at]] for which, *parts in rows]) for at, head in enumerate(_HEADS)
    ]
    calm = [
        f"{model}: capacity {page.number(median(record.of(what='capacity', model=model), 'rate'))} pictures/s, "
        f"calm latency {page.milliseconds(median(record.of(what='calm', model=model), 'seconds'))} ms."
        for model in names
    ]
    page.write(record, "Overload", [*calm, *tables, (__doc__ or "").split("\n\n", 1)[1]])
    axes = page.axes(2)
    for colour, model in zip(page.COLOURS, names, strict=False):
        for sends, style in zip(SENDERS.values(), ("o--", "o-"), strict=True):
            loads = record.of(what="load", model=model, sends=sends)
            factors = sorted({row["factor"] for row in loads})
            for each, name in ((axes[0], "goodput_share"), (axes[1], "p99")):
                values = [median([row for row in loads if row["factor"] == factor], name) or 0.0 for factor in factors]
                each.plot(factors, values, style, color=colour, label=f"{model}, {sends}")
                each.legend(fontsize=7, handlelength=4)  # long enough for dashes to show
    axes[0].set(xlabel="due, of capacity", ylabel="goodput, of capacity")
    axes[1].set(xlabel="due, of capacity", ylabel="99 % answered within, s")
    for each in axes:
        each.margins(y=0.1)
        each.set_ylim(bottom=0)
    page.save(record, axes)


def _capacity(bench: Bench, drivers: Drivers, spec: ModelSpec, pair: Pair) -> Row:
    driven = drivers.drive(bench.load(spec, pair))
    return {"concurrency": pair[1], **figures(driven), "sender": known(_sender(bench, driven))}


def _sender(bench: Bench, driven: Driven) -> float:
    """Share of this machine's cores that sending took while it sent; NaN where the server is not known to be here."""
    if not bench.target.process:
        return float("nan")
    return driven.client_cpu / (driven.window[1] * len(os.sched_getaffinity(0)))


def _load(bench: Bench, drivers: Drivers, client: Client, load: Load, normal: Normal, patience: float) -> Row:
    running = drivers.start(load)
    time.sleep(max(0.0, running.ends - time.monotonic()))
    probes = _until_calm(bench, client, load.models[0], normal.latency, patience)
    driven = running.result()
    held_back = driven.outcomes.get(HELD_BACK, 0)
    refused = held_back + driven.outcomes.get(REFUSED, 0)
    share, sender = driven.pictures_per_second / normal.capacity, _sender(bench, driven)
    row = {
        **figures(driven),
        "offered": driven.offered,
        "goodput_share": share,
        "sender": sender,
        "of_the_rest": share * (1 - normal.sender) / (1 - sender),
        "refused_share": refused / max(1, len(driven.judged)),
        "held_back_share": held_back / max(1, refused),
        "refusal_p50": driven.refusal(0.5, REFUSED),
        "refusal_p99": driven.refusal(0.99, REFUSED),
        "recovery": recovered(probes, normal.latency),
        "late": driven.late,
    }
    return {name: known(value) for name, value in row.items()}


def _until_calm(bench: Bench, client: Client, model: str, calm: float, patience: float) -> list[Probe]:
    """Probes from now on, until latency is back to ``calm`` or ``patience`` is over."""
    probes: list[Probe] = []
    begun = time.monotonic()
    while recovered(probes, calm) is None and time.monotonic() - begun < patience:
        sent = time.monotonic() - begun
        probes.append((sent, _probe(bench, client, model)))
        if probes[-1][1] == float("inf"):
            time.sleep(PAUSE)
    return probes


def _calm(bench: Bench, client: Client, spec: ModelSpec) -> Row:
    seconds = statistics.median(_probe(bench, client, spec.name) for _ in range(CALM_PROBES))
    return {"seconds": seconds if math.isfinite(seconds) else None}


def _probe(bench: Bench, client: Client, model: str) -> float:
    """Seconds that one picture took, always the same one; infinity where it was refused."""
    began = time.monotonic()
    try:
        client.classify(bench.blobs[:1], [model], batch_size=1, concurrency=1)
    except ClientError:
        return float("inf")
    return time.monotonic() - began


def _rows(record: Record, model: str) -> Iterator[list[list[str]]]:
    """What a line is of, and its cells in each of the tables."""
    loads = record.of(what="load", model=model)
    for factor, sends in sorted({(row["factor"], row["sends"]) for row in loads}):
        found = record.of(what="load", model=model, factor=factor, sends=sends)
        recovery = median(found, "recovery")
        told = [row["outcomes"].items() for row in found]
        others = [{"outcomes": {k: n for k, n in each if k not in (REFUSED, HELD_BACK)}} for each in told]
        never = sum(row["recovery"] is None for row in found)
        yield [
            [model, f"{factor:g}", sends],
            [
                *(page.number(median(found, name)) for name in ("offered", "rate")),
                *(_percent(median(found, name)) for name in ("goodput_share", "sender", "of_the_rest")),
            ],
            [
                *(_percent(median(found, name)) for name in ("refused_share", "held_back_share")),
                *(page.milliseconds(median(found, name)) for name in ("refusal_p50", "refusal_p99", "p50", "p99")),
            ],
            [
                page.number(recovery) + (f" (not in {never} rounds)" if never else ""),
                page.milliseconds(median(found, "late")),
                failures(others),
            ],
        ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
