"""Two servers that meet, with requests that end as the test says."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from film.specs import FILM_ORIGIN
from loadtest.drive import WRONG, Load
from loadtest.driven import Driven, Sent
from loadtest.tune.contest import Contest, Plan, Refused, WrongAnswers
from loadtest.tune.knobs import DEFAULT, Setting

CHALLENGER: Setting = {"film_origin_net": {"streams": 1}}


class Ended:
    """Stands in for the processes that send: all requests to the server of that number end with ``outcome``."""

    def __init__(self, outcome: str, server: int) -> None:
        self.outcome, self.server = outcome, server

    def __enter__(self) -> "Ended":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def drive(self, load: Load) -> Driven:
        """Two requests, the first of them right."""
        outcome = self.outcome if load.url == f"server {self.server}" else ""
        return Driven((Sent(1, 1, 2, 8, ""), Sent(1, 1, 2, 8, outcome)), (0, 4), False, 0, outcome and "so it said")


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only numbered: the profile's is 0, the challenger's 1."""
    started: list[object] = []

    def start(settings: object) -> Any:
        started.append(settings)
        return nullcontext(SimpleNamespace(grpc_url=f"server {len(started) - 1}"))

    monkeypatch.setattr("loadtest.tune.contest.ServerProcess", start)


def contest(monkeypatch: pytest.MonkeyPatch, aim: Any, outcome: str, server: int) -> Contest:
    monkeypatch.setattr("loadtest.tune.contest.Drivers", lambda blobs, expected: Ended(outcome, server))
    return Contest(Plan("cpu", "auto", (FILM_ORIGIN.name,), aim, 9.0, 4, 8, 5.0, 2), [], [])


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize(("aim", "less"), [("throughput", "fewer --callers"), ("p99", "a lower --rate")])
@pytest.mark.parametrize("outcome", ["ServerOverloaded", "RequestTimeout"])
def test_a_profile_that_refuses_does_not_answer_wrongly(
    aim: str, less: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        contest(monkeypatch, aim, outcome, 0) as meeting,
        pytest.raises(Refused, match=f"1 of 2 requests failed, so it said: ask with {less}"),
    ):
        meeting.compare(DEFAULT, CHALLENGER, "first")


@pytest.mark.usefixtures("servers")
def test_a_profile_that_answers_wrongly_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        contest(monkeypatch, "throughput", WRONG, 0) as meeting,
        pytest.raises(WrongAnswers, match="the profile: so it said"),
    ):
        meeting.compare(DEFAULT, CHALLENGER, "first")


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize(("outcome", "said"), [(WRONG, "wrong answers"), ("ServerOverloaded", "failed requests")])
def test_a_challenger_that_fails_is_told_of_and_loses(outcome: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with contest(monkeypatch, "throughput", outcome, 1) as meeting:
        comparison = meeting.compare(DEFAULT, CHALLENGER, "first")
    assert comparison.failure == f"{said}: so it said"
    assert not comparison.better(0.0)
