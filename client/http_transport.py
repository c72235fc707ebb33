"""HTTP, for where gRPC does not get through: by gevent (blocking) and aiohttp (asyncio), as in tritonclient."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakSet

import aiohttp
import gevent
import gevent.monkey
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.url import URL

from client.drivers import MAX_THREADS
from client.errors import ResponseInvalid, timed_out
from client.http_message import HttpAnswer, HttpRequest, content, failure, get, infer_request, part, post, response
from client.shared_memory import pictures
from client.threads import Threads, at_end, ours
from client.transport import Address, Request, Response
from client.triton import not_triton, unavailable

_BROKEN = (OSError, HTTPConnectionClosed, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
"""A connection that could not be made, or broke."""
_NOT_HTTP = (HTTPParseError, aiohttp.ClientResponseError)
"""Something answers, but not in HTTP."""
_PIECE = 2**18
"""Bytes that are read at once."""


class _TooMuch(Exception):
    """An answer of more bytes than an answer may have."""


class _HttpTransport:
    """What the two have in common. ``_send`` brings a request there and its answer back within ``timeout`` seconds."""

    def __init__(self, address: Address, *, asynchronous: bool) -> None:
        self.address = str(address)
        self._where = address
        self._pictures = pictures(address, self, asynchronous=asynchronous)

    async def infer(self, request: Request, timeout: float) -> Response:
        """Send one request, once."""
        async with self._pictures.sent(request, timeout) as shared:
            answer = await self._ask(infer_request(request, shared), timeout)
        return response(answer, request, self.address)

    async def is_ready(self, model: str | None, timeout: float) -> bool:
        """Whether the server, or one model, can answer."""
        path = "health/ready" if model is None else f"models/{part(model)}/ready"
        return (await self._told(get(path), timeout)).status == 200

    async def server(self, timeout: float) -> tuple[str, str]:
        """Name and version of the server."""
        told = content(await self._ask(get(""), timeout), self.address)
        if not isinstance(told, dict) or not {"name", "version"} <= set(told):
            raise not_triton(self.address, "it does not say its name and version")
        return str(told["name"]), str(told["version"])

    async def share(self, region: str, size: int, timeout: float) -> None:
        """Tell the server of a file of ``size`` bytes in /dev/shm, by the name that it is to have there too."""
        path = f"systemsharedmemory/region/{part(region)}/register"
        await self._ask(post(path, key=f"/{region}", offset=0, byte_size=size), timeout)

    async def unshare(self, region: str, timeout: float) -> None:
        """Have the server let go of it."""
        await self._ask(post(f"systemsharedmemory/region/{part(region)}/unregister"), timeout)

    async def shared(self, timeout: float) -> list[str]:
        """The names of all that the server was told of."""
        told = content(await self._ask(get("systemsharedmemory/status"), timeout), self.address)
        if not isinstance(told, list) or not all(isinstance(region, dict) and "name" in region for region in told):
            raise not_triton(self.address, "it does not say what memory it shares")
        return [str(region["name"]) for region in told]

    async def _ask(self, request: HttpRequest, timeout: float) -> HttpAnswer:
        """The answer to a request, of status 200."""
        answer = await self._told(request, timeout)
        if answer.status != 200:
            raise failure(answer, self.address, timeout)
        return answer

    async def _told(self, request: HttpRequest, timeout: float) -> HttpAnswer:
        try:
            return await self._send(request, timeout)
        except TimeoutError as error:
            raise timed_out(self.address, timeout) from error
        except _BROKEN as error:
            raise unavailable(self.address, str(error) or type(error).__name__) from error
        except _NOT_HTTP as error:
            raise ResponseInvalid(f"{self.address} does not speak HTTP; is that the gRPC port? ({error})") from error
        except UnicodeError as error:  # a name that no server can have
            raise unavailable(self.address, str(error)) from error
        except _TooMuch as error:
            raise not_triton(self.address, f"with more than {request.most:,} bytes") from error
        except ValueError as error:
            raise not_triton(self.address, error) from error

    async def _send(self, request: HttpRequest, timeout: float) -> HttpAnswer:
        raise NotImplementedError


class BlockingHttpTransport(_HttpTransport):
    """One connection a thread: gevent's sockets belong to the thread that opened them.

    What gevent holds for a thread must be given back in it. So threads that are neither the main one nor a client's,
    and may come and go by the thousand, have a thread of this transport ask for them.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address, asynchronous=False)
        self._url = URL(f"{'https' if address.secure else 'http'}://{address.target}")
        self._mine = threading.local()
        self._all: WeakSet[Any] = WeakSet()
        self._bells: set[Any] = set()
        self._lock = threading.Lock()
        self._threads = Threads(MAX_THREADS)

    async def _send(self, request: HttpRequest, timeout: float) -> HttpAnswer:
        if ours() or threading.current_thread() is threading.main_thread() or _by_gevent():
            return self._sent(request, timeout)
        return self._threads.submit(partial(self._sent, request, timeout)).result()

    def _sent(self, request: HttpRequest, timeout: float) -> HttpAnswer:
        client = getattr(self._mine, "client", None)
        if client is None:
            client = HTTPClient.from_url(self._url, concurrency=1, connection_timeout=None, network_timeout=None)
            self._all.add(client)
            at_end(_leave_hub)
        self._mine.client = None  # kept only if all goes well: after a failure the connection's state is unknown
        with (
            self._ended_by_close(),
            gevent.Timeout(timeout, TimeoutError("timed out")),
            client.request(request.method, request.path, request.body, request.headers) as told,
        ):
            answer = HttpAnswer.of(told.status_code, told, _read(told, request.most))
        self._mine.client = client
        return answer

    async def close(self) -> None:
        """Close every thread's connection; requests in flight are given up."""
        with self._lock:
            for bell in self._bells:
                bell.send()
        await self._pictures.close()
        self._threads.close()
        self._threads = Threads(MAX_THREADS)
        for client in list(self._all):
            client.close()
        self._mine = threading.local()

    @contextmanager
    def _ended_by_close(self) -> Iterator[None]:
        """What this thread does meanwhile ends with ServerUnavailable when ``close`` rings its bell.

        Another thread must not touch gevent's sockets; a bell (libev's ev_async) is what it may ring.
        """
        bell = gevent.get_hub().loop.async_()
        bell.start(gevent.getcurrent().throw, unavailable(self.address, "the client was closed"))
        with self._lock:
            self._bells.add(bell)
        try:
            yield
        finally:
            with self._lock:
                self._bells.remove(bell)
            bell.stop()
            bell.close()


