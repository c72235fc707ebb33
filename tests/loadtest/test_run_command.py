"""python -m loadtest run, against the real server and against what is no server."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from film.specs import NEGATIVE_CONDITION
from loadtest import results, stage
from loadtest.__main__ import main
from loadtest.levels import Level
from loadtest.pictures import SAMPLES, read
from loadtest.record import Request
from loadtest.stage import Stage, Target
from serving.settings import DEFAULT_REPOSITORY

PATIENT = 100
"""Seconds for an answer, on a machine that does something else as well."""


def run(out: Path, *options: object) -> Result:
    return CliRunner().invoke(main, ["run", "--out", str(out), "--timeout", str(PATIENT), *map(str, options)])


@pytest.mark.e2e
def test_users_and_arrivals_get_right_answers_and_a_report(server: Any, tmp_path: Path) -> None:
    options = ["--users", 2, "--rates", 3, "--seconds", 4, "--warmup", 0.5, "--mix", "small", "--count", 3]
    ran = run(tmp_path, "--host", server.grpc_url, "--pid", server.process_id, *options)
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert [outcome["name"] for outcome in report["outcomes"]] == ["2-users", "3-per-second"]
    for outcome in report["outcomes"]:
        assert outcome["failures"] == {}
        assert outcome["pictures"] > 0
        assert 0 < outcome["latency"]["p50"] <= outcome["latency"]["p95"] <= outcome["latency"]["largest"]
        assert outcome["usage"]["server_cores"] > 0
        assert outcome["usage"]["generator_cores"] > 0
        assert outcome["usage"]["memory"] > 2**20
        steps = outcome["usage"]["models"]
        assert steps["film_origin_preprocess"]["compute"] > 0
        assert steps["negative_condition_net"]["compute"] > 0
        assert (tmp_path / outcome["name"] / "locust.html").exists()
        assert (tmp_path / outcome["name"] / "locust_stats.csv").exists()
    assert "film_origin_net" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "curve.png").exists()


@pytest.mark.e2e
def test_one_model_over_http_in_batches_in_a_shape(server: Any, tmp_path: Path) -> None:
    options = ["--users", 4, "--shape", "spike", "--seconds", 5, "--warmup", 0, "--mix", "small", "--count", 3]
    options += ["--models", "negative_condition", "--batch", 2]
    ran = run(tmp_path, "--host", f"http://{server.http_url}", *options)
    assert ran.exit_code == 0, ran.output
    (outcome,) = json.loads((tmp_path / "report.json").read_text())["outcomes"]
    assert outcome["failures"] == {}
    assert [moment["amount"] for moment in outcome["moments"]] == [1, 1, 4, 1, 1]
    assert outcome["usage"]["server_cores"] is None  # nobody said which process it is
    assert {name.removeprefix("negative_condition") for name in outcome["usage"]["models"]} == {
        "",
        "_preprocess",
        "_net",
    }
    assert (tmp_path / "4-users-spike.png").exists()


def contrary(repository: Path) -> Path:
    """A repository whose negative_condition says the opposite of what the served one says."""
    file = Path(NEGATIVE_CONDITION.network_model, "1", "model.onnx")
    network = onnx.load(DEFAULT_REPOSITORY / file)
    scores = NEGATIVE_CONDITION.outputs[0].name
    for node in network.graph.node:
        node.output[:] = ["said" if name == scores else name for name in node.output]
        node.input[:] = ["said" if name == scores else name for name in node.input]
    network.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(1, np.float32), "one"))
    network.graph.node.append(onnx.helper.make_node("Sub", ["one", "said"], [scores]))
    (repository / file).parent.mkdir(parents=True)
    onnx.save(network, repository / file)
    return repository


@pytest.mark.e2e
def test_wrong_answers_have_an_exit_code_and_a_report(server: Any, tmp_path: Path) -> None:
    options = ["--users", 1, "--seconds", 3, "--models", "negative_condition", "--pictures", SAMPLES / "digital"]
    repository = contrary(tmp_path / "repository")
    ran = run(tmp_path / "out", "--host", server.grpc_url, "--repository", repository, *options)
    assert ran.exit_code == 3, ran.output
    (outcome,) = json.loads((tmp_path / "out" / "report.json").read_text())["outcomes"]
    assert outcome["failures"] == {"WrongAnswer": outcome["requests"]}
    assert outcome["pictures"] == 0


def test_a_broken_picture_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(read(SAMPLES)[0][:200])
    ran = run(tmp_path / "out", "--models", "negative_condition", "--pictures", tmp_path)
    assert ran.exit_code == 1
    assert "broken.jpg" in ran.output
    assert not (tmp_path / "out" / "server.log").exists()


def test_nobody_there_is_a_sentence(tmp_path: Path) -> None:
    ran = run(tmp_path, "--host", "localhost:1", "--mix", "small", "--count", 1, "--models", "negative_condition")
    assert ran.exit_code == 1
    assert "localhost:1" in ran.output
    assert not (tmp_path / "report.json").exists()


def test_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    ran = run(tmp_path, "--pictures", tmp_path / "none")
    assert ran.exit_code == 1
    assert "has no pictures" in ran.output


@pytest.mark.parametrize(
    "option",
    [
        ("--users", "1,two"),
        ("--users", "8,2,8.0"),
        ("--users", "inf"),
        ("--rates", "nan"),
        ("--rates", "0"),
        ("--shape", "wave"),
        ("--batch", "65"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(tmp_path: Path, option: tuple[str, str]) -> None:
    assert run(tmp_path, *option).exit_code == 2


def test_a_load_generator_that_asks_nothing_says_why(tmp_path: Path) -> None:
    target = Target("localhost:1", "localhost:1", 0, "both", 1, tmp_path / "absent", 1, 0)
    with pytest.raises(stage.StageError, match=r"expected\.json"):
        stage.run(Stage("none", [Level(2, 1)]), target, tmp_path)


RECORDED = """
import sys
from pathlib import Path
from loadtest.record import Recorder, Request
with Recorder(Path(sys.argv[1])) as recorder:
    recorder.add(Request(1, 1, 2, 1, 1))
