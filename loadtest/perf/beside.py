"""perf_analyzer at the levels of a load test, on the server that has just had it: both stand in one report.

Of ours a request may ask both models; perf_analyzer asks one at a time, and does not look at answers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loadtest.perf.analyzer import STABILITY, Row, Sweep, run, write_inputs
from loadtest.perf.program import AnalyzerError, Program
from loadtest.stage import Stage, Target

WINDOWS = 4
"""Of a stage's length: it measures until three windows agree."""


def sweeps(stages: Sequence[Stage], target: Target, models: Sequence[str], seconds: float) -> list[Sweep]:
    """A call for each of ``models`` and each stage, which is ``seconds`` long and has one level."""
    found = []
    for stage in stages:
        amount = stage.levels[0].amount
        for model in models:
            sweep = Sweep(
                model,
                "concurrency" if stage.closed else "rate",
                f"{amount:g}",
                target.url.partition("://")[2],
                target.batch,
                seconds / WINDOWS,
                http=target.http,
            )
            if stage.arrivals != "closed":
                sweep = replace(sweep, arrivals=stage.arrivals, stability=STABILITY["rate"])
            found.append(sweep)
    return found


def analyze(
    program: Program, planned: Sequence[Sweep], blobs: Sequence[bytes], out: Path
) -> Iterator[tuple[list[Row], list[str]]]:
    """After each call what all have measured, and a sentence for each that measured nothing.

    perf_analyzer's tables and logs stay in ``out``.
    """
    out.mkdir(parents=True, exist_ok=True)
    inputs = out / "inputs.json"
    write_inputs(blobs, inputs)
    rows: list[Row] = []
    missing: list[str] = []
    for sweep in planned:
        try:
            rows += run(program, sweep, inputs, out / sweep.levels)
        except AnalyzerError as error:
            missing.append(f"{sweep.mode} {sweep.levels}: {error}")
        yield list(rows), list(missing)
    inputs.unlink()  # all pictures once more
