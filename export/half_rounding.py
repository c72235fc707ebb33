"""What half precision does to a network, seen by a runtime that computes in single precision.

ONNX Runtime has no FP16 convolution on a CPU. It casts there and back, and leaves out casts that cancel each other, so
an FP16 file itself shows it only what rounding weights does. Sums within one operation are FP32 here; an engine that
added up in FP16 would be further away.
"""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

_SPLIT, _TOO_LARGE, _INFINITE = "half.split", "half.too_large", "half.infinite"
_NUMBERS = {_SPLIT: 2.0**13 + 1, _TOO_LARGE: 65520.0, _INFINITE: np.inf}
"""24 bits are split into 11 and 13; from 65520 on FP16's nearest value is infinity."""
_MOVING = ("Slice", "Pad", "MaxPool", "Relu", "Transpose", "Reshape", "Identity")
"""They give nothing but values that they were given, or zeros, so that there is nothing to round."""


def with_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` in FP32 alone, every value that it has in FP16 rounded to what FP16 holds.

    Values are rounded to 11 bits by Veltkamp's splitting (Dekker, "A floating-point technique for extending the
    available precision", 1971), and become infinite where they are too large; below FP16's smallest normal number they
    keep more bits than they would.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    graph = whole.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    halves = {value.name for value in inferred if value.type.tensor_type.elem_type == TensorProto.FLOAT16}
    for weight in graph.initializer:
        if weight.data_type == TensorProto.FLOAT16:
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float32), weight.name))
    graph.initializer.extend(numpy_helper.from_array(np.float32(value), name) for name, value in _NUMBERS.items())
    nodes = []
    for node in graph.node:
        if node.op_type == "Cast" and node.output[0] in halves:
            next(attribute for attribute in node.attribute if attribute.name == "to").i = TensorProto.FLOAT
        nodes.append(node)
        if node.op_type not in _MOVING:
            nodes += [step for place, name in enumerate(node.output) if name in halves for step in _round(node, place)]
    del graph.value_info[:]
    del graph.node[:]
    graph.node.extend(nodes)
    return whole


def _round(node: NodeProto, place: int) -> list[NodeProto]:
    """Steps from what ``node`` puts out at ``place``, under another name from now on, to the same rounded."""
    name = node.output[place]
    exact, scaled, rest, rounded, size, over, beyond = (
        f"{name}.{step}" for step in ("exact", "scaled", "rest", "rounded", "size", "over", "beyond")
    )
    node.output[place] = exact
    return [
        helper.make_node("Mul", [exact, _SPLIT], [scaled]),
        helper.make_node("Sub", [scaled, exact], [rest]),
        helper.make_node("Sub", [scaled, rest], [rounded]),
        helper.make_node("Abs", [exact], [size]),
        helper.make_node("GreaterOrEqual", [size, _TOO_LARGE], [over]),
        helper.make_node("Mul", [exact, _INFINITE], [beyond]),
        helper.make_node("Where", [over, beyond, rounded], [name]),
    ]