print("half-way")
sys.exit(int(sys.argv[2]))
"""


@pytest.mark.parametrize(("code", "said"), [(2, "ended with code 2"), (0, "ended after [0-9]+ s")])
def test_a_load_generator_that_ends_half_way_is_no_measurement(
    code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "loadtest.stage.command",
        lambda stage, target, out: [sys.executable, "-c", RECORDED, str(out / "requests.csv"), str(code)],
    )
    target = Target("localhost:1", "localhost:1", 0, "both", 1, tmp_path, 1, 0)
    with pytest.raises(stage.StageError, match=rf"{said}.*in stage some(.|\n)*half-way"):
        stage.run(Stage("some", [Level(100, 1)]), target, tmp_path)


class Ready:
    """A client whose server is there, and has every model."""

    def __init__(self, url: str, **_: object) -> None:
        pass

    def __enter__(self) -> "Ready":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def status(self, models: Sequence[str]) -> SimpleNamespace:
        """All of them are ready."""
        return SimpleNamespace(models=dict.fromkeys(models, True))


def test_a_stage_that_fails_costs_nothing_of_the_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def first_only(asked: Stage, target: Target, out: Path) -> results.Outcome:
        if asked.name != "1-users":
            raise stage.StageError("Locust ended")
        return results.outcome(asked.name, asked.levels, [Request(1, 1, 2, 1, 1)], [], closed=True, warmup=0)

    monkeypatch.setattr("loadtest.run_command.Client", Ready)
    monkeypatch.setattr("loadtest.stage.run", first_only)
    options = ["--host", "localhost:1", "--mix", "small", "--count", 1, "--models", "negative_condition"]
    ran = run(tmp_path, *options, "--users", "1,2")
    assert (ran.exit_code, "Locust ended" in ran.output) == (1, True), ran.output
    assert [one["name"] for one in json.loads((tmp_path / "report.json").read_text())["outcomes"]] == ["1-users"]
    assert "1-users" in (tmp_path / "report.html").read_text()
