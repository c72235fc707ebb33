"""The runner with a peer of a few lines: what it measures, counts as wrong, refuses, and goes on with."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from film.specs import NEGATIVE_CONDITION
from loadtest import pictures
from loadtest.ceiling import ARRANGEMENTS
from loadtest.peers import session
from loadtest.peers.registry import CEILING, FOUNDING, OURS, SERVERS, Peer, PeersError, all_cores, peer
from loadtest.peers.runner import Plan

PLAIN = Peer("plain", "Plain", Path(__file__).parent / "plain_server.py", (), "raw", all_cores)
Run = Callable[[Plan], int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A whole run of two small pictures; its report goes to ``tmp_path``. Whoever edits meanwhile changes no commit."""
    monkeypatch.setattr("loadtest.machine.commit", lambda: "abc")
    console = Console(file=io.StringIO())
    return lambda plan: session.run(plan, 2, "small", tmp_path, console, tmp_path / "cache")


def plan(*peers: Peer, **otherwise: Any) -> Plan:
    usual = Plan(peers, (NEGATIVE_CONDITION,), ("openvino",), (1, 2), 0.5, 1, False, 60)
    return replace(usual, **otherwise)


def stored(folder: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads((folder / "peers.json").read_text())["cells"]
    return cells


@pytest.mark.e2e
def test_ours_and_a_peer_side_by_side(run: Run, tmp_path: Path) -> None:
    wanted = plan(peer(OURS), PLAIN, rounds=2, seconds=1.5)
    assert run(wanted) == 0
    cells = stored(tmp_path)
    places = [(cell["round"], cell["peer"]) for cell in cells]
    assert places == [(1, OURS), (1, "plain"), (2, "plain"), (2, OURS)]
    for cell in cells:
        assert [load["users"] for load in cell["loads"]] == [1, 2]
        right, wrong = (sum(load[name] for load in cell["loads"]) for name in ("right", "wrong"))
        assert right > wrong, cell
        assert cell["memory_mib"] > 0
        assert cell["cold_seconds"] > 0
    assert "| Plain + OpenVINO |" in (tmp_path / "peers.md").read_text()
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")
    assert run(wanted) == 0
    assert stored(tmp_path) == cells  # nothing was left to measure
    with pytest.raises(PeersError, match=r"seconds: 1\.5 then, 0\.75 now"):
        run(replace(wanted, seconds=0.75))


def test_wrong_answers_are_counted_and_are_no_speed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUBBORN", "1")
    run(plan(PLAIN, users=(1,)))
    (load,) = stored(tmp_path)[0]["loads"]
    assert load["wrong"] > 0
    assert (load["right"], load["pictures_per_second"], load["p50"]) == (0, 0, None)
    assert "off the right probability" in (tmp_path / "peers.md").read_text()


def test_a_peer_that_ends_is_reported_and_the_others_go_on(run: Run, tmp_path: Path) -> None:
    broken = replace(PLAIN, name="broken", title="Broken", file=tmp_path / "broken.py")
    broken.file.write_text("raise SystemExit('no such model')")
    assert run(plan(broken, PLAIN, users=(1,))) == session.FAILED
    failed, fine = stored(tmp_path)
    assert "Broken ended with code 1" in failed["error"]
    assert "no such model" in failed["error"]
    assert fine["loads"][0]["right"] > 0
    broken.file.write_text(f"import runpy; runpy.run_path({str(PLAIN.file)!r})")
    assert run(plan(broken, PLAIN, users=(1,))) == 0  # what failed is measured again, the rest is not
    kept, mended = stored(tmp_path)
    assert kept == fine
    assert mended["loads"][0]["right"] > 0


def test_a_run_out_of_time_goes_on_later(run: Run, tmp_path: Path) -> None:
    assert run(plan(PLAIN, users=(1,), minutes=0)) == session.OUT_OF_TIME
    assert not (tmp_path / "peers.json").exists()
    assert run(plan(PLAIN, users=(1,))) == 0
    assert len(stored(tmp_path)) == 1


def test_a_run_of_another_commit_or_other_pictures_does_not_go_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = plan(PLAIN, users=(1,))
    assert run(wanted) == 0
    cells = stored(tmp_path)
    assert "Measured at commit abc on:" in (tmp_path / "peers.md").read_text()
    with monkeypatch.context() as now:
        now.setattr("loadtest.machine.commit", lambda: "def")
        with pytest.raises(PeersError, match=r"\(commit: 'abc' then, 'def' now\)"):
            run(wanted)
    make = pictures.make
    monkeypatch.setattr("loadtest.pictures.make", lambda mix, count: make(mix, count, seed=1))
    with pytest.raises(PeersError, match=r"\(pictures: .*digest.*then"):
        run(wanted)
    assert stored(tmp_path) == cells


def test_settings_are_compared_once_and_the_faster_is_kept(run: Run, tmp_path: Path) -> None:
    chosen = replace(PLAIN, settings=lambda cores: (*all_cores(cores), replace(all_cores(cores)[0], batch=3)))
    run(plan(chosen, users=(1,), tune=True))
    (tuned,) = json.loads((tmp_path / "peers.json").read_text())["tuned"]
    assert len(tuned["rates"]) == 2
    best = max(tuned["rates"], key=tuned["rates"].get)
    assert best.endswith(f"batches to {tuned['setting']['batch']}")
    assert stored(tmp_path)[0]["setting"] == tuned["setting"]


def test_in_process_every_answer_is_checked_too(run: Run, tmp_path: Path) -> None:
    founding = replace(peer(FOUNDING), packages=())  # this environment has what it needs
    assert run(plan(peer(CEILING), founding)) == 0
    for cell in stored(tmp_path):
        (load,) = cell["loads"]
        assert load["users"] == 0
        assert load["right"] > 0
        assert load["wrong"] == 0
        assert load["pictures_per_second"] > 0
        assert cell["memory_mib"] > 0


def test_without_a_server_the_best_arrangement_of_the_ceiling_counts(run: Run, tmp_path: Path) -> None:
    assert run(plan(peer(CEILING))) == 0
    (log,) = (tmp_path / "logs").iterdir()
    rates = dict(line.removesuffix(" pictures/s").split(": ") for line in log.read_text().splitlines())
    assert tuple(rates) == ARRANGEMENTS
    (load,) = stored(tmp_path)[0]["loads"]
    assert f"{load['pictures_per_second']:.1f}" == max(rates.values(), key=float)
    assert load["p50"] is None
    (line,) = [line for line in (tmp_path / "peers.md").read_text().splitlines() if line.startswith("| no server")]
    assert line.endswith("| 0 of 2 | - | - |")  # both pictures were checked; it has neither a file nor settings


def test_what_hangs_in_process_is_reported_and_the_others_go_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.peers.measure.WAIT_SECONDS", 1)
    stuck = Peer("stuck", "Stuck", tmp_path / "stuck.py", (), "", all_cores)
    stuck.file.write_text("import sys, time; print('thinking', file=sys.stderr, flush=True); time.sleep(600)")
    assert run(plan(stuck, PLAIN, users=(1,))) == session.FAILED
    failed, fine = stored(tmp_path)
    assert "Stuck ended early or hung" in failed["error"]
    assert "thinking" in failed["error"]
    assert fine["loads"][0]["right"] > 0


def test_a_peer_has_a_folder_that_goes_with_it(run: Run, tmp_path: Path) -> None:
    littering = replace(PLAIN, file=tmp_path / "littering.py")
    littering.file.write_text(
        f"import os, runpy, sys; sys.path.insert(0, {str(SERVERS)!r})\n"
        "import peer_network; print(peer_network.FOLDER, os.listdir(peer_network.FOLDER), flush=True)\n"
        "open(peer_network.FOLDER + '/settings', 'w').close()\n"
        f"runpy.run_path({str(PLAIN.file)!r})"
    )
    assert run(plan(littering, users=(1,))) == 0
    (log,) = (tmp_path / "logs").iterdir()
    folder, listed = log.read_text().splitlines()[0].split(" ", 1)
    assert listed == "[]"
    assert not Path(folder).exists()


def test_nothing_is_left_behind(run: Run) -> None:
    run(plan(PLAIN, users=(1,)))
    mine = [one.cmdline() for one in psutil.Process().children(recursive=True) if one.status() != "zombie"]
    assert not [line for line in mine if str(PLAIN.file) in line]
