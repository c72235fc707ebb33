import json
import shutil
import signal
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner

from film.specs import FILM_ORIGIN, FILM_ORIGIN_EXPLAIN, NEGATIVE_CONDITION, NETWORKS
from loadtest.drive import WRONG
from loadtest.expected import Expected, expect
from loadtest.gpu import networks, parts, served
from loadtest.gpu.__main__ import main
from loadtest.gpu.ceilings import Ceilings
from loadtest.gpu.results import Plan, Results
from loadtest.gpu.run import Part, Say, gather, measure
from loadtest.gpu.tables import markdown
from loadtest.gpu.timing import seconds_each
from loadtest.gpu.use import Use
from loadtest.pictures import SAMPLES, read
from serving.settings import DEFAULT_REPOSITORY, Settings

BLOBS = read(SAMPLES / "digital")
WAYS = ("1 at a time", "2 at a time")
PLAN = Plan(torch.device("cpu"), DEFAULT_REPOSITORY, "cpu", 0.01, (1,), served=False)
LIMITS = Ceilings(1e9, 1e9, {"f32": 1e12, "bf16": 1e12})
USUAL = ("--device", "cpu", "--seconds", "0.05", "--batches", "1", "--pictures", "samples/digital")


def test_a_network_that_fails_in_whatever_way_costs_its_own_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> networks.Run:
        raise AssertionError

    misshapen = networks.Way("misshapen", "f32", lambda *_: lambda pixels, _: (pixels[:, 0, 0, :2].float(),))
    known = networks.Way("first", "f32", lambda *_: answering((0, 0, 0)))
    ways = (known, networks.Way("failing", "f32", fail), misshapen, networks.Way("last", "f32", known.load))
    assert [row["way"] for row in measured(monkeypatch, ways)] == ["first", "last"]


def test_a_piece_of_work_is_timed_by_itself() -> None:
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1

    assert 0 < seconds_each(work, torch.device("cpu"), 0.01) < 0.001
    assert calls > 10


