import os
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import torch

from film.specs import CLASSIFIERS, FILM_ORIGIN, FILM_ORIGIN_EXPLAIN, NEGATIVE_CONDITION, ModelSpec
from loadtest.gpu import exports
from loadtest.gpu.results import Plan, Results


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Of a repository that has a TorchScript file, made a minute ago."""
    older = tmp_path / "repository" / FILM_ORIGIN.network_model / "1" / "model.pt"
    older.parent.mkdir(parents=True)
    older.write_text("older")
    minute_ago = time.time() - 60
    os.utime(older, (minute_ago, minute_ago))
    return Plan(torch.device("cpu"), tmp_path / "repository", "cpu", out=tmp_path / "gpu")


def job(spec: ModelSpec) -> exports.Job:
    return exports.Job(spec, exports.formats_of(spec, on_gpu=True))


def made(monkeypatch: pytest.MonkeyPatch, plan: Plan, program: str) -> list[str]:
    """What is said to be missing after ``program`` (Python) ran in place of `python -m export`."""
    monkeypatch.setattr(exports, "COMMAND", (sys.executable, "-c", program))
    return exports.make(plan, time.monotonic() + exports.SECONDS, job(FILM_ORIGIN))


def all_made(monkeypatch: pytest.MonkeyPatch, plan: Plan, program: str, engines: bool) -> tuple[list[str], list[str]]:
    """The same of all files, where ``engines`` can be built or not; and what was said to be done meanwhile."""
    monkeypatch.setattr(exports, "COMMAND", (sys.executable, "-c", program))
    module = ModuleType("tensorrt")
    module.__spec__ = ModuleSpec("tensorrt", None) if engines else None
    monkeypatch.setitem(sys.modules, "tensorrt", module if engines else None)
    results, doing = Results(), list[str]()
    exports.make_all(plan, results, doing.append)
    return results.missing, doing


def test_what_was_refused_or_cannot_be_made_is_missing_in_the_words_of_the_export(
    monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    refused = "film_origin was not exported to pt2: film_origin_net: SCORES is 0.02 away."
    lacking = "film_origin, tensorrt: not made; tensorrt not installed"
    lines = ["film_origin, torchscript: published", refused, lacking, "a table"]
    log = plan.beside("-export-film_origin.log")
    assert made(monkeypatch, plan, f"print(*{lines}, sep='\\n'); raise SystemExit(1)") == [
        f"{refused} (log: {log})",
        f"{lacking} (log: {log})",
        "film_origin_net: model.pt was not made here; the rows are of an older one",
    ]
    assert "a table" in log.read_text()


def test_of_an_export_that_broke_off_the_last_line_is_said(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    said = made(monkeypatch, plan, "import sys; sys.exit('first\\nOSError: no space left')")
    assert said[0].startswith("film_origin: export ended with 1: OSError: no space left (log: ")
    assert made(monkeypatch, plan, "import os; os.abort()")[0].startswith("film_origin: export ended with -6: ")


def test_where_all_is_made_nothing_is_missing(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    assert made(monkeypatch, plan, "import sys; print(sys.argv)") == []
    told = plan.beside("-export-film_origin.log").read_text()
    assert f"'--device', 'cpu', '--repository', '{plan.repository}'" in told


@pytest.mark.parametrize("engines", [False, True])
def test_engines_are_made_by_themselves_and_of_what_explains_another_network_torchscript_alone(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, engines: bool
) -> None:
    program = "import sys; print(*(b for a, b in zip(sys.argv, sys.argv[1:]) if a == '--to'))"
    missing, doing = all_made(monkeypatch, plan, program, engines)
    assert missing == []
    assert [line.partition(":")[0] for line in doing] == [
        "film_origin, negative_condition, film_origin_explain",
        *(["film_origin", "negative_condition"] if engines else []),
    ]
    first = "torchscript pt2" if engines else "torchscript pt2 tensorrt"
    expected = {f"-export-{spec.name}.log": first for spec in CLASSIFIERS}
    expected |= {f"-export-{FILM_ORIGIN_EXPLAIN.name}.log": "torchscript"}
    expected |= {f"-export-{spec.name}-engine.log": "tensorrt" for spec in CLASSIFIERS if engines}
    logs = {path.name.removeprefix(plan.out.name): path for path in plan.out.parent.glob("*.log")}
    assert {name: path.read_text().strip() for name, path in logs.items()} == expected


def test_all_files_have_one_deadline_and_what_comes_after_it_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    plan.beside("-export-negative_condition-engine.log").write_text("of an earlier run")
    monkeypatch.setattr(exports, "SECONDS", 5.0)
    began = time.monotonic()
    missing, _ = all_made(monkeypatch, plan, "import sys, time; time.sleep(600 * ('tensorrt' in sys.argv))", True)
    assert time.monotonic() - began < 5 + exports.SECONDS_TO_END
    log = plan.beside("-export-film_origin-engine.log")
    assert missing == [
        f"film_origin, tensorrt: not made in the 5 s that all have together (log: {log})",
        "negative_condition, tensorrt: not made in the 5 s that all have together",
    ]


def test_networks_that_are_made_together_have_each_its_log_and_its_outcome(
    monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    """Each waits for the other to have begun."""
    program = f"""
