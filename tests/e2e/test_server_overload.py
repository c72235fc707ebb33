"""Far more requests at once than a queue holds: each ends with a right answer or a clear refusal, and none hangs."""

import queue
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from client import ServerOverloaded
from client.triton import translated
from film import specs

pytestmark = pytest.mark.e2e
FLOOD = 3000
"""Requests, of which a model queues 64 and has some more at work: enough to overrun a machine of many cores."""
PATIENCE = 120.0
"""Seconds after which a request hangs."""


@pytest.mark.parametrize(
    ("model", "output"),
    [*((spec.name, spec.outputs[0].name) for spec in specs.CLASSIFIERS), (specs.INVERSION_MODEL, specs.POSITIVE.name)],
)
def test_a_flood_is_answered_or_refused_and_then_over(
    model: str, output: str, server: Any, photographs: list[bytes]
) -> None:
    image = tritonclient.grpc.InferInput(specs.IMAGE.name, [1, 1], specs.IMAGE.dtype)
    image.set_data_from_numpy(np.array([photographs[:1]], np.object_))
    ended: queue.Queue[tuple[Any, InferenceServerException | None]] = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
        calm = client.infer(model, [image]).as_numpy(output)
        for _ in range(FLOOD):
            client.async_infer(model, [image], lambda result, error: ended.put((result, error)))
        ends = [ended.get(timeout=PATIENCE) for _ in range(FLOOD)]
        afterwards = client.infer(model, [image]).as_numpy(output)
    refusals = [translated(error, server.grpc_url, PATIENCE) for _, error in ends if error is not None]
    answers = [result.as_numpy(output) for result, error in ends if error is None]
    assert refusals
    assert answers
    assert {type(refusal) for refusal in refusals} == {ServerOverloaded}
    for answer in (*answers, afterwards):
        if output == specs.POSITIVE.name:
            np.testing.assert_array_equal(answer, calm)
        else:
            np.testing.assert_allclose(answer, calm, atol=0.01)