def _read(told: Any, most: int) -> bytes:
    body = bytearray()
    try:
        while piece := told.read(_PIECE):
            body += piece
            if len(body) > most:
                raise _TooMuch
            gevent.sleep(0)  # who never waits would never hear that the time is over
    except HTTPParseError as error:
        raise ConnectionError(f"the answer broke off ({error})") from error
    return bytes(body)


def _leave_hub() -> None:
    """Give back what gevent holds for this thread: descriptors, and threads that resolve names."""
    if not _by_gevent():  # else it is no thread, and the hub is everybody's
        gevent.get_hub().destroy(destroy_loop=True)


def _by_gevent() -> bool:
    return bool(gevent.monkey.is_module_patched("threading"))


class AsyncHttpTransport(_HttpTransport):
    """A pool of connections on the running event loop."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, asynchronous=True)
        self._url = f"{'https' if address.secure else 'http'}://{address.target}"
        self._session: aiohttp.ClientSession | None = None

    async def _send(self, request: HttpRequest, timeout: float) -> HttpAnswer:
        async with (
            asyncio.timeout(timeout),
            self._opened().request(
                request.method,
                self._url + request.path,
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
            ) as told,
        ):
            pieces, size = [], 0
            async for piece in told.content.iter_any():
                pieces.append(piece)
                size += len(piece)
                if size > request.most:
                    raise _TooMuch
            return HttpAnswer.of(told.status, told.headers, b"".join(pieces))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            secure = ssl.create_default_context() if self._where.secure else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=secure),
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=["Accept-Encoding"],
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Close the pool."""
        await self._pictures.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()