@pytest.mark.e2e
def test_a_dry_run_measures_what_there_is_names_what_there_is_not_and_writes_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All is of the named repository, in which film and digital have changed places and one network is missing."""
    out, seen, repository = tmp_path / "gpu", list[dict[str, Any]](), tmp_path / "repository"
    shutil.copytree(DEFAULT_REPOSITORY, repository, symlinks=True)
    swapped = repository / FILM_ORIGIN.network_model / "1" / "model.onnx"
    model = onnx.load(swapped)
    last = [node for node in model.graph.node if node.op_type == "Concat"][-1]
    last.input[:] = list(reversed(last.input))
    onnx.save(model, swapped)
    (repository / NEGATIVE_CONDITION.network_model / "1" / "model.onnx").unlink()

    def look(part: Part, results: Results, say: Say, doing: str, patience: float) -> None:
        gather(part, results, say, doing)
        seen.append(json.loads(out.with_suffix(".json").read_text()))

    monkeypatch.setattr("loadtest.gpu.run.gather", look)
    found = dry_run(out, "--clients", "2", "--repository", str(repository))
    assert [bool(found["ceilings"]) for found in seen[:3]] == [False, True, True]
    assert seen[-1]["decoders"]
    assert found["ceilings"]["copy"] > 0
    rows = {row["model"]: row for row in found["networks"] if row["way"] == "TorchScript f32"}
    assert set(rows) == {FILM_ORIGIN.name, FILM_ORIGIN_EXPLAIN.name}
    assert all(row["pictures_per_second"] > 0 and row["within_tolerance"] for row in rows.values())
    assert {row["model"] for row in found["decoders"]} == {"film_origin", "negative_condition"}
    assert all(row["pictures_per_second"] > 0 for row in found["decoders"])
    assert len(found["pixels"]) == len(found["decoders"])
    assert any("PT2 f32: model.pt2" in line for line in found["missing"]) or any(
        row["way"] == "PT2 f32" for row in found["networks"]
    )
    rates = {(row["model"], row["way"]): row["pictures_per_second"] for row in found["in_process"]}
    assert {key for key in rates if key[0] == FILM_ORIGIN.name} == {(FILM_ORIGIN.name, way) for way in WAYS}
    assert all(rate > 0 for rate in rates.values())
    assert "JPEG to pixels" in out.with_suffix(".md").read_text()
    (row,) = found["served"]
    assert row["model"] == FILM_ORIGIN.name
    assert row["pictures_per_second"] > 0
    assert list(row["outcomes"]) == ["right"]
    assert any(line.startswith("negative_condition through Triton") for line in found["missing"])


def test_a_picture_that_cannot_be_judged_is_no_rate_in_process() -> None:
    found = list(parts.in_process_of(PLAN, FILM_ORIGIN, [b"no picture"]))
    said = [value for kind, value in found if kind == "missing"]
    assert len(said) == len(WAYS)
    assert said[0].startswith(
        "film_origin in process, 1 at a time: ValueError: a picture could not be judged: not a JPEG"
    )
    assert not [value for kind, value in found if kind == "in_process"]


def test_the_server_is_compared_with_its_own_profile_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    driven = SimpleNamespace(pictures_per_second=50.0)
    monkeypatch.setattr(served, "measure", lambda *_, **__: (driven, Use(None, None)))
    monkeypatch.setattr(served, "figures", lambda _: {})
    monkeypatch.setattr(served, "_served_file", lambda *_: "model.pt")
    for profile, wanted in (("cuda", 0.5), ("cpu", None)):
        ((kind, row),) = served.served_of(replace(PLAN, profile=profile), FILM_ORIGIN, BLOBS, 200.0, 100.0)
        assert kind == "served", row
        assert (row["of_decoding"], row["of_in_process"]) == (0.25, wanted)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_how_to_try_it(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--out", str(tmp_path / "gpu")])
    assert ran.exit_code == 1
    assert "--device cpu" in ran.output


def test_what_explains_a_classifier_is_measured_as_a_network_in_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []

    def note(part: partial[Any], results: Results, _: Say, doing: str, __: float) -> None:
        results.add("ceilings", asdict(LIMITS))
        asked.append((doing, part.args[-1]))

    monkeypatch.setattr("loadtest.gpu.run.gather", note)
    plan = replace(PLAN, device=torch.device("cuda"), served=True)
    measure(plan, BLOBS, Results())
    of_networks = [doing for doing, _ in asked if doing in {spec.network_model for spec in NETWORKS}]
    assert set(of_networks) == {spec.network_model for spec in NETWORKS}
    explaining = [(doing, names) for doing, names in asked if FILM_ORIGIN_EXPLAIN.name in doing]
    assert explaining == [(FILM_ORIGIN_EXPLAIN.network_model, ["TorchScript f32"])]


def test_a_network_without_its_onnx_file_is_not_measured(tmp_path: Path) -> None:
    place = Path(FILM_ORIGIN.network_model, "1", "model.pt")
    (tmp_path / place).parent.mkdir(parents=True)
    shutil.copy(DEFAULT_REPOSITORY / place, tmp_path / place)
    plan = replace(PLAN, repository=tmp_path)
    found = [one for spec in NETWORKS for one in parts.networks_of(plan, spec, LIMITS, BLOBS[:1], ["TorchScript f32"])]
    assert found == [
        ("missing", "film_origin_net: model.onnx is missing: python -m export"),
        ("missing", "negative_condition_net: model.pt is missing: python -m export"),
        ("missing", "film_origin_explain_net: model.pt is missing: python -m export"),
    ]


@pytest.mark.parametrize("error", [KeyError("film_origin"), BrokenProcessPool("a client was killed"), RuntimeError()])
def test_a_server_that_cannot_be_measured_costs_its_own_row_and_leaves_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    asked: list[tuple[Settings, Path]] = []

    def measure(settings: Settings, *_: Any, log: Path, **__: Any) -> NoReturn:
        asked.append((settings, log))
        log.touch()
        raise error

    monkeypatch.setattr(served, "measure", measure)
    plan = replace(PLAN, out=tmp_path / "gpu.2")
    ((kind, said),) = served.served_of(plan, FILM_ORIGIN, BLOBS, None, None)
    log = tmp_path / "gpu.2-server-film_origin.log"
    assert kind == "missing"
    assert said.startswith(f"film_origin through Triton, profile cpu: {type(error).__name__}")
    assert said.endswith(f"(log: {log})")
    assert [(settings.ready_timeout, kept) for settings, kept in asked] == [(120, log)]


def test_the_page_says_how_many_requests_failed_in_which_way() -> None:
    row = {"model": "film_origin", "profile": "cuda", "file": "model.pt2", "pictures_per_second": 1234.5}
    seen = {
        "cores": 2.25,
        "jpeg_engine": 98.6,
        "of_decoding": None,
        "of_in_process": 0.5,
        "p50": 0.25,
        "p99": None,
        "outcomes": {"WrongAnswer": 3, "right": 5},
        "reason": "off",
    }
    page = markdown(Results(served=[row | seen]))
    used = "| 1,234 | 2.2 | 99% | - | 50% |"
    assert f"| film_origin | cuda | model.pt2 {used} 250 ms | - | 3 WrongAnswer, as: off |" in page


@pytest.mark.e2e
def test_only_right_answers_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two pictures the second is held to be another, and then both are; what is told is of the measured seconds."""
    right = expect(BLOBS[:2], (FILM_ORIGIN.name,))
    off = Expected({FILM_ORIGIN.name: {"SCORES": np.array([2.0, -1.0], np.float32)}}, 0.1)
    settings = Settings(models=(FILM_ORIGIN.name,))
    monkeypatch.setattr(served, "expect", lambda *_: [right[0], off])
    found, use = served.measure(settings, FILM_ORIGIN, BLOBS[:2], seconds=1, clients=2, batch=1, device=PLAN.device)
    assert use.jpeg_engine is None
    assert found.pictures_per_second > 0
    assert found.seconds <= 1
    assert set(found.outcomes) == {"", WRONG}
    assert sum(found.outcomes.values()) < len(found.sent)
    assert "off the right probability" in found.reason
    monkeypatch.setattr(served, "expect", lambda *_: [off, off])
    with pytest.raises(served.NoVerdict, match=r"no answer was right: film_origin is .* off"):
        served.measure(settings, FILM_ORIGIN, BLOBS[:2], seconds=0.5, clients=1, batch=1, device=PLAN.device)


