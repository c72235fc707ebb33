"""HTTP, for where gRPC does not get through. tritonclient speaks it with gevent (blocking) and aiohttp (asyncio)."""

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
import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from tritonclient.utils import InferenceServerException

from client.drivers import MAX_THREADS
from client.errors import ResponseInvalid, timed_out
from client.shared_memory import Shared, pictures
from client.threads import Threads, at_end, ours
from client.transport import Address, Request, Response
from client.triton import output_arrays, translated, unavailable
from film.specs import IMAGE

_BROKEN = (OSError, HTTPConnectionClosed, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
"""A connection that could not be made, or broke."""
_NOT_HTTP = (HTTPParseError, aiohttp.ClientResponseError)
"""Something answers, but not in HTTP."""


def _image(request: Request, shared: Shared | None) -> triton.InferInput:
    """The IMAGE tensor, BYTES [n, 1]: where pictures are ``shared``, its place; else themselves."""
    tensor = triton.InferInput(IMAGE.name, [len(request.images), *IMAGE.shape], IMAGE.dtype)
    if shared is not None:
        tensor.set_shared_memory(shared.region, shared.size)
        return tensor
    images = np.empty((len(request.images), 1), dtype=np.object_)
    images[:, 0] = request.images
    tensor.set_data_from_numpy(images)
    return tensor


class _HttpTransport:
    """What the two have in common. ``_send`` calls one method of tritonclient within ``timeout`` seconds."""

    def __init__(self, address: Address, *, asynchronous: bool) -> None:
        self.address = str(address)
        self._where = address
        self._pictures = pictures(address, self, asynchronous=asynchronous)

    async def infer(self, request: Request, timeout: float) -> Response:
        """Send one request, once."""
        outputs = [triton.InferRequestedOutput(name, binary_data=True) for name in request.outputs]
        async with self._pictures.sent(request, timeout) as shared:
            image = _image(request, shared)
            result = await self._call("infer", timeout, model_name=request.model, inputs=[image], outputs=outputs)
        return output_arrays(result, request)

    async def is_ready(self, model: str | None, timeout: float) -> bool:
        """Whether the server, or one model, can answer."""
        if model is None:
            return bool(await self._call("is_server_ready", timeout))
        return bool(await self._call("is_model_ready", timeout, model_name=model))

    async def server(self, timeout: float) -> tuple[str, str]:
        """Name and version of the server."""
        told = await self._call("get_server_metadata", timeout)
        if not isinstance(told, dict) or not {"name", "version"} <= set(told):
            raise ResponseInvalid(f"{self.address} answers, but not as Triton does")
        return str(told["name"]), str(told["version"])

    async def share(self, region: str, size: int, timeout: float) -> None:
        """Tell the server of a file of ``size`` bytes in /dev/shm, by the name that it is to have there too."""
        await self._call("register_system_shared_memory", timeout, name=region, key=f"/{region}", byte_size=size)

    async def unshare(self, region: str, timeout: float) -> None:
        """Have the server let go of it."""
        await self._call("unregister_system_shared_memory", timeout, name=region)

    async def _call(self, method: str, timeout: float, **arguments: Any) -> Any:
        try:
            return await self._send(method, timeout, arguments)
        except InferenceServerException as error:
            raise translated(error, self.address, timeout) from error
        except TimeoutError as error:
            raise timed_out(self.address, timeout) from error
        except _BROKEN as error:
            raise unavailable(self.address, str(error) or type(error).__name__) from error
        except _NOT_HTTP as error:
            raise ResponseInvalid(f"{self.address} does not speak HTTP; is that the gRPC port? ({error})") from error
        except UnicodeError as error:  # a name that no server can have
            raise unavailable(self.address, str(error)) from error
        except (ValueError, KeyError) as error:  # what tritonclient says of an answer that is not Triton's
            raise ResponseInvalid(f"{self.address} answers, but not as Triton does ({error!r})") from error

    async def _send(self, method: str, timeout: float, arguments: dict[str, Any]) -> Any:
        raise NotImplementedError


class BlockingHttpTransport(_HttpTransport):
    """One connection a thread: gevent's sockets belong to the thread that opened them.

    What gevent holds for a thread must be given back in it. So threads that are neither the main one nor a client's,
    and may come and go by the thousand, have a thread of this transport ask for them.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address, asynchronous=False)
        self._mine = threading.local()
        self._all: WeakSet[Any] = WeakSet()
        self._bells: set[Any] = set()
        self._lock = threading.Lock()
        self._threads = Threads(MAX_THREADS)

    async def _send(self, method: str, timeout: float, arguments: dict[str, Any]) -> Any:
        if ours() or threading.current_thread() is threading.main_thread() or _by_gevent():
            return self._ask(method, timeout, arguments)
        return self._threads.submit(partial(self._ask, method, timeout, arguments)).result()

    def _ask(self, method: str, timeout: float, arguments: dict[str, Any]) -> Any:
        client = getattr(self._mine, "client", None)
        if client is None:
            client = triton.InferenceServerClient(
                self._where.target, ssl=self._where.secure, connection_timeout=None, network_timeout=None
            )
            self._all.add(client)
            at_end(_leave_hub)
        self._mine.client = None  # kept only if all goes well: after a failure the connection's state is unknown
        with self._ended_by_close(), gevent.Timeout(timeout, TimeoutError("timed out")):
            result = getattr(client, method)(**arguments)
        self._mine.client = client
        return result

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
        self._client: Any = None

    async def _send(self, method: str, timeout: float, arguments: dict[str, Any]) -> Any:
        if self._client is None:
            secure = ssl.create_default_context() if self._where.secure else None
            self._client = triton_aio.InferenceServerClient(
                self._where.target, ssl=self._where.secure, ssl_context=secure, conn_timeout=None
            )
        async with asyncio.timeout(timeout):
            return await getattr(self._client, method)(**arguments)

    async def close(self) -> None:
        """Close the pool."""
        await self._pictures.close()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
