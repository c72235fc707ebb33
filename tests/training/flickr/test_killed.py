"""A run that is killed loses nothing and repeats nothing."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from training.data.flickr.cli import command

PICTURES = 24
OPTIONS = [
    *("--group", "film@N1=film", "--group", "digital@N2=digital", "--licences", "cc-by"),
    *("--per-second", "100000", "--calls-an-hour", "1000000000"),
]


@pytest.fixture
def pools(flickr: Any, make_jpeg: Any) -> Any:
    """Two groups with everything in them that is decided on: copies, broken files, other licences, a missing one."""
    for number in range(1, PICTURES + 1):
        group = "film@N1" if number <= PICTURES // 2 else "digital@N2"
        flickr.add(group, number, owner=f"{number % 5}@N00", license="2" if number % 10 == 7 else "4")
    flickr.pictures["/65535/4_h.jpg"] = make_jpeg(1, quality=50)
    flickr.pictures["/65535/15_h.jpg"] = make_jpeg(2, quality=50)
    flickr.pictures["/65535/9_h.jpg"] = b"not a picture"
    del flickr.pictures["/65535/20_h.jpg"]
    return flickr


def folder(out: Path) -> dict[str, str]:
    """What a run leaves behind, by path, but for the record, whose bytes depend on its history."""
    files = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".sqlite"]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def uninterrupted(out: Path) -> dict[str, str]:
    result = CliRunner().invoke(command, ["--out", str(out), *OPTIONS], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder(out)


def start(out: Path, threads: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "training.data.flickr", "--out", str(out), *OPTIONS, "--threads", str(threads)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("threads", [1, 4])
def test_killed_again_and_again_and_yet_the_same(pools: Any, tmp_path: Path, threads: int) -> None:
    expected = uninterrupted(tmp_path / "whole")
    for counter in (pools.asked, pools.answered):
        counter.clear()
    pools.calls.clear()
    running: list[subprocess.Popen[str]] = []
    kills = 0

    def kill(number: int) -> bool:
        due = number in (3, 9, 16, 25)
        if due:
            running[-1].send_signal(signal.SIGKILL)
            running[-1].wait()
        return due

    pools.hang_up = kill
    out = tmp_path / "killed"
    while True:
        running.append(start(out, threads))
        said, _ = running[-1].communicate(timeout=120)
        if running[-1].returncode == 0:
            break
        assert running[-1].returncode == -signal.SIGKILL, said
        kills += 1
    assert kills == 4
    assert folder(out) == expected
    repeated = sum(pools.answered.values()) - len(pools.answered)
    # With one thread only the request that was killed was under way, and it had no answer. With four, three more may
    # have been answered by the server and not have been received.
    assert repeated <= kills * (threads - 1)
    assert set(pools.answered) == {f"/65535/{n}_h.jpg" for n in range(1, PICTURES + 1) if n not in (7, 17, 20)}


def test_every_step_between_download_and_record_can_be_the_last(pools: Any, tmp_path: Path) -> None:
    expected = uninterrupted(tmp_path / "whole")
    pictures = pools.pictures
    out = tmp_path / "out"
    for place in (".incoming", "film", "digital"):
        (out / place).mkdir(parents=True)
    (out / ".incoming" / "2-N00_2.jpg.part").write_bytes(pictures["/65535/2_h.jpg"][:1000])  # half written
    (out / ".incoming" / "3-N00_3.jpg").write_bytes(pictures["/65535/3_h.jpg"])  # not judged
    (out / ".incoming" / "4-N00_4.jpg").write_bytes(pictures["/65535/4_h.jpg"])  # not judged, a copy
    (out / "film" / "0-N00_5.jpg").write_bytes(pictures["/65535/5_h.jpg"])  # in its place, not written down
    (out / "film" / "4-N00_9.jpg").write_bytes(b"not a picture")
    pools.asked.clear()
    assert uninterrupted(out) == expected
    assert not {f"/65535/{n}_h.jpg" for n in (3, 4, 5, 9)} & set(pools.asked)
    assert set(pools.asked.values()) == {1}

    # Written down as refused, and not yet deleted.
    shutil.copy(out / "film" / "3-N00_3.jpg", out / ".incoming" / "4-N00_4.jpg")
    (out / "film" / "4-N00_9.jpg").write_bytes(b"not a picture")
    (out / "manifest.csv").unlink()
    (out / "film" / "mine_4.jpg").write_bytes(b"somebody's own")
    pools.asked.clear()
    left = uninterrupted(out)
    assert left.pop("film/mine_4.jpg")
    assert left == expected
    assert not pools.asked


def test_ctrl_c_leaves_a_folder_that_the_next_run_completes(pools: Any, tmp_path: Path) -> None:
    expected = uninterrupted(tmp_path / "whole")
    pools.asked.clear()
    started: list[subprocess.Popen[str]] = []

    def interrupt(number: int) -> bool:
        if number == 6:
            os.kill(started[0].pid, signal.SIGINT)
        return False

    pools.hang_up = interrupt
    started.append(start(tmp_path / "out", threads=1))
    said, _ = started[0].communicate(timeout=120)
    assert started[0].returncode == 130, said
    assert "goes on from here" in said
    assert "Traceback" not in said
    assert (tmp_path / "out" / "manifest.csv").is_file()
    assert uninterrupted(tmp_path / "out") == expected
    assert set(pools.asked.values()) == {1}
