"""What the pool of regions does when a call on the server is broken off; the server itself is in tests/e2e."""

import asyncio
from typing import Any

import pytest
import tritonclient.grpc

from client import Request, RequestTimeout
from client.shared_memory import pictures
from client.transport import Address
from film.specs import NEGATIVE_CONDITION

REQUEST = Request(NEGATIVE_CONDITION.name, [b"picture"], ("SCORES",))


async def test_regions_are_let_go_of_although_that_was_cancelled_once() -> None:
    told: list[tuple[str, str]] = []

    async def call(method: str, timeout: float, **arguments: Any) -> None:
        told.append((method, arguments["name"]))
        if told[1:] == told[-1:]:
            raise asyncio.CancelledError  # the second call, the first to let go

    pool = pictures(Address("grpc+shm", "localhost:8001"), call, asynchronous=True)
    with pytest.raises(RequestTimeout):
        async with pool.sent(tritonclient.grpc, REQUEST, 1):
            raise RequestTimeout("the server may still read it")
    with pytest.raises(asyncio.CancelledError):
        async with pool.sent(tritonclient.grpc, REQUEST, 1):
            pass
    async with pool.sent(tritonclient.grpc, REQUEST, 1):
        pass
    first = told[0][1]
    assert [method.split("_")[0] for method, name in told if name == first] == ["register", "unregister", "unregister"]
    await pool.close()
    assert {name for method, name in told if method.startswith("unregister")} == {name for _, name in told}
