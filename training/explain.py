"""Where in a picture the networks of ``film_origin`` see film: heat maps, computed forwards.

Both explainers answer what autograd would, but as plain forward operations, so that the exported graph needs neither
gradients nor the framework that it was trained in. docs/explanations.md says how to read the maps.
"""

import keras
import numpy as np
import torch
from torch import Tensor, nn

from training import grain

NODES = 8
"""Points at which the slope along the path is taken; with 8 the sum of a map is right to about 1e-5."""
STRONGEST = 0.01
"""Part of the blocks whose average is the 1 of the grain network's map."""
LEAST = 1.0
"""Logits that the verdict would move by were all blocks at 1: with less evidence than that, no block gets there."""
_ENDS = np.cumsum([grain.BANDS * grain.MOMENTS] * (len(grain.FLATNESS) + 1) + [grain.BANDS] * len(grain.TONES)).tolist()
_PARTS = [slice(start, end) for start, end in zip([0, *_ENDS], _ENDS, strict=False)]
"""Where among the 111 statistics the averages are, the spread and the tones."""


def explainer(network: keras.Model) -> nn.Module:
    """The explainer of a network that ``training.film_origin`` builds or loads; ValueError for any other.

    It takes float32 (n, size, size, 3) RGB in 0..1 and gives the probability of film (n, 1), exactly the network's,
    and a heat map (n, h, w) in 0..1 that lies over the whole square, as ``heat`` makes it.
    """
    names = {layer.name for layer in network.layers}
    for layer, kind in (("statistics", GrainShares), (GradCam.LAYER, GradCam)):
        if layer in names:
            return kind(network)
    raise ValueError(f"{network.name} is no network of film_origin: it has neither grain statistics nor convolutions.")


def heat(evidence: Tensor, strongest: int = 1, least: float = 0.0) -> Tensor:
    """Evidence for film (n, h, w) as a map in 0..1: what speaks against film is 0, what speaks for it the most is 1.

    1 is the average of the ``strongest`` places, and what is above it, so that one odd place of many does not darken
    all others; but never less evidence than ``least``. Where nothing speaks for film the map is 0.
    """
    rectified = evidence.relu()
    most = rectified.flatten(1).topk(strongest).values.mean(1)[:, None, None].clamp_min(least)
    return (rectified / torch.where(most > 0, most, 1.0)).clamp(0.0, 1.0)


class GradCam(nn.Module):
    """Grad-CAM (Selvaraju et al., 2017) of the founding network, on its last convolution before the pooling.

    The weight of a channel is the slope of the probability of film, averaged over the places. Behind the convolution
    come max-pooling, which hands each slope on to one place, and a dense layer, so that the average is the layer's
    kernel summed over the places, times which of its units are on, times the last kernel. The slope of the sigmoid is
    left out: it is the same everywhere, scaling to 0..1 takes it out again, and at a sure verdict it rounds to 0.
    """

    LAYER = "conv5"

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See ``explainer``; the map is as large as the convolution's, 42 x 42 for 700 pixels."""
        x, features, units = pixels, pixels, pixels
        for layer in self.network.layers:
            x = layer(x)
            if layer.name == self.LAYER:
                features = x
            elif layer.name == "hidden":
                units = x
        hidden, film = (self.network.get_layer(name).kernel.value for name in ("hidden", "film"))
        summed = hidden.reshape(-1, features.shape[-1], hidden.shape[-1]).sum(0)  # (channels, units)
        slopes = ((units > 0) * film[:, 0]) @ summed.T
        return x, heat((features * slopes[:, None, None, :]).sum(-1))


class GrainShares(nn.Module):
    """What each block of 20 x 20 pixels contributes to the verdict of the grain network.

    The network pools the moments of all blocks into statistics, standardises these and judges them. The logit of film
    is followed back in two steps, both exact:

    1. to the statistics, by integrated gradients (Sundararajan, Taly and Yan, 2017) on the straight way from the
       average picture of the training, whose standardised statistics are 0: ``_coefficients``;
    2. from each statistic to the blocks, as slope times moment: ``evidence``.

    So the evidence of all blocks sums to the logit of film of this picture less that of the average one. Which blocks
    count how much (smooth ones, those of a tone) is taken as given.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network
        nodes, weights = np.polynomial.legendre.leggauss(NODES)  # type: ignore[no-untyped-call]
        self.nodes: Tensor
        self.weights: Tensor
        self.register_buffer("nodes", torch.tensor((nodes + 1) / 2, dtype=torch.float32)[:, None])
        self.register_buffer("weights", torch.tensor(weights / 2, dtype=torch.float32)[:, None])

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See ``explainer``; the map has a value for each block, 35 x 35 for 700 pixels."""
        film, evidence = self.evidence(pixels)
        blocks = int(evidence.shape[1]) * int(evidence.shape[2])  # a trace would keep a tensor of it, on the CPU
        return film, heat(evidence, max(1, int(STRONGEST * blocks)), LEAST / blocks)

    def evidence(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of film (n, 1), and the blocks' evidence for it (n, h, w) in logits: negative is against.

        With A the coefficient of a statistic and r its value in the average picture, a block of weight w and moment m
        gives A w (m - r) to a mean, A w ((m - mean)^2 / spread - r) to a spread, and to the difference between a tone
        and the whole what it adds to the one less what it adds to the other.
        """
        blocks = grain.measure(pixels, self.network.get_layer("statistics").strip)
        weights = grain.weigh(blocks.texture, blocks.tone)
        statistics = grain.pool(blocks.moments, weights)
        film, coefficients = self._judge(statistics)
        usual = self.network.get_layer("standardise").mean.value
        slopes, values, usuals = (
            [numbers.unsqueeze(-2)[..., part] for part in _PARTS] for numbers in (coefficients, statistics, usual)
        )

        shares = [
            weight * (slope * (blocks.moments - r)).sum(-1)
            for weight, slope, r in zip(weights.averages, slopes, usuals, strict=False)
        ]
        middle, away = weights.averages[1], blocks.moments - values[1]
        spread = len(weights.averages)
        squared = (away**2 + grain.SPREAD_FLOOR) / values[spread]
        shares.append(middle * (slopes[spread] * (squared - usuals[spread])).sum(-1))
        away = away[..., :: grain.MOMENTS]
        for weight, slope, r in zip(weights.tones, slopes[spread + 1 :], usuals[spread + 1 :], strict=True):
            shares.append(weight * (slope * (away - r)).sum(-1) - middle * (slope * away).sum(-1))
        down, right = (side // grain.BLOCK for side in pixels.shape[1:3])
        return film, torch.stack(shares).sum(0).reshape(-1, down, right)

    def _judge(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of film (n, 1), and by how much its logit grows with each of the statistics, (n, 111).

        The growth is the average along the way, and for a statistic that ``Standardise`` cuts off, over all of it.
        """
        standardise, members, calibrate = (self.network.get_layer(name) for name in ("standardise", "members", "film"))
        standard = standardise(statistics)
        kernel, bias = members.kernel.value, members.bias.value
        chances = ((standard @ kernel).unsqueeze(1) * self.nodes + bias).sigmoid()  # (n, nodes, members)
        mean = chances.mean(-1, keepdim=True)
        growth = (self.weights * chances * (1 - chances) / (mean * (1 - mean))).sum(1) / chances.shape[-1]
        spread = standardise.spread.value
        kept = grain.LIMIT / ((statistics - standardise.mean.value) / spread).abs().clamp_min(grain.LIMIT)
        return calibrate(members(standard)), calibrate.scale.value * (growth @ kernel.T) * kept / spread
