"""The hand-written configurations, read as Triton reads them and held against the specs."""

import struct
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup

from film import images, specs
from film.network import load_network
from film.specs import TensorSpec

REPOSITORY = Path(__file__).parents[2] / "model_repository"
TYPES = {"BYTES": "TYPE_STRING", "BOOL": "TYPE_BOOL", "UINT8": "TYPE_UINT8", "FP32": "TYPE_FP32"}
Contract = tuple[list[TensorSpec], list[TensorSpec]]


def contracts() -> dict[str, Contract]:
    """What every model takes and gives, by the specs alone."""
    found: dict[str, Contract] = {specs.INVERSION_MODEL: ([specs.IMAGE], [specs.POSITIVE, specs.ERROR])}
    for spec in specs.NETWORKS:
        found[spec.name] = ([specs.IMAGE], [*spec.outputs, specs.ERROR])
        found[spec.preprocess_model] = ([specs.IMAGE], [spec.pixels, specs.VALID, specs.ERROR])
        found[spec.network_model] = ([spec.pixels, specs.VALID], list(spec.outputs))
    return found


CONTRACTS = contracts()
CONFIGS = {
    file.parent.name: text_format.Parse(file.read_text(encoding="utf-8"), ModelConfig())
    for file in REPOSITORY.glob("*/config.pbtxt")
}
PYTHON_MODELS = sorted(name for name, config in CONFIGS.items() if config.backend == "python")


def described(tensors: object) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(t.name, DataType.Name(t.data_type), tuple(t.dims)) for t in tensors]


def expected(tensors: list[TensorSpec]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(t.name, TYPES[t.dtype], t.shape) for t in tensors]


def test_the_repository_holds_the_models_of_the_specs_and_no_other() -> None:
    assert set(CONFIGS) == set(CONTRACTS)
    assert set(specs.PUBLIC_MODELS) <= set(CONFIGS)


@pytest.mark.parametrize("model", sorted(CONTRACTS))
def test_a_config_says_what_the_specs_say(model: str) -> None:
    config, (inputs, outputs) = CONFIGS[model], CONTRACTS[model]
    assert config.name == model
    assert config.max_batch_size == specs.MAX_BATCH
    assert described(config.input) == expected(inputs)
    assert described(config.output) == expected(outputs)


@pytest.mark.parametrize("model", sorted(CONTRACTS))
def test_labels_are_those_of_the_specs(model: str) -> None:
    for output, spec in zip(CONFIGS[model].output, CONTRACTS[model][1], strict=True):
        labels = ()
        if output.label_filename:
            labels = tuple((REPOSITORY / model / output.label_filename).read_text(encoding="utf-8").split())
        assert labels == spec.labels


@pytest.mark.parametrize("spec", specs.NETWORKS, ids=lambda spec: spec.name)
def test_an_ensemble_wires_its_steps_together(spec: specs.ModelSpec) -> None:
    config = CONFIGS[spec.name]
    assert config.platform == "ensemble"
    steps = list(config.ensemble_scheduling.step)
    assert [step.model_name for step in steps] == [spec.preprocess_model, spec.network_model]

    written: dict[str, str] = {}
    flowing = {t.name: (t.data_type, tuple(t.dims)) for t in config.input}
    for step in steps:
        inner = CONFIGS[step.model_name]
        assert set(step.input_map) == {t.name for t in inner.input}
        assert set(step.output_map) == {t.name for t in inner.output}
        for tensor in inner.input:
            assert flowing[step.input_map[tensor.name]] == (tensor.data_type, tuple(tensor.dims))
        for tensor in inner.output:
            flowing[step.output_map[tensor.name]] = (tensor.data_type, tuple(tensor.dims))
            written[step.output_map[tensor.name]] = tensor.name
    for tensor in config.output:
        assert flowing[tensor.name] == (tensor.data_type, tuple(tensor.dims))
        assert written[tensor.name] == tensor.name, "an output of the ensemble is the step's tensor of the same name"


@pytest.mark.parametrize("model", PYTHON_MODELS)
def test_a_python_model_runs_on_the_cpu_and_the_steps_of_ensembles_batch(model: str) -> None:
    config = CONFIGS[model]
    assert config.HasField("dynamic_batching") == (model not in specs.PUBLIC_MODELS)
    assert [group.kind for group in config.instance_group] == [ModelInstanceGroup.KIND_CPU]
    assert all(group.count > 0 for group in config.instance_group)


@pytest.mark.parametrize("model", sorted(set(CONTRACTS) - set(PYTHON_MODELS)))
def test_an_ensemble_has_the_version_folder_that_triton_wants(model: str) -> None:
    assert (REPOSITORY / model / "1").is_dir()


@pytest.mark.parametrize("model", PYTHON_MODELS)
def test_a_python_model_is_warmed_up_with_data_that_is_there(model: str) -> None:
    config = CONFIGS[model]
    assert config.model_warmup
    for sample in config.model_warmup:
        for tensor in config.input:
            warm = sample.inputs[tensor.name]
            assert (warm.data_type, list(warm.dims)) == (tensor.data_type, list(tensor.dims))
            if warm.input_data_file:
                check_warmup(DataType.Name(tensor.data_type), REPOSITORY / model / "warmup" / warm.input_data_file)
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
def test_the_published_network_has_the_tensors_of_the_config(spec: specs.ModelSpec) -> None:
    network = load_network(REPOSITORY / spec.network_model / "1" / "model.onnx")
    assert CONFIGS[spec.network_model].parameters["precision"].string_value == spec.precision
    types = {"UINT8": np.uint8, "BOOL": np.bool_, "FP32": np.float32}
    for layout, tensors in ((network.inputs, [spec.pixels, specs.VALID]), (network.outputs, spec.outputs)):
        assert layout == {t.name: np.dtype((types[t.dtype], t.shape)) for t in tensors}
