"""OpenVINO with the greater part in int8: weights and activations are quantised after training, on pictures.

Channels are brought to one range, and weights rounded so that their errors make up for each other, before NNCF puts the
quantisers in. The ends of the network stay as they are: its first convolution sees the picture itself, and the heads
take exponentials of what they compute. So do the convolutions that rounding costs most and that cost least to leave.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from export.equalise import equalised
from export.errors import ParityError
from export.format import Format
from export.graphs import LEVELS, NegativeConditionGraph
from export.onnx_file import whole_weights, write_onnx
from export.parity import largest_difference
from export.pictures import plain_pictures
from export.rounding import rounded
from export.runtimes import Trial, lacks_package, openvino_int8_trials
from export.source import Source
from film.published import INT8_FILE, has_int8
from film.specs import VALID, ModelSpec
from training.negative_condition import NegativeCondition

TRUNK = "layer"
"""How the names of a ResNet's stages begin: only they are quantised."""
SHORTCUTS = "downsample"
"""In the names of the convolutions of shortcuts, all of whose errors stay in the stream: always left as they are."""
LEFT = {
    "fast": ("layer2.0.conv1", "layer1.1.conv1"),
    "balanced": ("layer2.0.conv1", "layer1.1.conv1", "layer3.0.conv1"),
    "careful": ("layer2.0.conv1", "layer1.1.conv1", "layer3.0.conv1", "layer2.1.conv1", "layer1.0.conv1"),
}
"""Recipes, the fastest first: which others are left, those that lose most for their time. The first whose answers are
near enough is kept."""

WITH_PLAIN = 24
"""Pictures of nothing to calibrate on too: in a negative's wide even places no rounding averages out."""


def _lacks(spec: ModelSpec) -> str:
    if spec.precision == "f32":
        return f"{spec.name} measures differences of a level or two, which only single precision keeps"
    if not has_int8():
        return "this processor adds products of bytes up in 16 bits: int8 wants VNNI or AMX"
    return lacks_package("nncf", "openvino", "onnx", "onnxscript", "onnxruntime")


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    import openvino

    calibration = np.concatenate(
        (source.pictures.to_calibrate(source.spec), plain_pictures(source.spec.size, WITH_PLAIN))
    )
    refusals: list[str] = []
    for recipe in LEFT:
        model = quantised(source, calibration, recipe)
        openvino.save_model(model, path, compress_to_fp16=True)
        try:
            for trial in openvino_int8_trials():
                if trial.lacks:
                    continue
                largest_difference(source.truth, source.spec, trial, trial.start(path), source.judged_on)
        except ParityError as error:
            refusals.append(f"{recipe}: {error}")
            continue
        done, of = in_int8(model)
        facts = {"recipe": recipe, "in_int8": done, "convolutions": of, "calibrated_on": len(calibration)}
        return facts | ({"refused": refusals} if refusals else {})
    raise ParityError(f"No way of quantising {source.spec.name} was near enough. {'; '.join(refusals)}")


def quantised(source: Source, calibration: NDArray[np.uint8], recipe: str) -> Any:
    """OpenVINO's model of ``source`` by one of ``LEFT``, calibrated on pictures uint8 [n, size, size, 3]."""
    assert isinstance(source.graph, NegativeConditionGraph)
    assert isinstance(source.graph.network, NegativeCondition)
    pictures = torch.from_numpy(calibration).permute(0, 3, 1, 2).float() / LEVELS
    network = equalised(source.graph.network, pictures)
    names = [name for name in convolutions(network) if name not in LEFT[recipe]]
    graph = NegativeConditionGraph(rounded(network, names, pictures)).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write_onnx(graph, source.spec, path)
        return _with_quantisers(path, names, source.spec, calibration)


def convolutions(network: torch.nn.Module) -> list[str]:
    """Names of the convolutions of ``network`` that can be quantised."""
    found = (name for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d))
    return [name for name in found if name.startswith(TRUNK) and SHORTCUTS not in name]


def _with_quantisers(path: Path, names: Sequence[str], spec: ModelSpec, calibration: NDArray[np.uint8]) -> Any:
    """The ONNX file at ``path`` with quantisers at the inputs and the weights of the convolutions ``names`` alone."""
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    def feed(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return {spec.pixels.name: pixels[None], VALID.name: np.ones((1, *VALID.shape), np.bool_)}

    model, operations = _read(path, names)
    every = {op.get_friendly_name() for op in model.get_ordered_ops() if op.get_type_name() not in _VALUES}
    with _hushed():
        return nncf.quantize(
            model,
            nncf.Dataset(list(calibration), feed),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(names=sorted(every - operations), validate=False),
            advanced_parameters=AdvancedQuantizationParameters(
                # The mean of the largest values, which is usual, cuts off what the surest answers are given with.
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                disable_bias_correction=True,
                # With VNNI nothing overflows; a bit less would round weights again that are in steps of eight already.
                overflow_fix=OverflowFix.DISABLE,
            ),
        )


_VALUES = ("Constant", "Parameter", "Result")


def _read(path: Path, names: Sequence[str]) -> tuple[Any, set[str]]:
    """The ONNX file at ``path`` with FP32 weights and folded constants, and what the convolutions ``names`` are called.

    Folding gives weights new names, so they are told by the names that they had before.
    """
    import openvino

    model = onnx.load(path)
    whole_weights(model)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "model.onnx")
        onnx.save(model, whole)
        named = openvino.Core().read_model(whole)
        wanted = {f"network.{name}.weight" for name in names}
        found = {
            op.get_friendly_name()
            for op in named.get_ordered_ops()
            if op.get_type_name() == "Convolution" and op.input_value(1).get_node().get_friendly_name() in wanted
        }
        assert len(found) == len(names), "a convolution is not called as in the network"
        return openvino.convert_model(whole), found


def in_int8(model: Any) -> tuple[int, int]:
    """How many convolutions of ``model`` take quantised values, of how many."""
    every = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    done = [op for op in every if op.input_value(0).get_node().get_type_name() == "FakeQuantize"]
    return len(done), len(every)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without NNCF's reports of every step."""
    import nncf

    log = logging.getLogger("nncf")
    level = log.level
    nncf.set_log_level(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _trials(source: Source) -> Sequence[Trial]:
    return openvino_int8_trials()


FORMAT = Format(
    "openvino_int8",
    (INT8_FILE, "model_int8.bin"),
    ("torch", "onnx", "openvino", "nncf"),
    _lacks,
    _write,
    _trials,
    may_be_refused=True,
)
