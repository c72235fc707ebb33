"""What `make` makes of folders with spaces in their names, and of a Python that can make no environment."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder in place of .venv/bin, whose python writes down what it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = folder / "python"
    python.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    python.chmod(0o755)
    return folder


def asked(tools: Path, *arguments: str) -> list[list[str]]:
    """Whatever the suite's own `make` was told."""
    command = ["make", "--no-print-directory", "-o", ".venv/dev.done", f"BIN={tools}", *arguments]
    ours = {name: value for name, value in os.environ.items() if name != "ARGS" and not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=ROOT, env=ours, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_folder_with_spaces_is_one_folder(tools: Path, tmp_path: Path) -> None:
    spaced = tmp_path / "my old films"
    spaced.mkdir()
    assert asked(tools, "train", f"DATA={spaced}", "ARGS=--seed 3") == [
        ["-m", "training", model, "--data", str(spaced), "--seed", "3"]
        for model in ("film_origin", "negative_condition")
    ]


def test_several_folders_are_several(tools: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "labels.csv"
    first.mkdir()
    second.touch()
    (command, _) = asked(tools, "train", f"DATA={first} {second}")
    assert command[3:] == ["--data", str(first), "--data", str(second)]


def test_nothing_is_nothing(tools: Path) -> None:
    assert [command[3:] for command in asked(tools, "train")] == [[], []]


def test_evaluation_takes_both_kinds_and_a_place_with_spaces(tools: Path, tmp_path: Path) -> None:
    spaced = tmp_path / "my negatives"
    spaced.mkdir()
    ((*_, a, b, c, d, e, f),) = asked(tools, "evaluate", "DATA=x", f"NEGATIVES={spaced}", "OUT=an out")
    assert [a, b, c, d, e, f] == ["--data", "x", "--negatives", str(spaced), "--out", "an out/evaluation"]


HALF = """#!/bin/sh
case "$*" in
"-m venv .venv") mkdir -p .venv/bin; ln -s /nowhere .venv/bin/python; exit 1;;
"-m virtualenv .venv") [ "$LACKS" ] && exit 1; mkdir -p .venv/bin; ln -s {python} .venv/bin/python;;
*) exec {python} "$@";;
esac
"""
"""A Python as Debian has it without python3-venv: it begins an environment and fails."""


@pytest.mark.parametrize("lacks", ["", "virtualenv too"])
def test_an_environment_is_made_another_way_or_not_left_by_half(tmp_path: Path, lacks: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "python"
    python.write_text(HALF.format(python=sys.executable))
    python.chmod(0o755)
    command = ["make", ".venv/bin/python", f"PYTHON={python}"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "LACKS": lacks}, capture_output=True, check=False)
    assert (done.returncode != 0) == bool(lacks)
    assert (tmp_path / ".venv").exists() == (not lacks)
    assert (tmp_path / ".venv" / "bin" / "python").exists() == (not lacks)
