"""An ONNX graph as strongly typed engines want it: bytes cast at once, and in half precision what that leaves right.

Such an engine takes the type of every operation from the file. There is more than one way to halve a network
(``HALVINGS``), and which of them a network bears is measured, not known: a residual of a level or two does not outlive
a blur in FP16. Heads stay in FP32: exponentials and logarithms of logits lose in FP16 what convolutions do not.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

HALF, WHOLE = ".fp16", ".fp32"


@dataclass(frozen=True)
class Halving:
    """Operations that compute in half precision wherever they give a value of so many ``sides``, its dimensions.

    Those of ``go_on`` do where all that they read is in half precision, for casting there and back would cost more than
    it saves; those of ``join`` where any of it is.
    """

    name: str
    begin: tuple[str, ...]
    sides: int
    go_on: tuple[str, ...] = ()
    join: tuple[str, ...] = ()


HALVINGS = (
    Halving("convolutions", ("Conv",), 4, go_on=("Relu", "MaxPool", "Add")),
    # training.grain lays a map out as a line of pixels, shifts that, and multiplies it by itself.
    Halving("products of shifted maps", ("Pad",), 2, join=("Slice", "Mul")),
)
"""In the order in which they are tried: what halves most of the arithmetic first."""


def cast_first(model: onnx.ModelProto) -> None:
    """Where ``model`` turns bytes and then casts them, cast them and then turn: TensorRT does nothing else with bytes.

    OpenVINO is the other way round: there the graph stays as it is, for bf16 rounds less then.
    """
    inputs = {value.name for value in model.graph.input}
    for turn in model.graph.node:
        if turn.op_type != "Transpose" or turn.input[0] not in inputs:
            continue
        after = [node for node in model.graph.node if turn.output[0] in node.input]
        if [node.op_type for node in after] != ["Cast"]:
            continue
        cast, turned = after[0], onnx.NodeProto()
        turned.CopyFrom(turn)
        turn.CopyFrom(cast)
        turn.input[0], turn.output[0] = turned.input[0], f"{turned.input[0]}{WHOLE}"
        turned.input[0], turned.output[0] = turn.output[0], cast.output[0]
        cast.CopyFrom(turned)
    del model.graph.value_info[:]


def halve(model: onnx.ModelProto, halving: Halving) -> int:
    """Make what ``halving`` names of ``model``, which is FP32 throughout, compute in FP16; how many operations.

    Outputs of the graph keep their type. ``model`` has no graph within an operation (If, Loop).
    """
    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer if weight.data_type == TensorProto.FLOAT}
    floats, outputs = _floats(model), {value.name for value in graph.output}
    halved: set[str] = set()
    casts: set[str] = set()
    wanted: set[str] = set()
    nodes: list[NodeProto] = []

    def cast(name: str, kind: str, to: int) -> str:
        if f"{name}{kind}" not in casts:
            casts.add(f"{name}{kind}")
            nodes.append(helper.make_node("Cast", [name], [f"{name}{kind}"], name=f"{name}{kind}", to=to))
        return f"{name}{kind}"

    def half_of(name: str) -> str:
        if name in weights:
            wanted.add(name)
            return f"{name}{HALF}"
        return cast(name, HALF, TensorProto.FLOAT16) if name in floats else name

    count = 0
    for node in graph.node:
        read = {name for name in node.input if name in floats or name in halved}
        begins = node.op_type in halving.begin and floats.get(node.output[0]) == halving.sides
        goes_on = node.op_type in halving.go_on and bool(read) and read <= halved
        joins = node.op_type in halving.join and bool(read & halved)
        half = (begins or goes_on or joins) and not outputs & set(node.output)
        for place, name in enumerate(node.input):
            if half and name not in halved:
                node.input[place] = half_of(name)
            elif not half and name in halved:
                node.input[place] = cast(name, WHOLE, TensorProto.FLOAT)
        nodes.append(node)
        if half:
            halved.update(node.output)
            count += 1
    graph.initializer.extend(_half(weights[name]) for name in wanted)
    del graph.value_info[:]  # they tell the types of before
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    return count


def _floats(model: onnx.ModelProto) -> dict[str, int]:
    """The FP32 values of ``model`` that are no constants, and how many dimensions each has."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    kinds = ((value.name, value.type.tensor_type) for value in (*inferred.input, *inferred.value_info))
    return {name: len(kind.shape.dim) for name, kind in kinds if kind.elem_type == TensorProto.FLOAT}


def _half(weight: TensorProto) -> TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}{HALF}")


def _drop_unused(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [weight for weight in graph.initializer if weight.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
