"""The real server, asked by stock clients: the contract, and the same numbers as in this process."""

import json
import urllib.request
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from film import images, specs
from film.network import load_network
from film.preprocess import invert, preprocess
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY

pytestmark = pytest.mark.e2e
NETWORKS = pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)


@pytest.fixture(scope="module")
def in_process(photographs: list[bytes]) -> dict[str, dict[str, np.ndarray]]:
    """What each network says of the photographs without a server, by its name."""
    answers = {}
    for spec in specs.NETWORKS:
        done = preprocess(photographs, spec.size)
        network = load_network(network_file(DEFAULT_REPOSITORY, spec, ""), precision=spec.precision)
        answers[spec.name] = network({spec.pixels.name: done.pixels, specs.VALID.name: done.valid})
    return answers


@NETWORKS
def test_the_server_answers_as_this_process_does(
    ask: Any, spec: specs.ModelSpec, photographs: list[bytes], in_process: dict[str, dict[str, np.ndarray]]
) -> None:
    expected = in_process[spec.name]

    answers = ask(spec.name, photographs)

    assert set(answers) == {output.name for output in (*spec.outputs, specs.ERROR)}
    assert not any(answers[specs.ERROR.name].ravel())
    for output in spec.outputs:
        answer = answers[output.name]
        assert answer.shape == (len(photographs), *output.shape)
        assert ((answer >= 0) & (answer <= 1)).all()
        np.testing.assert_allclose(answer, expected[output.name], atol=1e-4)
    np.testing.assert_allclose(answers["SCORES"].sum(axis=1), 1, atol=1e-4)
    assert len(np.unique(answers["SCORES"], axis=0)) > len(photographs) / 2, "different pictures, different scores"


def test_an_explanation_has_the_verdict_that_it_explains(ask: Any, photographs: list[bytes]) -> None:
    explained, verdict = (ask(spec.name, photographs) for spec in (specs.FILM_ORIGIN_EXPLAIN, specs.FILM_ORIGIN))
    np.testing.assert_allclose(explained["SCORES"], verdict["SCORES"], atol=1e-4)
    heat = explained[specs.HEATMAP.name]
    assert (heat.max(axis=(1, 2)) > 0.2).all()
    assert len(np.unique(heat.reshape(len(heat), -1), axis=0)) == len(photographs)


@NETWORKS
def test_labels_come_with_the_classification_extension(ask: Any, spec: specs.ModelSpec, photograph: bytes) -> None:
    numbers, named = ask(spec.name, [photograph]), ask(spec.name, [photograph], classes=len(specs.DEFECTS))
    for output in spec.outputs:
        if not output.labels:
            continue
        found = {}
        for text in named[output.name].ravel():
            value, index, label = text.decode().split(":")
            assert output.labels[int(index)] == label
            found[label] = float(value)
        values = dict(zip(output.labels, numbers[output.name][0], strict=True))
        assert found == pytest.approx(values, abs=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True), "the most probable first"


def test_the_positive_is_the_one_made_in_this_process(ask: Any, photographs: list[bytes]) -> None:
    answers = ask(specs.INVERSION_MODEL, photographs)
    assert not any(answers[specs.ERROR.name].ravel())
    for positive, (expected, _), negative in zip(
        answers[specs.POSITIVE.name].ravel(), invert(photographs), photographs, strict=True
    ):
        assert positive == expected
        assert images.decode(positive).shape == images.decode(negative).shape


def test_plain_http_without_any_client(server: Any, photograph: bytes) -> None:
    """What `curl --data-binary @photograph.jpg` sends: the picture itself is the body."""
    request = urllib.request.Request(
        f"http://{server.http_url}/v2/models/{specs.FILM_ORIGIN.name}/infer",
        data=photograph,
        headers={"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        body, length = response.read(), int(response.headers["Inference-Header-Content-Length"])
    described = {output["name"]: output for output in json.loads(body[:length])["outputs"]}
    assert described["ERROR"]["shape"] == [1, 1]
    assert described["SCORES"]["shape"] == [1, 2]
    rest = body[length:]
    assert rest[:4] == b"\0\0\0\0", "ERROR goes first and is empty"
    scores = np.frombuffer(rest[4:], np.float32)
    assert scores.sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("count", "shape", "words"),
    [
        (specs.MAX_BATCH + 1, (-1, 1), f"must be <= {specs.MAX_BATCH}"),
        (2, (2,), r"Expected \[-1,1\], got \[2\]"),
        (2, (1, 2), r"Expected \[-1,1\], got \[1,2\]"),
    ],
)
def test_a_request_of_the_wrong_shape_is_the_client_s_fault(
    ask: Any, photograph: bytes, count: int, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(InferenceServerException, match=words) as refusal:
        ask(specs.FILM_ORIGIN.name, [photograph] * count, shape=shape)
    assert refusal.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")


def test_the_largest_batch_is_answered(ask: Any, photographs: list[bytes]) -> None:
    batch = (photographs * specs.MAX_BATCH)[: specs.MAX_BATCH]
    scores = ask(specs.NEGATIVE_CONDITION.name, batch)["SCORES"]
    assert scores.shape == (specs.MAX_BATCH, 2)
    np.testing.assert_allclose(scores, scores[np.arange(specs.MAX_BATCH) % len(photographs)], atol=1e-5)


def test_metadata_says_what_the_specs_say(stock: tuple[Any, Any]) -> None:
    _, client = stock
    for spec in specs.NETWORKS:
        metadata = client.get_model_metadata(spec.name)
        outputs = metadata["outputs"] if isinstance(metadata, dict) else metadata.outputs
        named = {o["name"] if isinstance(o, dict) else o.name for o in outputs}
        assert named == {output.name for output in (*spec.outputs, specs.ERROR)}
