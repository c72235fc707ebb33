"""``safelight classify --out``: a file that a run which is started again goes on with."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import client.client
from client import FakeTransport, RequestRejected
from safelight.cli import main
from tests.safelight.conftest import killed_after

ROOT = Path(client.__file__).parents[1]
ONE_BY_ONE = ["--models", "film_origin", "--batch-size", "1", "--concurrency", "1"]


@pytest.fixture
def roll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "roll"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg", os.fsdecode(b"caf\xe9\x1b.jpg")):
        (folder / name).write_bytes(b"picture " + os.fsencode(name))
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["classify", *arguments])


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("verdicts.jsonl").read_text().splitlines()]


def asked(server: FakeTransport) -> int:
    """Pictures that one model was asked about since the last time."""
    count = sum(len(request.images) for request in server.requests if request.model == "film_origin")
    server.requests.clear()
    return count


def test_the_lines_are_those_of_json_and_say_what_was_asked(server: FakeTransport, roll: Path) -> None:
    printed = [json.loads(line) for line in run("roll", "--json", "--maps").stdout.splitlines()]
    options = ["--prior", "readable=0.9", "--prior", "film=0.5", "--use", "archive", "--maps"]
    result = run("roll", "--out", "verdicts.jsonl", *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "verdicts.jsonl: 4 added (0 with errors); there already: 0.\n"
    question = {
        "models": ["film_origin", "negative_condition"],
        "prior": {"film": 0.5, "readable": 0.9},
        "use": "archive",
        "maps": True,
    }
    for line, before in zip(lines(), printed, strict=True):
        assert line.pop("asked") == question
        assert line.keys() == before.keys()
        assert (line["source"], line["defect_map"]) == (before["source"], before["defect_map"])


def test_what_has_a_line_is_not_asked_again(server: FakeTransport, roll: Path) -> None:
    assert run("roll/b.jpg", "-o", "verdicts.jsonl").exit_code == 0
    first = Path("verdicts.jsonl").read_text()
    asked(server)

    result = run("roll", "roll/a.jpg", "-o", "verdicts.jsonl")
    assert result.exit_code == 0
    assert result.stderr == "verdicts.jsonl: 3 added (0 with errors); there already: 1.\n"
    assert asked(server) == 3
    assert Path("verdicts.jsonl").read_text().startswith(first)
    assert sorted(line["source"] for line in lines()) == sorted(str(path) for path in Path("roll").iterdir())

    result = run("roll", "-o", "verdicts.jsonl")
    assert result.exit_code == 0
    assert result.stderr == "verdicts.jsonl: 0 added (0 with errors); there already: 4.\n"
    assert asked(server) == 0


def test_what_had_an_error_is_asked_again_and_its_last_line_counts(server: FakeTransport, roll: Path) -> None:
    (roll / "b.jpg").write_bytes(b"bad")
    assert run("roll", "-o", "verdicts.jsonl").exit_code == 1
    asked(server)
    assert run("roll", "-o", "verdicts.jsonl").exit_code == 1
    assert asked(server) == 1
    (roll / "b.jpg").write_bytes(b"good")
    assert run("roll", "-o", "verdicts.jsonl").exit_code == 0
    errors = [line["error"] for line in lines() if line["source"] == "roll/b.jpg"]
    assert errors == ["not a picture", "not a picture", None]
    asked(server)
    assert run("roll", "-o", "verdicts.jsonl").exit_code == 0
    assert asked(server) == 0


@pytest.mark.parametrize("left", [1, 5, 11, 12, 50, -2, -1])
def test_a_line_that_a_killed_run_left_by_half_is_cut_off(left: int, server: FakeTransport, roll: Path) -> None:
    assert run("roll", "-o", "verdicts.jsonl").exit_code == 0
    whole = Path("verdicts.jsonl").read_bytes().splitlines(keepends=True)
    for before in (whole[:2], []):
        torn = whole[len(before)][:left]
        Path("verdicts.jsonl").write_bytes(b"".join(before) + torn)
        assert run("roll", "-o", "verdicts.jsonl").exit_code == 0
        assert Path("verdicts.jsonl").read_bytes().splitlines(keepends=True) == whole


@pytest.mark.parametrize(
    "options",
    [["--models", "film_origin"], ["--use", "archive"], ["--prior", "film=0.3"], ["--maps"]],
    ids=" ".join,
)
def test_a_file_of_another_question_is_refused(options: list[str], server: FakeTransport, roll: Path) -> None:
    assert run("roll", "-o", "verdicts.jsonl").exit_code == 0
    before = Path("verdicts.jsonl").read_bytes()
    asked(server)
    result = run("roll", "-o", "verdicts.jsonl", *options)
    assert result.exit_code == 2
    assert 'has the answers to another question, {"models": ["film_origin", "negative_condition"]' in result.stderr
    assert asked(server) == 0
    assert Path("verdicts.jsonl").read_bytes() == before


def test_the_same_question_in_other_words_is_the_same(server: FakeTransport, roll: Path) -> None:
    assert run("roll", "-o", "one", "--models", "film_origin", "--prior", "0.3").exit_code == 0
    assert run("roll", "-o", "one", "--models", "film_origin", "--prior", "film=0.30").exit_code == 0
    assert run("roll", "-o", "two", "--prior", "film=0.3", "--prior", "readable=0.9").exit_code == 0
    again = ["--models", "negative_condition,film_origin", "--prior", "readable=0.9", "--prior", "film=0.3"]
    assert run("roll", "-o", "two", *again).exit_code == 0


@pytest.mark.parametrize(
    "theirs",
    [
        b"my notes, without a line's end",
        b"{}\n",
        b'{"source": "a.jpg", "error": null}\n',
        b'["source"]\n',
        b"\n",
        b"\0" * 2**20,
        b'{"source": "a.jpg"\n',
    ],
)
def test_a_file_that_is_somebody_elses_is_refused_and_left_alone(
    theirs: bytes, server: FakeTransport, roll: Path
) -> None:
    Path("verdicts.jsonl").write_bytes(theirs)
    result = run("roll", "-o", "verdicts.jsonl")
    assert result.exit_code == 2
    assert "was not made by classify --out. Name another file with --out" in " ".join(result.stderr.split())
    assert Path("verdicts.jsonl").read_bytes() == theirs
    assert server.requests == []


def test_what_cannot_be_asked_makes_no_file(server: FakeTransport, roll: Path) -> None:
    assert run("roll", "-o", "verdicts.jsonl", "--prior", "film=2").exit_code == 2
    assert not Path("verdicts.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [("roll", "Is a directory"), ("none/verdicts.jsonl", "No such file"), ("/dev/null", "not a file"), ("", "empty")],
)
def test_a_name_that_cannot_be_a_file_is_a_usage_error(name: str, why: str, server: FakeTransport, roll: Path) -> None:
    result = run("roll", "-o", name)
    assert result.exit_code == 2
    assert why in result.stderr
    assert server.requests == []


def test_two_runs_do_not_share_a_file(server: FakeTransport, roll: Path) -> None:
    with Path("verdicts.jsonl").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = run("roll", "-o", "verdicts.jsonl")
    assert result.exit_code == 2
    assert "another run" in result.stderr
    assert run("roll", "-o", "verdicts.jsonl").exit_code == 0


def test_what_was_answered_is_there_when_the_server_fails(roll: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTransport(failures=[None, None, RequestRejected("enough")])
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    result = run("roll", "-o", "verdicts.jsonl", *ONE_BY_ONE)
    assert result.exit_code == 3
    assert "2 added" in result.stderr
    assert len(lines()) == 2
    assert run("roll", "-o", "verdicts.jsonl", *ONE_BY_ONE).exit_code == 0
    assert len({line["source"] for line in lines()}) == len(lines()) == 4


def test_a_killed_run_leaves_a_line_for_each_answer(server: FakeTransport, roll: Path) -> None:
    done = killed_after(3, "classify", "roll", "-o", "verdicts.jsonl", *ONE_BY_ONE)
    assert done.returncode == -signal.SIGKILL
    assert len(lines()) == 3
    assert run("roll", "-o", "verdicts.jsonl", *ONE_BY_ONE).exit_code == 0
    assert asked(server) == 1
    assert len(lines()) == 4


def test_a_disk_that_becomes_full_leaves_whole_lines_and_the_next_run_goes_on(
    server: FakeTransport, tmp_path: Path
) -> None:
    names = [f"missing-{number}.jpg" for number in range(30)]
    command = ["bash", "-c", 'ulimit -f 2; exec "$@"', "bash", sys.executable, "-m", "safelight"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "classify", "--out", "verdicts.jsonl", *names],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 74
    assert "Error: verdicts.jsonl cannot be written: File too large. Its lines are complete;" in done.stderr
    written = (tmp_path / "verdicts.jsonl").read_text()
    assert written.endswith("}\n")
    assert [json.loads(line)["source"] for line in written.splitlines()] == names[: len(written.splitlines())]
    assert len(written) > 1500
