import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from export.__main__ import main
from export.format import FORMATS, Format, load_format
from export.tensorrt_engine import find_gpu
from film.specs import NEGATIVE_CONDITION
from training.negative_condition import build, save

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture
def export(tmp_path: Path, narrow: None) -> object:
    """Export random weights of negative_condition to formats, with few pictures, into ``tmp_path``."""
    save(build(3), tmp_path / "weights" / "negative_condition.safetensors")

    def run(*formats: str, models: tuple[str, ...] = (NEGATIVE_CONDITION.name,)) -> Result:
        folders = {"--weights": "weights", "--repository": "repository", "--aside": "aside", "--samples": "none"}
        paths = [text for option, name in folders.items() for text in (option, str(tmp_path / name))]
        few = ["--judging", "4", "--calibration", "4", "--data", str(SAMPLES)]
        return CliRunner().invoke(main, [*models, *(f"--to={name}" for name in formats), *paths, *few])

    return run


def test_models_are_exported_side_by_side_and_the_table_says_where(export: object, tmp_path: Path) -> None:
    result = export("onnx", "torchscript")  # type: ignore[operator]
    assert result.exit_code == 0, result.output
    assert result.stdout.count("published") == 2
    names = {path.name for path in (tmp_path / "repository" / "negative_condition_net" / "1").iterdir()}
    assert names == {"model.onnx", "model.onnx.json", "model.pt", "model.pt.json"}
    assert re.search(r"torch\.jit on cpu \d\.\de-\d\d", result.output)


def test_a_format_that_was_asked_for_and_cannot_be_made_is_said_and_fails(export: object, tmp_path: Path) -> None:
    if find_gpu() is not None:
        pytest.skip("this machine has a GPU, so TensorRT engines can be made")
    result = export("tensorrt")  # type: ignore[operator]
    assert result.exit_code == 1
    assert "not made: " in result.output
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize(("models", "code"), [(["film_origin", "negative_condition"], 0), (["film_origin"], 1)])
def test_a_format_that_only_some_of_the_models_have_is_made_of_those(
    export: object, monkeypatch: pytest.MonkeyPatch, models: list[str], code: int
) -> None:
    def one_model_s(name: str) -> Format:
        return replace(load_format(name), lacks=lambda spec: "" if spec is NEGATIVE_CONDITION else "it is not for this")

    monkeypatch.setattr("export.format.load_format", one_model_s)
    result = export("torchscript", models=tuple(models))  # type: ignore[operator]
    assert result.exit_code == code, result.output
    assert "not made: it is not for this" in result.output
    assert result.stdout.count("published") == 1 - code


def broken(name: str) -> Format:
    """TorchScript whose tracer runs out of memory; ONNX that writes four bytes and is tried in nothing."""
    if name == "torchscript":
        return replace(load_format(name), write=out_of_memory)
    return replace(load_format(name), write=lambda _, path: {"bytes": path.write_bytes(b"onnx")}, trials=lambda _: [])


def out_of_memory(*_: object) -> dict[str, object]:
    raise RuntimeError("CUDA out of memory\n[/dev/gpu]")  # which is no markup


def test_a_format_that_breaks_does_not_keep_the_next_from_being_tried(
    export: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.format.load_format", broken)
    result = export("torchscript", "onnx")  # type: ignore[operator]
    assert result.exit_code == 1
    assert "not exported to torchscript: RuntimeError: CUDA out of memory [/dev/gpu]" in result.output
    assert "in out_of_memory" in result.output, "a bug report needs the way there"
    assert [word for word in ("failed", "untried") if word not in result.stdout] == [], "the table has both"
    assert (tmp_path / "aside" / "negative_condition_net" / "1" / "model.onnx").read_bytes() == b"onnx"


def test_a_repository_that_cannot_be_written_to_is_said_of_every_format(export: object, tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "negative_condition_net").write_text("a file, where a folder should be")
    result = export("onnx", "torchscript")  # type: ignore[operator]
    assert result.exit_code == 1
    assert result.stdout.count("failed") == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("model", ["film_origin", "negative_condition"])
def test_missing_weights_are_a_sentence_and_an_exit_code(tmp_path: Path, model: str) -> None:
    arguments = [model, "--to", "onnx", "--weights", str(tmp_path), "--repository", str(tmp_path / "r")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert f"{model} was not exported to onnx" in result.output
    assert "make train" in result.output
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--help"], ["python -m export negative_condition", "import", "bench"]),
        (["models", "--help"], [*FORMATS, "--route", "Exit code 1"]),
        (["import", "--help"], ["python -m export import model.h5", "--out"]),
        (["bench", "--help"], ["--rounds", "python -m export bench"]),
    ],
    ids=" ".join,
)
def test_help_shows_examples_and_loads_no_framework(arguments: list[str], shown: list[str]) -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom export.__main__ import main\n"
        f"print(CliRunner().invoke(main, {arguments!r}).output)\n"
        "assert not {'torch', 'keras', 'onnx', 'openvino', 'nncf'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [words for words in shown if words not in done.stdout] == []


def test_an_unknown_model_or_format_is_told() -> None:
    assert "negative_condition" in CliRunner().invoke(main, ["nonsense"]).output
    refused = CliRunner().invoke(main, ["--to", "nonsense"])
    assert refused.exit_code == 2
    assert all(name in refused.output for name in FORMATS)


@pytest.mark.parametrize("asked", [["--device", "bogus"], ["bench", "--rounds", "0"]])
def test_what_cannot_be_is_refused_before_anything_is_made(asked: list[str]) -> None:
    assert CliRunner().invoke(main, asked).exit_code == 2


def test_files_that_can_be_made_again_are_not_committed() -> None:
    root = Path(__file__).parents[2]
    committed = ("onnx", "torchscript", "openvino_int8")
    made = [file for name in FORMATS if name not in committed for file in load_format(name).files]
    paths = [f"model_repository/negative_condition_net/1/{file}" for file in (*made, "model.pt")]
    done = subprocess.run(["git", "check-ignore", *paths], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 128:
        pytest.skip("this is no git repository")
    assert sorted(done.stdout.split()) == sorted(paths)


def test_what_sigterm_ends_leaves_nothing_half_made(tmp_path: Path) -> None:
    asked = ["negative_condition", "--to", "torchscript", "--repository", str(tmp_path)]
    command = [sys.executable, "-m", "export", *asked]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL) as export:
        began = time.monotonic()
        while not list(tmp_path.rglob(".export-*")):
            assert export.poll() is None
            assert time.monotonic() - began < 100
            time.sleep(0.05)
        export.terminate()
        assert export.wait(timeout=60) == 128 + signal.SIGTERM
    assert not list(tmp_path.rglob(".export-*"))
