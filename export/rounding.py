"""Weights in int8 whose roundings make up for each other, and activations as bytes, simulated in PyTorch.

Rounding a weight is an error in what its layer says; the weights that are still to be rounded can take most of it back,
as far as the layer's inputs go together. That is GPTQ (Frantar et al., "Accurate Post-Training Quantization for
Generative Pre-trained Transformers", 2023), column by column of the weights, here of convolutions. Before that, weights
are those that say most nearly, in least squares, of bytes what the trained ones say of the activations themselves.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from export.equalise import AT_A_TIME
from training.negative_condition import NegativeCondition

LEVELS, BYTE = 127, 255
"""Weights are -127 to 127 times the scale of their output channel, activations 0 to 255 times that of their tensor."""
POSITIONS = 200
"""Of a picture, at most, that say how a layer's inputs go together; drawn at random, but always the same."""
DAMPING = 0.01
"""Added to the diagonal, in terms of its mean: few pictures are no reason to trust every correlation."""
BLOCK = 128
"""Columns whose errors are carried on together."""


@torch.no_grad()
def rounded(network: NegativeCondition, ranges: Mapping[str, float], pictures: Tensor) -> NegativeCondition:
    """A copy of ``network`` in which the convolutions of ``ranges`` have weights that int8 holds, the others of bf16.

    Each is made for its inputs on ``pictures``, float [n, 3, h, w], as they are when rounded: to bytes that reach from
    0 to its range, or to bf16.
    """
    network = copy.deepcopy(network)
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    sums = _sums(network, layers, ranges, pictures)
    for name, layer in layers.items():
        weights = fitted(layer.weight.flatten(1), sums[name])
        rounding = round_to_int8(weights) if name in ranges else _round_to_bf16
        layer.weight.copy_(round_columns(weights, sums[name].products, rounding).view_as(layer.weight))
    return network


class Sums(NamedTuple):
    """Over patches x of a layer's inputs, and x' of what they are rounded to: x' x'^T and (x - x') x'^T, [d, d]."""

    products: Tensor
    lost: Tensor


def _sums(network: nn.Module, layers: dict[str, Any], ranges: Mapping[str, float], pictures: Tensor) -> dict[str, Sums]:
    """Of each of ``layers``, whose inputs become bytes of its range, if it has one, and else bf16."""
    generator = torch.Generator().manual_seed(0)
    sides = {name: layer.weight[0].numel() for name, layer in layers.items()}
    found = {name: Sums(torch.zeros(side, side), torch.zeros(side, side)) for name, side in sides.items()}

    def see(name: str, layer: Any, given: Tensor) -> None:
        patches = nn.functional.unfold(given, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        drawn = torch.randperm(patches.shape[2], generator=generator)[:POSITIONS]
        exact = patches[:, :, drawn].transpose(0, 1).flatten(1)
        step = ranges.get(name, 0.0) / BYTE
        rough = (exact / step).round().clamp(0, BYTE) * step if step else exact.bfloat16().float()
        found[name].products.addmm_(rough, rough.T)
        found[name].lost.addmm_(exact - rough, rough.T)

    hooks = [
        layer.register_forward_pre_hook(lambda layer, given, name=name: see(name, layer, given[0]))
        for name, layer in layers.items()
    ]
    for part in torch.split(pictures, AT_A_TIME):
        network(part)
    for hook in hooks:
        hook.remove()
    return found


def fitted(weights: Tensor, sums: Sums) -> Tensor:
    """``weights`` [out, d] made for rough inputs: the w' that makes sum (w x - w' x')^2 least."""
    change: Tensor = torch.linalg.solve(_damped(sums.products), (weights @ sums.lost).T)
    return weights + change.T


def _damped(products: Tensor) -> Tensor:
    few = DAMPING * products.diagonal().mean() + torch.finfo(products.dtype).tiny
    return products + few * torch.eye(len(products))


Rounding = Callable[[Tensor, int], Tensor]
"""Of one column [out] of the weights, given with its number."""


def round_to_int8(weights: Tensor) -> Rounding:
    """To whole steps of a scale for each row of ``weights`` [out, d], which the largest weight of the row keeps.

    NNCF finds the same scale in them, but for the few rows all of whose weights are below a hundredth of the layer's
    largest: those it rounds once more. (With its scale for them from the start nothing was nearer.)
    """
    largest = weights.abs().argmax(1)
    scale = weights.abs().amax(1).clamp_min(torch.finfo(weights.dtype).tiny) / LEVELS

    def rounding(column: Tensor, number: int) -> Tensor:
        steps = (column / scale).round().clamp(-LEVELS, LEVELS)
        return torch.where(largest == number, column.sign() * LEVELS, steps) * scale

    return rounding


def _round_to_bf16(column: Tensor, _number: int) -> Tensor:
    return column.bfloat16().float()


def round_columns(weights: Tensor, products: Tensor, rounding: Rounding) -> Tensor:
    """``weights`` [out, d], each column rounded by ``rounding``, given ``products`` [d, d] of what they are given.

    The error of each column is spread over those after it by the Cholesky factor of the inverse of ``products``.
    """
    order = products.diagonal().argsort(descending=True)
    rest = weights[:, order].clone()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(_damped(products[order][:, order])))
    spread = torch.linalg.cholesky(inverse, upper=True)
    done = torch.empty_like(rest)
    for start in range(0, len(order), BLOCK):
        block = slice(start, min(start + BLOCK, len(order)))
        errors = torch.empty_like(rest[:, block])
        for column in range(block.start, block.stop):
            done[:, column] = rounding(rest[:, column], int(order[column]))
            error = (rest[:, column] - done[:, column]) / spread[column, column]
            errors[:, column - start] = error
            rest[:, column + 1 : block.stop] -= error[:, None] * spread[column, column + 1 : block.stop]
        rest[:, block.stop :] -= errors @ spread[block, block.stop :]
    return done[:, order.argsort()]
