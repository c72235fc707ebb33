"""The files that peers serve: exported once, and again when the code that exports is another."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="exporting needs the train extra")

from film.specs import FILM_ORIGIN
from loadtest.peers.prepared import WEIGHTS, prepare, sha256


def test_what_was_exported_is_kept_and_what_other_code_exported_is_not(tmp_path: Path) -> None:
    stale = tmp_path / "other_code" / FILM_ORIGIN.network_model / "1" / "model.pt"
    stale.parent.mkdir(parents=True)
    stale.touch()
    made = prepare(FILM_ORIGIN, ("keras",), tmp_path)
    assert made.weights == sha256(WEIGHTS / f"{FILM_ORIGIN.name}.safetensors")
    assert not stale.exists()
    written = made.of["keras"].stat().st_mtime_ns
    assert prepare(FILM_ORIGIN, ("keras",), tmp_path).of["keras"].stat().st_mtime_ns == written
