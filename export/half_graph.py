"""A serving graph of which a GPU computes the network in half precision, as PyTorch runs it fastest there.

Batch norms go into the convolutions before them, weights lie channels-last, as the pixels do. What the network says is
turned into probabilities in single precision.
"""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from export.graphs import NegativeConditionGraph

KIND = torch.float16
"""bf16 is no faster on an H200 and eight times as coarse (docs/gpu.md)."""


class Half(nn.Module):
    """A network in ``KIND``: takes single precision, gives its logits in single precision."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = folded(network).to(KIND).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pixels: Tensor) -> Any:
        """As the network."""
        logits = self.network(pixels.to(KIND))
        return type(logits)(*(part.float() for part in logits))


def half_graph(graph: NegativeConditionGraph) -> NegativeConditionGraph:
    """``graph`` with a copy of its network in ``KIND``."""
    return NegativeConditionGraph(Half(graph.network)).eval()


def folded(network: nn.Module) -> nn.Module:
    """A copy of ``network`` in which every batch norm is a part of the convolution that its module has before it.

    Convolution and batch norm are ``convN`` and ``bnN`` of one module, or follow each other in a Sequential.
    """
    copy = deepcopy(network).eval()
    for module in list(copy.modules()):
        names = list(dict(module.named_children()))
        pairs = [(name, name.replace("conv", "bn")) for name in names if name.startswith("conv")]
        pairs += list(pairwise(names)) if isinstance(module, nn.Sequential) else []
        for first, second in pairs:
            convolution, norm = getattr(module, first), getattr(module, second, None)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, torch.nn.utils.fuse_conv_bn_eval(convolution, norm))
                setattr(module, second, nn.Identity())
    return copy
