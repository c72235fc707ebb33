"""Folders that take nothing more, and runs that go on where another stopped: ``safelight invert`` and ``explain``."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from client import FakeTransport, Request, Response
from safelight.cli import main
from safelight.demo import SAMPLES


@pytest.fixture
def roll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty negatives, and the current folder is above them."""
    folder = tmp_path / "roll"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02d}.jpg").write_bytes(b"%d" % number)
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def holds(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Let the folder out take so many bytes, and then fail with that error."""
    write = Path.write_bytes

    def limit(room: int, number: int) -> None:
        def limited(path: Path, data: bytes) -> int:
            taken = sum(each.stat().st_size for each in path.parent.iterdir())
            if path.parent.name == "out" and taken + len(data) > room:
                write(path, data[: room - taken])
                raise OSError(number, os.strerror(number))
            return write(path, data)

        monkeypatch.setattr(Path, "write_bytes", limited)

    return limit


FULL = [errno.ENOSPC, errno.EDQUOT, errno.EROFS]


@pytest.mark.parametrize("command", [["invert"], ["explain"], ["explain", "--defects"]], ids=" ".join)
@pytest.mark.parametrize("number", FULL, ids=os.strerror)
def test_a_folder_that_takes_nothing_is_noticed_before_the_server_is_asked(
    number: int, command: list[str], server: FakeTransport, roll: Path, holds: Callable[[int, int], None]
) -> None:
    holds(0, number)
    result = run(*command, "roll", "-o", "out")
    assert (result.exit_code, result.stdout) == (74, "")
    assert result.stderr.startswith(f"Error: out cannot be written to: {os.strerror(number)}.")
    assert "--out" in result.stderr
    assert server.requests == []
    assert list(Path("out").iterdir()) == []


def test_a_folder_that_may_not_be_written_to_is_a_usage_error(
    server: FakeTransport, roll: Path, holds: Callable[[int, int], None]
) -> None:
    holds(0, errno.EACCES)
    result = run("invert", "roll", "-o", "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "out cannot be written to: Permission denied. Name another folder with --out" in result.stderr
    assert server.requests == []


@pytest.mark.parametrize("number", FULL, ids=os.strerror)
def test_a_disk_that_becomes_full_ends_the_run_and_what_was_written_stays(
    number: int, server: FakeTransport, roll: Path, holds: Callable[[int, int], None]
) -> None:
    holds(5000, number)
    for path in roll.iterdir():
        path.write_bytes(b"%1200d" % int(path.stem))

    result = run("invert", "roll", "-o", "out")

    assert result.exit_code == 74
    written = [f"{count:02d}_positive.jpg" for count in range(4)]
    assert result.stdout.splitlines() == [f"roll/{name[:2]}.jpg -> out/{name}" for name in written]
    assert f"out/04_positive.jpg cannot be written: {os.strerror(number)}." in result.stderr
    assert sorted(path.name for path in Path("out").iterdir()) == written
    assert {path.stat().st_size for path in Path("out").iterdir()} == {len("positive of ") + 1200}


def test_what_ails_one_file_is_that_pictures_error(
    server: FakeTransport, roll: Path, holds: Callable[[int, int], None]
) -> None:
    holds(4096, errno.EFBIG)
    (roll / "03.jpg").write_bytes(b"%5000d" % 3)
    result = run("invert", "roll", "-o", "out")
    assert result.exit_code == 1
    assert len(list(Path("out").iterdir())) == 19
    assert "roll/03.jpg error: out/03_positive.jpg cannot be written: File too large" in result.stdout


@pytest.mark.parametrize("command", [["invert"], ["explain", "--defects"]], ids=" ".join)
def test_a_run_that_is_started_again_goes_on_where_the_other_stopped(
    command: list[str], server: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["boat", "car", "sign"]
    for name in names:
        (tmp_path / f"{name}.jpg").write_bytes((SAMPLES / "negatives" / f"{name}.jpg").read_bytes())
    assert run(*command, "car.jpg", "-o", "out").exit_code == 0
    (made,) = Path("out").iterdir()
    made.write_bytes(b"as it was")
    server.requests.clear()
    again = [*command, *(f"{name}.jpg" for name in names), "-o", "out", "--skip-existing"]

    result = run(*again)

    assert result.exit_code == 0
    assert [line.split(maxsplit=1)[0] for line in result.stdout.splitlines()] == ["boat.jpg", "sign.jpg"]
    assert result.stderr == "Skipped: 1 whose file was there already.\n"
    assert made.read_bytes() == b"as it was"
    assert sum(len(request.images) for request in server.requests) == 2

    server.requests.clear()
    result = run(*again, "--json")
    assert result.exit_code == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"source": f"{name}.jpg", "output": str(made).replace("car", name), "error": None} for name in names
    ]
    assert result.stderr == "Skipped: 3 whose files were there already.\n"
    assert server.requests == []


def test_errors_are_told_among_what_is_skipped(server: FakeTransport, roll: Path) -> None:
    assert run("invert", "roll", "-o", "out").exit_code == 0
    (roll / "20.jpg").write_bytes(b"bad")
    Path("out/07_positive.jpg").unlink()
    Path("out/07_positive.jpg").mkdir()
    result = run("invert", "roll", "-o", "out", "--skip-existing")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "roll/07.jpg error: out/07_positive.jpg cannot be written: Is a directory",
        "roll/20.jpg error: not a picture",
    ]


def test_nothing_to_write_needs_no_room_and_no_server(
    server: FakeTransport, roll: Path, holds: Callable[[int, int], None]
) -> None:
    assert run("invert", "roll", "-o", "out").exit_code == 0
    holds(0, errno.ENOSPC)
    server.ready = False
    assert run("invert", "roll", "-o", "out", "--skip-existing").exit_code == 0


def test_what_another_run_wrote_meanwhile_is_skipped_too(
    server: FakeTransport, roll: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = server.infer

    async def slow(request: Request, timeout: float) -> Response:
        Path("out/03_positive.jpg").write_bytes(b"another's")
        return await answer(request, timeout)

    monkeypatch.setattr(server, "infer", slow)
    result = run("invert", "roll", "-o", "out", "--skip-existing")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 19
    assert Path("out/03_positive.jpg").read_bytes() == b"another's"


@pytest.mark.parametrize("command", ["invert", "explain"])
def test_what_is_there_cannot_be_both_left_and_written_over(command: str, server: FakeTransport, roll: Path) -> None:
    result = run(command, "roll", "-o", "out", "--force", "--skip-existing")
    assert result.exit_code == 2
    assert "give one of them" in result.stderr


def test_an_error_about_what_is_there_says_both_ways_out(server: FakeTransport, roll: Path) -> None:
    assert run("invert", "roll/00.jpg", "-o", "out").exit_code == 0
    result = run("invert", "roll/00.jpg", "-o", "out")
    assert result.exit_code == 1
    assert "is there already; --force writes over it, --skip-existing leaves it" in result.stdout
