"""Which engines of TensorRT run here."""

import ctypes
from types import SimpleNamespace

import pytest

from film.engine import installed_version, misfit
from film.gpu import Gpu

FACTS = {"library": "tensorrt", "version": "10.13.2.6", "compute_capabilities": ["8.6", "8.9"]}


@pytest.mark.parametrize("installed", ["10.13.2", "10.13.2.6", ""])
def test_an_engine_that_fits_is_let_through(installed: str) -> None:
    assert misfit(FACTS, installed, [Gpu("8.6"), Gpu("8.9")]) == ""


@pytest.mark.parametrize("facts", [{}, {"version": "", "compute_capabilities": []}])
def test_what_a_manifest_does_not_say_is_not_held_against_an_engine(facts: dict[str, object]) -> None:
    assert misfit(facts, "10.13.2", [Gpu("9.0")]) == ""


@pytest.mark.parametrize(
    ("installed", "gpu", "words"),
    [
        ("10.13.3", "8.9", "built by TensorRT 10.13.2.6, and 10.13.3 is here"),
        ("10.13.2", "9.0", "built for compute capability 8.6, 8.9, and there is a GPU of 9.0"),
    ],
)
def test_an_engine_that_does_not_fit_is_told_apart(installed: str, gpu: str, words: str) -> None:
    said = misfit(FACTS, installed, [Gpu("8.6"), Gpu(gpu)])
    assert words in said
    assert said.endswith("python -m export --to tensorrt")


def test_the_version_is_the_library_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> object:
        if name != "libnvinfer.so.11":
            raise OSError(name)
        return SimpleNamespace(getInferLibVersion=lambda: 110_203)

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert installed_version() == "11.2.3"


def test_without_a_library_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> object:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert installed_version() == ""
