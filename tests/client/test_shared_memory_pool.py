"""What the pool of regions does when a call on the server is broken off; the server itself is in tests/e2e."""

import asyncio

import pytest

from client import Request, RequestTimeout
from client.shared_memory import pictures
from client.transport import Address
from film.specs import NEGATIVE_CONDITION

REQUEST = Request(NEGATIVE_CONDITION.name, [b"picture"], ("SCORES",))


async def test_regions_are_let_go_of_although_that_was_cancelled_once() -> None:
    told: list[tuple[str, str]] = []

    class Wire:
        async def share(self, region: str, size: int, timeout: float) -> None:
            told.append(("share", region))

        async def unshare(self, region: str, timeout: float) -> None:
            told.append(("unshare", region))
            if len(told) == 2:
                raise asyncio.CancelledError  # the second call, the first to let go

    pool = pictures(Address("grpc+shm", "localhost:8001"), Wire(), asynchronous=True)
    with pytest.raises(RequestTimeout):
        async with pool.sent(REQUEST, 1):
            raise RequestTimeout("the server may still read it")
    with pytest.raises(asyncio.CancelledError):
        async with pool.sent(REQUEST, 1):
            pass
    async with pool.sent(REQUEST, 1):
        pass
    first = told[0][1]
    assert [call for call, name in told if name == first] == ["share", "unshare", "unshare"]
    await pool.close()
    assert {name for call, name in told if call == "unshare"} == {name for _, name in told}
