"""The in-process ceiling: as many pictures/s as this machine can decode and judge with no server around it.

What the cpu profile serves with, `film.preprocess` and `film.network`, works here with all cores, in processes of its
own that have the server's environment. There is more than one way to keep every core busy, and which one is best
depends on the machine and the network; all are measured, and the best of them is the ceiling.
"""

import itertools
import os
import queue
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from film import images
from film.network import load_network
from film.ops import reference
from film.preprocess import preprocess
from film.specs import VALID, ModelSpec
from loadtest.family import memory
from loadtest.worker import worker
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY, profile

Decoder = Literal["fast", "pillow"]
"""As the cpu profile decodes; or Pillow at full size and its Lanczos, as most programs do."""
Pixels = NDArray[np.uint8]
Scores = NDArray[np.float32]
WARM_UP = 0.2
"""Share of a measurement's seconds that is worked before it, and not counted."""
BATCH_EACH = 8
"""Pictures of a batch for each core: its last pictures leave cores idle, so it should not be small."""


@dataclass(frozen=True)
class Rate:
    """``busy`` is the share of all cores' time that was worked in, 0..1."""

    pictures_per_second: float
    busy: float


ARRANGEMENTS = ("a process a core", "batches in turn", "decoders beside the network")
"""Each core has a process of its own that takes one picture after the other from its bytes to its scores; all cores
decode a batch, then all judge it; a thread a core decodes while the network's streams, one a core, take what is there.

Not threads with a network each: OpenVINO binds the first stream of every network of a process to the same core.
"""
HALVES = ("decoding", "network")
"""All cores at one half of the work alone, the first with a process a core."""
_BY_CORE = ("a process a core", "decoding")
_WARMS_ITSELF = "decoders beside the network"
"""It fills its queue, and judges as many pictures as that holds, before its time begins."""


