"""Where trained weights lie, and the small file beside them that says how they came about."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.replacing import replacing

WEIGHTS = Path(__file__).parent / "weights"
"""Weights that ship with the project: ``<model>.safetensors`` and ``<model>.json``."""


def commit() -> str:
    """The git commit of this code, with "+" when files differ from it; "unknown" outside a repository."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "."],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")


def write_record(path: Path, *, recipe: dict[str, Any], measured: dict[str, Any]) -> None:
    """Write ``path``, in one step: the recipe, what was measured, the commit and the versions of what trained it."""
    record = {
        "recipe": recipe,
        "measured": measured,
        "commit": commit(),
        "versions": {name: version(name) for name in ("keras", "torch", "numpy")},
    }
    with replacing(path) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
