"""The table of ``safelight classify``: what stands where, in terminals of all widths, and what is there at the end."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import client.client
from client import FakeTransport, Request, Response
from film.specs import DEFECTS
from safelight.cli import main
from safelight.tables import HELD
from tests.safelight.conftest import killed_after

HOLED = np.array([[0.9 if name in ("holes", "residual_spots") else 0.1 for name in DEFECTS]], np.float32)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    """Is as sure as can be that all is digital and damaged, by holes and spots."""

    def answer(request: Request) -> Response:
        known = {"SCORES": np.array([[1.0, 0.0]], np.float32), "DEFECTS": HOLED}
        made_up = dict(fake.made_up(request))
        return made_up | {
            name: np.repeat(value, len(request.images), axis=0) for name, value in known.items() if name in made_up
        }

    fake = FakeTransport(answer=answer)
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    return fake


def table(folder: Path, *options: str, columns: int | None = None) -> list[str]:
    """What is printed, into a terminal of so many columns or into a pipe."""
    wide = {} if columns is None else {"COLUMNS": str(columns), "FORCE_COLOR": "1"}
    result = CliRunner(env=wide).invoke(main, ["classify", *options, str(folder)])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def pictures(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"{number:05d}.jpg").write_bytes(b"picture")


@pytest.mark.parametrize("count", [2, HELD + 2])
@pytest.mark.parametrize("columns", [8, 15, 20, 40, 60, 80, 120, 200])
def test_no_number_is_cut_off_and_no_name(columns: int, count: int, server: FakeTransport, tmp_path: Path) -> None:
    pictures(tmp_path, count)
    shown = " ".join(line.strip() for line in table(tmp_path, columns=columns))
    assert len(re.findall(r"jpg\s+digital 100%\s+damaged 100%\s+holes 90%,\s+residual\s+spots 90%", shown)) == count
    assert all(str(tmp_path / f"{number:05d}.jpg") in shown for number in range(count))


def test_lines_end_before_the_terminal_does_and_columns_stay_below_their_titles(
    server: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("日本.jpg").write_bytes(b"picture")
    assert table(Path("日本.jpg"), columns=66) == [
        "File              Origin        Condition     Defects",
        "日本.jpg          digital 100%  damaged 100%  holes 90%,",
        "                                              residual spots 90%",
    ]
    assert table(Path("日本.jpg"), columns=30) == [
        "日本.jpg",
        "  digital 100%  damaged 100%",
        "  holes 90%,",
        "  residual spots 90%",
    ]
    assert table(Path("日本.jpg"), "--models", "film_origin", columns=30) == ["日本.jpg", "  digital 100%"]


def test_a_long_table_has_its_columns_below_each_other(server: FakeTransport, tmp_path: Path) -> None:
    pictures(tmp_path, HELD + 1)
    (tmp_path / f"{'long' * 20}.jpg").write_bytes(b"picture")
    header, *rows = table(tmp_path)
    assert len(rows) == HELD + 2
    assert {row.index("digital") for row in rows} == {header.index("Origin")}
    assert {row.index("damaged") for row in rows} == {header.index("Condition")}
    assert {row.index("holes") for row in rows} == {header.index("Defects")}


def test_rows_of_a_long_table_are_there_as_soon_as_they_are_known(tmp_path: Path) -> None:
    """Nothing piles up that a signal could cost, not even this one."""
    pictures(tmp_path, 200)
    options = ["--models", "film_origin", "--batch-size", "1", "--concurrency", "1"]
    done = killed_after(150, "classify", str(tmp_path), *options)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines()[0].startswith("File")
    assert len(done.stdout.splitlines()) == 1 + 150


STOPPED = """
import os, signal, sys
import rich.console
import client.client
from client import FakeTransport
from safelight.cli import main

signals = [int(os.environ["NUMBER"])]
signal.signal(signals[0], signal.default_int_handler if signals[0] == signal.SIGINT else signal.SIG_DFL)
made = rich.console.Console.__init__

def interrupted(self, *arguments, **options):
    if signals:
        os.kill(os.getpid(), signals.pop())
    made(self, *arguments, **options)

rich.console.Console.__init__ = interrupted
client.client.open_transport = lambda url, asynchronous: FakeTransport()
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_table_is_shown_although_a_signal_comes_while_it_is_laid_out(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    pictures(tmp_path, 3)
    command = [sys.executable, "-c", STOPPED, "classify", str(tmp_path)]
    environment = os.environ | {"NUMBER": str(int(number))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert len(done.stdout.splitlines()) == 1 + 3