def test_the_device_that_was_named_is_the_current_one_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chosen(Exception):
        pass

    def choose(device: torch.device) -> None:
        raise Chosen(str(device))

    monkeypatch.setattr(torch.cuda, "set_device", choose)
    plan = Plan(torch.device("cuda:1"), DEFAULT_REPOSITORY, "cuda")
    for part in (
        parts.limits_of(plan),
        parts.networks_of(plan, FILM_ORIGIN, LIMITS, BLOBS, ()),
        parts.decoders_of(plan, FILM_ORIGIN, BLOBS),
        parts.stems_of(plan, NEGATIVE_CONDITION, BLOBS),
    ):
        with pytest.raises(Chosen, match="cuda:1"):
            next(part)


def test_each_output_is_held_to_its_own_tolerance_and_nan_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map may be twice as far off as a probability (``TensorSpec.slack``)."""
    nan = float("nan")
    off = {"all": (9e-4, 9e-4, 1.9e-3), "scores": (1.1e-3, 0, 0), "map": (0, 0, 2.1e-3), "nan": (0, nan, 0)}
    known = {"zero": (0.0, 0.0, 0.0), **off}
    ways = tuple(networks.Way(name, "f32", lambda *_, far=far: answering(far)) for name, far in known.items())
    rows = {row["way"]: row for row in measured(monkeypatch, ways)}
    assert {name: row["within_tolerance"] for name, row in rows.items()} == {
        "zero": True,
        "all": True,
        "scores": False,
        "map": False,
        "nan": False,
    }
    assert rows["map"]["largest_difference"] == pytest.approx(2.1e-3)
    assert np.isnan(rows["nan"]["largest_difference"])


@pytest.mark.parametrize(
    ("arithmetic", "name", "precision"), [("fp32", "TensorRT f32", "f32"), ("fp16", "TensorRT fp16", "fp16")]
)
def test_an_engine_is_judged_by_the_precision_that_its_manifest_says(
    tmp_path: Path, arithmetic: str, name: str, precision: str
) -> None:
    (tmp_path / "model.plan.json").write_text(json.dumps({"arithmetic": arithmetic}))
    ways = networks.ways(FILM_ORIGIN, torch.device("cuda"), tmp_path)
    assert [(way.precision, way.largest) for way in ways if way.name == name] == [(precision, 64)]


def test_each_batch_is_judged_by_its_own_answers_and_lost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pictures in turn, fewer than the largest batch: the truth of each is that of its own. What takes no batch of
    that size is not asked for one."""
    right = networks.Way("right", "f32", lambda *_: brightness)

    def run(pixels: torch.Tensor, valid: torch.Tensor) -> networks.Tensors:
        if len(pixels) == 5:
            raise MemoryError("of the device")
        scores, *others = brightness(pixels, valid)
        return (scores + (len(pixels) == 3), *others)

    odd = networks.Way("odd", "f32", lambda *_: run, largest=7)
    monkeypatch.setattr(networks, "ways", lambda *_: (right, odd))
    plan = replace(PLAN, batches=(1, 3, 5, 7, 8))
    found = list(parts.networks_of(plan, NEGATIVE_CONDITION, LIMITS, BLOBS[:2], ["odd", "right"]))
    rows = {(value["way"], value["batch"]): value["within_tolerance"] for kind, value in found if kind == "networks"}
    right_rows = {("right", batch): True for batch in (1, 3, 5, 7, 8)}
    assert rows == right_rows | {("odd", 1): True, ("odd", 3): False, ("odd", 7): True}
    assert [value for kind, value in found if kind == "missing"] == [
        "negative_condition_net, odd, batch 5: MemoryError: of the device",
        "negative_condition_net, odd, batch 8: it takes at most 7",
    ]
    assert (plan.batch, replace(PLAN, batches=(1, 256)).batch) == (8, 64)
    first = next(place for place, (kind, value) in enumerate(found) if kind == "networks" and value["way"] == "odd")
    assert found[first + 1] == ("doing", "negative_condition_net: odd, batch 3")  # it is sent before the next begins


