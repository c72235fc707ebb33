"""What is not answered in time: smaller requests are tried, and only a server that answers nobody ends the run."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from client import AsyncClient, Client, FakeTransport, Prediction, Request, RequestTimeout, Response, Retry
from client.errors import ServerUnavailable
from client.sending import MOST_ALONE
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION

ONE = [FILM_ORIGIN.name]
LATE = RequestTimeout("late")


def pictures(count: int) -> list[bytes]:
    return [f"picture {number}".encode() for number in range(count)]


def server(late: Callable[[Request], bool], *, ready: bool = True) -> FakeTransport:
    """One that does not answer in time what is ``late``."""

    def answer(request: Request) -> Response:
        if late(request):
            raise LATE
        return FakeTransport().made_up(request)

    transport = FakeTransport(answer=answer)
    transport.ready = ready
    return transport


async def pause() -> None:
    """Let the others come on, be they threads or tasks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        time.sleep(0.001)
    else:
        await asyncio.sleep(0)


Run = Callable[..., tuple[list[Prediction], RequestTimeout | None]]


def _blocking(transport: FakeTransport, given: list[bytes], *models: str, retry: Retry, **options: Any) -> Any:
    seen: list[Prediction] = []
    try:
        with Client(transport=transport, retry=retry, sleep=lambda _: None) as client:
            seen.extend(client.iter_classify(given, models, **options))
    except RequestTimeout as error:
        return seen, error
    return seen, None


def _asyncio(transport: FakeTransport, given: list[bytes], *models: str, retry: Retry, **options: Any) -> Any:
    seen: list[Prediction] = []

    async def work() -> None:
        async with AsyncClient(transport=transport, retry=retry, sleep=lambda _: asyncio.sleep(0)) as client:
            async for one in client.iter_classify(given, models, **options):
                seen.append(one)  # noqa: PERF401 - an error may end it

    try:
        asyncio.run(work())
    except RequestTimeout as error:
        return seen, error
    return seen, None


@pytest.fixture(params=[_blocking, _asyncio], ids=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """All answers of a run, and the error that ended it."""

    def classify(transport: FakeTransport, given: list[bytes], *models: str, **options: Any) -> Any:
        return request.param(transport, given, *(models or ONE), **{"retry": Retry(), "concurrency": 1, **options})

    return classify


def errors(seen: list[Prediction]) -> list[str | None]:
    return [one.error for one in seen]


def test_a_batch_that_takes_too_long_is_sent_in_halves(run: Run) -> None:
    transport = server(lambda request: len(request.images) > 2)
    seen, ended = run(transport, pictures(16), batch_size=8, concurrency=2)
    assert ended is None
    assert errors(seen) == [None] * 16
    assert [one.source for one in seen] == [f"#{number}" for number in range(16)]
    assert sorted(len(request.images) for request in transport.requests) == sorted([8, 4, 2, 2, 4, 2, 2] * 2)


def test_while_one_batch_is_sent_in_halves_nothing_else_is_sent(run: Run) -> None:
    """All that are in flight share the server's time: four batches at once may be all that is too much."""

    class Slow(FakeTransport):
        flying = 0
        most = 0

        async def infer(self, request: Request, timeout: float) -> Response:
            if len(request.images) == 4:
                raise LATE
            self.flying += 1
            self.most = max(self.most, self.flying)
            await pause()
            self.flying -= 1
            return await super().infer(request, timeout)

    transport = Slow()
    seen, ended = run(transport, pictures(64), batch_size=4, concurrency=4)
    assert ended is None
    assert errors(seen) == [None] * 64
    assert transport.most == 1


def test_a_picture_that_takes_too_long_is_its_own_error_and_the_rest_goes_on(run: Run) -> None:
    given = [*pictures(5), b"slow", *pictures(9)]
    seen, ended = run(server(lambda request: b"slow" in request.images), given, batch_size=4, timeout=6)
    assert ended is None
    assert errors(seen) == [None] * 5 + ["no answer within 6 s; allow more time"] + [None] * 9


def test_a_server_that_is_not_ready_ends_the_run_at_once(run: Run) -> None:
    transport = server(lambda request: b"picture 4" in request.images, ready=False)
    seen, ended = run(transport, pictures(400), batch_size=4, timeout=6)
    assert "did not answer within 6 s" in str(ended)
    assert errors(seen) == [None] * 4
    assert len(transport.requests) == 2


def test_one_that_does_not_even_say_whether_it_is_ready_does_too(run: Run) -> None:
    class Dead(FakeTransport):
        async def is_ready(self, model: str | None, timeout: float) -> bool:
            raise ServerUnavailable("nobody there")

    transport = Dead(failures=[LATE])
    seen, ended = run(transport, pictures(8), batch_size=4)
    assert (seen, len(transport.requests)) == ([], 1)
    assert "did not answer" in str(ended)


def test_one_that_is_ready_and_answers_nobody_ends_it_soon(run: Run) -> None:
    transport = server(lambda request: True)
    seen, ended = run(transport, pictures(1000), batch_size=1, timeout=6)
    assert f"did not answer within 6 s, {MOST_ALONE} times in a row" in str(ended)
    assert errors(seen) == ["no answer within 6 s; allow more time"] * (MOST_ALONE - 1)
    assert len(transport.requests) == MOST_ALONE


def test_one_that_answers_some_never_does(run: Run) -> None:
    def odd(request: Request) -> bool:
        return any(int(image.split()[1]) % 2 for image in request.images)

    seen, ended = run(server(odd), pictures(10 * MOST_ALONE), batch_size=8)
    assert ended is None
    assert [one.error is not None for one in seen] == [False, True] * (5 * MOST_ALONE)


def test_a_model_that_answers_does_not_answer_for_another(run: Run) -> None:
    transport = server(lambda request: request.model == FILM_ORIGIN.name)
    seen, ended = run(transport, pictures(1000), FILM_ORIGIN.name, NEGATIVE_CONDITION.name, batch_size=1)
    assert ended is not None
    assert len(seen) < 2 * MOST_ALONE
    assert all(one.condition and one.error for one in seen)


def test_what_was_answered_of_a_batch_is_given_before_the_run_ends(run: Run) -> None:
    transport: FakeTransport

    def gone(request: Request) -> bool:
        transport.ready = b"picture 3" not in request.images or len(request.images) > 2
        return not transport.ready or len(request.images) > 2

    transport = server(gone)
    seen, ended = run(transport, pictures(8), batch_size=4)
    assert errors(seen) == [None] * 2
    assert ended is not None


def test_without_retries_nothing_is_sent_again(run: Run) -> None:
    transport = server(lambda request: True)
    seen, ended = run(transport, pictures(8), batch_size=4, retry=Retry(attempts=1))
    assert "did not answer" in str(ended)
    assert (seen, len(transport.requests)) == ([], 1)


def test_the_time_that_is_told_is_all_that_was_allowed(run: Run) -> None:
    """Not what was left of it after the first attempt, or after none."""
    for given, told in ((60.0, "within 60 s"), (1e-9, "within 1e-09 s")):
        transport = FakeTransport(failures=[LATE])
        transport.ready = False
        _, ended = run(transport, pictures(1), timeout=given)
        assert told in str(ended)
