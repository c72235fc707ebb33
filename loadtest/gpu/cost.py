"""What one picture costs a network, whatever runs it: arithmetic and memory traffic, read off its ONNX file."""

from collections.abc import Container
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from onnx import shape_inference

HEAVY = ("Conv", "Gemm", "MatMul", "AveragePool", "MaxPool")
"""Operators that read their inputs from memory and write their outputs to it even where all others are fused into
them."""
SAME_VALUES = ("Cast", "Div", "Mul", "Add", "Sub", "Transpose", "Reshape", "Pad", "Slice")
"""Operators that, with fixed values, only scale what they get or put it elsewhere: fused into the operator that
follows, they leave it to read what they read."""
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Step:
    """One operator's share for one picture: floating-point operations (two a multiply-add), values read and written,
    and weights read once a batch; ``pixels`` are values read that are a byte each, whatever the others are."""

    operations: float
    values: float
    weights: float
    pixels: float = 0.0

    def seconds(self, batch: int, matrix_rate: float, bandwidth: float, bytes_each: int) -> float:
        """The roofline (Williams et al., 2009): no sooner than arithmetic or memory traffic of ``batch`` pictures."""
        traffic = (self.values * batch + self.weights) * bytes_each + self.pixels * batch
        return max(self.operations * batch / matrix_rate, traffic / bandwidth)


@dataclass(frozen=True)
class Cost:
    """What a network costs, operator by operator."""

    steps: tuple[Step, ...]

    @property
    def whole(self) -> Step:
        """All operators as if they were one, whose arithmetic hides the memory traffic of others."""
        names = ("operations", "values", "weights", "pixels")
        return Step(*(sum(getattr(step, name) for step in self.steps) for name in names))

    def seconds(self, batch: int, matrix_rate: float, bandwidth: float, bytes_each: int) -> float:
        """One operator after the other, each at its own roofline."""
        return sum(step.seconds(batch, matrix_rate, bandwidth, bytes_each) for step in self.steps)


def read_cost(path: Path) -> Cost:
    """The cost of the network in the ONNX file at ``path``, at batch one.

    Only ``HEAVY`` operators are counted, as if everything else was free: a bound for whoever runs these operators one
    by one. Who computes the same with others, as a compiler may, can need less.
    """
    model = onnx.load(path)
    for tensor in model.graph.input:
        tensor.type.tensor_type.shape.dim[0].Clear()
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: Shapes = {
        value.name: tuple(max(1, dim.dim_value) for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    kept = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    stored = {
        node.output[0]: kept[node.input[0]] for node in graph.node if node.op_type == "Cast" and node.input[0] in kept
    }
    fixed = kept | stored
    pixels = _pixels(graph, fixed)
    steps = []
    for node in graph.node:
        if node.op_type not in HEAVY:
            continue
        out = shapes[node.output[0]]
        moving = [name for name in node.input if name in shapes and name not in fixed]
        values = prod(out) + sum(prod(shapes[name]) for name in moving if name not in pixels)
        given = sum(prod(shapes[name]) for name in moving if name in pixels)
        weights = sum(prod(fixed[name]) for name in node.input if name in fixed)
        steps.append(Step(_operations(node, out, fixed | shapes), values, weights, given))
    return Cost(tuple(steps))


def _pixels(graph: onnx.GraphProto, fixed: Container[str]) -> set[str]:
    """The tensors that are bytes given to ``graph``, or nothing but those scaled or put elsewhere."""
    found = {value.name for value in graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8}
    for node in graph.node:
        moving = [name for name in node.input if name and name not in fixed]
        if node.op_type in SAME_VALUES and len(moving) == 1 and moving[0] in found:
            found.add(node.output[0])
    return found


def _operations(node: onnx.NodeProto, out: tuple[int, ...], shapes: Shapes) -> float:
    """Two for each multiply-add; a pooling's additions count for nothing."""
    if node.op_type == "Conv":
        return 2.0 * prod(out) * prod(shapes[node.input[1]][1:])
    if node.op_type == "Gemm":
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return 2.0 * prod(out) * shapes[node.input[0]][0 if transposed else -1]
    if node.op_type == "MatMul":
        return 2.0 * prod(out) * shapes[node.input[0]][-1]
    return 0.0
