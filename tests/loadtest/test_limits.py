"""Recovery, the server's size, and each command against a server."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from film.specs import NEGATIVE_CONDITION
from loadtest.ceiling import ARRANGEMENTS
from loadtest.driven import Driven, Sent
from loadtest.limits import near, overload, scans, soak
from loadtest.limits.__main__ import main
from loadtest.limits.bench import Bench
from loadtest.limits.overload import recovered
from loadtest.limits.page import number
from loadtest.limits.record import Record
from loadtest.limits.target import PROTOCOLS, Target, TargetError, listener
from serving import leftovers

MODEL = NEGATIVE_CONDITION.name
NEVER = float("inf")
OUTCOMES = {"right", "ServerOverloaded", "RequestThrottled"}


def test_recovery_is_when_calm_lasts() -> None:
    probes = [(0.0, 5.0), (5.0, 0.1), (5.1, 2.0), (7.1, 0.12), (7.3, 0.14), (7.5, 0.1)]
    assert recovered(probes, calm=0.1) == 7.1


def test_there_is_no_recovery_without_three_calm_answers() -> None:
    assert recovered([(0.0, 0.1), (0.1, 0.1)], calm=0.1) is None
    assert recovered([(0.0, NEVER), (0.1, 0.1), (0.2, 0.1), (0.3, 0.16), (0.5, 0.1)], calm=0.1) is None
    assert recovered([], calm=0.1) is None


def test_a_process_is_sampled_with_its_children() -> None:
    alone = soak.sample(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        both = soak.sample(os.getpid())
    finally:
        child.communicate(b"\n")
    assert alone["memory"] > 2**20
    assert both["processes"] == alone["processes"] + 1


def test_a_server_that_has_ended_is_said() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(TargetError, match="has ended"):
        soak.sample(ended.pid)


def test_only_the_servers_own_shared_memory_counts(tmp_path: Path) -> None:
    (tmp_path / f"{leftovers.prefix(17)}region").write_bytes(b"x" * 8192)
    (tmp_path / f"{leftovers.prefix(171)}region").write_bytes(b"x" * 8192)
    (tmp_path / "other").write_bytes(b"x" * 8192)
    assert 8192 <= soak.shared_memory(17, tmp_path) < 16384


def test_a_server_that_leaks_is_told_from_one_that_is_large(tmp_path: Path) -> None:
    record = Record(tmp_path / "soak.json", {})
    for second in range(0, 1800, 15):
        leaking = (2**28 if second < 100 else 2**29) + 2**14 * second
        told = {"memory": leaking, "shared": 2**23, "files": 80, "threads": 160}
        parts = {"pre_0_0": leaking - 2**27, "pre_0_1": 2**27, **({"net_0_0": 2**20} if second > 900 else {})}
        what = soak.SETTLING if second < 100 else "sample"
        record.add({"what": what, "at": second, **told, "parts": parts})
    trends = soak.trends(record)
    assert {name: soak.verdict(trend) for name, trend in trends.items()} == {
        "memory": "grows",
        "shared": "no growth beyond noise",
        "files": "no growth beyond noise",
        "threads": "no growth beyond noise",
        "memory of pre_0_0": "grows",
        "memory of pre_0_1": "no growth beyond noise",
    }
    assert trends["memory"].slope == pytest.approx(3600 / 64)  # MiB an hour: the jump while it warmed up is left out
    soak.report(record)
    assert "| memory MiB |" in (tmp_path / "soak.md").read_text()


def test_a_soak_that_was_too_short_says_so(tmp_path: Path) -> None:
    record = Record(tmp_path / "soak.json", {})
    record.add({"what": "sample", "at": 0.0, "memory": 1, "shared": 1, "files": 1, "threads": 1})
    soak.report(record)
    assert "Too few samples" in (tmp_path / "soak.md").read_text()


class Measuring(Bench):
    """Measures nothing: keeps the names, in order, and starts no processes."""

    def row(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Written down."""
        return self.record.add({**key, "rate": 1.0})

    def drivers(self, blobs: Sequence[bytes] | None = None, processes: int = 0) -> Any:
        """None that send."""
        return nullcontext()


