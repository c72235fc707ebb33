"""How pictures get into a request: in its message, or through memory that client and server on one machine share.

A picture in a message is copied through two protocol stacks. With an address of ``grpc+shm://`` or ``http+shm://`` it
is written once, into a region that the server was told of and reads from, and the message has only the region's name.
Regions are kept and used again. A region's file is removed as soon as the server has mapped it, so that a client that
is killed leaves no file; what the server has mapped it lets go when the client closes, or when it ends itself. What a
client that was killed has shared, the next one to share anything has the server let go of (`client.ownership`).
"""

import mmap
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from client.drivers import Asyncio, Blocking, Driver
from client.errors import (
    ClientError,
    RequestRejected,
    RequestTimeout,
    ResponseInvalid,
    ServerFailed,
    ServerOverloaded,
    ServerUnavailable,
)
from client.ownership import PREFIX, is_orphan, new_name
from client.transport import Address, Request
from client.triton import elements, elements_size

_FOLDER = Path("/dev/shm")
_SMALLEST = 2**20
_GOODBYE_SECONDS = 10.0
"""In which a server must answer when it is told to let go, and that it may take to have read what it reads."""
_LOOK_SECONDS = 0.05
Sleep = Callable[[float], Awaitable[None]]


class Sharing(Protocol):
    """A wire that can tell the server of memory; ClientError when it does not take it."""

    async def share(self, region: str, size: int, timeout: float) -> None:
        """Tell the server of a file of ``size`` bytes in /dev/shm, by the name that it is to have there too."""
        ...

    async def unshare(self, region: str, timeout: float) -> None:
        """Have the server let go of it."""
        ...

    async def shared(self, timeout: float) -> list[str]:
        """The names of all that the server was told of, by whomever."""
        ...


class Shared(NamedTuple):
    """Where a request's pictures are: the first ``size`` bytes of a region, as elements of a BYTES tensor."""

    region: str
    size: int


class Pictures(Protocol):
    """Puts the pictures of a request where the server gets them from."""

    def sent(self, request: Request, timeout: float) -> AbstractAsyncContextManager[Shared | None]:
        """Where they are, good for one request inside the block; None if they go in its message."""
        ...

    async def close(self) -> None:
        """Let go of what is shared, while the connection still stands."""
        ...


def pictures(address: Address, wire: Sharing, *, asynchronous: bool) -> Pictures:
    """The way that ``address`` asks for."""
    if not address.shares_memory:
        return _InMessages()
    return _InSharedMemory(str(address), wire, _pause(Asyncio() if asynchronous else Blocking()))


def _pause(driver: Driver) -> Sleep:
    return lambda seconds: driver.sleep(seconds, driver.opened())


class _InMessages:
    @asynccontextmanager
    async def sent(self, request: Request, timeout: float) -> AsyncIterator[Shared | None]:
        yield None

    async def close(self) -> None:
        """Nothing is shared."""


@dataclass(eq=False)
class _Region:
    """``size`` bytes that this process and the server map."""

    size: int
    name: str = field(default_factory=new_name)
    memory: mmap.mmap = field(init=False)

    def map(self) -> None:
        """Make its file and map it; OSError where there is no room. The file is the caller's to remove."""
        descriptor = os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.size)  # else writing to full memory would kill the process
            self.memory = mmap.mmap(descriptor, self.size)
        finally:
            os.close(descriptor)

    @property
    def file(self) -> Path:
        return _FOLDER / self.name

    def write(self, images: Sequence[bytes]) -> int:
        """The elements one after the other; how many bytes they are."""
        at = 0
        for part in elements(images):
            self.memory[at : at + len(part)] = part
            at += len(part)
        return at


