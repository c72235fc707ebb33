"""A server that is not there: answers in memory, for unit tests - ours and those of programs that use the client."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.contract import OUTPUTS
from client.errors import RequestRejected
from client.transport import Request, Response
from film.specs import ERROR, TensorSpec


class FakeTransport:
    """Gives every picture a made-up answer that depends on its bytes alone, in the shape the contract asks for.

    ``failures`` are raised by the first requests, one each (None lets one pass). ``answer`` replaces the made-up
    answers. ``errors`` gives pictures, by their bytes, an ERROR; no bytes at all are one too. ``requests`` has what
    was asked so far.
    """

    address = "fake://"

    def __init__(
        self,
        *,
        failures: Iterable[Exception | None] = (),
        answer: Callable[[Request], Response] | None = None,
        errors: dict[bytes, str] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.ready = True
        self._failures = iter(failures)
        self._answer = answer or self.made_up
        self._errors = {b"": "no bytes"} | (errors or {})

    async def infer(self, request: Request, timeout: float) -> Response:
        """Fail if a failure is due, else answer."""
        self.requests.append(request)
        failure = next(self._failures, None)
        if failure is not None:
            raise failure
        return self._answer(request)

    async def is_ready(self, model: str | None, timeout: float) -> bool:
        """What ``ready`` says, for the models that exist."""
        return self.ready and (model is None or model in OUTPUTS)

    async def server(self, timeout: float) -> tuple[str, str]:
        """Not a real one."""
        return "fake", "0"

    async def close(self) -> None:
        """Nothing to let go of."""

    def made_up(self, request: Request) -> Response:
        """An answer as the contract wants it; useful as the start of an ``answer`` of your own."""
        if request.model not in OUTPUTS:
            raise RequestRejected(f"there is no model {request.model!r}")
        errors = [self._errors.get(image, "") for image in request.images]
        return {
            spec.name: np.stack(
                [_output(request.model, spec, *pair) for pair in zip(request.images, errors, strict=True)]
            )
            for spec in OUTPUTS[request.model]
            if spec.name in request.outputs
        }


def _output(model: str, spec: TensorSpec, image: bytes, error: str) -> NDArray[Any]:
    if spec is ERROR:
        return np.array([error.encode()], dtype=np.object_)
    if spec.dtype == "BYTES":
        return np.array([b"" if error else b"positive of " + image], dtype=np.object_)
    if error:
        return np.full(spec.shape, np.nan, dtype=np.float32)
    seed = int.from_bytes(hashlib.sha256(f"{model} {spec.name} ".encode() + image).digest()[:8])
    values = np.random.default_rng(seed).random(spec.shape, dtype=np.float32)
    return values / values.sum() if spec.name == "SCORES" else values
