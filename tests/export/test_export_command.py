import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from export.__main__ import main
from training.negative_condition import build, save


def test_a_model_is_exported_from_the_command_line(tmp_path: Path) -> None:
    save(build(3), tmp_path / "weights" / "negative_condition.safetensors")
    arguments = ["--weights", tmp_path / "weights", "--repository", tmp_path / "repository", "--samples", tmp_path]
    result = CliRunner().invoke(main, ["negative_condition", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "Published" in result.output
    assert (tmp_path / "repository" / "negative_condition_net" / "1" / "model.onnx").is_file()


@pytest.mark.parametrize("model", ["film_origin", "negative_condition"])
def test_missing_weights_are_a_sentence_and_an_exit_code(tmp_path: Path, model: str) -> None:
    result = CliRunner().invoke(main, [model, "--weights", str(tmp_path), "--repository", str(tmp_path / "r")])
    assert result.exit_code == 1
    assert f"{model} was not exported" in result.output
    assert "make train" in result.output
    assert not (tmp_path / "r").exists()


def test_help_shows_examples_and_loads_no_framework() -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom export.__main__ import main\n"
        "print(CliRunner().invoke(main, ['--help']).output)\n"
        "assert not {'torch', 'keras', 'onnx', 'openvino'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m export negative_condition" in done.stdout
