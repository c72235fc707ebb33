"""Everything that is measured on one machine, in order; what cannot be had there is said and left out."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

from film.errors import SafelightError
from film.specs import CLASSIFIERS, ModelSpec
from loadtest.gpu import parts, served
from loadtest.gpu.ceilings import Ceilings
from loadtest.gpu.parts import DOING, Found
from loadtest.gpu.results import Plan, Results
from serving.settings import Settings

Say = Callable[[str], None]
Part = Callable[[], Iterator[Found]]
_WHOLE = "whole"
"""Sent when there is no more to be found: how the process ends after that is of no matter."""
_SECONDS_TO_END = 30


def measure(plan: Plan, blobs: Sequence[bytes], results: Results, say: Say = lambda _: None) -> None:
    """Ceilings, networks, decoders and the server, on ``plan.device``, into ``results``, which has at any time what was
    measured so far; ``blobs`` are encoded pictures.

    All but the server is measured in processes of their own: what one of them leaves on the device disturbs no other,
    and if one crashes, that is a line among what is missing.
    """
    gather(partial(parts.limits_of, plan), results, say, "the device's own limits")
    if results.ceilings:
        limits = Ceilings(**results.ceilings)
        for spec in CLASSIFIERS:
            gather(partial(parts.networks_of, plan, spec, limits, blobs), results, say, spec.network_model)
    else:
        results.missing.append("the networks alone: without the device's own limits there is no roofline")
    for spec in CLASSIFIERS:
        gather(partial(parts.decoders_of, plan, spec, blobs), results, say, f"{spec.name}: decoders")
        if plan.served:
            say(f"{spec.name}: JPEG to verdict through Triton")
            _served(plan, spec, blobs, results)


def gather(part: Part, results: Results, say: Say, doing: str) -> None:
    """Run ``part``, called ``doing``, in a process of its own and put what it finds into ``results`` as it comes."""
    say(doing)
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(part, sender))
    process.start()
    sender.close()  # or the end of the other one would not be seen
    whole = False
    try:
        while not whole:
            kind, value = receiver.recv()
            if kind == _WHOLE:
                whole = True
            elif kind == DOING:
                doing = value
                say(doing)
            else:
                results.add(kind, value)
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
        try:
            for found in part():
                sender.send(found)
        except Exception as error:
            sender.send(("missing", f"what was to follow, because of {type(error).__name__}: {error}"))
            raise
        sender.send((_WHOLE, None))


def _served(plan: Plan, spec: ModelSpec, blobs: Sequence[bytes], results: Results) -> None:
    settings = Settings(
        profile=plan.profile, models=(spec.name,), repository=plan.repository.absolute(), overlay=plan.overlay
    )
    try:
        found = served.measure(settings, spec, blobs, 3 * plan.seconds, plan.clients, max(plan.batches))
    except (SafelightError, served.NoVerdict) as error:
        results.missing.append(f"{spec.name} through Triton, profile {plan.profile}: {error}")
        return
    fastest = max((row["pictures_per_second"] for row in results.decoders if row["model"] == spec.name), default=None)
    results.served.append(
        {
            "model": spec.name,
            "profile": plan.profile,
            "overlay": plan.overlay.read_text(encoding="utf-8") if plan.overlay else "",
            "pictures_per_second": found.pictures_per_second,
            "of_decoding": found.pictures_per_second / fastest if fastest else None,
            "wrong": found.wrong,
            "reason": found.reason,
        }
    )