def test_single_precision_is_that_and_nothing_else_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[bool]] = {"f32": set(), "bf16": set()}

    def way(precision: str) -> networks.Way:
        def run(pixels: torch.Tensor, valid: torch.Tensor) -> networks.Tensors:
            seen[precision].add(torch.backends.cudnn.allow_tf32)
            return answering((0, 0, 0))(pixels, valid)

        return networks.Way(precision, precision, lambda *_: run)

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    first = networks.Way("trusted", "f32", lambda *_: answering((0, 0, 0)))
    measured(monkeypatch, (first, way("f32"), way("bf16")))
    assert seen == {"f32": {False}, "bf16": {True}}
    assert torch.backends.cudnn.allow_tf32


def test_what_was_measured_before_an_interruption_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop(part: Part, results: Results, say: Say, doing: str, patience: float) -> None:
        if results.ceilings:
            ended = signal.getsignal(signal.SIGTERM)  # as `timeout` does, but without sending it to all tests
            assert callable(ended)
            ended(signal.SIGTERM, None)
        results.add("ceilings", asdict(LIMITS))

    monkeypatch.setattr("loadtest.gpu.run.gather", stop)
    monkeypatch.setattr("loadtest.gpu.run.CLASSIFIERS", (FILM_ORIGIN,))
    ran = CliRunner().invoke(main, [*USUAL, "--no-served", "--out", str(tmp_path / "gpu")])
    assert ran.exit_code == 130
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["ceilings"]
    assert found["missing"][-1] == "what was to follow when it was interrupted"
    assert "interrupted" in (tmp_path / "gpu.md").read_text()


