"""The seam between the client and a wire: what goes over it, and what a wire must be able to do.

Every method is a coroutine, so that one client serves both worlds. A *blocking* transport does its work inside the call
and never suspends; an *asyncio* transport suspends while it waits. ``client.drivers`` tells the two apart, nothing else
does. A new wire is a class with these four methods that raises the errors of ``client.errors``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from numpy.typing import NDArray

from client.errors import InvalidAddress
from film.specs import GRPC_PORT, HTTP_PORT

Response = Mapping[str, NDArray[Any]]
"""Outputs by name, the batch first; BYTES outputs are object arrays of ``bytes``."""


@dataclass(frozen=True)
class Request:
    """One inference: encoded pictures, and the names of the outputs that are wanted."""

    model: str
    images: Sequence[bytes] = field(repr=False)
    outputs: tuple[str, ...]


class Transport(Protocol):
    """A wire to one server. ``address`` is how errors name it; ``timeout`` is in seconds."""

    address: str

    async def infer(self, request: Request, timeout: float) -> Response:
        """Send one request, once; ClientError when there is no answer."""
        ...

    async def is_ready(self, model: str | None, timeout: float) -> bool:
        """Whether ``model``, or with None the whole server, can answer; ServerUnavailable when nobody is there."""
        ...

    async def server(self, timeout: float) -> tuple[str, str]:
        """Name and version of the server."""
        ...

    async def close(self) -> None:
        """Let go of the connections. Using the transport again opens new ones."""
        ...


SHARED = "+shm"
"""At the end of a scheme: pictures go through shared memory (`client.shared_memory`)."""
SCHEMES = ("grpc", "grpcs", "http", "https", f"grpc{SHARED}", f"http{SHARED}")


@dataclass(frozen=True)
class Address:
    """Where a server is. ``target`` is ``host:port``."""

    scheme: str
    target: str

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme.endswith("s")

    @property
    def is_http(self) -> bool:
        """HTTP rather than gRPC."""
        return self.scheme.startswith("http")

    @property
    def shares_memory(self) -> bool:
        """Whether pictures go through memory that is shared with the server, on this machine."""
        return self.scheme.endswith(SHARED)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, by name or number."""
        host = self.target.rpartition(":")[0].strip("[]")
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.target}"


def parse_address(text: str) -> Address:
    """Read ``host:port`` (gRPC) or ``scheme://host[:port]``; the scheme is one of ``SCHEMES``.

    Raises InvalidAddress with a sentence for anything else.
    """
    try:
        parts = urlsplit(text if "://" in text else f"grpc://{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidAddress(f"{text!r} is not a server's address: {error}") from None
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise InvalidAddress(f"{text!r} starts with {parts.scheme}://; use one of {known}")
    if not host or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise InvalidAddress(f"{text!r} is not a server's address; it should look like localhost:{GRPC_PORT}")
    default = HTTP_PORT if parts.scheme.startswith("http") else GRPC_PORT
    host = f"[{host}]" if ":" in host else host
    return Address(parts.scheme, f"{host}:{default if port is None else port}")


def open_transport(url: str, *, asynchronous: bool) -> Transport:
    """The transport for ``url``, blocking or asyncio. Nothing is sent yet; tritonclient is imported here."""
    address = parse_address(url)
    if address.is_http:
        from client.http_transport import AsyncHttpTransport, BlockingHttpTransport

        return AsyncHttpTransport(address) if asynchronous else BlockingHttpTransport(address)
    from client.grpc_transport import GrpcTransport

    return GrpcTransport(address, asynchronous=asynchronous)
