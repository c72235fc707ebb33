"""The adapters stay what they are: a few lines between Triton and `film`."""

import ast
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2] / "model_repository"
ADAPTERS = sorted({file.resolve() for name in ("model", "device") for file in REPOSITORY.glob(f"*/*/{name}.py")})
ALLOWED = {"film", "numpy", "triton_python_backend_utils", *sys.stdlib_module_names}


@pytest.mark.parametrize("file", ADAPTERS, ids=lambda file: f"{file.parts[-3]} {file.name}")
def test_an_adapter_is_short_and_imports_film_only(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 40
    assert not re.search("affinity|cpu_count", source), "film.processors knows of a container's quota too"
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert "film" in imported
    assert imported <= ALLOWED


def test_every_link_in_the_repository_leads_somewhere_inside_it() -> None:
    links = [path for path in REPOSITORY.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not link.readlink().is_absolute()
        assert link.resolve(strict=True).is_relative_to(REPOSITORY.resolve())
