"""Full disks, closed pipes, long names, Ctrl-C: a sentence or silence, and never a traceback.

Files that are not there need no server, so the command itself can run.
"""

import io
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import client.client
from client import Client, FakeTransport
from safelight.cli import main
from safelight.sheet import write_sheet

SAFELIGHT = [sys.executable, "-m", "safelight"]


def jpeg(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "tan").save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("arguments", [["--json"], []], ids=["json", "table"])
def test_a_full_disk_behind_stdout_is_a_sentence(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*SAFELIGHT, "classify", *arguments, "missing.jpg"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.stderr == "Error: standard output cannot be written: No space left on device\n"
    assert done.returncode == 74


def test_a_reader_that_has_enough_is_left_in_peace() -> None:
    command = [*SAFELIGHT, "classify", "--json", *(f"missing-{number}.jpg" for number in range(2000))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 128 + signal.SIGPIPE


def test_ctrl_c_has_a_code_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"picture")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"127.0.0.1:{deaf.getsockname()[1]}"
        command = [*SAFELIGHT, "classify", tmp_path / "a.jpg", "--url", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            deaf.settimeout(60)
            connection, _ = deaf.accept()  # now it waits for an answer
            running.send_signal(signal.SIGINT)
            assert running.stderr
            assert running.stderr.read() == "Stopped.\n"
            connection.close()
    assert running.returncode == 130


@pytest.mark.parametrize("letters", [236, 237, 245, 250])
def test_a_name_too_long_for_what_is_made_of_it_is_that_pictures_error(
    letters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: FakeTransport())
    long, short = tmp_path / f"{'n' * letters}.jpg", tmp_path / "short.jpg"
    for path in (long, short):
        path.write_bytes(b"picture")
    arguments = ["invert", str(long), str(short), "-o", str(tmp_path / "out")]

    result = CliRunner().invoke(main, arguments)

    fits = letters + len("_positive.jpg") <= 255
    assert ("cannot be written: File name too long" in result.stdout) is not fits
    assert result.exit_code == (0 if fits else 1)
    assert len(list((tmp_path / "out").iterdir())) == (2 if fits else 1)


def test_a_contact_sheet_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg((40, 30)))
    with Client(transport=FakeTransport()) as asked:
        seen = asked.classify([tmp_path / "a.jpg"])
    (tmp_path / "sheet.jpg").mkdir()  # a folder in the way stops even root
    written = write_sheet(seen, {}, tmp_path / "sheet.jpg")
    assert written.error == f"{tmp_path / 'sheet.jpg'} cannot be written: Is a directory"
    assert write_sheet(seen, {}, tmp_path / "other.jpg").output == str(tmp_path / "other.jpg")
    assert Image.open(tmp_path / "other.jpg").format == "JPEG"


def test_a_contact_sheet_shows_pictures_that_pillow_alone_takes_for_bombs(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from client import Client, FakeTransport\n"
        "from safelight.sheet import write_sheet\n"
        "with Client(transport=FakeTransport()) as asked: seen = asked.classify([sys.argv[1]])\n"
        "print(write_sheet(seen, {}, Path(sys.argv[2])).error)\n"
    )
    huge = tmp_path / "huge.png"
    with Image.new("1", (14_000, 14_000)) as picture:
        picture.save(huge)
    command = [sys.executable, "-c", program, huge, tmp_path / "sheet.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "None\n", done.stderr
