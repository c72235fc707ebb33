"""Whether a region's name tells that its owner has ended, and of whom it tells nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import ownership
from client.ownership import PREFIX, is_orphan, new_name

MINE = "import sys; from client.ownership import new_name; print(new_name(), flush=True); sys.stdin.read()"


def test_a_process_that_ended_leaves_orphans_and_one_that_lives_does_not() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MINE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert name.startswith(PREFIX)
        assert not is_orphan(name)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert is_orphan(name), "nobody has asked how it ended, and it is over all the same"
    assert is_orphan(name)


def test_a_number_that_is_used_again_is_another_process() -> None:
    mine = new_name()
    assert not is_orphan(mine)
    place, number, began, unique = mine.rsplit("_", 3)
    assert int(number) == os.getpid()
    assert is_orphan(f"{place}_{number}_{int(began) - 1}_{unique}")


@pytest.mark.parametrize("part", [2, 3, 4], ids=["machine", "user", "namespace"])
def test_of_another_place_nothing_is_told(part: int) -> None:
    parts = new_name().split("_")
    parts[-2] = "1"  # this one has ended, whoever it was
    assert is_orphan("_".join(parts))
    parts[part] = parts[part][:-1] + ("1" if parts[part][-1] != "1" else "2")
    assert not is_orphan("_".join(parts))


@given(st.text())
def test_any_other_name_is_nobodys(text: str) -> None:
    assert not is_orphan(text)
    assert not is_orphan(PREFIX + text)


def test_where_processes_cannot_be_seen_nobody_is_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = new_name()
    monkeypatch.setattr(ownership, "_PROCESSES", tmp_path)
    assert new_name().startswith(PREFIX)
    assert new_name() != new_name()
    assert not is_orphan(name)


def test_who_cannot_look_judges_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no descriptor left, for one."""
    name, real = new_name(), Path.read_text

    def refused(path: Path, *arguments: str, **options: str) -> str:
        if path.name == "stat":
            raise OSError(24, os.strerror(24))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refused)
    assert not is_orphan(name)
