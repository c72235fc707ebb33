"""The files that the peers serve, all of the same trained weights, and where they are not, a refusal."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from film.specs import FILM_ORIGIN, ModelSpec
from loadtest.peers.environments import FOLDER
from loadtest.peers.registry import PeersError, Runtime
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "training" / "weights"


@dataclass(frozen=True)
class Files:
    """Where each runtime's file is, and the SHA-256 of the weights that all of them were made of."""

    of: dict[Runtime, Path]
    weights: str


def prepare(spec: ModelSpec, runtimes: Sequence[Runtime], folder: Path = FOLDER / "models") -> Files:
    """The files of ``spec`` for ``runtimes``: the served one for OpenVINO, the others exported where they lack.

    What was exported is kept in ``folder``, until the code that exports changes.
    Raises PeersError where one cannot be made, or where the served network is of other weights.
    """
    weights = sha256(WEIGHTS / f"{spec.name}.safetensors")
    files: dict[Runtime, Path] = {}
    if "openvino" in runtimes:
        files["openvino"] = served = network_file(DEFAULT_REPOSITORY, spec, "")
        if _made_of(served) != weights:
            raise PeersError(f"{served} was not made of the weights in {WEIGHTS}: make export.")
    folder = _kept(folder)
    if "torch" in runtimes:
        files["torch"] = folder / spec.network_model / "1" / "model.pt"
        if _made_of(files["torch"]) != weights:
            _export([spec.name, "--to", "torchscript", "--repository", str(folder)])
    if "keras" in runtimes and spec == FILM_ORIGIN:
        files["keras"] = keras = folder / f"{spec.name}-{weights[:12]}.keras"
        if not keras.is_file():
            _export(["keras", "--out", str(keras)])
    return Files(files, weights)


def _kept(folder: Path) -> Path:
    """Where in ``folder`` what the present code exports is kept; what other code did is deleted."""
    rooms = (ROOT / "export", ROOT / "training", ROOT / "film")
    code = hashlib.sha256(b"".join(file.read_bytes() for room in rooms for file in sorted(room.rglob("*.py"))))
    kept = folder / code.hexdigest()[:12]
    for other in folder.glob("*"):
        if other.is_dir() and other != kept:
            shutil.rmtree(other)
    return kept


def sha256(file: Path) -> str:
    """Of the file's bytes; PeersError where there is none."""
    if not file.is_file():
        raise PeersError(f"{file} does not exist.")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _made_of(file: Path) -> str:
    """SHA-256 of the weights that a published file was made of, by its manifest; empty where it says nothing."""
    manifest = file.with_name(f"{file.name}.json")
    if not (file.is_file() and manifest.is_file()):
        return ""
    return str(json.loads(manifest.read_text(encoding="utf-8")).get("weights", {}).get("sha256", ""))


def _export(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "export", *arguments, "--weights", str(WEIGHTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise PeersError(f"python -m export {' '.join(arguments)} failed: {said}")
