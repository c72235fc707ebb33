"""A Keras network of ``film_origin`` made again of PyTorch's layers, with the same weights; no Keras is left in it.

Keras is channels-last, PyTorch channels-first: the picture is turned once on the way in, kernels when they are copied.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from export.errors import ExportError
from export.grain_torch import Calibrate, GrainStatistics, Standardise

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"linear": nn.Identity, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class ChannelsFirst(nn.Module):
    """[n, h, w, c] -> [n, c, h, w]."""

    def forward(self, pixels: Tensor) -> Tensor:
        """A view."""
        return pixels.permute(0, 3, 1, 2)


class FlattenChannelsLast(nn.Module):
    """[n, c, h, w] -> [n, h * w * c], in the order that a channels-last network flattens in."""

    def forward(self, features: Tensor) -> Tensor:
        """A copy."""
        return features.permute(0, 2, 3, 1).flatten(1)


def torch_network(network: Any) -> nn.Sequential:
    """``network``, a Keras Sequential of one of ours, as a PyTorch module: float32 [n, h, w, 3] in [0, 1] -> [n, 1].

    Raises ExportError, naming the layer, where one is of a kind that no network of ours has.
    """
    layers = [part for layer in network.layers for part in _torch_layer(layer)]
    return nn.Sequential(ChannelsFirst(), *layers).eval()


def _torch_layer(layer: Any) -> list[nn.Module]:
    kind = type(layer).__name__
    if kind in ("Dropout", "InputLayer"):
        return []
    if kind not in _MAKERS:
        raise ExportError(f"{layer.name} is a {kind}, which no network of film_origin has: it cannot become PyTorch.")
    made = _MAKERS[kind](layer)
    return [*made, *_activation(layer)]


def _activation(layer: Any) -> list[nn.Module]:
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if name not in ACTIVATIONS:
        raise ExportError(f"{layer.name} ends in {name}; of activations there are {', '.join(ACTIVATIONS)}.")
    return [] if name == "linear" else [ACTIVATIONS[name]()]


def _weights(layer: Any) -> list[Tensor]:
    return [torch.from_numpy(value.copy()) for value in layer.get_weights()]


def _convolution(layer: Any) -> list[nn.Module]:
    kernel, bias = _weights(layer)  # kernel: height, width, in, out
    if layer.padding != "valid" or layer.strides != (1, 1):
        raise ExportError(f"{layer.name} pads or strides; the founding network does neither.")
    made = nn.Conv2d(kernel.shape[2], kernel.shape[3], (kernel.shape[0], kernel.shape[1]))
    return [_filled(made, kernel.permute(3, 2, 0, 1), bias)]


def _dense(layer: Any) -> list[nn.Module]:
    kernel, bias = _weights(layer)  # kernel: in, out
    return [_filled(nn.Linear(*kernel.shape), kernel.T, bias)]


def _filled(module: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor) -> nn.Module:
    with torch.no_grad():
        module.weight.copy_(weight)
        assert module.bias is not None  # both kinds have one unless told otherwise
        module.bias.copy_(bias)
    return module


_MAKERS: dict[str, Callable[[Any], list[nn.Module]]] = {
    "Conv2D": _convolution,
    "MaxPooling2D": lambda layer: [nn.MaxPool2d(layer.pool_size, layer.strides)],
    "Flatten": lambda _: [FlattenChannelsLast()],
    "Dense": _dense,
    "GrainStatistics": lambda _: [GrainStatistics()],
    "Standardise": lambda layer: [Standardise(*_weights(layer))],
    "Calibrate": lambda layer: [Calibrate(*_weights(layer))],
}
"""How each kind of layer is made."""
