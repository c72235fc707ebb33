"""OpenVINO with the greater part in int8: weights and activations are quantised after training, on pictures.

Channels are brought to one range, and weights rounded so that their errors make up for each other, before NNCF puts the
quantisers in. The ends of the network stay as they are: its first convolution sees the picture itself, and the heads
take exponentials of what they compute. So do the convolutions that rounding costs most and that cost least to leave.
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.equalise import equalised, largest_inputs
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
    "balanced": ("layer2.0.conv1", "layer1.1.conv1", "layer2.1.conv1"),
    "careful": ("layer2.0.conv1", "layer1.1.conv1", "layer2.1.conv1", "layer1.0.conv1", "layer3.0.conv1"),
}
"""Recipes, the fastest first: which others are left, those that lose most for their time. The first whose answers are
near enough is kept."""

TO_A_PLAIN_ONE = 15
"""Negatives for each picture of nothing that is calibrated on too: in wide even places no rounding averages out."""
HEADROOM = {"layer1": 1.05, "layer2": 1.05, "layer3": 1.4, "layer4": 1.4}
"""How far the bytes of a stage's activations reach, times the largest that the calibration showed. Other negatives go
further, in the last stages by up to half, and what was cut off there moved a place of the map by 0.15; there coarser
steps cost little."""
EVERY = 6
"""Ranges are of the whole calibration. How weights are rounded takes long: every sixth of its negatives says it."""
TO_START_WITH = 4
"""Pictures that NNCF sees: it puts the quantisers in, and gets their ranges from us."""


def _lacks(spec: ModelSpec) -> str:
    if spec.precision == "f32":
        return f"{spec.name} measures differences of a level or two, which only single precision keeps"
    if not has_int8():
        return "this processor has no AVX2, without which int8 is not served"
    return lacks_package("nncf", "openvino", "onnx", "onnxscript", "onnxruntime")


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    import openvino

    negatives = source.pictures.to_calibrate(source.spec)
    refusals: list[str] = []
    for recipe in LEFT:
        model = quantised(source, negatives, recipe)
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
        facts = {"recipe": recipe, "in_int8": done, "convolutions": of, "calibrated_on": len(negatives)}
        return facts | ({"refused": refusals} if refusals else {})
    raise ParityError(f"No way of quantising {source.spec.name} was near enough. {'; '.join(refusals)}")


def quantised(source: Source, negatives: NDArray[np.uint8], recipe: str) -> Any:
    """OpenVINO's model of ``source`` by one of ``LEFT``, calibrated on ``negatives`` uint8 [n, size, size, 3]."""
    assert isinstance(source.graph, NegativeConditionGraph)
    assert isinstance(source.graph.network, NegativeCondition)
    plain = plain_pictures(source.spec.size, -(-len(negatives) // TO_A_PLAIN_ONE))
    network, ranges = _with_ranges(source.graph.network, _as_floats(np.concatenate((negatives, plain))), recipe)
    some = _as_floats(np.concatenate((negatives[::EVERY], plain)))
    graph = NegativeConditionGraph(rounded(network, ranges, some)).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write_onnx(graph, source.spec, path)
        return _with_quantisers(path, ranges, source.spec, negatives[:TO_START_WITH])


def _with_ranges(
    network: NegativeCondition, pictures: Tensor, recipe: str
) -> tuple[NegativeCondition, dict[str, float]]:
    """``network`` with channels of one range, and how far the input reaches of each convolution that is taken."""
    network = equalised(network, pictures)
    names = [name for name in convolutions(network) if name not in LEFT[recipe]]
    reached = largest_inputs(network, names, pictures)
    return network, {name: HEADROOM[name.partition(".")[0]] * float(reached[name].max()) for name in names}


def _as_floats(pictures: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / LEVELS


def convolutions(network: torch.nn.Module) -> list[str]:
    """Names of the convolutions of ``network`` that can be quantised."""
    found = (name for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d))
    return [name for name in found if name.startswith(TRUNK) and SHORTCUTS not in name]


def _with_quantisers(path: Path, ranges: Mapping[str, float], spec: ModelSpec, pictures: NDArray[np.uint8]) -> Any:
    """The ONNX file at ``path`` with quantisers at inputs and weights of the convolutions of ``ranges`` alone."""
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    def feed(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return {spec.pixels.name: pixels[None], VALID.name: np.ones((1, *VALID.shape), np.bool_)}

    model, operations = _read(path, ranges)
    every = {op.get_friendly_name() for op in model.get_ordered_ops() if op.get_type_name() not in _VALUES}
    with _hushed():
        model = nncf.quantize(
            model,
            nncf.Dataset(list(pictures), feed),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            ignored_scope=nncf.IgnoredScope(names=sorted(every - set(operations)), validate=False),
            advanced_parameters=AdvancedQuantizationParameters(
                disable_bias_correction=True,
                # Without VNNI sums saturate so seldom (docs/export.md) that a bit of every weight is worth more.
                overflow_fix=OverflowFix.DISABLE,
            ),
        )
    for convolution, quantiser in _quantisers(model):
        if quantiser:
            _set_range(quantiser, ranges[operations[convolution.get_friendly_name()]])
    return model


def _set_range(quantiser: Any, largest: float) -> None:
    """Let a quantiser of activations, which are never below zero, reach up to ``largest``."""
    from openvino import opset13 as ops

    for port, value in enumerate((0.0, largest, 0.0, largest), 1):  # what comes in, and what goes out for it
        shape = quantiser.input_value(port).get_node().get_data().shape
        quantiser.input(port).replace_source_output(ops.constant(np.full(shape, value, np.float32)).output(0))


_VALUES = ("Constant", "Parameter", "Result")


def _read(path: Path, names: Iterable[str]) -> tuple[Any, dict[str, str]]:
    """The ONNX file at ``path`` with FP32 weights and folded constants; what it calls the convolutions ``names``.

    Folding gives weights new names, so they are told by the names that they had before.
    """
    import openvino

    model = onnx.load(path)
    whole_weights(model)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "model.onnx")
        onnx.save(model, whole)
        named = openvino.Core().read_model(whole)
        wanted = {f"network.{name}.weight": name for name in names}
        found = {
            op.get_friendly_name(): wanted[weight]
            for op in named.get_ordered_ops()
            if op.get_type_name() == "Convolution"
            and (weight := op.input_value(1).get_node().get_friendly_name()) in wanted
        }
        assert len(found) == len(wanted), "a convolution is not called as in the network"
        return openvino.convert_model(whole), found


def in_int8(model: Any) -> tuple[int, int]:
    """How many convolutions of ``model`` take quantised values, of how many."""
    every = _quantisers(model)
    return sum(quantiser is not None for _, quantiser in every), len(every)


def _quantisers(model: Any) -> list[tuple[Any, Any]]:
    """Each convolution of ``model`` and what quantises its input; None where nothing does."""
    every = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    sources = [op.input_value(0).get_node() for op in every]
    return [
        (op, node if node.get_type_name() == "FakeQuantize" else None) for op, node in zip(every, sources, strict=True)
    ]


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
