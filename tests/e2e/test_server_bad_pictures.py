"""One bad picture never fails its neighbours, in a request of many and across requests that are batched together."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from PIL import Image

from film import specs

pytestmark = pytest.mark.e2e


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is ``side`` pixels wide and high."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


GREY16 = np.linspace(0, 65535, 300 * 200).astype(np.uint16).reshape(200, 300)
ODD: dict[str, Callable[[bytes], bytes]] = {
    "1x1": lambda _: encoded(np.full((1, 1, 3), 200, np.uint8)),
    "5000x1": lambda _: encoded(np.tile(np.arange(5000, dtype=np.uint16).astype(np.uint8), (1, 1))),
    "1x5000": lambda _: encoded(np.tile(np.arange(5000, dtype=np.uint16).astype(np.uint8), (1, 1)).T),
    "16-bit PNG": lambda _: encoded(GREY16),
    "16-bit TIFF": lambda _: encoded(GREY16, "TIFF"),
}
BAD: dict[str, tuple[Callable[[bytes], bytes], bytes]] = {
    "zero bytes": (lambda _: b"", b"empty"),
    "garbage": (lambda _: bytes(range(256)) * 20, b"not a JPEG"),
    "a header and no more": (lambda photograph: photograph[:100], b"damaged or cut short"),
    "truncated": (lambda photograph: photograph[: len(photograph) // 2], b"damaged or cut short"),
    "bomb": (lambda _: bomb(60_000), b"60000 x 60000 pixels; the limit"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("model", specs.PUBLIC_MODELS)
def test_odd_pictures_are_answered(ask: Any, photograph: bytes, model: str, kind: str) -> None:
    answers = ask(model, [ODD[kind](photograph)])
    assert answers.pop("ERROR").ravel().tolist() == [b""]
    for name, answer in answers.items():
        assert answer.dtype == np.object_ or np.isfinite(answer).all(), name
        assert answer.dtype != np.object_ or answer.ravel()[0].startswith(b"\xff\xd8"), name


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("model", specs.PUBLIC_MODELS)
def test_bad_pictures_get_a_reason(ask: Any, photograph: bytes, model: str, kind: str) -> None:
    make, reason = BAD[kind]
    answers = ask(model, [make(photograph)])
    assert reason in answers.pop("ERROR").ravel()[0]
    for name, answer in answers.items():
        assert answer.dtype == np.object_ or np.isnan(answer).all(), name
        assert answer.dtype != np.object_ or answer.ravel().tolist() == [b""], name


@pytest.mark.parametrize(
    ("spec", "count", "corrupt"),
    [
        (specs.NEGATIVE_CONDITION, 32, [3, 17, 31]),
        (specs.FILM_ORIGIN, 4, [0, 2, 3]),
        (specs.FILM_ORIGIN_EXPLAIN, 9, [0, 4, 8]),
    ],
    ids=["negative_condition", "film_origin", "film_origin_explain"],
)
def test_three_of_many_are_corrupt_and_the_others_are_judged(
    ask: Any, spec: specs.ModelSpec, count: int, corrupt: list[int], photographs: list[bytes]
) -> None:
    batch = (photographs * count)[:count]
    undisturbed = ask(spec.name, batch)
    for row in corrupt:
        batch[row] = batch[row][:50]

    answers = ask(spec.name, batch)

    reasons = answers["ERROR"].ravel()
    assert [row for row in range(count) if reasons[row]] == corrupt
    good = [row for row in range(count) if row not in corrupt]
    for output in spec.outputs:
        assert np.isnan(answers[output.name][corrupt]).all()
        np.testing.assert_allclose(answers[output.name][good], undisturbed[output.name][good], atol=1e-5)


def test_requests_that_are_batched_together_do_not_disturb_each_other(server: Any, photographs: list[bytes]) -> None:
    spec = specs.NEGATIVE_CONDITION
    requests = [
        [b"", photographs[0][:60]] if number % 5 == 0 else photographs[number % 6 :][: 1 + number % 3]
        for number in range(40)
    ]
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client, ThreadPoolExecutor(20) as pool:

        def ask(blobs: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
            array = np.array(blobs, np.object_).reshape(-1, 1)
            tensor = tritonclient.grpc.InferInput("IMAGE", list(array.shape), "BYTES")
            tensor.set_data_from_numpy(array)
            answer = client.infer(spec.name, [tensor])
            return answer.as_numpy("SCORES"), answer.as_numpy("ERROR").ravel()

        def counted() -> tuple[int, int]:
            (statistics,) = client.get_inference_statistics(spec.network_model).model_stats
            return statistics.inference_count, statistics.execution_count

        def counts() -> tuple[int, int]:
            """Once they stand still: Triton answers first and counts then."""
            last = counted()
            while True:
                time.sleep(0.5)
                now = counted()
                if now == last:
                    return now
                last = now

        expected, _ = ask(photographs)
        pictures_before, executions_before = counts()
        answers = list(pool.map(ask, requests))
        pictures, executions = counts()

    for number, (blobs, (scores, errors)) in enumerate(zip(requests, answers, strict=True)):
        assert len(scores) == len(errors) == len(blobs)
        if number % 5 == 0:
            assert np.isnan(scores).all()
            assert all(errors)
        else:
            assert not any(errors)
            np.testing.assert_allclose(scores, expected[number % 6 :][: len(blobs)], atol=1e-5)
    assert pictures - pictures_before == sum(map(len, requests))
    assert executions - executions_before < len(requests), "some requests shared a batch"
