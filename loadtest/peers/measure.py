"""One peer with one network, from its start to its end: how fast, how right, how large."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from film.errors import SafelightError
from loadtest.ceiling import ARRANGEMENTS, InProcess
from loadtest.family import memory
from loadtest.peers import load
from loadtest.peers.answers import Answer, Load, Scores, judge
from loadtest.peers.load import Order
from loadtest.peers.processes import START_SECONDS, Wanted, end, serving
from loadtest.peers.registry import CEILING, PeersError

_MIB = 2**20
WAIT_SECONDS = START_SECONDS
"""For what works in process, beyond its time of measuring: until it has started, and until its last batch is done."""


@dataclass(frozen=True)
class Pictures:
    """Encoded pictures, in ``folder`` too, and the right probabilities of each by a model's name."""

    blobs: Sequence[bytes]
    folder: Path
    truth: Mapping[str, Sequence[Scores]]


@dataclass(frozen=True)
class Measured:
    """The loads in order of users; see ``loadtest.peers.store.Cell`` for the rest."""

    loads: tuple[Load, ...]
    cold_seconds: float
    memory_mib: float


@contextmanager
def written(blobs: Sequence[bytes]) -> Iterator[Path]:
    """A folder with the pictures in it, their names in their order, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="peers-pictures-") as folder:
        for index, blob in enumerate(blobs):
            Path(folder, f"{index:05}.jpg").write_bytes(blob)
        yield Path(folder)


def measure(wanted: Wanted, pictures: Pictures, users: Sequence[int], seconds: float, log: Path) -> Measured:
    """``wanted`` under each number of ``users`` for ``seconds``; in process, where it has no users, once (without a
    server once in each arrangement).

    Raises PeersError where it does not start, or where the load itself fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if wanted.peer.name == CEILING:
        return _no_server(wanted, pictures, seconds, log)
    if not wanted.peer.wire:
        return _in_process(wanted, pictures, seconds, log)
    truth = pictures.truth[wanted.spec.name]
    with serving(wanted, pictures.blobs[0], truth[0], log) as running:
        loads, most = [], 0
        for many in sorted(users):
            order = Order(running.url, wanted.peer.wire, wanted.spec.name, str(pictures.folder), many, seconds)
            answers, window = load.run(order)
            loads.append(judge(answers, truth, many, window))
            most = max(most, memory(running.process))
        return Measured(tuple(loads), running.cold_seconds, most / _MIB)


def _in_process(wanted: Wanted, pictures: Pictures, seconds: float, log: Path) -> Measured:
    begun = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(wanted.python), str(wanted.peer.file), str(pictures.folder), str(seconds)],
            env=wanted.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=wanted.peer.file.parent,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None  # it was asked for
        with _killed_after(process, WAIT_SECONDS + seconds):
            first = process.stdout.readline()
            cold = time.monotonic() - begun
            last = process.stdout.readline()
        if not (first and last):
            end_of_log = log.read_text(errors="replace").splitlines()[-15:]
            raise PeersError(f"{wanted.peer.title} ended early or hung. It said:\n" + "\n".join(end_of_log))
        taken = memory(process.pid)  # it waits for its input to end
    finally:
        end(process)
    told = json.loads(last)
    answers = [Answer(*row) for row in told["answers"]]
    return Measured((judge(answers, pictures.truth[wanted.spec.name], 0, (0.0, told["seconds"])),), cold, taken / _MIB)


def _no_server(wanted: Wanted, pictures: Pictures, seconds: float, log: Path) -> Measured:
    """The best of the ceiling's arrangements; every picture's answer is checked once, before any is timed."""
    begun = time.monotonic()
    try:
        with InProcess(wanted.spec, pictures.blobs) as machine:
            first = machine.scores(0)
            cold = time.monotonic() - begun
            scores = [first, *(machine.scores(number) for number in range(1, len(pictures.blobs)))]
            rates = {way: machine.rate(way, seconds).pictures_per_second for way in ARRANGEMENTS}
            best = max(rates, key=lambda way: rates[way])
            taken = machine.memory(best)
    except (SafelightError, BrokenProcessPool) as error:
        raise PeersError(f"{wanted.peer.title}: {error}") from error
    log.write_text("".join(f"{way}: {rate:.1f} pictures/s\n" for way, rate in rates.items()), encoding="utf-8")
    answers = [Answer(number, one.tolist(), 0.0, 1.0) for number, one in enumerate(scores)]
    checked = judge(answers, pictures.truth[wanted.spec.name], 0, (0.0, 1.0))
    right = rates[best] * checked.right / len(answers)
    load = replace(checked, seconds=seconds, pictures_per_second=right, p50=None, p99=None)
    return Measured((load,), cold, taken / _MIB)


@contextmanager
def _killed_after(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """Ends the session that ``process`` leads if the block lasts longer: whoever reads from it would wait for ever."""

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
