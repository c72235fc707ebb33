"""A call of perf_analyzer: what it is told, and what it leaves in its CSV.

Options and columns are those of its documentation (docs/cli.md, docs/input_data.md, docs/measurements_metrics.md in
triton-inference-server/perf_analyzer).
"""

import base64
import csv
import json
import math
import re
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from film.specs import IMAGE
from loadtest.levels import Arrivals
from loadtest.perf.program import NAME, AnalyzerError, Program

Mode = Literal["concurrency", "rate"]
_RANGES = {"concurrency": "--concurrency-range", "rate": "--request-rate-range"}
_LEVELS = {"concurrency": "Concurrency", "rate": "Request Rate"}
STABILITY: dict[Mode, float] = {"concurrency": 10.0, "rate": 50.0}
"""Percent within which windows must agree: what comes by chance varies by itself, 10 in a second by a third."""
_OUTPUT_BYTES = 2**20
"""Of shared memory for each output: up to 0.4 MB, the maps of a batch of 64."""
_TAIL_LINES = 5
_NEAR = 1e-6
"""Share within which two levels are the same: 0.1 + 2 x 0.1 is not quite 0.3."""


@dataclass(frozen=True)
class Sweep:
    """One call of perf_analyzer.

    ``levels`` is start:end:step of requests in flight, or in mode "rate" of requests/s that come by chance, if
    ``arrivals`` does not say otherwise. ``url`` is host:port, of HTTP where ``http``. ``batch`` is pictures a request,
    ``seconds`` the length of a measuring window; windows are repeated until three of them agree within ``stability``
    percent, ``trials`` times at most.
    """

    model: str
    mode: Mode
    levels: str
    url: str
    batch: int = 1
    seconds: float = 5.0
    stability: float = 10.0
    trials: int = 10
    shared_memory: bool = False
    arrivals: Arrivals = "poisson"
    http: bool = False

    def __post_init__(self) -> None:
        number = r"\d+" if self.mode == "concurrency" else r"\d+(\.\d+)?"
        if not re.fullmatch(rf"{number}(:{number}){{0,2}}", self.levels):
            raise AnalyzerError(
                f"{self.levels!r} is no range for {self.mode}: write start, start:end or start:end:step."
            )
        if not self._range[2]:
            raise AnalyzerError(f"{self.levels!r} never gets to its end: its step must be more than 0.")

    @property
    def name(self) -> str:
        """For files of this call."""
        return f"{self.model}_{self.mode}"

    def left_out(self, rows: "Sequence[Row]") -> list[float]:
        """The levels that no row has, ascending: perf_analyzer ends a sweep where a level never gets steady."""
        start, end, step = self._range
        levels = (start + step * i for i in range(1 + math.floor((end - start) / step + _NEAR)))
        return [level for level in levels if not any(math.isclose(level, row.level, rel_tol=_NEAR) for row in rows)]

    @property
    def _range(self) -> tuple[float, float, float]:
        """Start, end and step."""
        told = [float(part) for part in self.levels.split(":")]
        return told[0], told[min(1, len(told) - 1)], told[2] if len(told) > 2 else 1.0


@dataclass(frozen=True)
class Row:
    """What was measured at one ``level``: pictures/s, and milliseconds, on the average or within which so many percent.

    ``queue``, ``compute`` and ``network`` add up the server's own times and the rest of the way; None where
    perf_analyzer did not say.
    """

    model: str
    mode: Mode
    level: float
    pictures_per_second: float
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    queue: float | None
    compute: float | None
    network: float | None


def write_inputs(blobs: Sequence[bytes], file: Path) -> None:
    """The pictures as perf_analyzer's input data: it sends them in turn.

    A BYTES element is its length in four little-endian bytes and then its content; in base64 both must be there.
    """
    elements = (base64.b64encode(struct.pack("<I", len(blob)) + blob).decode() for blob in blobs)
    told = [{IMAGE.name: {"content": {"b64": element}, "shape": list(IMAGE.shape)}} for element in elements]
    file.write_text(json.dumps({"data": told}), encoding="utf-8")


def command(program: Path, sweep: Sweep, inputs: Path, table: Path) -> list[str]:
    """The call of ``program`` that makes ``sweep`` over ``inputs`` and leaves its CSV in ``table``.

    Asynchronous, because with a thread a request a busy client could not hold a rate.
    """
    shared = ["--shared-memory=system", f"--output-shared-memory-size={_OUTPUT_BYTES}"] if sweep.shared_memory else []
    distribution = "poisson" if sweep.arrivals == "poisson" else "constant"
    chance = [f"--request-distribution={distribution}"] if sweep.mode == "rate" else []
    return [
        str(program),
        *("-m", sweep.model),
        *("-u", sweep.url),
        *("-i", "http" if sweep.http else "grpc"),
        *("-b", str(sweep.batch)),
        *("-f", str(table)),
        "--async",
        f"--input-data={inputs}",
        f"{_RANGES[sweep.mode]}={sweep.levels}",
        *chance,
        f"--measurement-interval={round(1000 * sweep.seconds)}",
        f"--stability-percentage={sweep.stability:g}",
        f"--max-trials={sweep.trials}",
        *shared,
    ]


def run(program: Program, sweep: Sweep, inputs: Path, folder: Path) -> list[Row]:
    """Make ``sweep``; its CSV and what it said stay in ``folder``. AnalyzerError where it measured nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    table, log = folder / f"{sweep.name}.csv", folder / f"{sweep.name}.log"
    table.unlink(missing_ok=True)
    with log.open("wb") as said:
        asked = command(program.path, sweep, inputs, table)
        done = subprocess.run(asked, env=program.environment, stdout=said, stderr=subprocess.STDOUT, check=False)
    rows = read_table(table, sweep) if table.is_file() else []
    if not rows:  # a code alone may only mean that one level was not steady
        tail = " | ".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        raise AnalyzerError(f"{NAME} measured nothing of {sweep.model} (code {done.returncode}); it said: {tail}")
    return rows


def read_table(file: Path, sweep: Sweep) -> list[Row]:
    """The rows of its CSV, by level: it has microseconds, and sorts by throughput."""
    with file.open(encoding="utf-8", newline="") as lines:
        told = list(csv.DictReader(lines))
    for name in (_LEVELS[sweep.mode], "Inferences/Second"):
        if told and name not in told[0]:
            raise AnalyzerError(f"{file} has no column {name!r}; it has {', '.join(map(str, told[0]))}.")
    return sorted((_row(line, sweep) for line in told), key=lambda row: row.level)


def _row(line: Mapping[str, str], sweep: Sweep) -> Row:
    def milliseconds(*names: str) -> float | None:
        found = [float(line[name]) / 1000 for name in names if line.get(name)]
        return sum(found) if found else None

    return Row(
        sweep.model,
        sweep.mode,
        float(line[_LEVELS[sweep.mode]]),
        float(line["Inferences/Second"]),
        p50=milliseconds("p50 latency"),
        p90=milliseconds("p90 latency"),
        p95=milliseconds("p95 latency"),
        p99=milliseconds("p99 latency"),
        queue=milliseconds("Server Queue"),
        compute=milliseconds("Server Compute Input", "Server Compute Infer", "Server Compute Output"),
        network=milliseconds("Client Send", "Network+Server Send/Recv", "Client Recv"),
    )