def test_a_server_without_a_right_answer_has_no_capacity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Measuring):
        def row(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
            return {**key, "rate": 0.0, "seconds": 0.1, "reason": "picture 3 is film"}

    monkeypatch.setattr("loadtest.limits.overload.Client", lambda *_, **__: nullcontext())
    bench = Wrong(
        Target("box:8001", "http://box:8000"), Record(tmp_path / "o.json", {}), (NEGATIVE_CONDITION,), [b""], rounds=1
    )
    with pytest.raises(TargetError, match=r"negative_condition gives no right answer.*picture 3 is film"):
        overload.measure(bench, [2.0])


def test_what_failed_is_no_cost_of_a_request(tmp_path: Path) -> None:
    sent = (Sent(0.0, 0.0, 1.0, 1, ""), Sent(0.0, 0.0, 9.0, 1, "ServerUnavailable"))
    drivers = SimpleNamespace(drive=lambda _: Driven(sent, (0.0, 10.0), False, 0.0, ""))
    machine = SimpleNamespace(one_picture=lambda _: 0.5)
    target = SimpleNamespace(protocols=("grpc",), computed=lambda _: 0.0, url=lambda _: "box:8001")
    record = Record(tmp_path / "ceiling.json", {})
    bench = Bench(cast(Target, target), record, (NEGATIVE_CONDITION,), [b""])
    near._one_request(bench, cast(Any, drivers), cast(Any, machine), NEGATIVE_CONDITION, 0, "photograph")
    (row,) = record.of(what="one over grpc")
    assert (row["seconds"], row["computed"]) == (None, None)


def test_another_is_the_first_of_each_round_of_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.limits.scans.InProcess", lambda *_, **__: nullcontext())
    record = Record(tmp_path / "scans.json", {})
    rounds = len(ARRANGEMENTS) + 2
    bench = Measuring(Target("box:8001", "http://box:8000"), record, (NEGATIVE_CONDITION,), [b""], rounds=rounds)
    scans.measure(bench, [(1, 1)])
    measured = [[row["what"] for row in record.of(round=number)] for number in range(rounds)]
    assert {frozenset(names) for names in measured} == {frozenset({*ARRANGEMENTS, "grpc", "http"})}
    assert len({names[0] for names in measured}) == rounds


def test_who_listens_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listener(server.getsockname()[1]) == os.getpid()


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (float("nan"), "-"), (0, "0"), (1234.6, "1,235"), (0.01234, "0.0123")]
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ceiling", "--models", "nobody"], "there is no classifier 'nobody'"),
        (["ceiling", "--pairs", "1x2x3"], "is not pairs"),
        (["ceiling", "--profile", "cuda"], "python -m loadtest.gpu"),
        (["bend", "--batches", "one"], "is not numbers"),
        (["bend", "--kinds", "huge"], "There is no mix 'huge'"),
        (["overload", "--factors", "1,-2"], "not above 0"),
        (["bend", "--batches", "8,65"], "more than the 64 pictures"),
        (["scans", "--pairs", "65x1"], "more than the 64 pictures"),
        (["ceiling", "--host", "http://localhost:8000", "--count", "1"], "is not gRPC"),
        (["soak", "--host", "localhost:1", "--count", "1"], "cannot be measured"),
    ],
)
def test_what_cannot_be_measured_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert ran.exit_code != 0
    assert said in " ".join(ran.output.split())


def limits(server: Any, out: Path, command: str, *arguments: str) -> dict[str, Any]:
    """What a command recorded; it must also have written its page and its plot."""
    hosts = ["--host", server.grpc_url, "--http-host", server.http_url]
    options = ["--models", MODEL, "--rounds", "1", "--seconds", "0.2", "--out", str(out)]
    ran = CliRunner().invoke(main, [command, *hosts, *options, *arguments])
    assert ran.exit_code == 0, ran.output
    assert MODEL in (out / f"{command}.md").read_text()
    assert (out / f"{command}.png").stat().st_size > 0
    found: dict[str, Any] = json.loads((out / f"{command}.json").read_text())
    assert found["finished"]
    assert {key for row in found["rows"] for key in row.get("outcomes", {})} <= OUTCOMES
    return found


