"""From requests as they were recorded to a report."""

import json
from pathlib import Path

import pytest

from loadtest import record
from loadtest.levels import Level
from loadtest.monitor import Look
from loadtest.pictures import SAMPLES, read
from loadtest.record import Recorder, Request
from loadtest.report import Report, described, write
from loadtest.results import Outcome, outcome
from loadtest.triton_times import Counts, difference

TEN_SECONDS = [Level(10, 1)]


def request(due: float, took: float, failure: str = "", waited: float = 0.0) -> Request:
    return Request(due, due + waited, due + took, 2, 1_000_000, failure)


def judged(requests: list[Request], looks: list[Look] | None = None, warmup: float = 0.0) -> Outcome:
    return outcome("one", TEN_SECONDS, requests, looks or [], closed=False, warmup=warmup)


def test_requests_are_read_as_they_were_recorded(tmp_path: Path) -> None:
    requests = [request(1.25, 0.1), request(2, 0.2, "ServerOverloaded", 0.125)]
    with Recorder(tmp_path / "requests.csv") as recorder:
        for each in requests:
            recorder.add(each)
    assert record.read(tmp_path / "requests.csv") == requests


def test_an_open_load_counts_from_its_beginning_and_not_from_its_first_request(tmp_path: Path) -> None:
    with Recorder(tmp_path / "requests.csv") as recorder:
        recorder.begin(100.25)
    assert record.began(tmp_path / "requests.csv") == 100.25
    assert record.began(tmp_path / "others.csv") is None
    late = [request(108.0, 0.5), request(110.5, 0.5)]
    found = outcome("one", TEN_SECONDS, late, [], closed=False, warmup=0, began=100.25)
    assert (found.requests, found.pictures) == (1, pytest.approx(2 / 10)), "the second is due after the end"


@pytest.mark.parametrize("cut", [1, 3, 12])
def test_a_last_line_that_was_cut_off_is_no_request(cut: int, tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    with Recorder(file) as recorder:
        recorder.add(request(1, 1))
        recorder.add(request(2, 2))
    file.write_bytes(file.read_bytes()[:-cut])
    assert record.read(file) == [request(1, 1)]


def test_the_time_before_a_request_could_be_sent_counts() -> None:
    stalled = [request(100 + second, 10 - second, waited=9.9 - second) for second in range(10)]
    found = judged(stalled)
    assert found.latency.largest == pytest.approx(10_000)
    assert found.latency.p50 == pytest.approx(5500)
    assert found.late == pytest.approx(9810, abs=100)


def test_rates_are_of_right_answers_that_came_in_time_and_failures_have_their_kind() -> None:
    found = judged(
        [
            request(0, 0.1),
            request(3, 0.3),
            request(9, 5),  # due in time, answered after it
            request(4, 0.001, "ServerOverloaded"),
            request(5, 0.001, "ServerOverloaded"),
            request(6, 0.2, "WrongAnswer"),
        ]
    )
    assert found.requests == 6
    assert found.pictures == pytest.approx(2 * 2 / 10)
    assert found.megabytes == pytest.approx(2 * 1 / 10)
    assert found.failures == {"ServerOverloaded": 2, "WrongAnswer": 1}
    assert found.latency.p50 == pytest.approx(300)
    assert found.latency.largest == pytest.approx(5000)


def test_the_warm_up_does_not_count() -> None:
    found = judged([request(0, 1.9), request(5, 0.1), request(1, 0.5, "RequestTimeout")], warmup=2)
    assert (found.requests, found.seconds, found.failures) == (1, 8, {})
    assert found.latency.largest == pytest.approx(100)


def test_a_stage_without_a_request_is_no_stage() -> None:
    with pytest.raises(LookupError):
        judged([])


def test_use_is_that_between_the_looks_of_the_stage() -> None:
    looks = [
        Look(0, server=100, generator=0, memory=5, models={"net": Counts(requests=1, queue=1.0)}),
        Look(2, server=101, generator=1, memory=10, models={"net": Counts(requests=2, queue=1.5)}),
        Look(6, server=107, generator=None, memory=30, models=None),
        Look(8, server=110, generator=4, memory=20, models={"net": Counts(requests=5, queue=4.5), "new": Counts(1)}),
        Look(20, server=999, generator=999, memory=999, models={"net": Counts(requests=99)}),
    ]
    used = judged([request(0, 0.1)], looks, warmup=1).usage
    assert used.server_cores == pytest.approx(9 / 6)
    assert used.generator_cores == pytest.approx(3 / 6)
    assert used.memory == 30
    assert used.gpu is None
    assert used.models == {"net": Counts(requests=3, queue=3.0), "new": Counts(1)}


def test_models_that_were_not_asked_are_left_out() -> None:
    assert difference({"a": Counts(3), "b": Counts(5)}, {"a": Counts(3), "b": Counts(4)}) == {"b": Counts(1)}


def test_a_stage_over_time_shows_its_failures_where_they_were() -> None:
    found = outcome(
        "spike", [Level(4, 1), Level(2, 8)], [request(0, 0.1), request(4.5, 0.1, "NotSent")], [], closed=True, warmup=0
    )
    assert [moment.amount for moment in found.moments] == [1, 1, 1, 1, 8, 8]
    assert [moment.failed for moment in found.moments] == [0, 0, 0, 0, 1, 0]
    assert [moment.pictures for moment in found.moments] == [2, 0, 0, 0, 0, 0]


def test_pictures_are_described_by_size() -> None:
    blobs = read(SAMPLES)
    told = described(blobs)
    assert told["count"] == len(blobs)
    assert told["megabytes_mean"] * len(blobs) == pytest.approx(sum(map(len, blobs)) / 1e6)
    assert 0.1 < told["megapixels_least"] <= told["megapixels_mean"] <= told["megapixels_most"]


QUESTION = {"models": "both", "pictures": "<my> scans", "batch": 2, "protocol": "grpc", "warmup": 0}


@pytest.mark.parametrize(("shape", "plot"), [("constant", "curve.png"), ("spike", "one.png")])
def test_the_page_needs_nothing_else_and_says_what_went_wrong(tmp_path: Path, shape: str, plot: str) -> None:
    looks = [Look(at, models={"film_origin_net": Counts(requests=round(at), queue=at / 50)}) for at in (0.0, 10.0)]
    found = judged([request(0, 0.123), request(3, 0.3, "WrongAnswer"), request(4, 0.1, "ServerOverloaded")], looks)
    empty = outcome("none", TEN_SECONDS, [request(0, 0.1, "RequestTimeout")], [], closed=True, warmup=0)
    report = Report(
        {"cores": 2, "gpus": []},
        QUESTION | {"shape": shape},
        described(read(SAMPLES)[:2]),
        [found, empty],
    )
    write(report, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "1 requests were answered wrongly" in page
    assert "ServerOverloaded" in page
    assert "one: film_origin_net" in page
    assert "&lt;my&gt; scans" in page
    assert 'src="data:image/png;base64,' in page
    assert page.count("http") == 0
    assert (tmp_path / plot).read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert numbers["outcomes"][0]["latency"]["p50"] == pytest.approx(123)
    assert numbers["outcomes"][1]["latency"]["p50"] is None
    assert numbers["outcomes"][0]["usage"]["models"]["film_origin_net"]["queue"] == pytest.approx(0.2)
