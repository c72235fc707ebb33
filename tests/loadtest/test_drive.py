"""The driver against the real server, and against none."""

from concurrent import futures
from dataclasses import replace
from typing import Any

import grpc
import pytest

from film.specs import CLASSIFIERS, NEGATIVE_CONDITION
from loadtest.drive import WRONG, Drivers, Load
from loadtest.expected import Expected, expect
from loadtest.pictures import make, mix

MODELS = tuple(spec.name for spec in CLASSIFIERS)
MODEL = (NEGATIVE_CONDITION.name,)


@pytest.fixture(scope="module")
def blobs() -> list[bytes]:
    return make(mix("small"), 3)


@pytest.fixture(scope="module")
def expected(blobs: list[bytes]) -> list[Expected]:
    return expect(blobs, MODELS)


@pytest.mark.e2e
@pytest.mark.parametrize("wire", ["grpc", "http"])
def test_every_answer_is_right(wire: str, server: Any, blobs: list[bytes], expected: list[Expected]) -> None:
    url = server.grpc_url if wire == "grpc" else f"http://{server.http_url}"
    load = Load(url, MODELS, seconds=0.5, batch=2, concurrency=3, warm_up=0)
    with Drivers(blobs, expected, processes=2) as drivers:
        closed = drivers.drive(load)
        opened = drivers.drive(replace(load, concurrency=0, rate=20.0))
    assert closed.outcomes.keys() == {""}
    assert closed.pictures_per_second > 0
    assert closed.client_cpu > 0
    assert opened.outcomes.keys() == {""}
    assert 0 < len(opened.sent) < 40  # ten are due


@pytest.mark.e2e
@pytest.mark.parametrize("name", [output.name for output in NEGATIVE_CONDITION.outputs])
def test_an_answer_that_is_off_is_wrong(name: str, server: Any, blobs: list[bytes], expected: list[Expected]) -> None:
    right = [each.outputs[MODEL[0]] for each in expected]
    off = [
        replace(each, outputs={MODEL[0]: {**outputs, name: 1 + outputs[name]}})
        for each, outputs in zip(expected, right, strict=True)
    ]
    with Drivers(blobs, off) as drivers:
        driven = drivers.drive(Load(server.grpc_url, MODEL, seconds=0.2, concurrency=1, warm_up=0))
    assert driven.outcomes.keys() == {WRONG}
    assert driven.pictures_per_second == 0
    assert f"1 off the right probability in {name}" in driven.reason


def test_nobody_there_is_counted_and_not_raised(blobs: list[bytes]) -> None:
    load = Load("127.0.0.1:1", MODEL, seconds=0.2, concurrency=2, warm_up=0)
    with Drivers(blobs, [Expected({}, 0.0)] * len(blobs)) as drivers:
        driven = drivers.drive(load)
    assert driven.outcomes.keys() == {"ServerUnavailable"}
    assert driven.failed > 0
    assert "cannot answer" in driven.reason


class Full(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server whose queues are always full, in Triton's words."""

    def service(self, _call: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            lambda _request, context: context.abort(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
        )


@pytest.mark.parametrize("throttled", [False, True])
def test_requests_are_held_back_only_where_the_load_says_so(blobs: list[bytes], throttled: bool) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Full()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    load = Load(f"127.0.0.1:{port}", MODEL, seconds=1, rate=200, warm_up=0, throttled=throttled)
    try:
        with Drivers(blobs, [Expected({}, 0.0)] * len(blobs)) as drivers:
            outcomes = drivers.drive(load).outcomes
    finally:
        server.stop(None)
    assert outcomes.keys() == {"ServerOverloaded", *(["RequestThrottled"] if throttled else [])}


@pytest.mark.parametrize(("concurrency", "rate"), [(0, 0.0), (1, 1.0)])
def test_a_load_is_closed_or_open(concurrency: int, rate: float) -> None:
    with pytest.raises(ValueError, match="either"):
        Load("localhost:8001", MODEL, seconds=1, concurrency=concurrency, rate=rate)
