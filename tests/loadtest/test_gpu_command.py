import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from film.specs import NETWORKS
from loadtest.gpu import exports
from loadtest.gpu.__main__ import main
from loadtest.gpu.results import Plan, Results
from loadtest.gpu.run import Say
from loadtest.machine import commit, driver

MODEL = Path("film_origin_net", "1", "model.pt")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One in which there is a single file."""
    file = tmp_path / "repository" / MODEL
    file.parent.mkdir(parents=True)
    file.write_text("served")
    return tmp_path / "repository"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What was to be measured; nothing is."""
    plans: list[Plan] = []

    def measure(plan: Plan, blobs: Sequence[bytes], results: Results, say: Say) -> None:
        plans.append(plan)

    monkeypatch.setattr("loadtest.gpu.run.measure", measure)
    return plans


def run(out: Path, *options: str) -> Result:
    """The command on the CPU."""
    usual = ("--device", "cpu", "--pictures", "samples/digital", "--out", str(out))
    return CliRunner().invoke(main, [*usual, *options])


def test_files_are_made_in_a_copy_which_is_then_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path, measured: list[Plan]
) -> None:
    asked: list[str] = []

    def make(plan: Plan, _: float, *jobs: exports.Job) -> list[str]:
        asked.extend(job.spec.name for job in jobs)
        (plan.repository / MODEL).write_text("made here")
        return []

    monkeypatch.setattr(exports, "make", make)
    assert run(tmp_path / "gpu", "--export", "--repository", str(repository)).exit_code == 0
    assert set(asked) == {spec.name for spec in NETWORKS}
    assert [plan.repository for plan in measured] == [tmp_path / "gpu-repository"]
    assert (measured[0].repository / MODEL).read_text() == "made here"
    under = json.loads((tmp_path / "gpu.json").read_text())["conditions"]
    assert under["repository"] == str(measured[0].repository)
    assert (repository / MODEL).read_text() == "served"


def test_a_dry_run_makes_nothing_and_measures_what_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path, measured: list[Plan]
) -> None:
    monkeypatch.delattr(exports, "make")
    assert run(tmp_path / "gpu", "--repository", str(repository)).exit_code == 0
    assert [plan.repository for plan in measured] == [repository]
    assert not (tmp_path / "gpu-repository").exists()


def test_what_an_earlier_run_left_is_moved_aside(tmp_path: Path, measured: list[Plan]) -> None:
    (tmp_path / "gpu.json").write_text("earlier")
    (tmp_path / "gpu.md").write_text("earlier")
    assert run(tmp_path / "gpu").exit_code == 0
    assert run(tmp_path / "gpu").exit_code == 0
    assert (tmp_path / "gpu.1.json").read_text() == (tmp_path / "gpu.1.md").read_text() == "earlier"
    assert json.loads((tmp_path / "gpu.2.json").read_text())["conditions"]


def test_the_results_say_what_they_were_measured_under(tmp_path: Path, measured: list[Plan]) -> None:
    overlay = tmp_path / "safelight.toml"
    overlay.write_text("[film_origin]\ninstances = 3\n")
    options = ("--seconds", "0.5", "--batches", "2,4", "--clients", "3", "--overlay", str(overlay))
    assert run(tmp_path / "gpu", *options).exit_code == 0
    under = json.loads((tmp_path / "gpu.json").read_text())["conditions"]
    assert (under["device"], under["profile"], under["clients"]) == ("cpu", "cpu", 3)
    assert (under["seconds"], under["batches of networks"], under["overlay"]) == (0.5, [2, 4], overlay.read_text())
    assert under["pictures"]["origin"] == "samples/digital"
    assert under["commit"] == commit()
    assert under["driver"] == driver()
    assert under["libraries"]["torch"] == torch.__version__
    assert any(name.startswith("nvidia-dali") for name in under["libraries"])
    page = (tmp_path / "gpu.md").read_text()
    assert "| overlay | [film_origin] instances = 3 |" in page
    assert "| batches of networks | 2, 4 |" in page


def test_a_device_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    ran = run(tmp_path / "gpu", "--device", "cuda:7")
    assert ran.exit_code == 1
    assert "There is no cuda:7 here, the last is cuda:1." in ran.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--device", "gpu", "'gpu' is not cpu, cuda"),
        ("--device", "cuda:one", "'cuda:one' is not"),
        ("--batches", "1;8", "'1;8' are no whole numbers"),
        ("--batches", "0,8", "from 1 to 256"),
        ("--batches", "257", "from 1 to 256"),
        ("--seconds", "0", "0"),
        ("--clients", "0", "0"),
        ("--profile", "gpu", "'gpu' is not one of"),
        ("--repository", "nowhere", "does not exist"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_usage(tmp_path: Path, option: str, value: str, said: str) -> None:
    ran = run(tmp_path / "gpu", option, value)
    assert ran.exit_code == 2
    assert said in " ".join(ran.output.split())
