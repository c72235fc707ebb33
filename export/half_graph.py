"""A serving graph of which a GPU computes the network in half precision, as PyTorch runs it fastest there.

Batch norms go into the convolutions before them, weights lie channels-last, as the pixels do. What the network says is
turned into probabilities in single precision. Where cuDNN or a compiler would move more than must be, the same is said
in other words; what each is worth is in docs/gpu.md.
"""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.graphs import NegativeConditionGraph

KIND = torch.float16
"""bf16 is no faster on an H200 and eight times as coarse (docs/gpu.md)."""


class Half(nn.Module):
    """A network in ``KIND``: takes single precision, gives its logits in single precision."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        network = rewritten(folded(network))
        self.network = network.to(KIND).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

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


def rewritten(network: nn.Module) -> nn.Module:
    """A copy of a ``folded`` ResNet that computes the same from fewer passes over memory."""
    copy = deepcopy(network)
    for name, module in list(copy.named_modules()):
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and max(module.stride) > 1:
            copy.set_submodule(name, _Strided(module))
    # The largest of nine sums and no negative one: first the largest, then a quarter as many sums.
    first, pool = copy.get_submodule("conv1"), copy.get_submodule("maxpool")
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    copy.set_submodule("conv1", _FourChannels(first))
    copy.set_submodule("relu", nn.Identity())
    copy.set_submodule("maxpool", nn.Sequential(pool, _Bias(first.bias), nn.ReLU()))
    return copy


class _Strided(nn.Module):
    """A convolution of 1x1 that looks at each second pixel or fewer, as one that looks at all of those alone.

    For the other cuDNN knows nothing better than to lay out the picture anew: 104 us instead of a few.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.steps = convolution.stride
        self.convolution = deepcopy(convolution)
        self.convolution.stride = (1, 1)

    def forward(self, values: Tensor) -> Tensor:
        """As the convolution."""
        down, right = self.steps
        return self.convolution(values[:, :, ::down, ::right])  # type: ignore[no-any-return]


class _FourChannels(nn.Module):
    """A convolution of three channels without its bias, with a fourth of zeros, which cuDNN would add in a pass of its
    own."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = deepcopy(convolution)
        self.convolution.in_channels = 4
        self.convolution.weight = nn.Parameter(functional.pad(convolution.weight, (0, 0, 0, 0, 0, 1)))
        self.convolution.bias = None

    def forward(self, values: Tensor) -> Tensor:
        """[n, 3, h, w] -> as the convolution, less its bias."""
        return self.convolution(functional.pad(values, (0, 0, 0, 0, 0, 1)))  # type: ignore[no-any-return]


class _Bias(nn.Module):
    """Adds to every channel its own number."""

    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias.detach().clone().reshape(1, -1, 1, 1))

    def forward(self, values: Tensor) -> Tensor:
        """[n, c, h, w] -> the same shape."""
        return values + self.bias
