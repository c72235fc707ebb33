"""Full disks, closed pipes, long names, Ctrl-C: a sentence or silence, and never a traceback.

Files that are not there need no server, so the command itself can run.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import client.client
from client import Client, FakeTransport, ServerFailed
from safelight.cli import main
from safelight.sheet import write_sheet

ROOT = Path(client.__file__).parents[1]
NOBODY = ["--url", "localhost:1", "--timeout", "0.2"]
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


@pytest.mark.parametrize("arguments", [["--json"], []], ids=["json", "table"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_fills_up_within_a_line_is_a_sentence_too(
    arguments: list[str], unbuffered: str, tmp_path: Path
) -> None:
    """Without a buffer, as in containers, Python writes the first part of a line and says nothing of the rest."""
    command = ["bash", "-c", 'ulimit -f 1; exec "$@" > verdicts', "bash", sys.executable, "-m", "safelight", "classify"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        [*command, *arguments, "n" * 2000],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "Error: standard output cannot be written: File too large\n"
    assert done.returncode == 74


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["classify", "--help"], ["serve", "-h"]], ids=" ".join
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_cannot_be_written_is_a_sentence(arguments: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SAFELIGHT, *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == "Error: standard output cannot be written: No space left on device\n"
    assert done.returncode == 74


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("arguments", "code"), [(["classify", "missing.jpg"], 74), (["status", *NOBODY], 3)])
def test_a_full_disk_behind_stderr_leaves_the_exit_code(arguments: list[str], code: int, unbuffered: str) -> None:
    variables = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SAFELIGHT, *arguments], env=variables, stdout=full, stderr=full, timeout=60, check=False
        )
    assert done.returncode == code


def test_a_reader_that_has_enough_is_left_in_peace() -> None:
    command = [*SAFELIGHT, "classify", "--json", *(f"missing-{number}.jpg" for number in range(2000))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, "Stopped.\n"), (signal.SIGTERM, 143, "")])
@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_being_stopped_has_a_code_of_its_own(
    scheme: str, number: signal.Signals, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"picture")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"{scheme}://127.0.0.1:{deaf.getsockname()[1]}"
        command = [*SAFELIGHT, "classify", tmp_path / "a.jpg", "--url", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            deaf.settimeout(60)
            connection, _ = deaf.accept()  # now it waits for an answer
            running.send_signal(number)
            assert running.wait(60) == code  # long before --timeout, which is 120 s
            assert running.stderr
            assert running.stderr.read() == said
            connection.close()


ENDED = """
import asyncio, os, signal, sys
import client.client
from client import FakeTransport
from safelight.cli import main

number = int(os.environ["NUMBER"])
signal.signal(number, signal.SIG_DFL)  # where tests run under nohup it is ignored
fake, asked = FakeTransport(), []
answer = fake.infer

async def infer(request, timeout):
    asked.append(request)
    if len(asked) == 2:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        await asyncio.sleep(3600)
    return await answer(request, timeout)

fake.infer = infer
client.client.open_transport = lambda url, asynchronous: fake
main(sys.argv[1:])
"""
"""A process of its own: some library of the many that other tests load takes the stack away that signals run on."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_answered_is_shown_when_the_command_is_ended(number: signal.Signals, tmp_path: Path) -> None:
    """As `timeout`, which sends it twice, a scheduler or a terminal that is closed does."""
    for name in ("first", "second"):
        (tmp_path / f"{name}.jpg").write_bytes(b"picture")
    options = ["--models", "film_origin", "--batch-size", "1", "--concurrency", "1"]
    command = [sys.executable, "-c", ENDED, "classify", str(tmp_path), *options]
    environment = os.environ | {"NUMBER": str(int(number))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (128 + number, "")
    assert "first.jpg" in done.stdout
    assert "second.jpg" not in done.stdout


@pytest.mark.parametrize("arguments", [["classify"], ["classify", "--json"], ["invert", "-o", "out"]])
def test_streams_that_are_closed_from_the_start_are_no_reason_to_stop(arguments: list[str], tmp_path: Path) -> None:
    for name in ("first.jpg", "second.jpg"):
        (tmp_path / name).write_bytes(b"picture")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        nowhere = ["--url", f"127.0.0.1:{nobody.getsockname()[1]}", "--timeout", "2"]
        command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *SAFELIGHT, *arguments, *nowhere, "first.jpg", "second.jpg"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, timeout=60, check=False)
    assert done.returncode == 3, "no server, which a traceback would not say"


ANSWERED = """
import sys

import client.client
from client import FakeTransport
from safelight.cli import main

client.client.open_transport = lambda url, asynchronous: FakeTransport()
main(sys.argv[1:])
"""


def test_a_name_that_the_terminal_has_no_signs_for_is_shown_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "日本.jpg").write_bytes(b"picture")
    command = [sys.executable, "-c", ANSWERED, "classify", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert b"\\u65e5\\u672c.jpg" in done.stdout, done.stderr
    assert b"Traceback" not in done.stderr


class _NotTriton(BaseHTTPRequestHandler):
    said = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.said)))
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("said", [b"<html>hello</html>", b"[]", b"{}", b""])
def test_a_web_server_that_is_not_triton_is_a_sentence(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_NotTriton, "said", said)
    with ThreadingHTTPServer(("127.0.0.1", 0), _NotTriton) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        result = CliRunner().invoke(main, ["status", "--url", f"http://127.0.0.1:{server.server_port}"])
        server.shutdown()
    assert result.exit_code == 3, result.exception
    assert f"127.0.0.1:{server.server_port} answers, but not as Triton does" in result.stderr


def test_what_was_answered_is_shown_when_the_server_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTransport(failures=[None, ServerFailed("it broke")])
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    for name in ("first", "second", "third"):
        (tmp_path / f"{name}.jpg").write_bytes(b"picture")
    options = ["--models", "film_origin", "--batch-size", "1", "--concurrency", "1"]
    result = CliRunner().invoke(main, ["classify", str(tmp_path), *options])
    assert result.exit_code == 3
    assert "first.jpg" in result.stdout
    assert "third.jpg" not in result.stdout
    assert "it broke" in result.stderr


def test_a_name_that_is_too_long_is_that_pictures_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: FakeTransport())
    (tmp_path / "a.jpg").write_bytes(b"picture")
    result = CliRunner().invoke(main, ["classify", "--json", str(tmp_path / "a.jpg"), "n" * 300 + ".jpg"])
    assert result.exit_code == 1
    good, bad = (json.loads(line) for line in result.stdout.splitlines())
    assert good["error"] is None
    assert "File name too long" in bad["error"]


def test_a_name_that_is_not_unicode_can_be_said_in_an_error(tmp_path: Path) -> None:
    picture = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    picture.write_bytes(b"picture")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / os.fsdecode(b"caf\xe9_positive.jpg")).touch()
    command = [*SAFELIGHT, "invert", picture, "-o", tmp_path / "out"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1, done.stderr
    assert "is there already; --force writes over it" in done.stdout


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
