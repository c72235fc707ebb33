"""Folders that take nothing more, and runs that go on where another stopped: ``safelight invert`` and ``explain``."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import client.client
from client import FakeTransport
from safelight.cli import main


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    fake = FakeTransport(errors={b"bad": "not a picture"})
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    return fake


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
