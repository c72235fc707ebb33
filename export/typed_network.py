"""The ONNX file that an engine is built from: each operation in the type that the engine is to compute it in."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.engine_graph import HALVINGS, cast_first, halve
from export.errors import ParityError
from export.half_rounding import with_rounding
from export.onnx_file import whole_weights
from export.parity import largest_difference
from export.runtimes import Arrays, onnxruntime_trial
from film.specs import Arithmetic, ModelSpec


@dataclass(frozen=True)
class TypedNetwork:
    """``model`` is the file; ``halved`` says which operations are in half precision, "" for none.

    ``difference`` is how far it is from the trained network; ``refused`` are the halvings that were further away than
    is allowed, and what was said of each.
    """

    model: bytes
    arithmetic: Arithmetic
    halved: str
    difference: float
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Judge:
    """What the network at hand must answer: ``truth`` of ``pictures``, uint8 [n, size, size, 3]."""

    spec: ModelSpec
    truth: Arrays
    pictures: NDArray[np.uint8]

    def difference(self, model: onnx.ModelProto, arithmetic: Arithmetic) -> float:
        """The largest, in ONNX Runtime on the CPU; raises ParityError where it is more than ``arithmetic`` may have."""
        trial = onnxruntime_trial(arithmetic)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            onnx.save(model, path)
            return largest_difference(self.truth, self.spec, trial, trial.start(path), self.pictures)


def typed_network(exported: bytes, judge: Judge) -> TypedNetwork:
    """The ONNX file ``exported`` in half precision as far as it bears that: the first of ``HALVINGS`` that passes.

    They are tried with the roundings of half precision put in, so that a graph that loses too much is found out
    without a GPU too. Raises ParityError where even single precision does not pass.
    """
    whole = onnx.load_from_string(exported)
    whole_weights(whole)
    cast_first(whole)
    onnx.checker.check_model(whole, full_check=True)
    refused = {}
    for halving in HALVINGS:
        model = onnx.ModelProto()
        model.CopyFrom(whole)
        if not halve(model, halving):
            continue
        onnx.checker.check_model(model, full_check=True)
        try:
            difference = judge.difference(with_rounding(model), "fp16")
        except ParityError as error:
            refused[halving.name] = str(error)
            continue
        return TypedNetwork(model.SerializeToString(), "fp16", halving.name, difference, refused)
    return TypedNetwork(whole.SerializeToString(), "fp32", "", judge.difference(whole, "fp32"), refused)