import pathlib, sys, time
name, folder = sys.argv[1], pathlib.Path({str(plan.out.parent)!r})
(folder / name).touch()
while len(list(folder.glob("*_origin")) + list(folder.glob("*_condition"))) < 2:
    time.sleep(0.01)
sys.exit(f"{{name}} broke" if name == "film_origin" else 0)"""
    monkeypatch.setattr(exports, "COMMAND", (sys.executable, "-c", program))
    jobs = job(FILM_ORIGIN), job(NEGATIVE_CONDITION)
    said = exports.make(plan, time.monotonic() + exports.SECONDS, *jobs)
    assert said[0].startswith("film_origin: export ended with 1: film_origin broke")
    assert not any("negative_condition" in line for line in said)
    assert plan.beside("-export-negative_condition.log").read_text() == ""


def test_one_that_takes_too_long_ends_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    child = plan.out.with_name("child")
    program = f"""
import signal, subprocess
signal.signal(signal.SIGINT, signal.SIG_IGN)
compiler = subprocess.Popen(["sleep", "600"])
open({str(child)!r}, "w").write(str(compiler.pid))
compiler.wait()"""
    monkeypatch.setattr(exports, "SECONDS", 5.0)
    monkeypatch.setattr(exports, "SECONDS_TO_END", 0.2)
    said = made(monkeypatch, plan, program)
    late = f"not made in the 5 s that all have together (log: {plan.beside('-export-film_origin.log')})"
    assert said == [
        *(f"film_origin, {name}: {late}" for name in job(FILM_ORIGIN).formats),
        "film_origin_net: model.pt was not made here; the rows are of an older one",
    ]
    assert gone(int(child.read_text()))


def test_one_that_takes_too_long_may_remove_what_it_had_begun(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    program = f"""
import tempfile, time
with tempfile.TemporaryDirectory(prefix="scratch", dir={str(plan.out.parent)!r}) as folder:
    print(folder, flush=True)
    time.sleep(600)"""
    monkeypatch.setattr(exports, "SECONDS", 5.0)
    made(monkeypatch, plan, program)
    assert "scratch" in plan.beside("-export-film_origin.log").read_text()
    assert not list(plan.out.parent.glob("scratch*"))


def test_a_copy_of_a_repository_has_no_way_back(plan: Plan, tmp_path: Path) -> None:
    (plan.repository / "linked").symlink_to(plan.repository / FILM_ORIGIN.network_model)
    original = plan.repository / "linked" / "1" / "model.pt"
    to = exports.copy(plan.repository, tmp_path / "copy")
    assert not any(path.is_symlink() for path in to.rglob("*"))
    for path in to.rglob("*.pt"):
        path.write_text("new")
    assert original.read_text() == "older"
    assert exports.copy(to, to) == to
    assert (to / "linked" / "1" / "model.pt").read_text() == "new"
    exports.copy(plan.repository, to)
    assert (to / "linked" / "1" / "model.pt").read_text() == "older"


def gone(process: int) -> bool:
    """Whether it ends within seconds, or has and only waits to be buried by the system's first process."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_half_precision_in_torchscript_is_made_for_a_gpu_of_what_is_served_in_it() -> None:
    for spec, on_gpu, wanted in ((NEGATIVE_CONDITION, True, True), (NEGATIVE_CONDITION, False, False)):
        assert (exports.HALF in exports.formats_of(spec, on_gpu)) is wanted
    for spec in (FILM_ORIGIN, FILM_ORIGIN_EXPLAIN):
        assert exports.HALF not in exports.formats_of(spec, on_gpu=True)
