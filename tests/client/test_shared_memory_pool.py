"""What the pool of regions does when a call on the server is broken off; the server itself is in tests/e2e."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from client import ClientError, Request, RequestRejected, RequestTimeout, ServerUnavailable
from client.drivers import run
from client.ownership import new_name
from client.shared_memory import pictures
from client.transport import Address
from film.specs import NEGATIVE_CONDITION


class Alone:
    """A wire to a server that nobody else shares memory with."""

    async def shared(self, timeout: float) -> list[str]:
        return []


REQUEST = Request(NEGATIVE_CONDITION.name, [b"picture"], ("SCORES",))


async def test_regions_are_let_go_of_although_that_was_cancelled_once() -> None:
    told: list[tuple[str, str]] = []

    class Wire(Alone):
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

    class Wire(Alone):
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
    class Wire(Alone):
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


class Server:
    """What a server was told of, and that it may refuse to say."""

    def __init__(self, *names: str, failures: Iterable[ClientError] = ()) -> None:
        self.names, self.failures, self.asked = set(names), iter(failures), 0

    async def share(self, region: str, size: int, timeout: float) -> None:
        self.names.add(region)

    async def unshare(self, region: str, timeout: float) -> None:
        if region.endswith("aa"):
            raise RequestRejected("in use")
        self.names.remove(region)

    async def shared(self, timeout: float) -> list[str]:
        self.asked += 1
        if failure := next(self.failures, None):
            raise failure
        return sorted(self.names)


def name(ending: str, *, lives: bool) -> str:
    place, process, began, _ = new_name().rsplit("_", 3)
    return f"{place}_{process}_{began if lives else 1}_{ending}"


async def test_what_a_killed_client_has_shared_is_let_go_of_by_the_next() -> None:
    living, read, others = name("1", lives=True), name("aa", lives=False), "somebody_elses"
    server = Server(living, read, others, name("b", lives=False), name("c", lives=False))
    file = Path("/dev/shm", name("d", lives=False))
    file.touch()
    pool = pictures(Address("grpc+shm", "localhost:8001"), server, asynchronous=True)
    async with pool.sent(REQUEST, 1) as one, pool.sent(REQUEST, 1) as two:
        assert one is not None
        assert two is not None
        assert server.names == {living, read, others, one.region, two.region}
    await pool.close()
    assert server.names == {living, read, others}
    assert server.asked == 1
    assert not file.exists()


async def test_a_server_that_does_not_say_what_it_shares_is_used_all_the_same() -> None:
    server = Server(failures=[RequestRejected("restricted")])
    pool = pictures(Address("grpc+shm", "localhost:8001"), server, asynchronous=True)
    async with pool.sent(REQUEST, 1) as shared:
        assert shared is not None
        assert server.names == {shared.region}
    await pool.close()


async def test_one_that_is_not_there_is_asked_the_next_time() -> None:
    server = Server(name("a", lives=False), failures=[ServerUnavailable("down")])
    pool = pictures(Address("grpc+shm", "localhost:8001"), server, asynchronous=True)
    with pytest.raises(ServerUnavailable):
        async with pool.sent(REQUEST, 1):
            raise AssertionError("nobody is there to share with")
    async with pool.sent(REQUEST, 1):
        assert len(server.names) == 1
    await pool.close()
    assert not server.names
