"""Interleaved rounds: each visits every peer with every network, so that a slow minute meets all alike."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film.specs import ModelSpec
from loadtest import machine
from loadtest.peers import environments
from loadtest.peers.measure import Pictures, measure
from loadtest.peers.prepared import Files
from loadtest.peers.processes import Wanted
from loadtest.peers.registry import Peer, PeersError, Runtime, Setting
from loadtest.peers.store import Cell, Store, Tuned

Say = Callable[[str], None]
TUNED_AT = 8
"""Users that settings are compared under."""


@dataclass(frozen=True)
class Plan:
    """What to measure: ``rounds`` of ``seconds`` for each number of ``users``, and how long in all, in minutes.

    With ``tune`` each peer's settings are compared first, each under ``TUNED_AT`` users for ``seconds``.
    """

    peers: tuple[Peer, ...]
    models: tuple[ModelSpec, ...]
    runtimes: tuple[Runtime, ...]
    users: tuple[int, ...]
    seconds: float
    rounds: int
    tune: bool
    minutes: float

    @property
    def places(self) -> list[tuple[ModelSpec, Peer, Runtime]]:
        """Every network with every peer in every runtime that is asked for and that the peer has."""
        return [
            (spec, peer, runtime)
            for spec in self.models
            for peer in self.peers
            for runtime in peer.runtimes(spec.name)
            if runtime in self.runtimes
        ]


class OutOfTime(PeersError):
    """The next measurement would not fit into the time that was given; the same command goes on."""


@dataclass
class Runner:
    """Measures what ``store`` lacks of ``plan``. ``files`` are each network's; ``pythons`` say who runs a peer."""

    plan: Plan
    store: Store
    files: dict[str, Files]
    pictures: Pictures
    logs: Path
    pythons: dict[str, Path]
    failures: dict[str, str] = field(default_factory=dict)
    """Why a peer cannot be installed, by its name."""
    say: Say = lambda _: None
    step: Callable[[], None] = lambda: None
    """Called after each measurement, for a progress bar."""

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + 60 * self.plan.minutes
        self._longest = 0.0

    def run(self) -> None:
        """Settings first, where they are to be compared, then the rounds; raises OutOfTime."""
        if self.plan.tune:
            for spec, peer, runtime in self.plan.places:
                if peer.name not in self.failures and self.store.tuning(peer.name, spec.name, runtime) is None:
                    self._tune(spec, peer, runtime)
                self.step()
        for number, (spec, peer, runtime) in self._order():
            known = self.store.cell((number, peer.name, spec.name, runtime))
            if known is None or known.error:
                self._measure(number, spec, peer, runtime)
            self.step()

    def _order(self) -> Iterator[tuple[int, tuple[ModelSpec, Peer, Runtime]]]:
        """Every other round runs backwards: what heats up or fills memory shall not always meet the same."""
        for number in range(1, self.plan.rounds + 1):
            for place in self.plan.places if number % 2 else reversed(self.plan.places):
                yield number, place

    def _tune(self, spec: ModelSpec, peer: Peer, runtime: Runtime) -> None:
        settings = peer.settings(cores())
        rates: dict[Setting, float] = {}
        for setting in settings if len(settings) > 1 else ():
            self._in_time()
            self.say(f"{peer.title}, {spec.name}, {runtime}: {setting}")
            wanted = self._wanted(spec, peer, runtime, setting)
            begun = time.monotonic()
            try:
                measured = measure(wanted, self.pictures, (TUNED_AT,), self.plan.seconds, self._log(0, wanted))
                rates[setting] = measured.loads[0].pictures_per_second
            except PeersError as error:
                self.say(f"{peer.title}, {setting}: {error}")
                rates[setting] = 0.0
            self._took(begun)
        best = max(rates, key=lambda setting: rates[setting]) if any(rates.values()) else settings[0]
        given = {str(setting): rate for setting, rate in rates.items()}
        self.store.add(Tuned(peer.name, spec.name, runtime, best, given))

    def _measure(self, number: int, spec: ModelSpec, peer: Peer, runtime: Runtime) -> None:
        tuned = self.store.tuning(peer.name, spec.name, runtime)
        setting = tuned.setting if tuned else peer.settings(cores())[0]
        place = (number, peer.name, spec.name, runtime, setting)
        if peer.name in self.failures:
            self.store.add(Cell(*place, error=self.failures[peer.name]))
            return
        self._in_time()
        self.say(f"round {number}: {peer.title}, {spec.name}, {runtime}")
        begun = time.monotonic()
        wanted = self._wanted(spec, peer, runtime, setting)
        try:
            found = measure(wanted, self.pictures, self.plan.users, self.plan.seconds, self._log(number, wanted))
            self.store.add(Cell(*place, found.loads, found.cold_seconds, found.memory_mib))
        except PeersError as error:
            self.store.add(Cell(*place, error=str(error)))
        self._took(begun)

    def _wanted(self, spec: ModelSpec, peer: Peer, runtime: Runtime, setting: Setting) -> Wanted:
        return Wanted(peer, spec, runtime, self.files[spec.name].of[runtime], setting, self.pythons[peer.name])

    def _log(self, number: int, wanted: Wanted) -> Path:
        return self.logs / f"{wanted.peer.name}-{wanted.spec.name}-{wanted.runtime}-{number}.log"

    def _in_time(self) -> None:
        if time.monotonic() + self._longest > self._deadline:
            raise OutOfTime(f"The {self.plan.minutes:g} minutes are over; the same command goes on where this ended.")

    def _took(self, begun: float) -> None:
        self._longest = max(self._longest, time.monotonic() - begun)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def install(
    peers: Sequence[Peer], say: Say, folder: Path = environments.FOLDER
) -> tuple[dict[str, Path], dict[str, str]]:
    """Each peer's interpreter by its name; and for those that cannot be installed, why."""
    pythons, failures = {}, {}
    for peer in peers:
        say(f"installing {peer.title}")
        try:
            pythons[peer.name] = environments.python(peer, folder)
        except PeersError as error:
            failures[peer.name] = str(error)
    return pythons, failures


def conditions(
    plan: Plan, files: dict[str, Files], pictures: dict[str, Any], folder: Path = environments.FOLDER
) -> dict[str, Any]:
    """All that must be the same for two measurements to be comparable, as plain values.

    The peers must have been installed to ``folder``.
    """
    return {
        "seconds": plan.seconds,
        "users": list(plan.users),
        "tuned": plan.tune,
        "peers": {peer.name: list(peer.requirements) for peer in plan.peers},
        "models": [spec.name for spec in plan.models],
        "runtimes": list(plan.runtimes),
        "weights": {name: one.weights for name, one in files.items()},
        "pictures": pictures,
        "commit": machine.commit(),
        "machine": machine.hardware(),
        "versions": machine.versions(),
        "installed": {peer.name: environments.versions(peer, folder) for peer in plan.peers},
    }
