"""What perf_analyzer is told and what is read of its tables; a program that does as it documents stands in for it."""

import base64
import json
import struct
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tritonclient.utils import serialize_byte_tensor

from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from loadtest.__main__ import main as load
from loadtest.perf.__main__ import main
from loadtest.perf.analyzer import Sweep, command, read_table, write_inputs
from loadtest.perf.program import AnalyzerError, find_program, get_program

COLUMNS = (
    "Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,Server Compute Infer,"
    "Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency"
)
"""As docs/measurements_metrics.md of perf_analyzer has them, after the level's."""
BY_CONCURRENCY = f"""Concurrency,{COLUMNS}
1,31.2,225,2148,64,206,11781,19,10,13891,18795,19753,21018
4,58.5,279,1604,33669,233,11731,18,1,47045,56545,59225,64886
2,57.25,235,1973,9151,190,11346,17,0,21874,28557,29768,34766
"""
CONCURRENCY = Sweep(FILM_ORIGIN.name, "concurrency", "1:4", "box:8001")
RATE = Sweep(FILM_ORIGIN.name, "rate", "2.5:10:2.5", "box:8001", batch=8, seconds=0.5, trials=4)

STAND_IN = f"""#!{sys.executable}
import json, pathlib, sys
if "--help" in sys.argv:
    sys.exit("Usage: perf_analyzer [options]")  # it ends with a code, too
here = pathlib.Path(__file__).parent
with open(here / "asked.jsonl", "a") as asked:
    print(json.dumps(sys.argv[1:]), file=asked)
told = dict(part.split("=", 1) for part in sys.argv if part.startswith("--") and "=" in part)
table = pathlib.Path(sys.argv[sys.argv.index("-f") + 1])
if (here / "fail").exists():
    sys.exit("Failed to obtain stable measurement")
first = "Request Rate" if "--request-rate-range" in told else "Concurrency"
span = [*map(int, told.get("--request-rate-range", told.get("--concurrency-range")).split(":"))]
start, end, step = [*span, *span, 1][:3] if len(span) == 1 else [*span, 1][:3]
levels = range(start, end + 1, step)
lines = [f"{{level}},57.25,235,1973,9151,190,11346,17,0,21874,28557,29768,34766" for level in levels]
if (here / "gives up").exists():
    del lines[1:]
table.write_text("\\n".join([first + ",{COLUMNS}", *lines, ""]))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a program called perf_analyzer that writes down what it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "perf_analyzer"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("loadtest.perf.program.FOLDER", tmp_path / "fetched")  # the real one may be there
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A folder with one sample."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    samples = Path(__file__).parents[3] / "samples"
    (folder / "one.jpg").write_bytes(sorted(samples.rglob("*.jpg"))[0].read_bytes())
    return folder


def table(folder: Path, text: str) -> Path:
    file = folder / "table.csv"
    file.write_text(text)
    return file


def test_pictures_are_sent_whole_with_their_length_before_them(tmp_path: Path) -> None:
    blobs = [b"\xff\xd8\xff picture", bytes(range(256))]
    write_inputs(blobs, tmp_path / "inputs.json")
    told = json.loads((tmp_path / "inputs.json").read_text())["data"]
    assert [one["IMAGE"]["shape"] for one in told] == [[1], [1]]
    elements = [base64.b64decode(one["IMAGE"]["content"]["b64"]) for one in told]
    assert elements == [struct.pack("<I", len(blob)) + blob for blob in blobs]
    assert elements == [serialize_byte_tensor(np.array([blob], np.object_)).item() for blob in blobs]


def test_a_sweep_over_concurrency() -> None:
    asked = command(Path("/bin/perf_analyzer"), CONCURRENCY, Path("in.json"), Path("out.csv"))
    pairs = dict(pairwise(asked))
    assert asked[0] == "/bin/perf_analyzer"
    assert (pairs["-m"], pairs["-u"], pairs["-i"], pairs["-b"]) == (FILM_ORIGIN.name, "box:8001", "grpc", "1")
    assert pairs["-f"] == "out.csv"
    assert {"--concurrency-range=1:4", "--input-data=in.json", "--measurement-interval=5000"} <= set(asked)
    assert not any("poisson" in part or "shared-memory" in part for part in asked)


def test_a_sweep_over_rates_comes_by_chance() -> None:
    asked = command(Path("perf_analyzer"), RATE, Path("in.json"), Path("out.csv"))
    assert {"--request-rate-range=2.5:10:2.5", "--request-distribution=poisson", "--max-trials=4"} <= set(asked)
    assert asked[asked.index("-b") + 1] == "8"
    assert not any("concurrency" in part for part in asked)


@pytest.mark.parametrize(
    ("mode", "levels"), [("concurrency", "1:2.5"), ("rate", "fast"), ("rate", "1:2:3:4"), ("rate", "1:9:0")]
)
def test_what_is_no_range_is_refused(mode: Any, levels: str) -> None:
    with pytest.raises(AnalyzerError, match=r"start:end:step|more than 0"):
        Sweep("film_origin", mode, levels, "box:8001")


def test_a_table_is_read_by_its_names_in_order_of_the_level(tmp_path: Path) -> None:
    rows = read_table(table(tmp_path, BY_CONCURRENCY), CONCURRENCY)
    assert [row.level for row in rows] == [1, 2, 4]
    assert [row.pictures_per_second for row in rows] == [31.2, 57.25, 58.5]
    last = rows[-1]
    assert (last.p50, last.p90, last.p95, last.p99) == (47.045, 56.545, 59.225, 64.886)
    assert last.queue == pytest.approx(33.669)
    assert last.compute == pytest.approx(0.233 + 11.731 + 0.018)
    assert last.network == pytest.approx(0.279 + 1.604 + 0.001)


def test_a_table_of_rates_without_the_server_s_own_times(tmp_path: Path) -> None:
    rows = read_table(table(tmp_path, "Request Rate,Inferences/Second,p99 latency\n2.5,20,64886\n"), RATE)
    assert [(row.level, row.p99, row.queue) for row in rows] == [(2.5, 64.886, None)]


def test_a_table_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnalyzerError, match="no column 'Request Rate'; it has Concurrency, "):
        read_table(table(tmp_path, BY_CONCURRENCY), RATE)


@pytest.mark.parametrize("models", ["", "bogus", "film_origin,bogus"])
def test_models_that_are_none_are_refused(models: str, stand_in: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--url", "box:8001", "--models", models, "--out", str(tmp_path / "out")])
    assert ran.exit_code == 2
    assert "it must be some of film_origin, negative_condition" in " ".join(ran.output.split())


def test_without_the_program_the_ways_to_get_it_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("loadtest.perf.program.FOLDER", tmp_path / "fetched")
    ran = CliRunner().invoke(main, ["--out", str(tmp_path / "out")])
    assert ran.exit_code == 2
    assert "python -m loadtest.perf --fetch" in " ".join(ran.output.split())
    assert not (tmp_path / "out").exists()


def test_a_program_that_this_system_cannot_load_is_no_program(stand_in: Path) -> None:
    (stand_in / "perf_analyzer").write_text(
        "#!/bin/sh\necho \"perf_analyzer: /lib/libc.so.6: version 'GLIBC_2.38' not found\" >&2\nexit 1\n"
    )
    with pytest.raises(AnalyzerError, match=r"GLIBC_2\.38.*glibc is older than 2\.38"):
        find_program()


def test_one_that_runs_is_taken_before_one_that_does_not(stand_in: Path, tmp_path: Path) -> None:
    fetched = tmp_path / "fetched" / "bin" / "perf_analyzer"
    fetched.parent.mkdir(parents=True)
    (stand_in / "perf_analyzer").rename(fetched)
    assert find_program().path == fetched
    for broken in ("#!/bin/sh\necho 'error while loading shared libraries: libb64.so.0d' >&2\n", "no program"):
        (stand_in / "perf_analyzer").write_text(broken)
        (stand_in / "perf_analyzer").chmod(0o755)
        assert get_program().path == fetched


@pytest.mark.e2e
def test_every_model_and_load_is_swept_and_reported(stand_in: Path, picture: Path, server: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--url", server.grpc_url, "--pictures", str(picture), "--rate", "5:10:5", "--concurrency", "1:2"]
    ran = CliRunner().invoke(main, [*options, "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    asked = [json.loads(line) for line in (stand_in / "asked.jsonl").read_text().splitlines()]
    swept = [(one[one.index("-m") + 1], next(part for part in one if "-range=" in part)) for one in asked]
    assert swept == [
        (model.name, levels)
        for model in (FILM_ORIGIN, NEGATIVE_CONDITION)
        for levels in ("--concurrency-range=1:2", "--request-rate-range=5:10:5")
    ]
    assert {one[one.index("-u") + 1] for one in asked} == {server.grpc_url}
    rows = json.loads((out / "report.json").read_text())["rows"]
    assert [(row["model"], row["mode"], row["level"], row["p99"]) for row in rows[:4]] == [
        ("film_origin", "concurrency", 1, 34.766),
        ("film_origin", "concurrency", 2, 34.766),
        ("film_origin", "rate", 5, 34.766),
        ("film_origin", "rate", 10, 34.766),
    ]
    assert "| negative_condition | 2 | 57.2 | 21.9 |" in (out / "report.md").read_text()
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.e2e
def test_what_could_not_be_measured_is_said_with_a_code(
    stand_in: Path, picture: Path, server: Any, tmp_path: Path
) -> None:
    (stand_in / "fail").touch()
    options = ["--url", server.grpc_url, "--pictures", str(picture), "--models", "negative_condition"]
    ran = CliRunner().invoke(main, [*options, "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1
    assert "Failed to obtain stable measurement" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.e2e
def test_levels_that_a_sweep_did_not_reach_are_said_with_a_code(
    stand_in: Path, picture: Path, server: Any, tmp_path: Path
) -> None:
    (stand_in / "gives up").touch()
    options = ["--url", server.grpc_url, "--pictures", str(picture), "--models", "negative_condition"]
    ran = CliRunner().invoke(main, [*options, "--concurrency", "1:9:4", "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1
    assert json.loads((tmp_path / "out" / "report.json").read_text())["rows"][0]["level"] == 1
    assert "negative_condition, concurrency: 5, 9; " in (tmp_path / "out" / "report.md").read_text()


class Asked:
    """A client whose server says what no test looks at."""

    def __init__(self, address: str) -> None:
        pass

    def __enter__(self) -> "Asked":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def iter_classify(self, blobs: list[bytes], models: list[str]) -> list[bytes]:
        """An answer a picture."""
        return blobs


@pytest.mark.usefixtures("stand_in")
def test_answers_that_become_wrong_do_not_cost_the_report(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = iter(["", "the last answer is off"])
    monkeypatch.setattr("client.Client", Asked)
    monkeypatch.setattr("loadtest.expected.expect", lambda blobs, models, profile_name: blobs)
    monkeypatch.setattr("loadtest.expected.wrong", lambda told, right: next(faults))
    options = ["--url", "box:8001", "--pictures", str(picture), "--models", "film_origin", "--concurrency", "1:2"]
    ran = CliRunner().invoke(main, [*options, "--out", str(tmp_path / "out")])
    assert ran.exit_code == 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["level"] for row in report["rows"]] == [1, 2]
    assert "the last answer is off" in report["missing"][0]


@pytest.mark.parametrize(
    ("levels", "left_out"), [("2", []), ("1:4", [1, 3]), ("1:9:4", [1, 5, 9]), ("2.5:10:2.5", [2.5, 5, 7.5, 10])]
)
def test_which_levels_a_sweep_left_out(levels: str, left_out: list[float], tmp_path: Path) -> None:
    sweep = Sweep(FILM_ORIGIN.name, "rate" if "." in levels else "concurrency", levels, "box:8001")
    rows = read_table(table(tmp_path, BY_CONCURRENCY), CONCURRENCY)
    assert sweep.left_out([row for row in rows if row.level in (2, 4)]) == left_out


def test_levels_are_told_apart_as_they_are_written(tmp_path: Path) -> None:
    sweep = Sweep(FILM_ORIGIN.name, "rate", "0.1:0.5:0.1", "box:8001")
    lines = "".join(f"{level},20\n" for level in ("0.1", "0.2", "0.3", "0.5"))
    rows = read_table(table(tmp_path, f"Request Rate,Inferences/Second\n{lines}"), sweep)
    assert sweep.left_out(rows) == [pytest.approx(0.4)]


@pytest.mark.e2e
def test_a_picture_that_gets_no_verdict_is_not_measured(
    stand_in: Path, picture: Path, server: Any, tmp_path: Path
) -> None:
    (picture / "two.jpg").write_bytes(b"\xff\xd8\xff broken")
    options = ["--url", server.grpc_url, "--pictures", str(picture), "--models", "negative_condition"]
    ran = CliRunner().invoke(main, [*options, "--out", str(tmp_path / "out")])
    assert ran.exit_code == 2
    assert "two.jpg: JPEG is damaged" in " ".join(ran.output.split())
    assert not (stand_in / "asked.jsonl").exists()


@pytest.mark.e2e
def test_the_real_program_measures_the_real_server(picture: Path, server: Any, tmp_path: Path) -> None:
    try:
        get_program()
    except AnalyzerError as error:
        pytest.skip(str(error))
    out = tmp_path / "out"
    options = ["--url", server.grpc_url, "--pictures", str(picture), "--models", NEGATIVE_CONDITION.name]
    loads = ["--concurrency", "1:2", "--rate", "20", "--seconds", "1", "--stability", "999"]
    ran = CliRunner().invoke(main, [*options, *loads, "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    rows = json.loads((out / "report.json").read_text())["rows"]
    assert [(row["mode"], row["level"]) for row in rows] == [("concurrency", 1), ("concurrency", 2), ("rate", 20)]
    for row in rows:
        assert row["pictures_per_second"] > 0
        assert 0 < row["compute"] < row["p99"]


@pytest.mark.e2e
def test_it_stands_in_the_report_of_a_load_test(server: Any, stand_in: Path, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ["run", "--host", server.grpc_url, "--perf-analyzer", "--models", "film_origin", "--pictures", picture]
    asked += ["--users", 2, "--rates", 3, "--arrivals", "fixed", "--seconds", 2, "--warmup", 0.2, "--out", out]
    ran = CliRunner().invoke(load, [*map(str, asked)])
    assert ran.exit_code == 0, ran.output
    report = json.loads((out / "report.json").read_text())
    assert [(row["mode"], row["level"], row["p99"]) for row in report["analyzed"]] == [
        ("concurrency", 2, 34.766),
        ("rate", 3, 34.766),
    ]
    assert "<h2>By perf_analyzer</h2>" in (out / "report.html").read_text()
    assert (out / "perf_analyzer.png").stat().st_size > 0
    users, rate = map(json.loads, (stand_in / "asked.jsonl").read_text().splitlines())
    assert {"--concurrency-range=2", "--measurement-interval=500", server.grpc_url} <= set(users)
    assert {"--request-rate-range=3", "--request-distribution=constant", "--stability-percentage=50"} <= set(rate)

    (stand_in / "fail").touch()
    ran = CliRunner().invoke(load, [*map(str, asked)])
    assert ran.exit_code == 1
    report = json.loads((out / "report.json").read_text())
    assert (len(report["outcomes"]), report["analyzed"]) == (2, []), "what Locust measured is there all the same"
    assert "Failed to obtain stable measurement" in report["unanalyzed"][0]


def test_a_load_test_that_wants_it_says_at_once_that_it_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("loadtest.perf.program.FOLDER", tmp_path / "fetched")
    ran = CliRunner().invoke(load, ["run", "--perf-analyzer", "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1
    assert "python -m loadtest.perf --fetch" in " ".join(ran.output.split())
    ran = CliRunner().invoke(load, ["run", "--perf-analyzer", "--shape", "spike", "--out", str(tmp_path / "out")])
    assert ran.exit_code == 2
    assert not (tmp_path / "out").exists()
