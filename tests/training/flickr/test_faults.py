"""The command against a local Flickr that does not behave."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from training.data.flickr import collect as collect_module
from training.data.flickr.cli import command
from training.data.flickr.patience import Patience
from training.data.flickr.record import FILE
from training.data.pictures import list_pictures

PICTURE = "/65535/1_h.jpg"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "pause", lambda *_: 0.0)


def collect(out: Path, *options: str) -> Result:
    fast = ["--per-second", "100000", "--calls-an-hour", "1000000000", "--timeout", "0.5"]
    arguments = ["--out", str(out), *fast, *(options or ("--group", "g@N1=film"))]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_damaged_record_is_named(flickr: Any, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database " * 100)
    result = collect(tmp_path)
    assert result.exit_code == 2
    assert f"{FILE} is damaged" in result.output


@pytest.mark.parametrize("fault", ["429 0", "429", "500", "503 0", "html 503", "truncated", "drop", "slow"])
def test_a_passing_fault_of_a_picture_is_tried_again(flickr: Any, tmp_path: Path, fault: str) -> None:
    for number in (1, 2):
        flickr.add("g@N1", number)
    flickr.faults[PICTURE].extend([fault, fault])
    result = collect(tmp_path)
    assert result.exit_code == 0, result.output
    assert [path.name for path in list_pictures(tmp_path / "film")] == ["77-N01_1.jpg", "77-N01_2.jpg"]
    assert (tmp_path / "film" / "77-N01_1.jpg").read_bytes() == flickr.pictures[PICTURE]
    assert flickr.asked[PICTURE] == 3


@pytest.mark.parametrize("fault", ["429 0", "500", "503", "html", "truncated", "drop", "slow"])
def test_a_passing_fault_of_the_api_is_tried_again(flickr: Any, tmp_path: Path, fault: str) -> None:
    flickr.add("g@N1", 1)
    flickr.faults["api"].extend([fault, fault])
    assert collect(tmp_path).exit_code == 0
    assert [call["method"].rpartition(".")[2] for call in flickr.calls] == ["getInfo"] * 3 + ["getPhotos"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("404", "gone"), ("410", "gone"), ("403", "not public"), ("html", "not a JPEG"), ("moved", "gone")],
)
def test_a_lasting_fault_is_written_down_and_stops_nothing(
    flickr: Any, tmp_path: Path, fault: str, reason: str
) -> None:
    for number in (1, 2):
        flickr.add("g@N1", number)
    flickr.pictures["/photo_unavailable.jpg"] = b"a placeholder"
    flickr.faults[PICTURE].append(fault)
    result = collect(tmp_path)
    assert result.exit_code == 0
    assert f"1 skipped: {reason}" in result.output
    assert [path.name for path in list_pictures(tmp_path / "film")] == ["77-N01_2.jpg"]
    assert "2 were settled" in collect(tmp_path).output
    assert flickr.asked[PICTURE] == 1


def test_a_picture_that_cannot_be_had_now_is_had_by_the_next_run(flickr: Any, tmp_path: Path) -> None:
    for number in (1, 2):
        flickr.add("g@N1", number)
    flickr.faults[PICTURE].extend(["500"] * Patience.attempts)
    result = collect(tmp_path)
    assert result.exit_code == 1
    assert "Not had this time: https://www.flickr.com/photos/77@N01/1: HTTP 500" in result.output
    assert collect(tmp_path).exit_code == 0
    assert len(list_pictures(tmp_path / "film")) == 2
    assert flickr.asked == {PICTURE: Patience.attempts + 1, "/65535/2_h.jpg": 1}


def test_a_dead_store_ends_the_run(flickr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_module, "HOPELESS", 3)
    for number in range(1, 100):
        flickr.faults[flickr.add("g@N1", number)].append("500")
    result = collect(tmp_path, "--group", "g@N1=film", "--attempts", "1")
    assert result.exit_code == 1
    assert "3 pictures in a row could not be had" in result.output
    assert sum(flickr.asked.values()) < 40


def test_a_dead_api_ends_the_run_with_a_sentence(flickr: Any, tmp_path: Path) -> None:
    flickr.close()
    result = collect(tmp_path)
    assert result.exit_code == 1
    assert f"Error: ConnectionError from {flickr.url}" in result.output


def test_flickr_being_unavailable_is_no_error_of_the_key(flickr: Any, tmp_path: Path) -> None:
    answers = iter([{"stat": "fail", "code": 105, "message": "Service currently unavailable"}])
    flickr.add("g@N1", 1)
    behaves = flickr.answer
    flickr.answer = lambda call: next(answers, None) or behaves(call)
    assert collect(tmp_path).exit_code == 0


@pytest.mark.parametrize("fault", [None, "401"])
def test_a_bad_key_ends_the_run_at_once(flickr: Any, tmp_path: Path, fault: str | None) -> None:
    flickr.key = flickr.key if fault else "another"
    flickr.faults["api"].extend([fault] if fault else [])
    result = collect(tmp_path)
    assert result.exit_code == 2
    assert "Error: Flickr does not accept the key: " in result.output
    assert "Check FLICKR_API_KEY and FLICKR_API_SECRET" in result.output
    assert len(flickr.calls) == 1


@pytest.mark.parametrize("name", ["FLICKR_API_KEY", "FLICKR_API_SECRET"])
def test_no_key_is_said_before_anything_is_asked(
    flickr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    result = collect(tmp_path)
    assert result.exit_code == 2
    assert f"{name} is not set" in result.output
    assert not flickr.calls


def test_a_group_that_cannot_be_listed_does_not_stop_the_others(flickr: Any, tmp_path: Path) -> None:
    flickr.add("g@N1", 1)
    flickr.add("closed@N2", 2)
    flickr.members_only.add("closed@N2")
    groups = ("--group", "none@N9=digital", "--group", "closed@N2=digital", "--group", "g@N1=film")
    result = collect(tmp_path, *groups)
    assert result.exit_code == 1
    assert "There is no group none@N9 on Flickr" in result.output
    assert "Group closed@N2 shows its pool to members only." in result.output
    assert len(list_pictures(tmp_path / "film")) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--group", "g@N1=flim"], "'g@N1=flim' is not GROUP=LABEL"),
        (["--group", "=film"], "'=film' is not GROUP=LABEL"),
        (["--group", "g@N1=film", "--licences", "cc-bye"], "Flickr has no licence 'cc-bye'"),
        (["--group", "https://www.flickr.com/groups/nowhere=film"], "Flickr has no group at https://"),
        (["--group", "g@N1=film", "--size", "Huge"], "'Huge' is not one of"),
        (["--group", "g@N1=film", "--licences", " , "], "none are named"),
        (["--group", "g@N1=film", "--timeout", "nan"], "nan is not a number to wait or count by"),
        (["--group", "g@N1=film", "--per-second", "0"], "not in the range"),
        ([], "Missing option '--group'"),
    ],
)
def test_a_wrong_option_is_refused_with_exit_2(flickr: Any, tmp_path: Path, options: list[str], said: str) -> None:
    result = CliRunner().invoke(command, ["--out", str(tmp_path / "new"), "--calls-an-hour", "1000000000", *options])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "new").exists()


def test_two_runs_do_not_share_a_folder(flickr: Any, tmp_path: Path) -> None:
    flickr.add("g@N1", 1)
    second: list[Result] = []

    def meanwhile(_: int) -> bool:
        second.append(collect(tmp_path))
        return False

    flickr.hang_up = meanwhile
    first = CliRunner().invoke(
        command, ["--out", str(tmp_path), "--group", "g@N1=film", "--calls-an-hour", "1000000000", "--timeout", "60"]
    )
    assert first.exit_code == 0
    assert [result.exit_code for result in second] == [2]
    assert "is in use by another run" in second[0].output
