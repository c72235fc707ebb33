import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.__main__ import COMMANDS, main


def test_help_lists_every_command_and_loads_no_framework() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from training.__main__ import main\n"
        "print(CliRunner().invoke(main, ['--help']).output)\n"
        "print('loaded:', *sorted({'torch', 'keras', 'numpy', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, loaded = done.stdout.splitlines()
    assert loaded == "loaded:"
    assert all(any(line.strip().startswith(name) for line in shown) for name in COMMANDS)


def test_a_mistake_in_a_table_of_labels_is_a_sentence_in_every_command(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the train extra")
    (tmp_path / "labels.csv").write_text("file,label\nnowhere.jpg,film\n")
    for name in ("film_origin", "negative_condition"):
        result = CliRunner().invoke(main, [name, "--data", str(tmp_path), "--tiny"])
        assert result.exit_code == 1
        assert "Error: " in result.output
        assert "line 2: there is no picture nowhere.jpg" in result.output


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["develop"])
    assert result.exit_code == 2
    assert "develop" in result.output