@pytest.mark.e2e
def test_the_ceiling_is_beside_what_is_served(server: Any, tmp_path: Path) -> None:
    found = limits(server, tmp_path, "ceiling", "--mix", "small", "--count", "4", "--pairs", "1x4")
    rates = {row["what"]: row["rate"] for row in found["rows"] if "rate" in row}
    assert {"a process a core", "decoding", "network", "grpc", "http"} <= set(rates)
    assert all(rate > 0 for rate in rates.values())
    costs = [row for row in found["rows"] if row["what"].startswith("one over")]
    assert {(row["what"], row["picture"]) for row in costs} == {
        (f"one over {wire}", picture) for wire in PROTOCOLS for picture in ("photograph", "1 x 1")
    }
    assert all(row["computed"] > 0 and row["seconds"] > 0 for row in costs)


@pytest.mark.e2e
def test_scans_are_held_against_pillow(server: Any, tmp_path: Path) -> None:
    found = limits(server, tmp_path, "scans", "--count", "1", "--pairs", "1x2")
    rates = {row["what"]: row["rate"] for row in found["rows"]}
    assert rates["a process a core"] > 0
    assert rates["grpc"] > 0
    assert "times the rival" in (tmp_path / "scans.md").read_text()


@pytest.mark.e2e
def test_bending_goes_along_three_lines(server: Any, tmp_path: Path) -> None:
    options = ["--kinds", "small,phone", "--count", "2", "--batches", "1,8", "--in-flight", "2"]
    found = limits(server, tmp_path, "bend", *options)
    points = [(row["sweep"], row["kind"], row["batch"], row["concurrency"]) for row in found["rows"]]
    assert points == [
        ("size", "small", 1, 16),
        ("size", "phone", 1, 16),
        ("batch", "phone", 1, 4),
        ("batch", "phone", 8, 4),
        ("concurrency", "phone", 1, 2),
    ]


@pytest.mark.e2e
def test_overload_finds_the_capacity_and_the_way_back(server: Any, tmp_path: Path) -> None:
    found = limits(server, tmp_path, "overload", "--mix", "small", "--count", "4", "--factors", "0.5,6")
    (capacity,) = [row for row in found["rows"] if row["what"] == "capacity"]
    loads = [row for row in found["rows"] if row["what"] == "load"]
    assert capacity["rate"] > 0
    assert [(row["factor"], row["sends"]) for row in loads] == [(0.5, "all"), (6, "all"), (6, "throttled")]
    assert all(row["recovery"] is not None for row in loads)
    assert all(0 < row["sender"] < 1 for row in [capacity, *loads])
    for row in loads:  # none may be answered in half a second on a busy machine, so the rate itself is not looked at
        rest = (1 - capacity["sender"]) / (1 - row["sender"])
        assert row["of_the_rest"] == pytest.approx(row["goodput_share"] * rest)
    assert sum(loads[0]["outcomes"].values()) < sum(loads[1]["outcomes"].values())


@pytest.mark.e2e
def test_a_soak_samples_the_server(server: Any, tmp_path: Path) -> None:
    options = ["--mix", "small", "--count", "2", "--minutes", "0.05", "--every", "0.2", "--in-flight", "2"]
    found = limits(server, tmp_path, "soak", "--warm-up", "0.02", *options)
    settling = [row["at"] for row in found["rows"] if row["what"] == soak.SETTLING]
    assert settling
    assert max(settling) < 1.2 <= min(row["at"] for row in found["rows"] if row["what"] == "sample")
    samples = [row for row in found["rows"] if row["what"] == "sample"]
    assert samples
    assert all(row["memory"] > 2**24 and row["processes"] > 3 and row["shared"] > 0 for row in samples)
    assert all(sum(row["parts"].values()) == row["memory"] for row in samples)
    assert {"tritonserver", "film_origin_net_0_0"} <= samples[-1]["parts"].keys()
    assert [row["outcomes"] for row in found["rows"] if row["what"] == "load"]
