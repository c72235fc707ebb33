"""The measurements as a page of tables, and as bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest.peers.registry import CEILING, OURS, Peer, peer
from loadtest.peers.store import Tuned
from loadtest.peers.summary import Row, Speed

RUNTIME_NAMES = {"torch": "PyTorch", "keras": "Keras", "openvino": "OpenVINO"}


def markdown(rows: Sequence[Row], tuned: Sequence[Tuned], plan: Mapping[str, Any], peers: tuple[Peer, ...]) -> str:
    """One page: where and how it was measured, a table for each network, the settings, and what failed."""
    where = ", ".join(f"{name} {value}" for name, value in plan["machine"].items())
    rounds = max((row.rounds for row in rows), default=0)
    parts = [
        "# Peers side by side",
        f"Measured at commit {plan['commit']} on: {where}.",
        f"Medians of {rounds} interleaved rounds, {plan['seconds']:g} s for each number of users (least to most in "
        f"brackets), closed loop, {plan['pictures']['count']} pictures of the mix `{plan['pictures']['mix']}`. "
        "PyTorch is the exported TorchScript of the same weights, operation by operation on the CPU. Peers decode with "
        "Pillow. Every answer was held against the right one; pictures/s counts right answers only.",
    ]
    for model in plan["models"]:
        here = [row for row in rows if row.model == model]
        parts += [f"## {model}", _table(_head(plan["users"]), [_line(row, plan["users"], peers) for row in here])]
        parts += _share(here)
    notes = [f"- {one.title}: {one.note}." for one in peers if one.note]
    if notes:
        parts += ["## Notes", "\n".join(notes)]
    if any(one.rates for one in tuned):
        parts += ["## Settings compared", _table(["peer", "model", "runtime", "pictures/s"], _settings(tuned, peers))]
    failed = [f"- {_name(row, peers)}, {row.model}: {' '.join(row.error.split())[:500]}" for row in rows if row.error]
    if failed:
        parts += ["## Failures", "\n".join(failed)]
    return "\n\n".join(parts) + "\n"


def plot(rows: Sequence[Row], models: Sequence[str], peers: tuple[Peer, ...], file: Path) -> None:
    """Bars of the most pictures/s each did under any load, a panel for each network, to ``file`` (PNG)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * max(1, len(models)), 7), layout="constrained")
    for place, model in enumerate(models, 1):
        here = [row for row in rows if row.model == model and row.speeds]
        best = sorted(((_best(row), row) for row in here), key=lambda one: one[0].pictures_per_second)
        axes = figure.add_subplot(1, len(models), place)
        rates = [speed.pictures_per_second for speed, _ in best]
        colours = [
            "tab:red" if row.peer == OURS else "tab:grey" if row.peer == CEILING else "tab:blue" for _, row in best
        ]
        around = [
            [speed.pictures_per_second - speed.least for speed, _ in best],
            [speed.most - speed.pictures_per_second for speed, _ in best],
        ]
        axes.barh([_name(row, peers) for _, row in best], rates, xerr=around, color=colours)
        axes.set_xlabel("pictures/s, the most under any load")
        axes.set_title(model)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def _share(rows: Sequence[Row]) -> list[str]:
    ours = [row for row in rows if row.peer == OURS and row.speeds]
    ceiling = [row for row in rows if row.peer == CEILING and row.speeds]
    if not (ours and ceiling and _best(ceiling[0]).pictures_per_second):
        return []
    share = _best(ours[0]).pictures_per_second / _best(ceiling[0]).pictures_per_second
    return [f"Ours does {share:.0%} of what the same decoding and network do with no server."]


def _best(row: Row) -> Speed:
    return max(row.speeds, key=lambda speed: speed.pictures_per_second)


def _name(row: Row, peers: tuple[Peer, ...]) -> str:
    return f"{peer(row.peer, peers).title} + {RUNTIME_NAMES[row.runtime]}"


def _head(users: Sequence[int]) -> list[str]:
    most = max(users)
    loads = [f"{many} user{'s' * (many > 1)}" for many in users]
    times = [f"p50, p99 ms at {most}", f"ours, times as many at {most}"]
    return ["peer", "in process", *loads, *times, "MiB", "cold start, s", "wrong answers", "lines", "set to"]


def _line(row: Row, users: Sequence[int], peers: tuple[Peer, ...]) -> list[str]:
    last = row.speed(max(users)) or row.speed(0)
    known = last is not None and last.p50 is not None and last.p99 is not None
    return [
        _name(row, peers),
        *(_speed(row.speed(many)) for many in (0, *users)),
        f"{last.p50:,.0f}, {last.p99:,.0f}" if last is not None and known else "-",
        f"{last.ratio:.1f}" if last is not None and last.ratio is not None else "-",
        f"{row.memory_mib:,.0f}" if row.memory_mib is not None else "-",
        f"{row.cold_seconds:.1f}" if row.cold_seconds is not None else "-",
        f"{row.wrong} of {row.right + row.wrong}",
        _lines(peer(row.peer, peers)),
        "-" if row.peer in (OURS, CEILING) else row.setting,
    ]


def _speed(speed: Speed | None) -> str:
    if speed is None:
        return "-"
    return f"{speed.pictures_per_second:.1f} ({speed.least:.1f}-{speed.most:.1f})"


def _lines(one: Peer) -> str:
    """Of the peer's own file, blank lines and comments left out; ours, with a server or none, is no file of a few."""
    if one.name in (OURS, CEILING):
        return "-"
    lines = (line.strip() for line in one.file.read_text(encoding="utf-8").splitlines())
    return str(sum(1 for line in lines if line and not line.startswith("#")))


def _settings(tuned: Sequence[Tuned], peers: tuple[Peer, ...]) -> list[list[str]]:
    return [
        [peer(one.peer, peers).title, one.model, RUNTIME_NAMES[one.runtime], "; ".join(_rates(one))]
        for one in tuned
        if one.rates
    ]


def _rates(tuned: Tuned) -> list[str]:
    return [
        f"**{name}: {rate:.1f}**" if name == str(tuned.setting) else f"{name}: {rate:.1f}"
        for name, rate in tuned.rates.items()
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))
