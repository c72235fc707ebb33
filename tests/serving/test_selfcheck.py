"""The start-up check of a server that others ask already."""

from collections.abc import Iterator
from typing import Any

import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from film import specs
from serving.errors import ServingError, Unreachable
from serving.selfcheck import prove
from serving.server import ServerProcess
from serving.settings import DEFAULT_REPOSITORY

pytestmark = pytest.mark.e2e
FULL = InferenceServerException(f"[request id: <id_unknown>] {specs.QUEUE_FULL}", "StatusCode.UNAVAILABLE")
LATE = InferenceServerException("Deadline Exceeded", "StatusCode.DEADLINE_EXCEEDED")
GONE = InferenceServerException("failed to connect to all addresses", "StatusCode.UNAVAILABLE")


def fail_with(monkeypatch: pytest.MonkeyPatch, errors: Iterator[InferenceServerException]) -> None:
    """The next requests end with ``errors``, and those after them reach the server."""
    infer = tritonclient.grpc.InferenceServerClient.infer

    def failing(*arguments: Any, **options: Any) -> Any:
        if error := next(errors, None):
            raise error
        return infer(*arguments, **options)

    monkeypatch.setattr(tritonclient.grpc.InferenceServerClient, "infer", failing)


def prove_inversion(server: ServerProcess, patience: float) -> None:
    prove(server.grpc_url, (specs.INVERSION_MODEL,), DEFAULT_REPOSITORY, specs.ONNX_TOLERANCE, patience)


def test_a_busy_server_is_asked_again(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, iter([FULL, LATE, FULL]))
    prove_inversion(server, 60)


@pytest.mark.parametrize("busy", [FULL, LATE])
def test_but_not_for_ever(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, busy: InferenceServerException
) -> None:
    fail_with(monkeypatch, iter([busy] * 100))
    with pytest.raises(ServingError, match="could not answer"):
        prove_inversion(server, 0)


def test_one_that_has_gone_is_not(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, iter([GONE]))
    with pytest.raises(Unreachable):
        prove_inversion(server, 60)
