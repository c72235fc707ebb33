"""What the pool of regions does when a call on the server is broken off; the server itself is in tests/e2e."""

import asyncio
import os
from pathlib import Path

import pytest

from client import Request, RequestRejected, RequestTimeout
from client.drivers import run
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


async def test_a_server_that_is_too_busy_to_answer_is_asked_again() -> None:
    mapped: set[str] = set()
    asked: list[str] = []

    class Wire:
        async def share(self, region: str, size: int, timeout: float) -> None:
            mapped.add(region)

        async def unshare(self, region: str, timeout: float) -> None:
            asked.append(region)
            if len(asked) == 1:
                raise RequestRejected("in use")
            if len(asked) == 2:
                raise RequestTimeout("busy")
            mapped.remove(region)

    pool = pictures(Address("grpc+shm", "localhost:8001"), Wire(), asynchronous=True)
    async with pool.sent(REQUEST, 1), pool.sent(REQUEST, 1), pool.sent(REQUEST, 1):
        assert len(mapped) == 3
    await pool.close()
    assert not mapped
    assert len(asked) == 5


@pytest.mark.parametrize("broken", ["posix_fallocate", "close"])
def test_ctrl_c_while_memory_is_made_leaves_no_file(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    class Wire:
        async def share(self, region: str, size: int, timeout: float) -> None:
            """Not reached."""

        async def unshare(self, region: str, timeout: float) -> None:
            """Not reached."""

    async def use() -> None:
        async with pictures(Address("grpc+shm", "localhost:8001"), Wire(), asynchronous=False).sent(REQUEST, 1):
            raise AssertionError("there is no memory")

    before, real = set(Path("/dev/shm").glob("safelight_client_*")), getattr(os, broken)

    def interrupted(*arguments: int) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, broken, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(use())
    assert set(Path("/dev/shm").glob("safelight_client_*")) == before
