"""The client's behaviour, seen from outside; both clients over one in-memory server."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import (
    AsyncClient,
    Client,
    Explanation,
    FakeTransport,
    Positive,
    Prediction,
    Request,
    RequestRejected,
    RequestTooLarge,
    Response,
    ResponseInvalid,
    Retry,
    ServerOverloaded,
    ServerUnavailable,
)
from client.contract import CLASSIFIER_NAMES
from film.specs import FILM_ORIGIN, FILM_ORIGIN_EXPLAIN, HEATMAP, INVERSION_MODEL, NEGATIVE_CONDITION, PUBLIC_MODELS

DOWN = ServerUnavailable("down")


class Both:
    """Runs the same call on a Client and an AsyncClient over equal fakes, and insists on the same outcome."""

    def __init__(self, retry: Retry | None = None, **fake: Any) -> None:
        self._retry = retry or Retry()
        self._fake = fake
        self.transport = FakeTransport()
        self.slept: list[float] = []

    def classify(self, pictures: Sequence[Any], *arguments: Any, **options: Any) -> list[Prediction]:
        return self._run("classify", pictures, *arguments, **options)  # type: ignore[no-any-return]

    def explain(self, pictures: Sequence[Any], **options: Any) -> list[Explanation]:
        return self._run("explain", pictures, **options)  # type: ignore[no-any-return]

    def invert(self, pictures: Sequence[Any], **options: Any) -> list[Positive]:
        return self._run("invert", pictures, **options)  # type: ignore[no-any-return]

    def _run(self, method: str, *arguments: Any, **options: Any) -> Any:
        outcomes: list[Any] = []
        for run in (self._blocking, self._asyncio):
            self.transport, self.slept = FakeTransport(**self._fake), []
            try:
                outcomes.append(run(method, arguments, options))
            except Exception as error:
                outcomes.append(error)
        blocking, awaited = outcomes
        if isinstance(blocking, Exception):
            assert type(blocking) is type(awaited)
            raise blocking
        assert plain(blocking) == plain(awaited)
        return blocking

    def _blocking(self, method: str, arguments: Any, options: Any) -> Any:
        with Client(transport=self.transport, retry=self._retry, sleep=self.slept.append) as client:
            return getattr(client, method)(*arguments, **options)

    def _asyncio(self, method: str, arguments: Any, options: Any) -> Any:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        async def work() -> Any:
            async with AsyncClient(transport=self.transport, retry=self._retry, sleep=sleep) as client:
                return await getattr(client, method)(*arguments, **options)

        return asyncio.run(work())


def plain(answers: Iterable[Any]) -> list[Any]:
    written = {Prediction: lambda one: one.to_dict(maps=True), Explanation: Explanation.to_dict}
    return [written.get(type(one), lambda same: same)(one) for one in answers]


def pictures(count: int) -> list[bytes]:
    return [f"picture {number}".encode() for number in range(count)]


def sizes(transport: FakeTransport, model: str) -> list[int]:
    return sorted((len(r.images) for r in transport.requests if r.model == model), reverse=True)


@settings(max_examples=40)
@given(
    st.lists(st.binary(max_size=3), max_size=25),
    st.integers(1, 7),
    st.integers(1, 4),
    st.sampled_from([CLASSIFIER_NAMES, CLASSIFIER_NAMES[:1], CLASSIFIER_NAMES[1:]]),
)
def test_every_picture_gets_its_own_answer_in_order(
    given_pictures: list[bytes], batch_size: int, concurrency: int, models: tuple[str, ...]
) -> None:
    seen = Both().classify(given_pictures, models, batch_size=batch_size, concurrency=concurrency)

    assert [one.source for one in seen] == [f"#{number}" for number in range(len(given_pictures))]
    alone = Client(transport=FakeTransport())
    for picture, one in zip(given_pictures, seen, strict=True):
        (expected,) = alone.classify([picture], models)
        assert {**expected.to_dict(maps=True), "source": one.source} == one.to_dict(maps=True)


def test_pictures_are_batched_by_count_for_every_model() -> None:
    both = Both()
    both.classify(pictures(10), batch_size=4)
    assert sizes(both.transport, FILM_ORIGIN.name) == [4, 4, 2]
    assert sizes(both.transport, NEGATIVE_CONDITION.name) == [4, 4, 2]


def test_pictures_are_batched_by_bytes() -> None:
    both = Both()
    large = bytes(30 * 2**20)
    both.classify([large, b"small", large, large], [FILM_ORIGIN.name])
    assert sizes(both.transport, FILM_ORIGIN.name) == [3, 1]


def test_one_bad_picture_is_one_error(tmp_path: Path) -> None:
    good = tmp_path / "good.jpg"
    good.write_bytes(b"good")
    both = Both(errors={b"bad": "not a picture"})

    seen = both.classify([good, b"bad", tmp_path / "missing.jpg", b"", good])

    assert [one.error for one in seen] == [
        None,
        "not a picture",
        "cannot be read: No such file or directory",
        "no bytes",
        None,
    ]
    assert [one.origin is not None and one.condition is not None for one in seen] == [True, False, False, False, True]
    assert sizes(both.transport, FILM_ORIGIN.name) == [4]


def test_a_batch_of_unreadable_files_asks_nothing() -> None:
    both = Both()
    (seen,) = both.classify(["/no/such/file.jpg"])
    assert seen.error
    assert both.transport.requests == []


def test_positives_come_back_in_order_and_errors_with_them() -> None:
    seen = Both(errors={b"bad": "not a picture"}).invert([b"a", b"bad", b"c"], batch_size=2)
    assert seen == [
        Positive("#0", b"positive of a"),
        Positive("#1", b"", "not a picture"),
        Positive("#2", b"positive of c"),
    ]


def test_explanations_come_back_in_order_with_a_map_each_and_errors_with_them(tmp_path: Path) -> None:
    both = Both(errors={b"bad": "not a picture"})

    seen = both.explain([b"a", b"bad", tmp_path / "missing.jpg", b"c"], batch_size=2)

    assert [one.error for one in seen] == [None, "not a picture", "cannot be read: No such file or directory", None]
    assert [one.origin is None for one in seen] == [one.heatmap is None for one in seen] == [False, True, True, False]
    first, last = seen[0].heatmap, seen[3].heatmap
    assert first.shape == last.shape == HEATMAP.shape
    assert first.dtype == np.float32
    assert not np.array_equal(first, last)
    assert {request.model for request in both.transport.requests} == {FILM_ORIGIN_EXPLAIN.name}
    (alone,) = Client(transport=FakeTransport()).explain([b"c"])
    assert np.array_equal(last, alone.heatmap)


def test_an_unavailable_server_is_asked_again_after_growing_pauses() -> None:
    both = Both(failures=[DOWN, DOWN, DOWN])
    (seen,) = both.classify([b"a"], [FILM_ORIGIN.name])
    assert seen.origin is not None
    assert len(both.transport.requests) == 4
    assert [0.05 <= both.slept[0] <= 0.1, 0.1 <= both.slept[1] <= 0.2, 0.2 <= both.slept[2] <= 0.4] == [True] * 3


def test_a_server_that_stays_away_is_given_up_after_the_attempts() -> None:
    both = Both(Retry(attempts=3), failures=[DOWN] * 10)
    with pytest.raises(ServerUnavailable):
        both.classify([b"a"], [FILM_ORIGIN.name])
    assert len(both.transport.requests) == 3


def test_a_server_that_has_answered_is_waited_for_as_long_as_a_restart_takes() -> None:
    both = Both(failures=[None, *[DOWN] * 12])
    seen = both.classify(pictures(2), [FILM_ORIGIN.name], batch_size=1, concurrency=1)
    assert all(one.origin for one in seen)
    assert 13 <= sum(both.slept) <= 31


def test_one_that_never_has_is_given_up_soon() -> None:
    both = Both(failures=[DOWN] * 20)
    with pytest.raises(ServerUnavailable):
        both.classify([b"a"], [FILM_ORIGIN.name])
    assert sum(both.slept) < 2


def test_one_whose_queue_is_full_is_known() -> None:
    both = Both(failures=[ServerOverloaded("full")] * 8)
    assert both.classify([b"a"], [FILM_ORIGIN.name])[0].origin
    assert len(both.slept) == 8


def test_a_full_queue_is_told_at_once_without_retries() -> None:
    both = Both(Retry(attempts=1), failures=[ServerOverloaded("full")])
    with pytest.raises(ServerOverloaded):
        both.classify([b"a"], [FILM_ORIGIN.name])
    assert both.slept == []


def test_one_that_has_told_its_status_is_known() -> None:
    fake, slept = FakeTransport(failures=[DOWN] * 8), list[float]()
    with Client(transport=fake, sleep=slept.append) as client:
        client.status()
        assert client.classify([b"a"], [FILM_ORIGIN.name])[0].origin
    assert len(slept) == 8


def test_retries_stay_within_the_timeout() -> None:
    both = Both(Retry(attempts=9, first=10.0, longest=10.0), failures=[DOWN] * 10)
    with pytest.raises(ServerUnavailable):
        both.classify([b"a"], [FILM_ORIGIN.name], timeout=4.0)
    assert both.slept == []


def test_what_is_refused_is_not_asked_again() -> None:
    both = Both(failures=[RequestRejected("no such model")])
    with pytest.raises(RequestRejected):
        both.classify([b"a"], [FILM_ORIGIN.name])
    assert len(both.transport.requests) == 1


def limited(most: int) -> Any:
    """An answer that refuses more than ``most`` bytes a request, as a proxy or a small server does."""

    def answer(request: Request) -> Response:
        if sum(map(len, request.images)) > most:
            raise RequestTooLarge(f"over {most} bytes")
        return FakeTransport().made_up(request)

    return answer


def test_a_request_that_is_too_large_for_the_server_is_split_until_it_passes() -> None:
    both = Both(answer=limited(25))
    seen = both.classify([bytes([number]) * 10 for number in range(8)], [FILM_ORIGIN.name])
    assert all(one.origin for one in seen)
    assert [len(request.images) for request in both.transport.requests] == [8, 4, 2, 2, 4, 2, 2]


def test_a_single_picture_too_large_for_the_server_is_that_pictures_error() -> None:
    seen = Both(answer=limited(25)).classify([b"small", bytes(99), b"other"], [FILM_ORIGIN.name])
    assert [one.error for one in seen] == [None, "too large for the server: over 25 bytes", None]


def test_one_failed_model_fails_the_call_and_nothing_is_left_running() -> None:
    def answer(request: Request) -> Response:
        if request.model == NEGATIVE_CONDITION.name:
            raise RequestRejected("not loaded")
        return FakeTransport().made_up(request)

    with pytest.raises(RequestRejected, match="not loaded"):
        Both(answer=answer).classify(pictures(50), batch_size=1)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be 1 to 64"),
        ({"batch_size": 65}, "batch_size is 65"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"timeout": 0.0}, "timeout is 0.0"),
        ({"models": []}, "one or more of film_origin, negative_condition"),
        ({"models": "film_origin"}, "it must be a list"),
        ({"models": [INVERSION_MODEL]}, "not a classifier"),
        ({"models": [FILM_ORIGIN.network_model]}, "not a classifier"),
    ],
)
def test_impossible_arguments_are_refused_before_anything_is_read(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Client(transport=FakeTransport()).iter_classify([b"a"], **options)
    with pytest.raises(ValueError, match=complaint):
        AsyncClient(transport=FakeTransport()).iter_classify([b"a"], **options)


def test_an_empty_answer_is_not_an_answer() -> None:
    def answer(request: Request) -> Response:
        return {name: np.empty(0, dtype=np.float32) for name in request.outputs}

    with pytest.raises(ResponseInvalid):
        Both(answer=answer).classify([b"a"])


def test_status_and_readiness() -> None:
    fake = FakeTransport()
    client = Client(transport=fake, sleep=lambda _: setattr(fake, "ready", True))
    assert client.status().to_dict() == {
        "address": "fake://",
        "ready": True,
        "server": "fake",
        "version": "0",
        "models": dict.fromkeys(PUBLIC_MODELS, True),
    }
    assert not client.ready(["no such model"])
    fake.ready = False
    assert not client.ready()
    client.wait_until_ready(5)
    assert client.ready()


def test_waiting_for_a_server_that_never_gets_ready_ends() -> None:
    fake = FakeTransport()
    fake.ready = False
    with pytest.raises(ServerUnavailable, match=r"not ready within 0\.1 s"):
        Client(transport=fake).wait_until_ready(0.1)


def test_the_questions_of_one_status_share_its_time() -> None:
    given: list[float] = []

    class Slow(FakeTransport):
        async def server(self, timeout: float) -> tuple[str, str]:
            given.append(timeout)
            time.sleep(0.01)
            return await super().server(timeout)

        async def is_ready(self, model: str | None, timeout: float) -> bool:
            given.append(timeout)
            time.sleep(0.01)
            return await super().is_ready(model, timeout)

    Client(transport=Slow()).wait_until_ready(60)
    assert len(given) == 2 + len(PUBLIC_MODELS)
    assert given == sorted(given, reverse=True)
    assert given[0] <= 60
    assert len(set(given)) == len(given)
