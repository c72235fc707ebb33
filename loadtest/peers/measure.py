"""One peer with one network, from its start to its end: how fast, how right, how large."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest.family import memory
from loadtest.peers import load
from loadtest.peers.answers import Answer, Load, Scores, judge
from loadtest.peers.load import Order
from loadtest.peers.processes import START_SECONDS, Wanted, end, serving
from loadtest.peers.registry import CEILING, PeersError

ROOT = Path(__file__).parents[2]
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
    """``wanted`` under each number of ``users`` for ``seconds``; in process, where it has no users, once.

    Raises PeersError where it does not start, or where the load itself fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
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
    ours = wanted.peer.name == CEILING
    program = ["-m", "loadtest.peers.in_process"] if ours else [str(wanted.peer.file)]
    begun = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(wanted.python), *program, str(pictures.folder), str(seconds)],
            env=wanted.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=ROOT if ours else wanted.peer.file.parent,
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
