"""What Triton says becomes the error that tells the engine what to do."""

import pytest
from tritonclient.utils import InferenceServerException

from client import ClientError, RequestRejected, RequestTooLarge, ServerFailed, ServerOverloaded, ServerUnavailable
from client.triton import translated


@pytest.mark.parametrize(
    ("words", "status", "kind"),
    [
        ("Stub process 'film_origin_preprocess_0_0' is not healthy.", "StatusCode.INTERNAL", ServerUnavailable),
        ("something broke", "StatusCode.INTERNAL", ServerFailed),
        ("connection refused", "StatusCode.UNAVAILABLE", ServerUnavailable),
        ("[request id: <id_unknown>] Exceeds maximum queue size", "StatusCode.UNAVAILABLE", ServerOverloaded),
        ("[request id: <id_unknown>] Exceeds maximum queue size", "503", ServerOverloaded),
        ("unexpected shape", "StatusCode.INVALID_ARGUMENT", RequestRejected),
        ("batch-size must be <= 64", "StatusCode.INVALID_ARGUMENT", RequestTooLarge),
        ("Failed to increase the shared memory pool size for key 'x'", "StatusCode.INTERNAL", RequestTooLarge),
    ],
)
def test_only_what_passes_by_itself_is_unavailable(words: str, status: str, kind: type[ClientError]) -> None:
    error = translated(InferenceServerException(words, status), "localhost:8001", 5.0)
    assert type(error) is kind
    assert "localhost:8001" in str(error)
