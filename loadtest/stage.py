"""One stage of a load test: Locust in a process of its own, watched, and the numbers of what it recorded."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from film.errors import SafelightError
from loadtest import record
from loadtest.levels import Arrivals, Level, total_seconds, written
from loadtest.monitor import Monitor
from loadtest.results import Outcome, outcome

HERE = Path(__file__).parent
STARTING = 120.0
"""Seconds that Locust gets to start and to write its pages, on a machine that is busy."""


class StageError(SafelightError):
    """Locust did not do what it should; the text has what it said."""


@dataclass(frozen=True)
class Stage:
    """``arrivals`` "closed" is users who wait, in ``levels``' amounts; otherwise the amounts are requests a second."""

    name: str
    levels: Sequence[Level]
    arrivals: Literal["closed"] | Arrivals = "closed"

    @property
    def closed(self) -> bool:
        """Whether users wait for their answers."""
        return self.arrivals == "closed"


@dataclass(frozen=True)
class Target:
    """The server, and how to ask it.

    ``url`` takes the load and ``watched`` the questions about statistics; ``process_id`` is 0 for one elsewhere.
    ``models`` is a word of loadtest.prepared.MODELS, ``prepared`` a folder that Prepared.save has written; ``timeout``
    is in seconds. What comes before ``warmup`` seconds of a stage does not count.
    """

    url: str
    watched: str
    process_id: int
    models: str
    batch: int
    prepared: Path
    timeout: float
    warmup: float
    seed: int = 0

    @property
    def http(self) -> bool:
        """HTTP rather than gRPC."""
        return self.url.startswith("http")


def run(stage: Stage, target: Target, out: Path) -> Outcome:
    """Put ``stage``'s load on ``target``, and leave Locust's pages, tables and the record in ``out``.

    StageError where Locust does not run, ends before its time or otherwise than well, or nothing was asked.
    """
    out.mkdir(parents=True, exist_ok=True)
    recorded = out / "requests.csv"
    recorded.unlink(missing_ok=True)
    record.began_file(recorded).unlink(missing_ok=True)
    with (out / "locust.log").open("wb") as log:
        process = subprocess.Popen(
            command(stage, target, out), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=HERE.parent
        )
        try:
            with Monitor(target.watched, target.process_id, process.pid) as monitor:
                began = time.monotonic()
                code = process.wait(total_seconds(stage.levels) + target.timeout + STARTING)
                lasted = time.monotonic() - began
        except subprocess.TimeoutExpired as error:
            raise StageError(f"Locust did not end in time; see {out / 'locust.log'}.") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    requests = record.read(recorded) if recorded.exists() else []
    if code:  # failed requests are none of its reasons, see command
        raise _failed(f"Locust ended with code {code} in stage {stage.name}", out)
    if not requests:
        raise _failed(f"Locust asked nothing in stage {stage.name}", out)
    if lasted < total_seconds(stage.levels):  # SIGTERM ends it with code 0
        raise _failed(f"Locust ended after {lasted:.0f} s in stage {stage.name}", out)
    warmup = min(target.warmup, total_seconds(stage.levels) / 2)
    start = record.began(recorded)
    return outcome(stage.name, stage.levels, requests, monitor.looks, closed=stage.closed, warmup=warmup, began=start)


def _failed(what: str, out: Path) -> StageError:
    """With the end of what Locust said."""
    said = (out / "locust.log").read_text(errors="replace").splitlines()[-5:]
    return StageError("\n".join([f"{what}. It said:", *said]))


def command(stage: Stage, target: Target, out: Path) -> list[str]:
    """How Locust is called."""
    user = ("Http" if target.http else "Grpc") + ("User" if stage.closed else "Arrivals")
    options = {
        "locustfile": f"{HERE / 'locustfile.py'},{HERE / 'shapes.py'}",
        "host": target.url,
        "levels": written(stage.levels),
        "arrivals": stage.arrivals,
        "models": target.models,
        "batch": target.batch,
        "timeout": target.timeout,
        "stop-timeout": round(target.timeout + 1),
        "seed": target.seed,
        "prepared": target.prepared,
        "record": (out / "requests.csv").resolve(),
        "csv": (out / "locust").resolve(),
        "html": (out / "locust.html").resolve(),
    }
    flags = ["--headless", "--only-summary", "--exit-code-on-error=0"]
    return [sys.executable, "-m", "locust", *flags, *(f"--{k}={v}" for k, v in options.items()), user]
