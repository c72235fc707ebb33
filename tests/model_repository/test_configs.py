"""The hand-written configurations of every profile, read as Triton reads them and held against the specs."""

import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup

from film import images, specs
from film.network import load_network
from film.published import HALF_FILE
from film.specs import TensorSpec
from serving.composed import forgets
from serving.settings import PROFILES

TYPES = {
    "BYTES": "TYPE_STRING",
    "BOOL": "TYPE_BOOL",
    "UINT8": "TYPE_UINT8",
    "INT64": "TYPE_INT64",
    "FP32": "TYPE_FP32",
}
WITH_GPU = {profile.name for profile in PROFILES if profile.gpu}
BACKENDS = {profile.name: set(profile.backends or ("python",)) for profile in PROFILES}
EXPORTED = {"model.onnx", "model.pt", HALF_FILE, "model.pt2", "model.plan"}
"""Files of a network that `make export` makes where they are not in the repository."""
IN_ONE_STEP = {"cuda"}
"""Profiles in which a model is a single one and no ensemble."""
Contract = tuple[list[TensorSpec], list[TensorSpec]]


def contracts() -> dict[str, Contract]:
    """What every model takes and gives, by the specs alone."""
    inversion = specs.INVERSION_MODEL
    found: dict[str, Contract] = {
        inversion: ([specs.IMAGE], [specs.POSITIVE, specs.ERROR]),
        f"{inversion}_gate": ([specs.IMAGE], [specs.ENCODED, specs.VALID, specs.DONE, specs.ERROR]),
        f"{inversion}_dali": ([specs.ENCODED], [specs.PADDED, specs.EXTENT]),
        f"{inversion}_encode": ([specs.PADDED, specs.EXTENT, specs.VALID, specs.DONE], [specs.POSITIVE]),
    }
    for spec in specs.NETWORKS:
        found[spec.name] = ([specs.IMAGE], [*spec.outputs, specs.ERROR])
        found[spec.preprocess_model] = ([specs.IMAGE], [spec.pixels, specs.VALID, specs.ERROR])
        found[spec.network_model] = ([spec.pixels, specs.VALID], list(spec.outputs))
    for spec in specs.CLASSIFIERS:
        found[spec.gate_model] = ([specs.IMAGE], [specs.ENCODED, specs.VALID, specs.ERROR])
        found[spec.dali_model] = ([specs.ENCODED], [spec.pixels])
    return found


CONTRACTS = contracts()


def described(tensors: Iterable[Any]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(t.name, DataType.Name(t.data_type), tuple(t.dims)) for t in tensors]


def expected(tensors: list[TensorSpec]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(t.name, TYPES[t.dtype], t.shape) for t in tensors]


def test_the_repository_holds_the_models_of_the_specs_and_no_other(repository: Path) -> None:
    assert {folder.name for folder in repository.iterdir()} == set(CONTRACTS)


def test_a_profile_loads_nothing_that_another_kind_of_server_is_needed_for(
    profile: str, models: dict[str, ModelConfig]
) -> None:
    assert set(specs.PUBLIC_MODELS) <= set(models) <= set(CONTRACTS)
    assert {config.backend for config in models.values() if config.backend} <= BACKENDS[profile]


def test_every_configuration_belongs_to_a_profile(repository: Path) -> None:
    names = {profile.config_name for profile in PROFILES}
    for file in repository.glob("*/configs/*"):
        assert file.suffix == ".pbtxt"
        assert file.stem in names
        text_format.Parse(file.read_text(encoding="utf-8"), ModelConfig())


def test_a_config_says_what_the_specs_say(profile: str, config: ModelConfig) -> None:
    inputs, outputs = CONTRACTS[config.name]
    assert config.max_batch_size == specs.MAX_BATCH
    assert described(config.input) == expected(inputs)
    assert described(config.output) == expected(outputs)


def test_labels_are_those_of_the_specs(profile: str, config: ModelConfig, repository: Path) -> None:
    for output, spec in zip(config.output, CONTRACTS[config.name][1], strict=True):
        labels = ()
        if output.label_filename:
            file = repository / config.name / output.label_filename
            assert file.resolve() == repository.resolve() / config.name / output.label_filename, (
                "servers of 2026 refuse labels that a link brings from another model's folder"
            )
            labels = tuple(file.read_text(encoding="utf-8").split())
        assert labels == spec.labels


def test_ensembles_wire_their_steps_together(profile: str, models: dict[str, ModelConfig]) -> None:
    ensembles = [config for config in models.values() if config.platform == "ensemble"]
    assert bool(ensembles) == (profile not in IN_ONE_STEP)
    for config in ensembles:
        flowing = {t.name: (t.data_type, tuple(t.dims)) for t in config.input}
        for step in config.ensemble_scheduling.step:
            inner = models[step.model_name]
            assert set(step.input_map) == {t.name for t in inner.input}
            assert set(step.output_map) == {t.name for t in inner.output}, "the DALI backend gives all outputs or none"
            for tensor in inner.input:
                assert flowing[step.input_map[tensor.name]] == (tensor.data_type, tuple(tensor.dims))
            for tensor in inner.output:
                assert step.output_map[tensor.name] not in flowing
                flowing[step.output_map[tensor.name]] = (tensor.data_type, tuple(tensor.dims))
        for tensor in config.output:
            assert flowing[tensor.name] == (tensor.data_type, tuple(tensor.dims))
            *_, last = [step for step in config.ensemble_scheduling.step if tensor.name in step.output_map.values()]
            assert last.output_map[tensor.name] == tensor.name, "an output is the step's tensor of the same name"


