"""The layers of ``training.grain`` in PyTorch, channels-first; their numbers and their meaning stand there.

A test and the parity gate hold them against the Keras layers.
"""

import functools
import math
import operator
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import grain


class GrainStatistics(nn.Module):
    """[n, 3, h, w] RGB in [0, 1], sides a multiple of 20 -> the statistics [n, 111]; nothing trainable."""

    luma: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", 255 * torch.tensor(grain.LUMA).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """The statistics of a batch."""
        luma = (pixels * self.luma).sum(1, keepdim=True)
        tone = blocks(luma, grain.BLOCK).flatten(1) / 255  # [n, blocks]
        fine = blur(luma, grain.SHORT)
        middle = blur(fine, grain.LONG)
        half = blocks(middle, 2)
        half_smooth = blur(half, grain.LONG)
        quarter = blocks(half_smooth, 2)
        bands = ((luma - fine, grain.BLOCK), (fine - middle, grain.BLOCK), (half - half_smooth, grain.BLOCK // 2))
        moments = torch.cat([_moments(band, side) for band, side in bands], -1)  # [n, blocks, 24]
        return pool(moments, coarse_texture(quarter), tone)


class Standardise(nn.Module):
    """[n, 111] -> the same with the mean and the spread that were measured taken out, cut off at 3."""

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.mean, self.spread = nn.Parameter(mean, requires_grad=False), nn.Parameter(spread, requires_grad=False)

    def forward(self, statistics: Tensor) -> Tensor:
        """The standardised statistics."""
        return ((statistics - self.mean) / self.spread).clamp(-grain.LIMIT, grain.LIMIT)


class Calibrate(nn.Module):
    """The mean of the members' probabilities [n, m] -> one calibrated probability [n, 1]."""

    def __init__(self, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.scale, self.offset = nn.Parameter(scale, requires_grad=False), nn.Parameter(offset, requires_grad=False)

    def forward(self, members: Tensor) -> Tensor:
        """The calibrated probability."""
        mean = members.mean(-1, keepdim=True).clamp(1e-6, 1 - 1e-6)
        return (self.scale * (mean / (1 - mean)).log() + self.offset).sigmoid()


def coarse_texture(quarter: Tensor) -> Tensor:
    """How busy each block is, [n, blocks], by the picture at a quarter of its size, [n, 1, h/4, w/4]."""
    coarse = quarter - blur(quarter, grain.LONG)
    return _variance(coarse, grain.BLOCK // 4)[1].log().flatten(1)


def pool(moments: Tensor, texture: Tensor, tone: Tensor) -> Tensor:
    """Moments [n, blocks, 24], ``texture`` and tone in 0..1, both [n, blocks] -> the statistics [n, 111]."""
    # Of two numbers to choose from, a GPU would have to fetch tensors first, and a trace makes them double.
    usable = ((tone > 0.05) & (tone < 0.95)).float() * 0.99 + 0.01
    weights = [_normalised(usable * torch.exp(-strength * texture)) for strength in grain.FLATNESS]
    means = [_mean(moments, weight) for weight in weights]
    spread = (_mean((moments - means[1][:, None]) ** 2, weights[1]) + 1e-6).sqrt()
    variances = moments[..., :: grain.MOMENTS]
    tones = []
    for centre in grain.TONES:
        near = torch.exp(-(((tone - centre) / grain.TONE_WIDTH) ** 2) / 2) + 1e-4
        weight = _normalised(near * torch.exp(-grain.FLATNESS[1] * texture))
        tones.append(_mean(variances, weight) - means[1][..., :: grain.MOMENTS])
    return torch.cat([*means, spread, *tones], -1)


def blur(image: Tensor, taps: Sequence[float]) -> Tensor:
    """[n, 1, h, w] -> the same shape: weighted by ``taps`` both ways, mirrored at the edges."""
    pad = len(taps) // 2
    return _along(3, _along(2, functional.pad(image, (pad, pad, pad, pad), mode="reflect"), taps), taps)


def _along(side: int, padded: Tensor, taps: Sequence[float]) -> Tensor:
    """Sums of shifted pictures, which a compiler puts into one pass with what is around them; of a convolution it calls
    a library's, and on a GPU none is good at one channel."""
    length = int(padded.shape[side]) - len(taps) + 1
    shifted = [padded.narrow(side, step, length) * (tap / sum(taps)) for step, tap in enumerate(taps)]
    return functools.reduce(operator.add, shifted)


def blocks(image: Tensor, side: int) -> Tensor:
    """[n, 1, h, w] -> [n, 1, h / side, w / side].

    Means of blocks, as a reduction: that can be put into one pass with others of the same picture, a pooling not.
    """
    high, wide = (int(length) // side for length in image.shape[2:])
    return image.reshape(-1, 1, high, side, wide, side).mean((3, 5))


def _variance(band: Tensor, side: int) -> tuple[Tensor, Tensor]:
    mean = blocks(band, side)
    return mean, (blocks(band * band, side) - mean * mean).clamp_min(0) + grain.NOISE_FLOOR


def _moments(band: Tensor, side: int) -> Tensor:
    """[n, 1, h, w] -> [n, blocks, 8]."""
    mean, variance = _variance(band, side)
    square = band * band
    height, width = int(band.shape[2]), int(band.shape[3])
    moments = [variance.log()]
    for down, right in grain.LAGS:
        product = band[:, :, : height - down, : width - right] * band[:, :, down:, right:]
        moved = functional.pad(product, (0, right, 0, down))
        moments.append((blocks(moved, side) - mean * mean) / variance)
    moments.append((1 + blocks(square * square, side) / (variance * variance)).log() - math.log(4))
    moments.append((blocks(square * band, side) / variance**1.5).clamp(-3, 3))
    return torch.stack([moment.flatten(1) for moment in moments], -1)


def _normalised(weight: Tensor) -> Tensor:
    return weight / weight.sum(1, keepdim=True)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight.unsqueeze(-1)).sum(1)
