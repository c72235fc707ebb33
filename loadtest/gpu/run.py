"""Everything that is measured on one machine, in order; what cannot be had there is said and left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from film.specs import CLASSIFIERS, NEGATIVE_CONDITION, NETWORKS, ModelSpec
from loadtest.gpu import networks, parts, served
from loadtest.gpu.ceilings import Ceilings
from loadtest.gpu.parts import DOING, Found
from loadtest.gpu.results import Plan, Results

Say = Callable[[str], None]
Part = Callable[[], Iterator[Found]]
_WHOLE = "whole"
"""Sent when there is no more to be found: how the process ends after that is of no matter."""
_SECONDS_TO_END = 30
_STARTED = "started"
_SECONDS_TO_START = 120
PATIENCE = 120.0
"""Seconds that a part may say nothing; loading a network onto a GPU and its first runs are the longest step."""
MEASUREMENTS = 6
"""At most, of ``Plan.seconds`` each, between two words of a part: the device's limits take four."""


def measure(plan: Plan, blobs: Sequence[bytes], results: Results, say: Say = lambda _: None) -> None:
    """Ceilings, decoders, the server and networks, on ``plan.device``, into ``results``, which has at any time what was
    measured so far; ``blobs`` are encoded pictures. What explains a classifier has its pixels, and is a network alone.

    Each part is measured in a process of its own: what one of them leaves on the device disturbs no other, and if one
    crashes, that is a line among what is missing. A server stops with the process that started it.
    """
    patience = PATIENCE + MEASUREMENTS * plan.seconds
    gather(partial(parts.limits_of, plan), results, say, "the device's own limits", patience)
    for spec in CLASSIFIERS:
        gather(partial(parts.decoders_of, plan, spec, blobs), results, say, f"{spec.name}: decoders", patience)
        gather(partial(parts.in_process_of, plan, spec, blobs), results, say, f"{spec.name}: in process", patience)
        if plan.served:
            fastest = [_fastest(rows, spec) for rows in (results.decoders, results.in_process)]
            part = partial(served.served_of, plan, spec, blobs, *fastest)
            gather(part, results, say, f"{spec.name}: JPEG to verdict through Triton", patience + served.PATIENCE)
    if results.ceilings:
        limits = Ceilings(**results.ceilings)
        for spec in NETWORKS:
            for names in _by_process(spec, plan):
                part = partial(parts.networks_of, plan, spec, limits, blobs, names)
                gather(part, results, say, spec.network_model, patience)
                results.missing += _not_reached(results, spec, names)
        part = partial(parts.stems_of, plan, NEGATIVE_CONDITION, blobs)
        gather(part, results, say, f"{NEGATIVE_CONDITION.network_model}: its first convolution", patience)
    else:
        results.missing.append("the networks alone: without the device's own limits there is no roofline")


def _not_reached(results: Results, spec: ModelSpec, names: Sequence[str]) -> list[str]:
    """Those of the ways called ``names`` of which nothing was found or said, as their process ended before."""
    network = spec.network_model
    if any(line.startswith(f"{network}: ") and "is missing" in line for line in results.missing):
        return []  # of all of them
    measured = {row["way"] for row in results.networks if row["model"] == spec.name}
    left = [name for name in names if name not in measured and not _is_told(results.missing, network, name)]
    return [f"{network}, {name}: not reached" for name in left]


def _is_told(missing: Sequence[str], network: str, name: str) -> bool:
    """Whether one of the lines is about that way, by itself or as what was being done."""
    told = tuple(f"{network}{before} {name}{behind}" for before in ",:" for behind in ",:")
    return any(line.startswith(told) for line in missing)


def _fastest(rows: Sequence[Mapping[str, Any]], spec: ModelSpec) -> float | None:
    return max((row["pictures_per_second"] for row in rows if row["model"] == spec.name), default=None)


def _by_process(spec: ModelSpec, plan: Plan) -> list[list[str]]:
    """Names of the ways to run the network: those that can be measured in one process, and each other by itself."""
    ways = networks.ways(spec, plan.device, plan.folder(spec))
    return [[way.name for way in ways if not way.recorded], *([way.name] for way in ways if way.recorded)]


def gather(part: Part, results: Results, say: Say, doing: str, patience: float = PATIENCE) -> None:
    """Run ``part``, called ``doing``, in a process of its own and put what it finds into ``results`` as it comes.

    It is given up where it says nothing for ``patience`` seconds.
    """
    say(doing)
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(part, sender))
    process.start()
    sender.close()  # or the end of the other one would not be seen
    whole, wait = False, float(_SECONDS_TO_START)
    try:
        while not whole:
            if not receiver.poll(wait):
                results.missing.append(f"{doing}: nothing was heard of it for {wait:g} s")
                break
            kind, value = receiver.recv()
            wait = patience
            if kind == _STARTED:
                continue
            if kind == _WHOLE:
                whole = True
            elif kind == DOING:
                doing = value
                say(doing)
            else:
                results.add(kind, value)
        if whole:
            process.join(_SECONDS_TO_END)
    except EOFError:
        process.join(_SECONDS_TO_END)
        ended = "hung" if process.is_alive() else f"ended with code {process.exitcode}"
        results.missing.append(f"{doing}: the process that measured it {ended}")
    finally:
        process.kill()  # where it hangs, or this was interrupted
        process.join()


def _run(part: Part, sender: Connection) -> None:
    with sender:
        sender.send((_STARTED, None))
        try:
            for found in part():
                sender.send(found)
        except Exception as error:
            sender.send(("missing", f"what was to follow, because of {type(error).__name__}: {error}"))
            raise
        sender.send((_WHOLE, None))
