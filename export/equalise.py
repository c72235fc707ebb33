"""A ResNet whose channels fill the same range: it says the same, and loses less when its activations become bytes.

An activation in int8 has one scale for all its channels, and some reach sixteen where others stay under one. A ReLU
commutes with a positive factor, so a channel can be multiplied where it is made and divided where it is read (Nagel
et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019). Here the factors bring every
channel's largest activation, which pictures show, to that of the largest channel.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.negative_condition import BasicBlock, NegativeCondition

SMALLEST = 1 / 64
"""Of the largest channel: one that stays below is raised as if it reached that, for other pictures may show more."""
AT_A_TIME = 8
"""Pictures."""


class Stream(NamedTuple):
    """Channels that are made by some layers of a network and read by others, all by name; ReLU stands before each."""

    makers: tuple[str, ...]
    readers: tuple[str, ...]


def streams(network: NegativeCondition) -> list[Stream]:
    """Of the trunk: what each stage's shortcuts carry, and what is between the two convolutions of a block."""
    found = []
    stages = [network.layer1, network.layer2, network.layer3, network.layer4]
    for number, stage in enumerate(stages, 1):
        blocks = [f"layer{number}.{index}" for index in range(len(stage))]
        found += [Stream((f"{name}.conv1",), (f"{name}.conv2",)) for name in blocks]
        if number == 1:  # it goes on with what the first convolution made
            made, readers = ["conv1"], [f"{blocks[0]}.conv1"]
        else:
            made, readers = [f"{blocks[0]}.downsample.0"], []
        made += [f"{name}.conv2" for name in blocks]
        readers += [f"{name}.conv1" for name in blocks[1:]]
        if number < len(stages):
            readers += [f"layer{number + 1}.0.conv1", f"layer{number + 1}.0.downsample.0"]
        else:
            readers.append("fc")
        if number > 1:
            readers.append(f"pyramid.lateral.{number - 2}")
        found.append(Stream(tuple(made), tuple(readers)))
    return found


def folded(network: NegativeCondition) -> NegativeCondition:
    """A copy in which batch norm is a part of the convolutions, as exporters make it."""
    network = copy.deepcopy(network).eval()
    blocks: list[Any] = [module for module in network.modules() if isinstance(module, BasicBlock)]
    for block in [network, network.pyramid, *blocks]:
        for convolution, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv", "bn")):
            if isinstance(getattr(block, norm, None), nn.BatchNorm2d):
                setattr(block, convolution, fuse_conv_bn_eval(getattr(block, convolution), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
        if (shortcut := getattr(block, "downsample", None)) is not None:
            block.downsample = nn.Sequential(fuse_conv_bn_eval(shortcut[0], shortcut[1]))
    return network


@torch.no_grad()
def equalised(network: NegativeCondition, pictures: Tensor) -> NegativeCondition:
    """A copy of ``network`` without batch norm whose channels have one range each stream, on ``pictures``.

    ``pictures``: float [n, 3, h, w] in [0, 1].
    """
    network = folded(network)
    found = streams(network)
    layers = dict(network.named_modules())
    read = [name for stream in found for name in stream.readers if isinstance(layers[name], nn.Conv2d)]
    largest = largest_inputs(network, read, pictures)
    for stream in found:
        reached = torch.stack([largest[name] for name in stream.readers if name in largest]).amax(0)
        if not reached.max() > 0:  # nothing ever shows there, so there is nothing to bring to one range
            continue
        factors = reached.max() / reached.clamp_min(SMALLEST * float(reached.max()))
        for name in stream.makers:
            layer = layers[name]
            layer.weight.mul_(factors.view(-1, 1, 1, 1))
            layer.bias.mul_(factors)
        for name in stream.readers:
            weight = layers[name].weight
            weight.div_(factors.view(1, -1, *[1] * (weight.dim() - 2)))
    return network


@torch.no_grad()
def largest_inputs(network: NegativeCondition, names: Sequence[str], pictures: Tensor) -> Mapping[str, Tensor]:
    """The largest activation of each channel, [c], that the layers ``names`` are given for ``pictures``."""
    found: dict[str, Tensor] = {}

    def see(name: str, given: Tensor) -> None:
        largest = given.amax((0, 2, 3))
        found[name] = torch.maximum(found.get(name, largest), largest)

    layers = dict(network.named_modules())
    hooks = [
        layers[name].register_forward_pre_hook(lambda _layer, given, name=name: see(name, given[0])) for name in names
    ]
    for part in torch.split(pictures, AT_A_TIME):
        network(part)
    for hook in hooks:
        hook.remove()
    return found
