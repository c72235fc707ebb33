"""The loads against the real server, and the command from its options to an overlay."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from film.specs import NEGATIVE_CONDITION
from loadtest.expected import Expected, expect
from loadtest.pictures import make, mix
from loadtest.tune.command import tune
from loadtest.tune.driving import closed_loop, open_loop
from serving.overlay import Overlay, read_overlay

pytestmark = pytest.mark.e2e
MODELS = (NEGATIVE_CONDITION.name,)


@pytest.fixture(scope="module")
def blobs() -> list[bytes]:
    return make(mix("small"), 4)


@pytest.fixture(scope="module")
def expected(blobs: list[bytes]) -> list[Expected]:
    return expect(blobs, MODELS)


def test_callers_in_a_closed_loop_get_right_answers(server: Any, blobs: list[bytes], expected: list[Expected]) -> None:
    load = closed_loop(server.grpc_url, blobs, expected, seconds=1.5, callers=3, batch=2)
    assert load.wrong == ""
    assert load.rate > 0
    assert 0 < load.p99 < float("inf")


def test_an_open_loop_asks_at_its_rate(server: Any, blobs: list[bytes], expected: list[Expected]) -> None:
    load = open_loop(server.grpc_url, blobs, expected, seconds=2, rate=20, seed=1)
    assert load.wrong == ""
    assert 15 < len(load.latencies) < 70


@pytest.mark.parametrize("loop", ["closed", "open"])
def test_a_wrong_answer_is_seen(server: Any, blobs: list[bytes], expected: list[Expected], loop: str) -> None:
    off = [replace(one, scores={MODELS[0]: one.scores[MODELS[0]] + np.float32(0.5)}) for one in expected]
    if loop == "closed":
        load = closed_loop(server.grpc_url, blobs, off, seconds=0.5, callers=1, batch=1)
    else:
        load = open_loop(server.grpc_url, blobs, off, seconds=0.5, rate=10, seed=1)
    assert "negative_condition is 0.5 off" in load.wrong
    assert load.rate == 0


def test_a_server_that_is_not_there_is_a_wrong_answer(blobs: list[bytes], expected: list[Expected]) -> None:
    load = closed_loop("localhost:1", blobs, expected, seconds=0.1, callers=1, batch=1)
    assert "cannot answer" in load.wrong


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


def test_a_profile_that_answers_wrongly_is_not_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def off(*_: object) -> list[Expected]:
        return [Expected({MODELS[0]: np.array([2.0, -1.0], np.float32)}, 0.1)] * 2

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
        "--aim",
        "p99",
        "--rate",
        "9",
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
        (["--mix", "quantum"], "There is no mix 'quantum'"),
        (["--profile", "quantum"], "There is no profile 'quantum'"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, options: list[str], said: str) -> None:
    ran = CliRunner().invoke(tune, [*options, "--out", str(tmp_path)])
    assert ran.exit_code == 2
    assert said in " ".join(ran.output.split())
