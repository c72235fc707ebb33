"""Two servers side by side, measured in turns: one with the best setting so far, one with its challenger.

Both stay up while they meet, and only one is asked at a time; the other sleeps and costs memory alone. The one that
won stays for the next meeting.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from film.errors import SafelightError
from loadtest.drive import WRONG, Drivers, Load
from loadtest.driven import Driven
from loadtest.expected import Expected
from loadtest.tune.knobs import Setting, named, overlay
from loadtest.tune.search import Comparison
from serving.errors import ServingError
from serving.overlay import FILE_NAME
from serving.server import ServerProcess, on_free_ports
from serving.settings import Device, Settings

Aim = Literal["throughput", "p99"]
HOPELESS = 0.8
"""After two rounds in which a challenger reached less than this of the best, the others would only take time."""
WARM_UP = 0.2
"""Share of a measurement's seconds that is sent before they are counted."""


@dataclass(frozen=True)
class Plan:
    """What is measured: right pictures/s of ``callers`` that send ``batch`` pictures each, or with ``aim`` p99 the
    milliseconds that 99 of 100 single pictures take when ``rate`` of them come a second.

    Each measurement takes ``seconds``, and each meeting ``rounds`` of each setting.
    """

    profile: str
    device: Device
    models: tuple[str, ...]
    aim: Aim
    rate: float
    callers: int
    batch: int
    seconds: float
    rounds: int

    @property
    def unit(self) -> str:
        """Of what is measured."""
        return "pictures/s" if self.aim == "throughput" else "ms (p99)"

    def load(self, url: str) -> Load:
        """What is sent to a server."""
        warm_up = WARM_UP * self.seconds
        if self.aim == "throughput":
            return Load(url, self.models, self.seconds, self.batch, self.callers, warm_up=warm_up)
        return Load(url, self.models, self.seconds, rate=self.rate, warm_up=warm_up)

    def reached(self, driven: Driven) -> float:
        """What came of it, in ``unit``."""
        return driven.pictures_per_second if self.aim == "throughput" else 1000 * driven.latency(0.99)

    def ratio(self, incumbent: float, challenger: float) -> float:
        """How many times better the challenger was."""
        better, worse = (challenger, incumbent) if self.aim == "throughput" else (incumbent, challenger)
        return better / worse if worse else 0.0


class WrongAnswers(Exception):
    """The best setting so far, at first the profile as it is, answers wrongly: nothing can be compared with it."""


class Refused(SafelightError):
    """It refuses requests, or takes longer for one than the client waits: nothing can be compared under such a load."""


Say = Callable[[str], None]


class Contest:
    """Measures settings against each other on servers that it starts and stops. Use it in a ``with`` block."""

    def __init__(
        self, plan: Plan, blobs: Sequence[bytes], expected: Sequence[Expected], say: Say = lambda _: None
    ) -> None:
        self._plan, self._say = plan, say
        self._drivers = Drivers(blobs, expected)
        self._running: list[tuple[str, ServerProcess, ExitStack]] = []

    def compare(self, incumbent: Setting, challenger: Setting, attempt: str) -> Comparison:
        """A meeting of the two. ServingError, WrongAnswers or Refused where the incumbent fails."""
        names = named(incumbent), named(challenger)
        champion = self._server(incumbent, keep=names)
        try:
            rival = self._server(challenger, keep=names, beside=champion)
        except ServingError as error:
            if names[0] == names[1]:
                raise
            return Comparison(*names, attempt, failure=f"it did not start: {error}")
        reached: list[tuple[float, float]] = []
        ratios: list[float] = []
        for number in range(self._plan.rounds):
            pair = {}
            for name, server in ((0, champion), (1, rival))[:: 1 if number % 2 == 0 else -1]:
                self._say(f"round {number + 1} of {self._plan.rounds}: {names[name]}")
                driven = self._drivers.drive(self._plan.load(server.grpc_url))
                if driven.reason and names[name] == names[0]:
                    raise self._fault(names[name], driven)
                if driven.reason:
                    what = "wrong answers" if _wrong(driven) else "failed requests"
                    return Comparison(*names, attempt, tuple(reached), tuple(ratios), f"{what}: {driven.reason}")
                pair[name] = self._plan.reached(driven)
            reached.append((pair[0], pair[1]))
            ratios.append(self._plan.ratio(pair[0], pair[1]))
            if len(ratios) > 1 and max(ratios) < HOPELESS and names[0] != names[1]:
                break
        return Comparison(*names, attempt, tuple(reached), tuple(ratios))

    def __enter__(self) -> Self:
        self._drivers.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._drivers.__exit__(kind, error, at)
        for _, _, stack in self._running:
            stack.close()
        self._running = []

    def _fault(self, name: str, driven: Driven) -> WrongAnswers | Refused:
        if _wrong(driven):
            return WrongAnswers(f"{name}: {driven.reason}")
        less = "fewer --callers or a smaller --batch" if self._plan.aim == "throughput" else "a lower --rate"
        failed = sum(1 for one in driven.sent if one.outcome)
        return Refused(f"{name}: {failed} of {len(driven.sent)} requests failed, {driven.reason}: ask with {less}.")

    def _server(self, setting: Setting, keep: tuple[str, str], beside: ServerProcess | None = None) -> ServerProcess:
        """One with ``setting`` that is not ``beside``; those that run with neither of ``keep`` are stopped first."""
        for entry in [entry for entry in self._running if entry[0] not in keep]:
            self._running.remove(entry)
            entry[2].close()
        for name, server, _ in self._running:
            if name == named(setting) and server is not beside:
                return server
        self._say(f"starting a server: {named(setting)}")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="safelight-tune-")))
            file = folder / FILE_NAME
            file.write_text(overlay(setting).to_toml(), encoding="utf-8")
            settings = Settings(
                profile=self._plan.profile, device=self._plan.device, models=self._plan.models, overlay=file
            )
            server = stack.enter_context(ServerProcess(on_free_ports(settings)))
            self._running.append((named(setting), server, stack.pop_all()))
        return server


def _wrong(driven: Driven) -> bool:
    """Whether an answer was there and not right; else what failed was refused, or came too late."""
    return any(one.outcome == WRONG for one in driven.sent)
