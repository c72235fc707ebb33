"""What the gRPC and the HTTP transport share: Triton's answers and its errors, as ``tritonclient`` has them."""

import re
import struct
from collections.abc import Awaitable, Iterator, Sequence
from inspect import isawaitable
from typing import Any, TypeVar

from tritonclient.utils import InferenceServerException

from client.errors import (
    ClientError,
    RequestRejected,
    RequestTimeout,
    RequestTooLarge,
    ResponseInvalid,
    ServerFailed,
    ServerOverloaded,
    ServerUnavailable,
    timed_out,
)
from client.transport import Request, Response
from film.specs import QUEUE_FULL

T = TypeVar("T")
_LENGTH = struct.Struct("<I")
_KINDS: dict[str, type[ClientError]] = {
    "StatusCode.UNAVAILABLE": ServerUnavailable,
    "StatusCode.DEADLINE_EXCEEDED": RequestTimeout,
    "StatusCode.RESOURCE_EXHAUSTED": RequestTooLarge,
    "StatusCode.INVALID_ARGUMENT": RequestRejected,
    "StatusCode.NOT_FOUND": RequestRejected,
    "StatusCode.UNIMPLEMENTED": RequestRejected,
    "StatusCode.PERMISSION_DENIED": RequestRejected,
    "StatusCode.UNAUTHENTICATED": RequestRejected,
    "400": RequestRejected,
    "401": RequestRejected,
    "403": RequestRejected,
    "404": RequestRejected,
    "413": RequestTooLarge,
    "502": ServerUnavailable,
    "503": ServerUnavailable,
    "504": RequestTimeout,
}
"""gRPC and HTTP statuses; any other is the server's own failure."""
_TOO_MANY = ("batch-size must be <=", "Failed to increase the shared memory pool size")
"""How Triton's core words its refusal of a batch over a model's limit, and its Python backend that the machine has not
as much shared memory as the batch needs; the status alone does not tell."""
_RESTRICTED = "is restricted, expecting header"
"""How it says that it wants a key for this; over gRPC with the status of a server that is down, too."""
_COMING_BACK = ("is not healthy", "has no available versions", "Unable to find shared memory region")
"""How it says, with statuses that do not tell either, that a model's process died, that the model is not loaded at the
moment (`safelight serve` loads a model again whose process died), and that it was started anew and knows none of the
memory that was shared with the one before."""
_NOT_GRPC = re.compile("failed to connect.*(Socket closed|Failed parsing HTTP/2)", re.DOTALL)
"""How gRPC says that something is there which hung up on it, as Triton's HTTP does and a container's proxy before the
server is up, or answered otherwise."""
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error)
"""What tritonclient says of an answer that it cannot make sense of."""


async def settled(value: Awaitable[T] | T) -> T:
    """The value itself, or what it resolves to: channels for blocking code and for asyncio have the same methods."""
    return await value if isawaitable(value) else value


def elements(images: Sequence[bytes]) -> Iterator[bytes]:
    """The parts of a BYTES tensor: of each element its length, and then its content."""
    for image in images:
        yield _LENGTH.pack(len(image))
        yield image


def elements_size(images: Sequence[bytes]) -> int:
    """How many bytes those are."""
    return sum(_LENGTH.size + len(image) for image in images)


def output_arrays(result: Any, request: Request) -> Response:
    """The wanted outputs of tritonclient's result; one that does not fit its own shape (0 bytes) is ResponseInvalid."""
    arrays = {}
    for name in request.outputs:
        try:
            array = result.as_numpy(name)
        except UNREADABLE as error:
            raise ResponseInvalid(
                f"{request.model} gave an output {name} that is empty or broken ({error}); a server whose Python "
                "has numpy 2 does that: install numpy<2 there"
            ) from error
        if array is not None:
            arrays[name] = array
    return arrays


def translated(error: InferenceServerException, address: str, timeout: float) -> ClientError:
    """The error of ours for one of tritonclient's."""
    text, status = error.message() or "no reason given", error.status() or ""
    if any(words in text for words in _TOO_MANY):
        return RequestTooLarge(f"{address} refused the batch: {text}")
    if QUEUE_FULL.lower() in text.lower():
        return overloaded(address, text)
    kind = RequestRejected if _RESTRICTED in text else _KINDS.get(status, ServerFailed)
    if kind is RequestTimeout:
        return timed_out(address, timeout)
    if _NOT_GRPC.search(text):
        return ServerUnavailable(
            f"{address} cannot answer: {text}. Is the server running, and is that not its HTTP port? The address of "
            "that begins with http://"
        )
    if kind is ServerUnavailable or any(words in text for words in _COMING_BACK):
        return unavailable(address, text)
    verb = "failed" if kind is ServerFailed else "refused the request"
    return kind(f"{address} {verb}: {text}" + (f" [{status}]" if kind is ServerFailed and status else ""))


def unknown_words(words: str, status: str, address: str, timeout: float) -> ClientError:
    """The error of ours for an HTTP status with words that are not Triton's: a proxy's, or another server's."""
    said = f"HTTP {status}: {words or 'nothing'}"
    if _KINDS.get(status) in (ServerUnavailable, RequestTimeout, RequestTooLarge):
        return translated(InferenceServerException(said, status), address, timeout)
    return not_triton(address, said)


def not_triton(address: str, said: object) -> ResponseInvalid:
    """There, and something else or broken."""
    return ResponseInvalid(
        f"{address} answers, but not as Triton does ({said}); is that the address of a Safelight server?"
    )


def unavailable(address: str, reason: object) -> ServerUnavailable:
    """Nobody there, or not ready."""
    return ServerUnavailable(f"{address} cannot answer: {reason}. Is the server running? `safelight serve` starts one")


def overloaded(address: str, reason: object) -> ServerOverloaded:
    """There, and busy."""
    return ServerOverloaded(
        f"{address} has more to do than it can queue: {reason}. Try again later, or send less at once"
    )
