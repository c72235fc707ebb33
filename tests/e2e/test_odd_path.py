"""A checkout, an environment and a cache under a name with a space and an umlaut."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving.settings import DEFAULT_REPOSITORY

pytestmark = pytest.mark.e2e

PROGRAM = """
import sys, film, serving
from serving.server import ServerProcess, on_free_ports
from serving.settings import DEFAULT_REPOSITORY, Settings
assert "für mich" in film.__file__ and "für mich" in str(DEFAULT_REPOSITORY) and "für mich" in sys.prefix
with ServerProcess(on_free_ports(Settings(models=("film_origin", "negative_inversion")))):
    print("proved")
"""


def test_a_server_starts_from_a_path_with_a_space_and_an_umlaut(tmp_path: Path) -> None:
    checkout = tmp_path / "Fotos für mich"
    code = DEFAULT_REPOSITORY.parent
    for room in ("film", "serving"):
        shutil.copytree(code / room, checkout / room)
    shutil.copytree(
        DEFAULT_REPOSITORY,
        checkout / DEFAULT_REPOSITORY.name,
        symlinks=True,
        ignore=shutil.ignore_patterns("negative_condition*"),
    )
    (checkout / ".venv").symlink_to(sys.prefix)

    done = subprocess.run(
        [checkout / ".venv" / "bin" / "python", "-c", PROGRAM],
        cwd=checkout,
        env={**os.environ, "XDG_CACHE_HOME": str(checkout / ".cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.stdout == "proved\n", done.stderr
