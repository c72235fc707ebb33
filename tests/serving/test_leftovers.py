"""What a killed server leaves behind goes; what belongs to a running one or to others stays."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import leftovers


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def regions() -> Iterator[dict[str, Path]]:
    mark = uuid.uuid4().hex
    names = {
        "dead": leftovers.prefix(ended_process()),
        "alive": leftovers.prefix(os.getpid()),
        "other container": f"safelight_1_{ended_process()}_",
        "stranger": "psm_",
    }
    files = {owner: leftovers.SHARED_MEMORY / f"{name}{mark}" for owner, name in names.items()}
    for file in files.values():
        file.write_bytes(b"region")
    yield files
    for file in files.values():
        file.unlink(missing_ok=True)


def test_only_regions_of_servers_that_are_gone_are_removed(regions: dict[str, Path]) -> None:
    leftovers.remove_all()
    left = {owner for owner, file in regions.items() if file.exists()}
    assert left == {"alive", "other container", "stranger"}


def test_temporary_files_of_a_server_that_is_gone_are_removed() -> None:
    dead, alive = leftovers.scratch(ended_process()), leftovers.scratch(os.getpid())
    try:
        for place in (dead, alive):
            (place / "aotinductor_abcdef" / "data").mkdir(parents=True)
        leftovers.remove_all()
        assert [place.exists() for place in (dead, alive)] == [False, True]
    finally:
        shutil.rmtree(alive, ignore_errors=True)


def test_a_region_that_goes_while_it_is_looked_at_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As when two servers start at once, and both clear up."""
    monkeypatch.setattr(leftovers, "SHARED_MEMORY", tmp_path)
    (tmp_path / f"{leftovers.prefix(ended_process())}gone").symlink_to(tmp_path / "nothing")
    left = tmp_path / f"{leftovers.prefix(ended_process())}left"
    left.write_bytes(b"region")
    leftovers.remove_all()
    assert not left.exists()
