"""JPEG to verdict through Triton: as many right answers a second as several client processes get out of one server."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from film.errors import SafelightError
from film.published import choose
from film.specs import ModelSpec
from film.torch_network import compiled_for
from loadtest.drive import Drivers, Load
from loadtest.driven import Driven
from loadtest.expected import expect
from loadtest.gpu.parts import Found
from loadtest.gpu.results import Plan, reason
from loadtest.gpu.use import Use, Watch
from loadtest.gpu.whole import PROFILE, setting
from loadtest.limits.bench import figures
from serving.server import ServerProcess, on_free_ports
from serving.settings import Settings

IN_FLIGHT = 4
"""Requests that each client has on their way at a time."""
READY_SECONDS = 120.0
"""In which the server must be ready."""
PATIENCE = 180.0
"""Seconds more than for another part that nothing is heard of: the server gets ready, proves itself, and ends."""


class NoVerdict(SafelightError):
    """The server gave no right answer at all; the message has the first reason."""


def served_of(
    plan: Plan, spec: ModelSpec, blobs: Sequence[bytes], decoded: float | None, in_process: float | None
) -> Iterator[Found]:
    """What the server of the plan's profile answers; ``decoded`` is what the fastest decoder does, ``in_process`` what
    the fastest way does without a server, in pictures/s.

    The server's log is kept beside the results.
    """
    settings = Settings(
        profile=plan.profile,
        models=(spec.name,),
        repository=plan.repository.absolute(),
        overlay=plan.overlay,
        ready_timeout=READY_SECONDS,
    )
    log = plan.beside(f"-server-{spec.name}.log")
    try:
        found, use = measure(
            settings,
            spec,
            blobs,
            seconds=3 * plan.seconds,
            clients=plan.clients,
            batch=plan.batch,
            device=plan.device,
            log=log,
        )
        row = {
            "model": spec.name,
            "profile": plan.profile,
            "file": _served_file(plan, spec),
            "overlay": plan.overlay.read_text(encoding="utf-8") if plan.overlay else "",
            "pictures_per_second": found.pictures_per_second,
            **asdict(use),
            "of_decoding": found.pictures_per_second / decoded if decoded else None,
            # Which is that profile's, whatever is served.
            "of_in_process": found.pictures_per_second / in_process if in_process and plan.profile == PROFILE else None,
            **{name: value for name, value in figures(found).items() if name != "rate"},
        }
    except Exception as error:  # a client that was killed, a model that is missing: the rest is to be measured
        kept = f" (log: {log})" if log.is_file() else ""
        yield "missing", f"{spec.name} through Triton, profile {plan.profile}: {reason(error)}{kept}"
        return
    yield "served", row


def _served_file(plan: Plan, spec: ModelSpec) -> str:
    """Which of a network's files the profile `cuda` serves here; "" of the others."""
    if plan.profile != PROFILE:
        return ""
    names = setting(plan, spec, "file")
    on_gpu = plan.device.type == "cuda"
    return choose(plan.folder(spec), names, compiled_for=compiled_for(str(plan.device)), on_gpu=on_gpu).name


def measure(
    settings: Settings,
    spec: ModelSpec,
    blobs: Sequence[bytes],
    *,
    seconds: float,
    clients: int,
    batch: int,
    device: torch.device,
    log: Path | None = None,
) -> tuple[Driven, Use]:
    """What a server of ``settings``, started here on free ports, says of ``spec`` over gRPC, for ``seconds``.

    And what the server and its models take meanwhile of the host, and of ``device``.

    All ``clients`` are measured over the same seconds, after a warm-up, and ask once: a refusal is a result. The
    server's log goes to ``log``, or nowhere that lasts. Raises SafelightError where the server does not start or its
    network is missing, NoVerdict where all is wrong.
    """
    expected = expect(blobs, (spec.name,), settings.repository, settings.profile)
    with ServerProcess(on_free_ports(settings), log=log) as server, Drivers(blobs, expected, clients) as drivers:
        load = Load(server.grpc_url, (spec.name,), seconds, batch, clients * IN_FLIGHT)
        with Watch(server.process_id, device) as watch:
            running = drivers.start(load)
            found = running.result()
    if not found.pictures_per_second:
        raise NoVerdict(f"no answer was right: {found.reason}")
    begin, end = (running.begins + moment for moment in found.window)
    return found, watch.use(begin, end)
