"""``safelight explain`` over a server in memory, whose maps are known."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import client.client
from client import FakeTransport, Request, Response
from film.ops.overlay import plasma
from film.specs import DEFECTS, HEATMAP
from safelight.cli import main

COLD, HOT = plasma(np.array([0.0, 1.0])).astype(int)


def encoded(size: tuple[int, int] = (300, 200), colour: str = "white", kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


GOOD = encoded()


def left_half(shape: tuple[int, ...]) -> np.ndarray:
    heat = np.zeros(shape, np.float32)
    heat[..., : shape[-1] // 2] = 1
    return heat


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    """Says film, and that the left half of a picture speaks for it; that holes are there, and nothing else."""

    def answer(request: Request) -> Response:
        made_up = dict(fake.made_up(request))
        for row, image in enumerate(request.images):
            known = {"SCORES": [0.1, 0.9], "HEATMAP": left_half(HEATMAP.shape)}
            if image != b"bad":
                holes = np.array([name == "holes" for name in DEFECTS], np.float32)
                known |= {"DEFECTS": 0.9 * holes}
                for name in known.keys() & made_up.keys():
                    made_up[name][row] = known[name]
                if "DEFECT_MAP" in made_up:
                    made_up["DEFECT_MAP"][row] = left_half(made_up["DEFECT_MAP"].shape[1:]) * holes[:, None, None]
        return made_up

    fake = FakeTransport(answer=answer, errors={b"bad": "not a picture"})
    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: fake)
    return fake


@pytest.fixture
def roll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "roll"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(GOOD)
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "JPEG"
        return np.asarray(image).astype(int)


def near(pixel: np.ndarray, colour: np.ndarray) -> bool:
    return bool(np.abs(pixel - colour).max() < 12)


def test_the_heat_map_lies_over_the_centre_square_half_and_half(server: FakeTransport, roll: Path) -> None:
    result = run("roll", "-o", "out", "--json")

    assert result.exit_code == 0, result.stderr
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"source": f"roll/{name}.jpg", "output": f"out/{name}_explained.jpg", "error": None} for name in "ab"
    ]
    shown = pixels("out/a_explained.jpg")
    assert shown.shape[1] == 300
    assert shown.shape[0] > 200, "the verdict stands below"
    assert near(shown[100, 20], 255)
    assert near(shown[100, 280], 255)
    assert near(shown[100, 100], (255 + HOT) / 2)
    assert near(shown[100, 200], (255 + COLD) / 2)
    assert shown[205:].max() > 200


def test_defects_has_a_panel_for_the_negative_and_each_named_defect(server: FakeTransport, roll: Path) -> None:
    result = run("roll/a.jpg", "-o", "out", "--defects")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == "roll/a.jpg -> out/a_defects.jpg\n"
    shown = pixels("out/a_defects.jpg")
    assert shown.shape[1] == 300 + 10 + 300
    assert near(shown[100, 150], 255)
    assert near(shown[100, 310 + 100], (255 + HOT) / 2)
    assert near(shown[100, 310 + 200], (255 + COLD) / 2)


def test_what_was_made_before_is_not_explained_again(server: FakeTransport, roll: Path) -> None:
    (roll / "c_positive.jpg").write_bytes(GOOD)
    for _ in range(2):
        assert run("roll", "-o", "roll", "--force").exit_code == 0
        assert run("roll", "-o", "roll", "--force", "--defects").exit_code == 0
    made = sorted(path.name for path in roll.iterdir())
    assert [name for name in made if "_explained" in name or "_defects" in name] == [
        "a_defects.jpg",
        "a_explained.jpg",
        "b_defects.jpg",
        "b_explained.jpg",
        "c_positive_explained.jpg",
    ]


def test_a_bad_picture_is_one_error_and_leaves_no_file(server: FakeTransport, roll: Path) -> None:
    (roll / "a.jpg").write_bytes(b"bad")
    result = run("roll", "missing.jpg", "-o", "out")
    assert result.exit_code == 1
    assert "roll/a.jpg error: not a picture" in result.stdout
    assert "missing.jpg error: cannot be read: No such file" in result.stdout
    assert [path.name for path in Path("out").iterdir()] == ["b_explained.jpg"]


def test_existing_files_are_left_alone_unless_forced(server: FakeTransport, roll: Path) -> None:
    Path("out").mkdir()
    mine = Path("out/a_explained.jpg")
    mine.write_bytes(b"mine")
    assert run("roll", "-o", "out").exit_code == 1
    assert mine.read_bytes() == b"mine"
    assert run("roll", "-o", "out", "--force").exit_code == 0
    assert mine.read_bytes() != b"mine"


def test_a_picture_that_only_the_server_can_read_is_that_pictures_error(server: FakeTransport, roll: Path) -> None:
    (roll / "a.jpg").write_bytes(GOOD[:100])
    result = run("roll", "-o", "out")
    assert result.exit_code == 1
    assert "roll/a.jpg error: cannot be drawn: JPEG is damaged or cut short" in result.stdout
    assert "roll/b.jpg -> out/b_explained.jpg" in result.stdout


@pytest.mark.parametrize("size", [(1, 1), (5000, 3), (3, 5000), (4000, 3000)])
def test_odd_sizes_are_drawn(server: FakeTransport, roll: Path, size: tuple[int, int]) -> None:
    (roll / "a.jpg").write_bytes(encoded(size))
    assert run("roll/a.jpg", "-o", "out").exit_code == 0
    assert run("roll/a.jpg", "-o", "out", "--defects").exit_code == 0
    assert max(pixels("out/a_explained.jpg").shape) <= 1600 * 1.07


def test_without_pillow_the_command_says_what_to_install(
    server: FakeTransport, roll: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("PIL", "safelight.drawing"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)  # how Python itself marks a module that must not be imported
    monkeypatch.delattr("safelight.drawing", raising=False)
    result = run("roll", "-o", "out")
    assert result.exit_code == 2
    assert "pip install pillow" in result.stderr
    assert not Path("out").exists()