def test_a_way_whose_process_ended_before_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(part: Part, results: Results, say: Say, doing: str, patience: float) -> None:
        results.ceilings = asdict(LIMITS)
        if doing == "film_origin_net":
            results.missing.append("film_origin_net: TorchScript f32, batch 8: nothing was heard of it for 132 s")

    monkeypatch.setattr("loadtest.gpu.run.gather", lose)
    monkeypatch.setattr("loadtest.gpu.run.NETWORKS", (FILM_ORIGIN,))
    results = Results()
    measure(PLAN, BLOBS, results)
    assert results.missing[1:] == ["film_origin_net, PT2 f32: not reached"]


CRASHING = """(
    ("decoders", {"decoder": "one"}) if step == 0
    else ("doing", "the other") if step == 1
    else __import__("os").kill(__import__("os").getpid(), 11)
    for step in range(3)
)"""
"""As text: a new process cannot import a test."""


def test_a_part_that_crashes_costs_what_it_had_not_found_yet() -> None:
    results, said = Results(), list[str]()
    gather(partial(eval, CRASHING), results, said.append, "both")
    assert said == ["both", "the other"]
    assert results.decoders == [{"decoder": "one"}]
    assert results.missing == ["the other: the process that measured it ended with code -11"]


def test_a_part_that_says_nothing_is_given_up() -> None:
    silent = "__import__('time').sleep(600) if step else ('decoders', {'decoder': 'one'}) for step in range(2)"
    results = Results()
    gather(partial(eval, f"({silent})"), results, lambda _: None, "two", patience=1)
    assert results.decoders == [{"decoder": "one"}]
    assert results.missing == ["two: nothing was heard of it for 1 s"]


def test_a_part_that_fails_says_why_and_one_that_ends_badly_after_all_is_found_does_not_matter() -> None:
    results = Results()
    gather(partial(eval, "(1 / step for step in (0,))"), results, lambda _: None, "a division")
    assert results.missing[0] == "what was to follow, because of ZeroDivisionError: division by zero"
    assert results.missing[1].startswith("a division: the process that measured it ended with code 1")
    ends_badly = "__import__('atexit').register(__import__('os')._exit, 7) and [('decoders', {'decoder': 'all'})]"
    results = Results()
    gather(partial(eval, ends_badly), results, lambda _: None, "everything")
    assert results.decoders == [{"decoder": "all"}]
    assert results.missing == []


def answering(far: tuple[float, ...]) -> networks.Run:
    """A network that says ``far`` everywhere in each output of ``negative_condition``."""
    outputs = list(zip(far, NEGATIVE_CONDITION.outputs, strict=True))
    return lambda pixels, _: tuple(torch.full((len(pixels), *output.shape), value) for value, output in outputs)


def brightness(pixels: torch.Tensor, _: torch.Tensor) -> networks.Tensors:
    """A network that says of each picture how bright it is, everywhere in each output."""
    mean = pixels.float().mean((1, 2, 3)) / 255
    shapes = [output.shape for output in NEGATIVE_CONDITION.outputs]
    return tuple(mean.reshape(-1, *[1] * len(shape)).expand(-1, *shape) for shape in shapes)


def measured(monkeypatch: pytest.MonkeyPatch, ways: tuple[networks.Way, ...]) -> list[dict[str, object]]:
    """The rows of ``ways`` of running ``negative_condition``, the first of which is trusted."""
    monkeypatch.setattr(networks, "ways", lambda *_: ways)
    found = parts.networks_of(PLAN, NEGATIVE_CONDITION, LIMITS, BLOBS[:1], [way.name for way in ways])
    return [value for kind, value in found if kind == "networks"]


def dry_run(out: Path, *options: str) -> dict[str, Any]:
    """What the command finds on the CPU; it must succeed."""
    ran = CliRunner().invoke(main, [*USUAL, *options, "--out", str(out)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    found: dict[str, Any] = json.loads(out.with_suffix(".json").read_text())
    return found
