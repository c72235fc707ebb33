"""The first convolution of ``negative_condition`` by itself, in exact rewritings of which a GPU may like one better.

Tensor cores multiply eight or sixteen channels at a time, and a picture has three. It can be given with zeros for more
channels, or as squares of two by two pixels with all their values as channels ("space to depth"), over which a
convolution of 7x7 in steps of two is one of 4x4 in steps of one (Ying et al., "Image Classification at Supercomputer
Scale", 2018). Whoever computes the picture in half precision anyway can write it so for nothing; so that is not timed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from loadtest.gpu.networks import Unavailable

SIDE, STEP, MARGIN = 7, 2, 3
"""Of the convolution: its square, its stride, and the zeros around a picture."""


@dataclass(frozen=True)
class Stem:
    """A rewriting: ``given`` makes its input of a picture [n, 3, h, w] with even sides; then ``weight`` is applied.

    Both lie channels-last, as in the served network: what lies otherwise would be laid out anew at each run.
    """

    name: str
    given: Callable[[Tensor], Tensor]
    weight: Tensor
    stride: int = 1
    padding: int = 0

    def __call__(self, given: Tensor) -> Tensor:
        """What ``given`` made of a picture -> [n, channels, h/2, w/2]."""
        return functional.conv2d(given, self.weight, None, self.stride, self.padding)


def stems(weight: Tensor) -> tuple[Stem, ...]:
    """The convolution with ``weight`` [channels, 3, 7, 7] as it is, and its rewritings."""
    blocks = functional.pixel_unshuffle(functional.pad(weight, (1, 0, 1, 0)), STEP)  # a line of zeros makes it 8x8
    return (
        Stem("3 channels, 7x7", _last, _last(weight), STEP, MARGIN),
        Stem("8 channels, 7x7", lambda picture: _up_to(8, picture), _up_to(8, weight), STEP, MARGIN),
        Stem("12 channels, 4x4", lambda picture: _last(in_blocks(picture)), _last(blocks)),
        Stem("16 channels, 4x4", lambda picture: _up_to(16, in_blocks(picture)), _up_to(16, blocks)),
    )


def in_blocks(picture: Tensor) -> Tensor:
    """[n, 3, h, w] -> [n, 12, h/2 + 3, w/2 + 3]: its squares of 2x2, two of zeros before them and one after."""
    return functional.pad(functional.pixel_unshuffle(picture, STEP), (2, 1, 2, 1))


def first_convolution(path: Path) -> Tensor:
    """Weights float32 [channels, 3, 7, 7] of the first convolution in the ONNX file at ``path``.

    Raises Unavailable where that is another than is rewritten here.
    """
    graph = onnx.load(path).graph
    kept = {tensor.name: tensor for tensor in graph.initializer}
    stored = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    first = next(node for node in graph.node if node.op_type == "Conv")
    weight = torch.from_numpy(numpy_helper.to_array(kept[stored.get(first.input[1], first.input[1])]).copy()).float()
    told = {attribute.name: list(attribute.ints) for attribute in first.attribute}
    if tuple(weight.shape[1:]) != (3, SIDE, SIDE) or told["strides"] != [STEP] * 2 or told["pads"] != [MARGIN] * 4:
        raise Unavailable(f"the first convolution of {path} is not one of {SIDE}x{SIDE} in steps of {STEP}")
    return weight


def _up_to(channels: int, values: Tensor) -> Tensor:
    """[n, c, h, w] with channels of zeros after its own."""
    return _last(functional.pad(values, (0, 0, 0, 0, 0, channels - values.shape[1])))


def _last(values: Tensor) -> Tensor:
    return values.contiguous(memory_format=torch.channels_last)
