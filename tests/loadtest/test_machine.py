"""Which code a measurement is of, in a repository made for it."""

import subprocess
from pathlib import Path

import pytest

from loadtest.machine import commit


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With one committed file, ``code.py``."""
    (tmp_path / "code.py").write_text("speed = 1\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "code.py"], [*who, "commit", "-qm", "Begin"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_two_edits_of_one_commit_are_told_apart(repository: Path) -> None:
    head = commit(repository)
    assert len(head) == 40
    told = []
    for content in (b"speed = 2\n", b"speed = 3\n", b"speed = '\xff'\n", b"speed = 2\n"):
        (repository / "code.py").write_bytes(content)
        told.append(commit(repository))
    assert all(one.startswith(f"{head}+") for one in told)
    assert len(set(told)) == 3
    assert told[0] == told[3]
    (repository / "code.py").write_text("speed = 1\n")
    assert commit(repository) == head


def test_an_edit_that_is_staged_counts_and_a_file_of_ones_own_does_not(repository: Path) -> None:
    head = commit(repository)
    (repository / "measurements.json").write_text("{}")
    assert commit(repository) == head
    (repository / "code.py").write_text("speed = 2\n")
    subprocess.run(["git", "add", "code.py"], cwd=repository, check=True)
    assert commit(repository).startswith(f"{head}+")


def test_outside_a_repository_it_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) == "unknown"
