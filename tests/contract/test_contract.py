"""The contract of the public models, the same in every profile: names, shapes, answers, and what bad pictures cost."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from numpy.typing import NDArray

from film import images, specs
from film.network import load_network
from film.preprocess import invert, preprocess
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY

pytestmark = pytest.mark.e2e
CLASSIFIERS = pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
Answers = dict[str, NDArray[Any]]


@pytest.fixture(scope="session")
def batch(good: dict[str, bytes], bad: dict[str, bytes]) -> list[bytes]:
    """Good and bad pictures in turn."""
    mixed = [blob for pair in zip(good.values(), bad.values(), strict=False) for blob in pair]
    return mixed + list(good.values())[len(bad) :]


@pytest.fixture(scope="session")
def expected(batch: list[bytes]) -> dict[str, Answers]:
    """What the cpu profile's code says of the batch in this process, by model."""
    answers: dict[str, Answers] = {}
    for spec in specs.NETWORKS:
        done = preprocess(batch, spec.size)
        network = load_network(network_file(DEFAULT_REPOSITORY, spec, ""), precision=spec.precision)
        tensors = network({spec.pixels.name: done.pixels, specs.VALID.name: done.valid})
        errors = np.array([error.encode() for error in done.errors], np.object_)
        answers[spec.name] = {**tensors, specs.ERROR.name: errors.reshape(-1, 1)}
    return answers


def assert_answers(spec: specs.ModelSpec, answers: Answers, wanted: Answers) -> None:
    assert set(answers) == {output.name for output in (*spec.outputs, specs.ERROR)}
    assert answers[specs.ERROR.name].tolist() == wanted[specs.ERROR.name].tolist()
    for output in spec.outputs:
        answer, reference = answers[output.name], wanted[output.name]
        assert answer.dtype == np.float32
        assert answer.shape == reference.shape
        np.testing.assert_array_equal(np.isnan(answer), np.isnan(reference))
        difference = np.abs(answer - reference)
        assert np.nanmax(difference) <= specs.tolerated(output, specs.PROFILE_TOLERANCE), output.name
        # A map may be far off in a place, as what its network sees is; not everywhere.
        assert np.nanmean(difference) <= specs.PROFILE_TOLERANCE, output.name


@CLASSIFIERS
def test_good_and_bad_pictures_of_one_batch_are_answered_as_by_the_cpu_profile(
    deployment: Any, spec: specs.ModelSpec, batch: list[bytes], bad: dict[str, bytes], expected: dict[str, Answers]
) -> None:
    wanted = expected[spec.name]
    assert [bool(error) for error in wanted[specs.ERROR.name].ravel()] == [blob in bad.values() for blob in batch]
    assert_answers(spec, deployment.ask(spec.name, batch), wanted)


@CLASSIFIERS
def test_requests_that_are_batched_together_do_not_disturb_each_other(
    deployment: Any, spec: specs.ModelSpec, batch: list[bytes], expected: dict[str, Answers]
) -> None:
    parts = [slice(start, start + 1 + start % 3) for start in range(len(batch))]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda part: deployment.ask(spec.name, batch[part]), parts))
    for part, answer in zip(parts, answers, strict=True):
        if not all(expected[spec.name][specs.ERROR.name][part].ravel()):
            assert_answers(spec, answer, {name: value[part] for name, value in expected[spec.name].items()})


@CLASSIFIERS
def test_nothing_but_bad_pictures_is_answered_too(
    deployment: Any, spec: specs.ModelSpec, bad: dict[str, bytes]
) -> None:
    answers = deployment.ask(spec.name, list(bad.values()))
    assert all(answers[specs.ERROR.name].ravel())
    assert all(np.isnan(answers[output.name]).all() for output in spec.outputs)


def test_positives_are_those_of_the_cpu_profile_and_bad_negatives_get_their_reason(
    deployment: Any, batch: list[bytes]
) -> None:
    answers = deployment.ask(specs.INVERSION_MODEL, batch)
    wanted = invert(batch)
    assert answers[specs.ERROR.name].ravel().tolist() == [error.encode() for _, error in wanted]
    for positive, (reference, _) in zip(answers[specs.POSITIVE.name].ravel(), wanted, strict=True):
        assert bool(positive) == bool(reference)
        if reference:
            pixels, pixels_wanted = images.decode(positive), images.decode(reference)
            assert pixels.shape == pixels_wanted.shape
            assert np.abs(pixels.astype(int) - pixels_wanted).mean() <= specs.POSITIVE_TOLERANCE


@pytest.mark.parametrize("model", specs.PUBLIC_MODELS)
def test_a_model_presents_itself_as_the_specs_say(deployment: Any, model: str) -> None:
    outputs = [specs.POSITIVE] if model == specs.INVERSION_MODEL else list(specs.classifier(model).outputs)
    with triton.InferenceServerClient(deployment.address) as client:
        metadata = client.get_model_metadata(model)
    described = {tensor.name: (tensor.datatype, tuple(tensor.shape)) for tensor in metadata.outputs}
    assert described == {tensor.name: (tensor.dtype, (-1, *tensor.shape)) for tensor in (*outputs, specs.ERROR)}
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs] == [
        (specs.IMAGE.name, specs.IMAGE.dtype, [-1, 1])
    ]
