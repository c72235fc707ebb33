"""The results as tables in Markdown, which a terminal and a page both show."""

from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.gpu.results import Results
from loadtest.limits.bench import failures

OF_WHICH_GRAPH = (
    "The roofline is that of the operators of `model.onnx`, each by itself, whatever a way runs. That file is laid "
    "out for a CPU: `film_origin` measures grain in strips there, and in one piece in all files for a GPU. So a way "
    "may need less than the roofline says, and be above it."
)


_USE = ("cores", "of the GPU's JPEG engine")
"""What the columns that ``_used`` fills are called."""


def markdown(results: Results) -> str:
    """One page: the machine, its limits, networks, decoders, the server, the conditions, and what is missing."""
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    limits = results.ceilings or {"matrix": {}, "copy": 0.0, "upload": 0.0}  # none where it was stopped before
    off = {(row["model"], row["decoder"]): str(row["largest_difference"]) for row in results.pixels}
    rates = [[f"{name} matrix product", f"{rate / 1e12:.2f} TFLOP/s"] for name, rate in limits["matrix"].items()]
    parts = [
        f"# Measured on: {machine}",
        "## The device's own limits",
        _table(
            ["what", "measured"],
            [
                ["copy on the device (read and written)", f"{limits['copy'] / 1e9:.1f} GB/s"],
                ["upload", f"{limits['upload'] / 1e9:.1f} GB/s"],
                *rates,
            ],
        ),
        "## Networks alone",
        _table(
            ["model", "way", "batch", "pictures/s", "roofline", "of it", "of the ideal", "largest difference"],
            [
                [
                    row["model"],
                    row["way"],
                    str(row["batch"]),
                    f"{row['pictures_per_second']:,.0f}",
                    f"{row['roofline']:,.0f}",
                    f"{row['of_roofline']:.1%}",
                    f"{row['of_ideal']:.1%}",
                    f"{row['largest_difference']:.1e}{'' if row['within_tolerance'] else ', too far'}",
                ]
                for row in results.networks
            ],
        ),
        OF_WHICH_GRAPH,
        "## The first convolution by itself, rewritten",
        _table(
            ["model", "picture as", "batch", "us", "largest difference, of the largest value"],
            [
                [
                    row["model"],
                    row["way"],
                    str(row["batch"]),
                    f"{1e6 * row['seconds']:,.0f}",
                    f"{row['largest_difference']:.1e}",
                ]
                for row in results.stems
            ],
        ),
        "## JPEG to pixels",
        _table(
            ["for", "decoder", "pictures/s", *_USE, "largest difference from the cpu profile, in levels"],
            [
                [
                    row["model"],
                    row["decoder"],
                    f"{row['pictures_per_second']:,.0f}",
                    *_used(row),
                    off.get((row["model"], row["decoder"]), "-"),
                ]
                for row in results.decoders
            ],
        ),
        "## JPEG to verdict in one process, without a server",
        _table(
            ["model", "as the profile cuda", "pictures/s", *_USE],
            [
                [row["model"], row["way"], f"{row['pictures_per_second']:,.0f}", *_used(row)]
                for row in results.in_process
            ],
        ),
        "## JPEG to verdict through Triton",
        _table(
            [
                *("model", "profile", "file", "right pictures/s", *_USE, "of the fastest decoder", "of in process"),
                *("p50", "p99", "failed requests"),
            ],
            [
                [
                    row["model"],
                    row["profile"],
                    row["file"] or "-",
                    f"{row['pictures_per_second']:,.0f}",
                    *_used(row),
                    _share(row["of_decoding"]),
                    _share(row["of_in_process"]),
                    _milliseconds(row["p50"]),
                    _milliseconds(row["p99"]),
                    failures([row]) + (f", as: {row['reason']}" if row["reason"] else ""),
                ]
                for row in results.served
            ],
        ),
    ]
    if results.conditions:
        parts += ["## Measured under", _table(["what", "value"], _rows_of(results.conditions))]
    if results.missing:
        parts += ["## Not measured", "\n".join(f"- {line}" for line in results.missing)]
    return "\n\n".join(parts) + "\n"


def _rows_of(conditions: Mapping[str, Any]) -> list[list[str]]:
    return [[name.replace("_", " "), _plain(value)] for name, value in conditions.items()]


def _plain(value: Any) -> str:
    """In one line, which a cell of a table must be."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "-"
    return " ".join(str(value).split()).replace("|", "/") or "-"


def _used(row: Mapping[str, Any]) -> list[str]:
    cores, engine = row["cores"], row["jpeg_engine"]
    return ["-" if cores is None else f"{cores:.1f}", "-" if engine is None else f"{engine:.0f}%"]


def _share(part: float | None) -> str:
    return "-" if part is None else f"{part:.0%}"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (
        [head, ["---"] * len(head), *rows] if rows else [head, ["---"] * len(head), ["none"] + [""] * (len(head) - 1)]
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
