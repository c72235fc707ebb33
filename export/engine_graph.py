"""An ONNX graph as strongly typed engines want it: bytes cast at once, convolutions in half precision.

Such an engine takes the type of every operation from the file. The heads stay in FP32: exponentials and logarithms of
logits lose in FP16 what the convolutions do not.
"""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

CONVOLUTIONS = ("Conv",)
AFTER = ("Relu", "MaxPool", "Add")
"""What stays in half precision where all that it reads is: casting there and back would cost more than it saves."""


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
        turn.input[0], turn.output[0] = turned.input[0], f"{turned.input[0]}.fp32"
        turned.input[0], turned.output[0] = turn.output[0], cast.output[0]
        cast.CopyFrom(turned)
    del model.graph.value_info[:]


def halve_convolutions(model: onnx.ModelProto) -> None:
    """Make the convolutions of ``model``, which is FP32 throughout, and what follows them compute in FP16."""
    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    halved: set[str] = set()
    casts: dict[tuple[str, int], str] = {}
    nodes: list[NodeProto] = []

    def cast(name: str, to: int) -> str:
        if (name, to) not in casts:
            casts[name, to] = f"{name}.{'fp16' if to == TensorProto.FLOAT16 else 'fp32'}"
            nodes.append(helper.make_node("Cast", [name], [casts[name, to]], name=casts[name, to], to=to))
        return casts[name, to]

    for node in graph.node:
        half = node.op_type in CONVOLUTIONS or (node.op_type in AFTER and halved.issuperset(node.input))
        for place, name in enumerate(node.input):
            if half and name in weights:
                _halve(weights[name])
            elif half and name and name not in halved:
                node.input[place] = cast(name, TensorProto.FLOAT16)
            elif not half and name in halved:
                node.input[place] = cast(name, TensorProto.FLOAT)
        nodes.append(node)
        if half:
            halved.update(node.output)
    del graph.value_info[:]  # they tell the types of before
    del graph.node[:]
    graph.node.extend(nodes)


def _halve(weight: TensorProto) -> None:
    if weight.data_type == TensorProto.FLOAT:
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))
