"""The command against real servers, from its options to an overlay."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from film.specs import NEGATIVE_CONDITION
from loadtest import pictures
from loadtest.expected import Expected
from loadtest.tune.command import tune
from serving.overlay import Overlay, read_overlay

pytestmark = pytest.mark.e2e
MODELS = (NEGATIVE_CONDITION.name,)


@pytest.fixture(autouse=True)
def commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One, whoever edits meanwhile."""
    monkeypatch.setattr("loadtest.machine.commit", lambda: "abc")


def test_the_command_writes_an_overlay_and_does_not_measure_twice(tmp_path: Path) -> None:
    options = [
        "--models",
        "negative_condition",
        "--mix",
        "small",
        "--count",
        "2",
        "--minutes",
        "0.001",
        "--seconds",
        "0.2",
        "--rounds",
        "2",
    ]
    ran = CliRunner().invoke(tune, [*options, "--out", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    measured = (tmp_path / "measurements.json").read_text()
    assert [one["attempt"] for one in json.loads(measured)["comparisons"]] == ["noise"]
    assert read_overlay(tmp_path) == Overlay(profile="cpu")
    assert "the same command goes on from here" in (tmp_path / "report.md").read_text()
    other = CliRunner().invoke(tune, [*options, "--batch", "2", "--out", str(tmp_path)])
    assert other.exit_code == 2
    assert "another batch" in other.output


def test_an_overlay_is_compared_with_the_profile_and_none_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[server]\nresponse_cache_mb = 8\n[negative_condition]\nresponse_cache = true\n")
    options = ["--models", MODELS[0], "--mix", "small", "--count", "2", "--seconds", "0.3", "--rounds", "2"]
    out = tmp_path / "out"
    ran = CliRunner().invoke(tune, [*options, "--try", str(mine), "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "Nothing was measured" not in ran.output
    measured = (out / "measurements.json").read_text()
    noise, tried = json.loads(measured)["comparisons"]
    assert noise["attempt"] == "noise"
    assert tried["challenger"] == "negative_condition.response_cache=True, server.response_cache_mb=8"
    assert tried["failure"] == ""
    assert len(tried["ratios"]) == 2
    assert min(tried["ratios"]) > 0
    assert not (out / "safelight.toml").exists()
    again = CliRunner().invoke(tune, [*options, "--try", str(mine), "--out", str(out)])
    last = json.loads(measured)["last"]
    assert f"Nothing was measured: all of this was before, on {last}. To measure anew: --fresh" in again.output
    with monkeypatch.context() as now:
        now.setattr("loadtest.machine.commit", lambda: "def")
        other = CliRunner().invoke(tune, [*options, "--try", str(mine), "--out", str(out)])
    assert (other.exit_code, "with another commit: name" in other.output) == (2, True), other.output
    make = pictures.make
    monkeypatch.setattr("loadtest.pictures.make", lambda mix, count: make(mix, count, seed=1))
    other = CliRunner().invoke(tune, [*options, "--try", str(mine), "--out", str(out)])
    assert (other.exit_code, "with another pictures: name" in other.output) == (2, True), other.output
    assert (out / "measurements.json").read_text() == measured


def test_an_overlay_of_another_profile_is_not_tried(tmp_path: Path) -> None:
    (tmp_path / "safelight.toml").write_text('profile = "native"\n')
    ran = CliRunner().invoke(tune, ["--mix", "small", "--count", "1", "--try", str(tmp_path), "--out", str(tmp_path)])
    assert ran.exit_code == 2
    assert "native" in ran.output


def test_a_profile_that_answers_wrongly_is_not_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def off(*_: object) -> list[Expected]:
        return [Expected({MODELS[0]: {"SCORES": np.array([2.0, -1.0], np.float32)}}, 0.1)] * 2

    monkeypatch.setattr("loadtest.expected.expect", off)
    options = [
        "--models",
        MODELS[0],
        "--mix",
        "small",
        "--count",
        "2",
        "--seconds",
        "0.2",
    ]
    ran = CliRunner().invoke(tune, [*options, "--out", str(tmp_path)])
    assert ran.exit_code == 3, ran.output
    assert "the profile: negative_condition is" in ran.output
    assert not (tmp_path / "safelight.toml").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--models", "negative_inversion"], "it must be some of film_origin, negative_condition"),
        (["--aim", "p99"], "needs a --rate"),
        (["--aim", "p99", "--rate", "10", "--seconds", "4"], "needs 200 pictures in a measurement: --seconds 20 or"),
        (["--mix", "quantum"], "There is no mix 'quantum'"),
        (["--profile", "quantum"], "There is no profile 'quantum'"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, options: list[str], said: str) -> None:
    ran = CliRunner().invoke(tune, [*options, "--out", str(tmp_path)])
    assert ran.exit_code == 2
    assert said in " ".join(ran.output.split())