class InProcess:
    """All cores of this machine at ``blobs`` for the classifier ``spec``, in other processes while a `with` lasts.

    NetworkError, from ``__enter__``, where there is no network to run.

        with InProcess(FILM_ORIGIN, blobs) as machine:
            print(machine.rate("a process a core", seconds=5).pictures_per_second)
    """

    def __init__(
        self,
        spec: ModelSpec,
        blobs: Sequence[bytes],
        *,
        decoder: Decoder = "fast",
        repository: Path = DEFAULT_REPOSITORY,
    ) -> None:
        self._given = (spec, list(blobs), decoder, repository)
        self._decoder = decoder
        self._whole = worker()
        self._cores = {core: worker() for core in sorted(os.sched_getaffinity(0))}
        self._split = False

    def rate(self, way: str, seconds: float) -> Rate:
        """Of one of ``ARRANGEMENTS`` or ``HALVES`` over ``seconds``; KeyError for another."""
        rates = [future.result() for future in [each.submit(_rate, way, seconds) for each in self._processes(way)]]
        return Rate(sum(rate.pictures_per_second for rate in rates), statistics.fmean(rate.busy for rate in rates))

    def one_picture(self, seconds: float) -> float:
        """Mean seconds from bytes to scores with nothing beside it: one picture at a time, on one core."""
        return self._whole.submit(_one_picture, seconds).result()

    def scores(self, number: int) -> Scores:
        """The network's probabilities for the picture of that number, from 0: what is worked at can be checked."""
        return self._whole.submit(_scores, number).result()

    def memory(self, way: str) -> int:
        """Bytes, PSS, of the processes that work in that way."""
        return sum(memory(process.submit(os.getpid).result()) for process in self._processes(way))

    def __enter__(self) -> Self:
        self._open({self._whole: set(self._cores)})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in (self._whole, *self._cores.values()):
            process.shutdown(cancel_futures=True)

    def _processes(self, way: str) -> list[ProcessPoolExecutor]:
        """Those that work in that way; the processes of single cores are opened when they are first needed."""
        if way not in _BY_CORE:
            return [self._whole]
        if not self._split:
            self._open({process: {core} for core, process in self._cores.items()})
            self._split = True
        return [*self._cores.values()]

    def _open(self, cores: Mapping[ProcessPoolExecutor, set[int]]) -> None:
        with _environment(self._variables()):  # libraries read it when they are loaded
            for opening in [process.submit(_open, each, *self._given) for process, each in cores.items()]:
                opening.result()

    def _variables(self) -> Mapping[str, str]:
        """The server's, but for what suits its own way to decode: Pillow's buffers are served best as glibc would."""
        whole = profile("cpu").environment
        if self._decoder == "fast":
            return whole
        return {name: value for name, value in whole.items() if not name.startswith("MALLOC_")}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """The variables set, for a process that is started meanwhile."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Work:
    """What another process holds: a network, decoders, and pictures that never end, for the cores that it may use."""

    def __init__(self, spec: ModelSpec, blobs: Sequence[bytes], decoder: Decoder, repository: Path) -> None:
        cores = os.sched_getaffinity(0)
        self.spec, self.decoder, self.cores = spec, decoder, len(cores)
        self.given = blobs
        first = min(cores) * len(blobs) // (max(cores) + 1)  # cores that work alone begin with different pictures
        self.blobs = [*blobs[first:], *blobs[:first]]
        self.network = load_network(network_file(repository, spec, ""), precision=spec.precision)
        self.pool = ThreadPoolExecutor(self.cores)

    @property
    def size(self) -> int:
        return BATCH_EACH * self.cores

    def decode(self, blob: bytes) -> Pixels:
        if self.decoder == "pillow":
            return reference.crop_resize(images.decode(blob), self.spec.size)
        square: Pixels = preprocess([blob], self.spec.size).pixels[0]
        return square

    def judge(self, pixels: Pixels) -> Scores:
        outputs = self.network({self.spec.pixels.name: pixels, VALID.name: np.ones((len(pixels), 1), bool)})
        scores: Scores = outputs[self.spec.outputs[0].name]
        return scores

    def whole(self, blob: bytes) -> Scores:
        scores: Scores = self.judge(self.decode(blob)[None])[0]
        return scores

    def run(self, way: str, seconds: float) -> float:
        """Pictures/s."""
        ways: dict[str, Callable[[float], float]] = {
            "a process a core": partial(self._one_by_one, self.whole),
            "batches in turn": self._in_turn,
            "decoders beside the network": self._beside,
            "decoding": partial(self._one_by_one, self.decode),
            "network": self._network,
        }
        return ways[way](seconds)

    def _one_by_one(self, work: Callable[[bytes], object], seconds: float) -> float:
        around = itertools.cycle(self.blobs)
        return 1 / _each(lambda: work(next(around)), seconds)

    def _in_turn(self, seconds: float) -> float:
        around = itertools.cycle(self.blobs)

        def batch() -> None:
            squares = self.pool.map(self.decode, list(itertools.islice(around, self.size)))
            self.judge(np.stack(list(squares)))

        return self.size / _each(batch, seconds)

    def _network(self, seconds: float) -> float:
        around = itertools.cycle(self.blobs)
        batch = np.stack(list(self.pool.map(self.decode, itertools.islice(around, self.size))))
        return self.size / _each(lambda: self.judge(batch), seconds)

    def _beside(self, seconds: float) -> float:
        """The network takes batches of what is there, as the server's does.

        Before the time begins the queue is filled, and as many pictures as it holds are judged. It is then about as
        full as at the end, whichever half is slower; else what it holds at the end would have been decoded for nothing.
        """
        squares: queue.Queue[Pixels] = queue.Queue(2 * self.size)
        over = threading.Event()

        def decoder(core: int) -> None:
            first = core * len(self.blobs) // self.cores
            for blob in itertools.islice(itertools.cycle(self.blobs), first, None):
                if over.is_set():
                    return
                squares.put(self.decode(blob))

        def judge() -> int:
            ready = [squares.get(), *(squares.get() for _ in range(min(squares.qsize(), self.size - 1)))]
            self.judge(np.stack(ready))
            return len(ready)

        decoders = [self.pool.submit(decoder, core) for core in range(self.cores)]
        while not squares.full():
            time.sleep(0.001)
        before = judged = 0
        while before < squares.maxsize:
            before += judge()
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            judged += judge()
        spent = time.perf_counter() - started
        over.set()
        while not all(each.done() for each in decoders):  # one may wait for a place in the queue
            for _ in range(squares.qsize()):
                squares.get()
            time.sleep(0.01)
        return judged / spent


def _each(work: Callable[[], object], seconds: float) -> float:
    """Seconds of one ``work``, repeated until ``seconds`` are over."""
    count, started = 0, time.perf_counter()
    while True:
        work()
        count += 1
        if (spent := time.perf_counter() - started) >= seconds:
            return spent / count


_work: list[_Work] = []
"""Of another process, which holds one."""


def _open(cores: set[int], spec: ModelSpec, blobs: Sequence[bytes], decoder: Decoder, repository: Path) -> None:
    os.sched_setaffinity(0, cores)
    _work[:] = [_Work(spec, blobs, decoder, repository)]


def _rate(way: str, seconds: float) -> Rate:
    (work,) = _work
    if way != _WARMS_ITSELF:
        work.run(way, WARM_UP * seconds)
    worked, started = time.process_time(), time.perf_counter()
    rate = work.run(way, seconds)
    spent = (time.perf_counter() - started) * work.cores
    return Rate(rate, min(1.0, (time.process_time() - worked) / spent))


def _scores(number: int) -> Scores:
    (work,) = _work
    return work.whole(work.given[number])


def _one_picture(seconds: float) -> float:
    (work,) = _work
    times: list[float] = []
    until = time.perf_counter() + seconds
    for blob in itertools.cycle(work.blobs):
        started = time.perf_counter()
        work.whole(blob)
        times.append(time.perf_counter() - started)
        if time.perf_counter() >= until and len(times) > len(work.blobs):
            return statistics.fmean(times[1:])
    raise AssertionError("pictures never end")