def test_nothing_is_left_for_triton_to_guess(profile: str, config: ModelConfig, repository: Path) -> None:
    assert (repository / config.name / "1").is_dir(), "Triton wants a version folder even of an ensemble"
    if config.platform == "ensemble":
        assert not config.instance_group
        return
    assert config.backend
    (group,) = config.instance_group
    assert group.count > 0
    kinds = {ModelInstanceGroup.KIND_CPU}
    if profile in WITH_GPU:
        kinds |= {ModelInstanceGroup.KIND_AUTO if profile == "cuda" else ModelInstanceGroup.KIND_GPU}
    assert group.kind in kinds


def test_what_a_config_loads_is_there_or_is_made_by_export(profile: str, config: ModelConfig, repository: Path) -> None:
    if config.platform == "ensemble":
        return
    folder = repository / config.name / "1"
    named = set(re.findall(r"\b(\w+\.(?:py|pt2?|plan|onnx|xml))\b", text_format.MessageToString(config)))
    files = named | ({"model.py"} if config.backend == "python" and not config.default_model_filename else set())
    assert files
    assert all((folder / file).is_file() or file in EXPORTED for file in files)


def test_requests_are_joined_where_that_helps_and_can_be_done(profile: str, config: ModelConfig) -> None:
    joined = config.HasField("dynamic_batching")
    if config.backend == "dali":
        assert joined == (profile == "native" and specs.PADDED.name not in {tensor.name for tensor in config.output}), (
            "without a CUDA driver the DALI backend cannot; and positives are inverted a request at a time"
        )
        assert config.input[0].allow_ragged_batch or not joined, "or only pictures of one length would share a batch"
    elif config.platform == "ensemble" or specs.IMAGE.name not in {tensor.name for tensor in config.input}:
        assert not joined or config.platform != "ensemble"
    else:
        joined = joined and list(config.dynamic_batching.preferred_batch_size) != [1]
        preprocessing = {spec.preprocess_model for spec in specs.CLASSIFIERS}
        whole = {spec.name for spec in specs.NETWORKS} if profile in IN_ONE_STEP else set()
        assert joined == (config.name in preprocessing | whole)


def test_what_is_too_much_is_refused_before_it_is_decoded_and_never_after(profile: str, config: ModelConfig) -> None:
    if config.HasField("dynamic_batching"):
        policy = config.dynamic_batching.default_queue_policy
        network = specs.VALID.name in {tensor.name for tensor in config.input}
        assert policy.max_queue_size == (0 if network else 256 if config.backend == "dali" else 64)
        assert network or policy.timeout_action == policy.REJECT


def test_no_request_is_forgotten_while_a_model_works(profile: str, config: ModelConfig) -> None:
    assert not forgets(config), "Triton would leave a lone request waiting for half a second"


@pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
def test_networks_join_requests_unless_a_larger_batch_is_no_faster(
    profile: str, models: dict[str, ModelConfig], spec: specs.ModelSpec
) -> None:
    step = spec.name if profile in IN_ONE_STEP else spec.network_model
    assert models[step].HasField("dynamic_batching") == (profile != "native-cpu")


def test_a_python_model_is_warmed_up_with_data_that_is_there(
    profile: str, config: ModelConfig, repository: Path
) -> None:
    takes = {spec.name for spec in CONTRACTS[config.name][0]}
    if config.platform == "ensemble" or not takes <= {specs.IMAGE.name, "PIXELS", specs.VALID.name}:
        return  # DALI and what follows it is warmed up by the start-up check
    assert config.model_warmup
    for sample in config.model_warmup:
        for tensor in config.input:
            warm = sample.inputs[tensor.name]
            assert (warm.data_type, list(warm.dims)) == (tensor.data_type, list(tensor.dims))
            if warm.input_data_file:
                check_warmup(
                    DataType.Name(tensor.data_type), repository / config.name / "warmup" / warm.input_data_file
                )
            else:
                assert warm.random_data


def check_warmup(data_type: str, file: Path) -> None:
    data = file.read_bytes()
    if data_type == "TYPE_STRING":
        (length,) = struct.unpack("<I", data[:4])
        assert length == len(data) - 4
        assert min(images.decode(data[4:]).shape[:2]) > specs.NEGATIVE_CONDITION.size, "a real photograph"
    else:
        assert data == b"\x01", "the pixels are said to be valid"


@pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
def test_the_published_network_has_the_tensors_of_the_config(spec: specs.ModelSpec, repository: Path) -> None:
    config = text_format.Parse((repository / spec.network_model / "config.pbtxt").read_text(), ModelConfig())
    assert config.parameters["precision"].string_value == spec.precision
    types = {"UINT8": np.uint8, "BOOL": np.bool_, "FP32": np.float32}
    for file in config.parameters["file"].string_value.split(", "):
        network = load_network(repository / spec.network_model / "1" / file)
        for layout, tensors in ((network.inputs, [spec.pixels, specs.VALID]), (network.outputs, spec.outputs)):
            assert layout == {t.name: np.dtype((types[t.dtype], t.shape)) for t in tensors}


def test_the_cpu_profile_has_the_precision_of_the_specs(profile: str, models: dict[str, ModelConfig]) -> None:
    for spec in specs.CLASSIFIERS:
        parameters = models[spec.name if profile in IN_ONE_STEP else spec.network_model].parameters
        if "precision" in parameters:
            assert parameters["precision"].string_value == spec.precision
        else:
            assert profile != "cpu"
