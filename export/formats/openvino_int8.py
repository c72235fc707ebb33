"""OpenVINO in int8: NNCF quantises weights and activations after training, calibrated on pictures as they are met.

The ends of the network stay in single precision: its first convolution sees the picture itself, and the heads take
exponentials of what they compute. Recipes are tried in turn; the first whose answers are near enough is kept.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from export.errors import ParityError
from export.format import Format
from export.onnx_file import whole_weights
from export.parity import largest_difference
from export.runtimes import Trial, lacks_package, openvino_int8_trial
from export.source import Source
from film.specs import PARITY_TOLERANCE, VALID, ModelSpec

TRUNK = ".layer"
"""In the names of the weights of a ResNet's stages: only these are quantised."""
WORTH_IT = 0.5
"""Share of the convolutions that must end in int8: with fewer the file is no faster than bf16."""
RECIPES = ("plain", "corrected", "accuracy")
"""Ranges that cut nothing off; the same with bias correction; the first, taking back layer by layer what costs most."""
RANK_ON = 8
"""Pictures that layers are ranked by."""


def _lacks(spec: ModelSpec) -> str:
    if spec.precision == "f32":
        return f"{spec.name} measures differences of a level or two, which only single precision keeps"
    return lacks_package("nncf", "openvino", "onnx", "onnxscript", "onnxruntime")


def _write(source: Source, path: Path) -> Mapping[str, Any]:
    import openvino

    calibration = source.pictures.to_calibrate(source.spec)
    trial, refusals = openvino_int8_trial(), []
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "model.onnx")
        source.write_onnx(plain)
        for recipe in RECIPES:
            model = quantise(source, read_plain(plain), calibration, recipe)
            done, of = in_int8(model)
            openvino.save_model(model, path, compress_to_fp16=True)
            try:
                largest_difference(source.truth, source.spec, trial, trial.start(path), source.judged_on)
            except ParityError as error:
                refusals.append(f"{recipe}, {done} of {of} convolutions: {error}")
                continue
            if done >= WORTH_IT * of:
                facts = {"recipe": recipe, "in_int8": done, "convolutions": of, "calibrated_on": len(calibration)}
                return facts | ({"refused": refusals} if refusals else {})
            refusals.append(f"{recipe}: near enough with only {done} of {of} convolutions in int8, which gains nothing")
    raise ParityError(f"No way of quantising {source.spec.name} was near enough. {'; '.join(refusals)}")


@dataclass(frozen=True)
class Plain:
    """An OpenVINO ``model`` to quantise, and the names of the convolutions of its ``trunk``."""

    model: Any
    trunk: frozenset[str]


def read_plain(path: Path) -> Plain:
    """The ONNX file at ``path`` with whole FP32 weights and folded constants: else NNCF finds no bias to correct.

    Folding gives weights new names, so the trunk is told by the names that they had before.
    """
    import openvino

    model = onnx.load(path)
    whole_weights(model)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "model.onnx")
        onnx.save(model, whole)
        named = openvino.Core().read_model(whole)
        convolutions = [op for op in named.get_ordered_ops() if op.get_type_name() == "Convolution"]
        trunk = {op.get_friendly_name() for op in convolutions if TRUNK in _weight_name(op)}
        return Plain(openvino.convert_model(whole), frozenset(trunk))


def _weight_name(convolution: Any) -> str:
    name: str = convolution.input_value(1).get_node().get_friendly_name()
    return name


def quantise(source: Source, plain: Plain, calibration: NDArray[np.uint8], recipe: str) -> Any:
    """``plain`` by one of ``RECIPES``, calibrated on pictures uint8 [n, size, size, 3]."""
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedAccuracyRestorerParameters,
        AdvancedQuantizationParameters,
    )
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    spec = source.spec

    def feed(number: int) -> dict[str, NDArray[Any]]:
        return {spec.pixels.name: pictures[number][None], VALID.name: np.ones((1, *VALID.shape), np.bool_)}

    def nearness(compiled: Any, numbers: Sequence[int]) -> tuple[float, list[float]]:
        far = [_distance(spec, compiled(feed(number)), source.truth, number - len(calibration)) for number in numbers]
        return -max(far), [-value for value in far]

    pictures = np.concatenate((calibration, source.judged_on))
    ends = list(range(len(calibration), len(pictures)))
    # The mean of the largest values, which is usual, cuts off what this network says its surest answers with.
    advanced = AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        disable_bias_correction=recipe != "corrected",
    )
    common = {
        "preset": nncf.QuantizationPreset.MIXED,
        "subset_size": len(calibration),
        "ignored_scope": nncf.IgnoredScope(names=kept_in_float(plain), validate=False),
    }
    examples = nncf.Dataset(list(range(len(calibration))), feed)
    with _hushed():
        if recipe != "accuracy":
            return nncf.quantize(plain.model, examples, advanced_parameters=advanced, **common)
        return nncf.quantize_with_accuracy_control(
            plain.model,
            examples,
            nncf.Dataset(ends, feed),
            validation_fn=nearness,
            max_drop=PARITY_TOLERANCE["int8"],
            advanced_quantization_parameters=advanced,
            advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(ranking_subset_size=RANK_ON),
            **common,
        )


def _distance(spec: ModelSpec, got: Any, truth: Mapping[str, NDArray[Any]], number: int) -> float:
    return max(float(np.abs(got[output.name][0] - truth[output.name][number]).max()) for output in spec.outputs)


def kept_in_float(plain: Plain) -> list[str]:
    """Names of all operations of ``plain`` but the trunk's convolutions and the sums that join those."""
    inside: set[str] = set(plain.trunk)
    operations = plain.model.get_ordered_ops()
    for op in operations:
        before = [op.input_value(number).get_node() for number in range(op.get_input_size())]
        flowing = [node.get_friendly_name() for node in before if node.get_type_name() != "Constant"]
        if op.get_type_name() in ("Add", "Relu") and flowing and inside.issuperset(flowing):
            inside.add(op.get_friendly_name())
    rest = (op for op in operations if op.get_type_name() not in ("Constant", "Parameter", "Result"))
    return sorted({op.get_friendly_name() for op in rest} - inside)


def in_int8(model: Any) -> tuple[int, int]:
    """How many convolutions of ``model`` take quantised values, of how many."""
    convolutions = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    done = [op for op in convolutions if op.input_value(0).get_node().get_type_name() == "FakeQuantize"]
    return len(done), len(convolutions)


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
    return (openvino_int8_trial(),)


FORMAT = Format(
    "openvino_int8",
    ("model_int8.xml", "model_int8.bin"),
    ("torch", "onnx", "openvino", "nncf"),
    _lacks,
    _write,
    _trials,
    may_be_refused=True,
)
