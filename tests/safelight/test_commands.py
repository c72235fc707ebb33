"""The commands as a person or a script sees them, over a server in memory; tests/e2e has the real one."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import client.client
from client import FakeTransport, Request, RequestRejected, Response, ServerUnavailable
from client.transport import Address
from film.specs import FILM_ORIGIN, PUBLIC_MODELS
from safelight.cli import main


@pytest.fixture
def roll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, and the current folder is above it."""
    folder = tmp_path / "roll"
    (folder / "second").mkdir(parents=True)
    for name in ("b.jpg", "a.TIF", "second/a.png", "notes.txt", ".hidden.jpg"):
        (folder / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_classify_prints_a_row_a_picture_with_its_whole_name(server: FakeTransport, roll: Path) -> None:
    long = roll / ("a very long name of a picture " * 6 + ".jpg")
    long.write_bytes(b"long")

    result = run("classify", "roll/b.jpg", str(long))

    assert result.exit_code == 0
    header, first, second = result.stdout.splitlines()
    assert header.split() == ["File", "Origin", "Condition", "Defects"]
    assert first.startswith("roll/b.jpg ")
    assert second.startswith(str(long))
    assert not any(line != line.rstrip() for line in (header, first, second))


def test_classify_searches_folders_and_writes_json_lines_in_order(server: FakeTransport, roll: Path) -> None:
    result = run("classify", "--json", "roll")

    assert result.exit_code == 0
    assert [line["source"] for line in lines(result)] == ["roll/a.TIF", "roll/b.jpg", "roll/second/a.png"]
    assert all(line["origin"] and line["condition"] for line in lines(result))


@pytest.mark.parametrize(("film", "shown"), [(0.55, "film 55%?"), (0.95, "film 95%")])
def test_classify_marks_what_is_little_more_than_a_guess(
    film: float, shown: str, monkeypatch: pytest.MonkeyPatch, roll: Path
) -> None:
    def answer(request: Request) -> Response:
        return {**fake.made_up(request), "SCORES": np.array([[1 - film, film]], np.float32)}

    fake = FakeTransport(answer=answer)
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    arguments = ("classify", "--models", "film_origin", "roll/b.jpg")

    assert run(*arguments).stdout.splitlines()[1].split(maxsplit=1)[1].startswith(f"{shown}  ")
    (line,) = lines(run(*arguments, "--json"))
    assert line["origin"]["unsure"] is shown.endswith("?")


def test_classify_can_read_the_answers_for_other_shares_and_a_purpose(server: FakeTransport, roll: Path) -> None:
    plain, shares, alone = (
        lines(run("classify", "--json", "roll/b.jpg", *options))[0]
        for options in (
            [],
            ["--prior", "film=0.001", "--prior", "readable=0.999"],
            ["--prior", "0.001", "--models", "film_origin", "--use", "archive"],
        )
    )
    assert (shares["origin"]["label"], shares["condition"]["label"]) == ("digital", "readable")
    assert alone["origin"] == shares["origin"] != plain["origin"]


def test_classify_can_ask_one_model_and_give_maps(server: FakeTransport, roll: Path) -> None:
    (line,) = lines(run("classify", "--json", "--maps", "--models", "negative_condition", "roll/b.jpg"))
    assert line["origin"] is None
    assert line["defect_map"]
    assert {request.model for request in server.requests} == {"negative_condition"}


def test_one_bad_picture_is_shown_and_gives_exit_code_1(server: FakeTransport, roll: Path) -> None:
    (roll / "b.jpg").write_bytes(b"bad")

    result = run("classify", "roll/b.jpg", "missing.jpg", "roll/a.TIF")

    assert result.exit_code == 1
    _, bad, missing, good = result.stdout.splitlines()
    assert "error: not a picture" in bad
    assert "error: cannot be read: No such file" in missing
    assert "error" not in good


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["classify"], "Name files or folders, for example: scan-01.jpg roll-12/"),
        (["classify", "-"], "save the picture to a file"),
        (["classify", "empty"], "there is no picture in empty"),
        (["classify", "x.jpg", "--models", "film"], "film_origin, negative_condition"),
        (["classify", "x.jpg", "--models", ","], "film_origin, negative_condition"),
        (["classify", "x.jpg", "--prior", "0.3"], "name the label (film=0.3, readable=0.3)"),
        (["classify", "x.jpg", "--prior", "film=many"], "--prior film=many is neither a number nor LABEL=NUMBER"),
        (["classify", "x.jpg", "--prior", "film=1"], "between 0 and 1"),
        (["classify", "x.jpg", "--prior", "film=0.3", "--prior", "film=0.9"], "--prior says film twice, 0.3 and 0.9"),
        (["classify", "x.jpg", "--use", "holiday"], "archive"),
        (["classify", "x.jpg", "--use", "scanning", "--models", "film_origin"], "there are archive, collection"),
        (["classify", "x.jpg", "--batch-size", "65"], "1<=x<=64"),
        (["classify", "x.jpg", "--url", "ftp://host"], "use one of grpc://"),
        (["invert", "x.jpg"], "--out"),
        (["invert", "x.jpg", "-o", "file"], "file"),
        (["invert", "x.jpg", "-o", "file/below"], "cannot make the folder file/below: Not a directory"),
        (["explain", "x.jpg"], "--out"),
        (["explain", "-o", "out"], "Name files or folders"),
        (["explain", "x.jpg", "-o", "file/below"], "cannot make the folder file/below: Not a directory"),
        (["demo", "--samples", "nowhere"], "name a folder of pictures with --samples"),
        (["status", "--url", "host:port"], "not a server's address"),
    ],
)
def test_what_makes_no_sense_gives_exit_code_2_and_says_what_would(
    arguments: list[str], hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file").touch()
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert hint in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [["classify", "a.jpg"], ["invert", "a.jpg", "-o", "out"], ["explain", "a.jpg", "-o", "out"], ["status"]],
)
@pytest.mark.parametrize("url", ["localhost:1", "http://localhost:1"])
def test_no_server_gives_exit_code_3_and_says_how_to_start_one(
    arguments: list[str], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").write_bytes(b"picture")
    result = run(*arguments, "--url", url, "--timeout", "0.2")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "`safelight serve` starts one" in result.stderr or "did not answer within" in result.stderr


def test_a_refusal_ends_with_exit_code_3_after_what_was_answered(roll: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTransport(failures=[None, RequestRejected("enough")])
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    only = ["--models", FILM_ORIGIN.name, "--batch-size", "1", "--concurrency", "1"]

    result = run("classify", "--json", *only, "roll")

    assert result.exit_code == 3
    assert [line["source"] for line in lines(result)] == ["roll/a.TIF"]
    assert result.stderr == "Passed over: 1 file of another kind (.txt 1).\nError: enough\n"


def test_invert_writes_positives_under_different_names(server: FakeTransport, roll: Path) -> None:
    result = run("invert", "roll", "-o", "out", "--json")

    assert result.exit_code == 0
    assert lines(result) == [
        {"source": "roll/a.TIF", "output": "out/roll_a_positive.jpg", "error": None},
        {"source": "roll/b.jpg", "output": "out/b_positive.jpg", "error": None},
        {"source": "roll/second/a.png", "output": "out/second_a_positive.jpg", "error": None},
    ]
    assert Path("out/roll_a_positive.jpg").read_bytes() == b"positive of a.TIF"
    assert Path("out/second_a_positive.jpg").read_bytes() == b"positive of second/a.png"
    assert len(list(Path("out").iterdir())) == 3


def test_what_came_to_be_there_meanwhile_is_left_alone_too(
    server: FakeTransport, roll: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once, or a copy that somebody makes; with links and where the file system has none."""
    answer = server.infer

    async def slow(request: Request, timeout: float) -> Response:
        Path("out/b_positive.jpg").write_bytes(b"another's")
        return await answer(request, timeout)

    monkeypatch.setattr(server, "infer", slow)
    for _ in range(2):
        Path("out/b_positive.jpg").unlink(missing_ok=True)
        result = run("invert", "roll/b.jpg", "-o", "out")
        assert "out/b_positive.jpg is there already; --force writes over it" in result.stdout
        assert result.exit_code == 1
        assert [path.read_bytes() for path in Path("out").iterdir()] == [b"another's"]
        monkeypatch.setattr(os, "link", _no_links)
    Path("out/b_positive.jpg").unlink()
    monkeypatch.setattr(server, "infer", answer)
    assert run("invert", "roll/b.jpg", "-o", "out").exit_code == 0
    assert [path.read_bytes() for path in Path("out").iterdir()] == [b"positive of b.jpg"]


def _no_links(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize(
    "arguments",
    [["classify", ""], ["invert", "", "-o", "out"], ["invert", "roll", "-o", ""], ["demo", "--samples", ""]],
)
def test_an_empty_name_is_not_the_current_folder(server: FakeTransport, roll: Path, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "a name is empty" in result.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["roll"]


def test_a_file_that_may_not_be_read_is_that_pictures_error(
    server: FakeTransport, roll: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode, **_: Path(path).name != "b.jpg")
    result = run("classify", "--json", "roll/a.TIF", "roll/b.jpg")
    assert result.exit_code == 0, "only reading it tells; root may, in these tests"
    assert [line["source"] for line in lines(result)] == ["roll/a.TIF", "roll/b.jpg"]


def test_invert_leaves_existing_files_alone_unless_forced(server: FakeTransport, roll: Path) -> None:
    Path("out").mkdir()
    mine = Path("out/b_positive.jpg")
    mine.write_bytes(b"mine")

    result = run("invert", "roll/b.jpg", "roll/a.TIF", "-o", "out")
    assert result.exit_code == 1
    assert "out/b_positive.jpg is there already; --force writes over it" in result.stdout
    assert "roll/a.TIF -> out/a_positive.jpg" in result.stdout
    assert mine.read_bytes() == b"mine"

    assert run("invert", "roll/b.jpg", "-o", "out", "--force").exit_code == 0
    assert mine.read_bytes() == b"positive of b.jpg"


def test_a_negative_that_cannot_be_read_leaves_no_file(server: FakeTransport, roll: Path) -> None:
    (roll / "b.jpg").write_bytes(b"bad")
    result = run("invert", "roll/b.jpg", "-o", "out")
    assert result.exit_code == 1
    assert "roll/b.jpg error: not a picture" in result.stdout
    assert list(Path("out").iterdir()) == []


def test_a_positive_that_cannot_be_written_is_an_error_and_leaves_no_part(server: FakeTransport, roll: Path) -> None:
    Path("out/b_positive.jpg").mkdir(parents=True)  # a folder in the way stops even root
    result = run("invert", "roll/b.jpg", "-o", "out", "--force")
    assert result.exit_code == 1
    assert "out/b_positive.jpg cannot be written: Is a directory" in result.stdout
    assert [path.name for path in Path("out").iterdir()] == ["b_positive.jpg"]


def test_positives_in_a_searched_folder_are_not_inverted_again(server: FakeTransport, roll: Path) -> None:
    assert run("invert", "roll", "-o", "roll").exit_code == 0
    assert run("invert", "roll", "-o", "roll", "--force").exit_code == 0
    assert len(list(roll.rglob("*_positive*"))) == 3


ODD = "two\nlines \x1b[31mred\r\x7f\u202egpj.\u2028日本\u3000🧑‍🚀.jpg"
SHOWN = r"two\nlines \x1b[31mred\r\x7f\u202egpj.\u2028日本" + "\u3000🧑‍🚀.jpg"


@pytest.mark.parametrize("picture", [b"good", b"bad"])
def test_what_a_terminal_would_obey_in_a_name_is_shown_and_in_json_it_is_as_it_is(
    picture: bytes, server: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(ODD).write_bytes(picture)
    assert run("classify", ODD).stdout.splitlines()[1].startswith(SHOWN)
    (line,) = run("invert", ODD, "-o", "out").stdout.splitlines()
    assert line.startswith(SHOWN)
    assert lines(run("classify", "--json", ODD))[0]["source"] == ODD
    again = run("invert", ODD, "-o", "out")  # where it is good, its positive is in the way and named
    assert len(again.stdout.splitlines()) == 1
    assert "\x1b" not in again.stdout
    (line,) = lines(run("invert", "--json", ODD, "-o", "out", "--force"))
    assert line["source"] == ODD
    assert picture == b"bad" or line["output"] == f"out/{Path(ODD).stem}_positive.jpg"


def test_an_error_about_a_name_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd\x1b[31m\nname").mkdir()
    result = run("classify", "odd\x1b[31m\nname")
    assert result.exit_code == 2
    assert r"odd\x1b[31m\nname" in result.stderr


def test_status_says_ready_and_has_a_code_for_scripts(server: FakeTransport) -> None:
    result = run("status")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "fake 0 at fake://: ready"

    server.ready = False
    result = run("status", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["ready"] is False


def test_status_can_be_asked_of_some_models(server: FakeTransport) -> None:
    assert run("status").stdout.count("ready") == 1 + len(PUBLIC_MODELS)
    result = run("status", "--models", "film_origin,negative_inversion")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["film_origin", "ready"],
        ["negative_inversion", "ready"],
    ]
    assert run("status", "--models", "film_organ").exit_code == 2


def test_the_address_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(url: str, *, asynchronous: bool) -> FakeTransport:
        asked.append(url)
        raise ServerUnavailable("down")

    monkeypatch.setattr(client.client, "open_transport", answer)
    monkeypatch.setenv("SAFELIGHT_URL", str(Address("http", "scanner-room:8000")))
    assert run("status").exit_code == 3
    assert asked == ["http://scanner-room:8000"]


@pytest.mark.parametrize("command", [[], ["demo"], ["classify"], ["invert"], ["explain"], ["status"]])
def test_help_explains_the_command_and_how_it_ends(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert "Exit codes:" in result.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    result = run("develop")
    assert result.exit_code == 2
    assert "--help' for help" in result.stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1"])
def test_a_timeout_that_is_no_time_is_a_usage_error(seconds: str, roll: Path) -> None:
    answer = CliRunner().invoke(main, ["classify", "--timeout", seconds, str(roll)])
    assert answer.exit_code == 2
    assert "--timeout" in answer.output
