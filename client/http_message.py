"""Requests as HTTP's bytes, and what comes back. tritonclient writes and reads the bodies of inferences."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException

from client.errors import ClientError
from client.shared_memory import Shared
from client.transport import Request, Response
from client.triton import UNREADABLE, not_triton, output_arrays, translated, unknown_words
from film.specs import IMAGE, POSITIVE

_WORDS = 2**20
"""The most bytes of an answer in words and numbers, for each picture if it is one to pictures; a map takes 6 kB."""
_PICTURES = 2**31
"""The most bytes of an answer with pictures in it: as many as gRPC can say."""
_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class HttpRequest:
    """One request. More than ``most`` bytes are no answer to it."""

    method: str
    path: str
    body: bytes = field(repr=False, default=b"")
    headers: Mapping[str, str] = field(default_factory=dict)
    most: int = _WORDS


class HttpAnswer(NamedTuple):
    """What came back: the status, how much of the body is JSON where that is said, and the body."""

    status: int
    json_length: str | None
    body: bytes

    @staticmethod
    def of(status: int, headers: Any, body: bytes) -> "HttpAnswer":
        """From headers that can be asked by any spelling of their names."""
        return HttpAnswer(status, headers.get(_LENGTH), body)


def get(path: str) -> HttpRequest:
    """Ask for something small."""
    return HttpRequest("GET", f"/v2/{path}".rstrip("/"))


def post(path: str, **content: object) -> HttpRequest:
    """Have something small done; ``content`` is sent as JSON, if there is any."""
    return HttpRequest("POST", f"/v2/{path}", json.dumps(content).encode() if content else b"")


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def infer_request(request: Request, shared: Shared | None) -> HttpRequest:
    """An inference. Pictures that are in memory that is ``shared`` are named, others are in the body."""
    outputs = [InferRequestedOutput(name, binary_data=True) for name in request.outputs]
    body, json_length = InferenceServerClient.generate_request_body([_image(request, shared)], outputs=outputs)
    headers = {} if json_length is None else {_LENGTH: str(json_length)}
    most = _PICTURES if POSITIVE.name in request.outputs else _WORDS * len(request.images)
    return HttpRequest("POST", f"/v2/models/{part(request.model)}/infer", _bytes(body), headers, most)


def _image(request: Request, shared: Shared | None) -> InferInput:
    """The IMAGE tensor, BYTES [n, 1]: where pictures are ``shared``, its place; else themselves."""
    tensor = InferInput(IMAGE.name, [len(request.images), *IMAGE.shape], IMAGE.dtype)
    if shared is not None:
        tensor.set_shared_memory(shared.region, shared.size)
        return tensor
    images = np.empty((len(request.images), 1), dtype=np.object_)
    images[:, 0] = request.images
    tensor.set_data_from_numpy(images)
    return tensor


def _bytes(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


def response(answer: HttpAnswer, request: Request, address: str) -> Response:
    """The outputs in the answer to an inference."""
    try:
        result = InferResult.from_response_body(answer.body, header_length=answer.json_length)
    except (*UNREADABLE, InferenceServerException) as error:
        raise not_triton(address, error) from error
    if not isinstance(result.get_response(), dict):
        raise not_triton(address, f"{request.model}: {_short(answer.body)}")
    return output_arrays(result, request)


def content(answer: HttpAnswer, address: str) -> Any:
    """The JSON in an answer to anything else."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise not_triton(address, error) from error


def failure(answer: HttpAnswer, address: str, timeout: float) -> ClientError:
    """The error of ours for an answer with another status than 200."""
    status = str(answer.status)
    try:
        words = json.loads(answer.body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        words = None
    if isinstance(words, str):
        return translated(InferenceServerException(words, status), address, timeout)
    return unknown_words(_short(answer.body), status, address, timeout)


def _short(body: bytes) -> str:
    text = " ".join(body[:1000].decode("utf-8", "replace").split())
    return text if len(text) <= 100 else f"{text[:100]}..."