class _InSharedMemory:
    """A pool of regions; one belongs to one request at a time. Threads may share it."""

    def __init__(self, address: str, wire: Sharing, sleep: Sleep) -> None:
        self._address, self._wire, self._sleep = address, wire, sleep
        self._lock = threading.Lock()
        self._free: list[_Region] = []
        self._registered: dict[str, _Region] = {}
        self._retired: list[_Region] = []
        self._looked = False

    @asynccontextmanager
    async def sent(self, request: Request, timeout: float) -> AsyncIterator[Shared | None]:
        region = await self._take(elements_size(request.images), timeout)
        answered = False
        try:
            yield Shared(region.name, region.write(request.images))
            answered = True
        except ServerOverloaded:
            answered = True
            raise
        except ServerUnavailable:  # a server that was started anew knows none of them
            self._retire(self._taken_out())
            raise
        except RequestTimeout:
            raise
        except ClientError:
            answered = True
            raise
        finally:
            self._give_back(region) if answered else self._retire([region])

    async def close(self) -> None:
        """Have the server let go of every region. Of one that it still reads, that is waited for, but not for long."""
        with self._lock:
            regions = list(self._registered.values())
            self._free, self._retired = [], []
            self._registered.clear()
        deadline = time.monotonic() + _GOODBYE_SECONDS
        while regions := await self._unregister(regions, deadline - time.monotonic()):
            if time.monotonic() + _LOOK_SECONDS >= deadline:
                return
            await self._sleep(_LOOK_SECONDS)

    async def _take(self, size: int, timeout: float) -> _Region:
        with self._lock:
            fitting = sorted((region for region in self._free if region.size >= size), key=lambda region: region.size)
            found = (fitting or self._free)[:1]
            self._free = [region for region in self._free if region not in found]
        if fitting:
            return fitting[0]
        self._retire(found)  # too small: a larger one takes its place
        await self._sweep()
        if not self._looked:
            await self._clear(timeout)
            self._looked = True
        return await self._make(max(_SMALLEST, 1 << (size - 1).bit_length()), timeout)

    async def _clear(self, timeout: float) -> None:
        """Remove what clients have left that were killed: it takes room in memory, which may be all there is."""
        for file in _FOLDER.glob(f"{PREFIX}*"):
            if is_orphan(file.name):
                with suppress(OSError):
                    file.unlink()
        with suppress(RequestRejected, ServerFailed, ResponseInvalid):  # what shares for itself next will say why
            for name in filter(is_orphan, await self._wire.shared(timeout)):
                with suppress(RequestRejected, ServerFailed):  # it is still read: the next client will do it
                    await self._wire.unshare(name, timeout)

    async def _make(self, size: int, timeout: float) -> _Region:
        region = _Region(size)
        try:
            await self._share(region, timeout)
        finally:  # Ctrl-C included: nobody else would remove it
            region.file.unlink(missing_ok=True)
        return region

    async def _share(self, region: _Region, timeout: float) -> None:
        try:
            region.map()
        except OSError as error:
            raise ClientError(
                f"{region.size:,} bytes of shared memory cannot be had in {_FOLDER} ({error.strerror}): make room "
                "there, or leave +shm out of the address"
            ) from error
        with self._lock:
            self._registered[region.name] = region
        answered = False
        try:
            await self._wire.share(region.name, region.size, timeout)
            answered = True
        except (RequestRejected, ServerFailed) as error:
            with self._lock:
                self._registered.pop(region.name, None)
            raise RequestRejected(
                f"{self._address} does not take this machine's shared memory: it is on another machine, in another "
                f"container or another user's, or listens to other machines. Leave +shm out of the address ({error})"
            ) from error
        finally:
            if not answered:
                self._retire([region])

    def _give_back(self, region: _Region) -> None:
        with self._lock:
            if region.name in self._registered:  # not closed meanwhile
                self._free.append(region)

    def _taken_out(self) -> list[_Region]:
        with self._lock:
            free, self._free = self._free, []
        return free

    def _retire(self, regions: Sequence[_Region]) -> None:
        """Use them no more: the server may still read what they hold."""
        with self._lock:
            self._retired += [region for region in regions if region.name in self._registered]

    async def _sweep(self) -> None:
        """Have the server let go of those that are used no more, and of those that it still reads another time."""
        with self._lock:
            regions, self._retired = self._retired, []
        try:
            read = await self._unregister(regions, _GOODBYE_SECONDS)
        except BaseException:  # asyncio's cancelling, for one: another time
            self._retire(regions)
            raise
        with self._lock:
            for region in regions:
                if region in read and region.name in self._registered:
                    self._retired.append(region)
                else:
                    self._registered.pop(region.name, None)

    async def _unregister(self, regions: Sequence[_Region], timeout: float) -> list[_Region]:
        """Ask once to let go of ``regions``; those that the server still has: it reads them, or is too busy to say."""
        read: list[_Region] = []
        for place, region in enumerate(regions):
            try:
                await self._wire.unshare(region.name, timeout)
            except ServerOverloaded:
                read.append(region)
            except ServerUnavailable:
                return []  # nobody is there to have mapped anything
            except RequestTimeout:
                return [*read, *regions[place:]]
            except ClientError:
                read.append(region)
        return read
