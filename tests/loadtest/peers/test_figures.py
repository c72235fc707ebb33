"""Counting, medians, ratios, the store and the refusals, on figures worked by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from loadtest.peers.__main__ import main
from loadtest.peers.answers import TOLERANCE, Answer, Load, judge
from loadtest.peers.environments import python
from loadtest.peers.registry import OURS, PEERS, PeersError, Setting, batching, peer
from loadtest.peers.report import markdown
from loadtest.peers.store import Cell, Store, Tuned
from loadtest.peers.summary import summarise

TRUTH = [np.array([0.25, 0.75], np.float32), np.array([1.0, 0.0], np.float32)]
SETTING = Setting(2, 1, 8)
PLAN = {
    "seconds": 2.0,
    "users": [1, 8],
    "weights": {"film_origin": "abc"},
    "machine": {"cores": "2"},
    "commit": "abc+1",
}


def load(users: int, rate: float, **otherwise: object) -> Load:
    usual = Load(users, 2.0, round(2 * rate), 0, rate, 10.0, 20.0, 0.01, [])
    return replace(usual, **otherwise)  # type: ignore[arg-type]


def cell(number: int, name: str, *loads: Load, memory: float = 100.0) -> Cell:
    return Cell(number, name, "film_origin", "openvino", SETTING, loads, 3.0, memory)


def test_an_answer_is_right_within_the_tolerance_of_its_own_picture() -> None:
    answers = [
        Answer(0, [0.25, 0.75], 1.0, 1.01),
        Answer(0, [0.25 + TOLERANCE / 2, 0.75 - TOLERANCE / 2], 1.0, 1.03),
        Answer(1, [0.25, 0.75], 1.0, 1.001),
        Answer(1, [float("nan"), 0.0], 1.0, 1.001),
        Answer(1, [1.0], 1.0, 1.001),
        Answer(1, None, 1.0, 1.001, "status 503"),
    ]
    found = judge(answers, TRUTH, users=8, window=(0.0, 4.0))
    assert (found.right, found.wrong) == (2, 4)
    assert found.pictures_per_second == pytest.approx(0.5)
    assert (found.p50, found.p99) == (pytest.approx(10), pytest.approx(30))
    assert found.furthest == pytest.approx(0.75)
    assert any("status 503" in reason for reason in judge(answers[-1:], TRUTH, 8, (0.0, 4.0)).reasons)


def test_an_answer_counts_by_the_part_of_it_that_was_measured() -> None:
    """A server that answers eight at a time, every two seconds, from just after a burst on."""
    bursts = [Answer(0, [0.25, 0.75], 2.0 * burst, 2.0 * burst + 2) for burst in range(4) for _ in range(8)]
    found = judge(bursts, TRUTH, 8, (2.01, 5.01))
    assert found.pictures_per_second == pytest.approx(4)
    assert found.seconds == pytest.approx(3)
    assert (found.right, found.wrong) == (16, 0)  # neither the first burst nor the last


def test_no_answer_has_no_percentile() -> None:
    found = judge([], TRUTH, 1, (0.0, 2.0))
    assert (found.right, found.wrong, found.pictures_per_second, found.p50, found.furthest) == (0, 0, 0.0, None, None)


def test_medians_over_rounds_and_ratios_to_ours() -> None:
    ours = [cell(number, OURS, load(1, rate), load(8, 2 * rate)) for number, rate in enumerate((30.0, 60.0, 40.0), 1)]
    theirs = [cell(n, "ray", load(1, rate), memory=10 * rate) for n, rate in enumerate((4.0, 5.0, 100.0), 1)]
    mine, other = summarise([*ours, *theirs])
    assert [(one.users, one.pictures_per_second, one.ratio) for one in mine.speeds] == [(1, 40.0, 1.0), (8, 80.0, 1.0)]
    (speed,) = other.speeds
    assert (speed.pictures_per_second, speed.least, speed.most, speed.ratio) == (5.0, 4.0, 100.0, 8.0)
    assert (other.memory_mib, other.rounds) == (50.0, 3)


def test_a_round_that_failed_counts_in_no_median() -> None:
    failed = Cell(2, "ray", "film_origin", "openvino", SETTING, error="it ended")
    (row,) = summarise([cell(1, "ray", load(1, 4.0)), failed])
    assert (row.speeds[0].pictures_per_second, row.rounds, row.error) == (4.0, 1, "it ended")
    assert row.speeds[0].ratio is None  # ours was not measured


def test_the_store_gives_back_what_it_was_given(tmp_path: Path) -> None:
    first = Store(tmp_path / "out" / "peers.json", PLAN)
    kept, tuned = (
        cell(1, "ray", load(1, 4.0), load(8, 6.0)),
        Tuned("ray", "film_origin", "openvino", SETTING, {"a": 1.0}),
    )
    first.add(kept)
    first.add(tuned)
    again = Store(first.path, PLAN)
    assert again.cell(kept.key) == kept
    assert again.cell((2, *kept.key[1:])) is None
    assert again.tuning("ray", "film_origin", "openvino") == tuned


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seconds": 3.0}, r"seconds: 2\.0 then, 3\.0 now"),
        ({"users": [1]}, "users"),
        ({"weights": {"film_origin": "def"}}, "weights"),
        ({"machine": {"cores": "4"}}, "machine"),
        ({"versions": {}}, "versions: not known then"),
        ({"commit": "abc+2"}, r"commit: 'abc\+1' then, 'abc\+2' now\)\. Name another --out, or delete the file"),
    ],
)
def test_it_goes_on_only_under_the_same_conditions(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    Store(tmp_path / "peers.json", PLAN).add(cell(1, "ray", load(1, 4.0)))
    with pytest.raises(PeersError, match=said):
        Store(tmp_path / "peers.json", {**PLAN, **changed})


def test_a_peer_that_could_not_be_installed_may_be_later(tmp_path: Path) -> None:
    then = {**PLAN, "installed": {"ray": [], "fastapi": ["fastapi==1"]}}
    store = Store(tmp_path / "peers.json", then)
    store.add(cell(1, "fastapi", load(1, 4.0)))
    store.add(Cell(1, "ray", "film_origin", "openvino", SETTING, error="Ray Serve cannot be installed: no network"))
    now = {**PLAN, "installed": {"ray": ["ray==2"], "fastapi": ["fastapi==1"]}}
    Store(store.path, now).add(cell(1, "ray", load(1, 5.0)))
    assert json.loads(store.path.read_text())["plan"] == now
    for name in ("ray", "fastapi"):  # both are measured now
        with pytest.raises(PeersError, match="installed"):
            Store(store.path, {**now, "installed": {**now["installed"], name: ["other==1"]}})  # type: ignore[dict-item]


def test_a_file_from_before_the_commit_was_kept_is_of_another(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    Store(file, {name: value for name, value in PLAN.items() if name != "commit"}).add(cell(1, "ray", load(1, 4.0)))
    with pytest.raises(PeersError, match=r"commit: not known then, 'abc\+1' now"):
        Store(file, PLAN)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"plan": {}, "cells": [{}], "tuned": []}'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "peers.json").write_text(content)
    with pytest.raises(PeersError, match="not written by this program"):
        Store(tmp_path / "peers.json", PLAN)


def test_the_page_has_every_peer_and_what_failed() -> None:
    failed = Cell(1, "ray", "film_origin", "openvino", SETTING, error="it ended\nbadly")
    rows = summarise(
        [cell(1, OURS, load(1, 40.0), load(8, 80.0)), cell(1, "litserve", load(1, 10.0), load(8, 8.0)), failed]
    )
    plan = {**PLAN, "models": ["film_origin"], "pictures": {"count": 24, "mix": "phone"}}
    page = markdown(rows, [], plan, PEERS)
    assert "Measured at commit abc+1 on:" in page
    (line,) = [line for line in page.splitlines() if line.startswith("| LitServe")]
    assert "| 10.0 (10.0-10.0) | 8.0 (8.0-8.0) |" in line
    assert "| 10.0 | 100 |" in line  # ours does ten times as many
    assert "- Ray Serve + OpenVINO, film_origin: it ended badly" in page


def test_an_environment_is_installed_only_where_its_requirements_changed(tmp_path: Path) -> None:
    known = peer("fastapi")
    home = tmp_path / known.name
    home.mkdir()
    (home / "installed.txt").write_text("\n".join(known.requirements) + "\n")
    assert python(known, tmp_path) == home / "bin" / "python"
    with pytest.raises(PeersError, match="FastAPI cannot be installed"):
        python(replace(known, packages=(str(tmp_path / "nowhere"),)), tmp_path)


def test_an_installation_that_takes_for_ever_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.peers.environments.INSTALL_SECONDS", 0)
    with pytest.raises(PeersError, match="FastAPI cannot be installed: pip took more than 0 s"):
        python(peer("fastapi"), tmp_path)


def test_every_package_is_pinned() -> None:
    assert not [name for one in PEERS for name in one.requirements if "==" not in name]


def test_settings_are_different_on_one_core_too() -> None:
    for cores in (1, 2, 4):
        assert len(set(batching(cores))) == len(batching(cores))


def test_the_command_explains_itself_and_what_is_wrong(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert "python -m loadtest.peers --peers" in shown.output
    assert all(one.name in shown.output for one in PEERS)
    ran = CliRunner().invoke(main, ["--users", "1,none", "--out", str(tmp_path)])
    assert ran.exit_code == 1
    assert "--users is numbers above 0" in ran.output


def test_the_store_is_plain_json(tmp_path: Path) -> None:
    store = Store(tmp_path / "peers.json", PLAN)
    store.add(cell(1, "ray", load(1, 4.0)))
    assert json.loads(store.path.read_text())["plan"] == PLAN
