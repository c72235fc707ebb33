"""Far more requests at once than a queue holds: each ends with a right answer or a clear refusal, and none hangs."""

import asyncio
import queue
from collections import Counter
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from client import AsyncClient, ClientError, RequestThrottled, Retry, ServerOverloaded
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


def test_a_client_that_is_refused_much_holds_back_and_is_served_again(server: Any, photographs: list[bytes]) -> None:
    """Requests faster than any machine works them off, until most are held back; who has patience is served then.

    They come a few at a time: behind a full wake-up socket grpc.aio hears of one answer a turn of the event loop.
    """
    most_waves, size = 1000, 10

    async def flood() -> Counter[str]:
        outcomes: Counter[str] = Counter()
        async with AsyncClient(server.grpc_url, retry=Retry(attempts=1)) as client:

            async def ask() -> None:
                try:
                    (seen,) = await client.classify(photographs[:1], [specs.NEGATIVE_CONDITION.name])
                except ClientError as error:
                    outcomes[type(error).__name__] += 1
                else:
                    outcomes["right" if seen.condition else str(seen.error)] += 1

            async with asyncio.TaskGroup() as asked:
                for wave in range(most_waves):
                    for _ in range(size):
                        asked.create_task(ask())
                    await asyncio.sleep(0.002)
                    if outcomes[RequestThrottled.__name__] > (wave + 1) * size / 2:  # whatever becomes of the rest
                        break
        async with AsyncClient(server.grpc_url) as client:
            assert (await client.classify(photographs[:1], [specs.NEGATIVE_CONDITION.name]))[0].condition
        return outcomes

    outcomes = asyncio.run(flood())
    assert outcomes.keys() == {"right", ServerOverloaded.__name__, RequestThrottled.__name__}
    assert outcomes[RequestThrottled.__name__] > outcomes[ServerOverloaded.__name__]
