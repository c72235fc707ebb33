"""``GrainStatistics`` for PT2 files of a GPU: its blocks are measured by kernels of our own, the rest is PyTorch.

Both operators also run on a CPU, in PyTorch, where Triton's language need not be installed.
"""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from export import grain_torch
from training import grain

TILE = 8
"""Blocks of 20 x 20 that a program measures with a warp: a thread has a quarter of one, or half of one of 10 x 10."""
MEANS = 4 + len(grain.LAGS)
"""Of a band and a block: the residual, its square, its products at ``grain.LAGS``, its cube, its fourth power."""


@torch.library.triton_op("safelight::grain_fine", mutates_args=())
def grain_fine(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Luma float32 [n, 1, h, w] in 0..255, sides a multiple of 20 -> means [n, 19, blocks], half [n, 1, h/2, w/2].

    Of each block the nine means of both full-size bands, one after the other, and the mean of luma. ``half`` is what
    the third band is made of. Both are float32. ValueError for another picture.
    """
    from export.grain_triton import measure_fine

    _check(luma, grain.BLOCK)
    count, _, height, width = luma.shape
    blocks = (height // grain.BLOCK) * (width // grain.BLOCK)
    means = luma.new_empty(count, 2 * MEANS + 1, blocks)
    half = luma.new_empty(count, 1, height // 2, width // 2)
    total = count * blocks
    grid = ((total + TILE - 1) // TILE,)
    torch.library.wrap_triton(measure_fine)[grid](
        luma.contiguous(), means, half, total, height, width, side=grain.BLOCK, lanes=4, tile=TILE, num_warps=1
    )
    return means, half


@torch.library.triton_op("safelight::grain_coarse", mutates_args=())
def grain_coarse(half: Tensor) -> tuple[Tensor, Tensor]:
    """Float32 [n, 1, h, w], sides a multiple of 10 -> means [n, 9, blocks] of the third band, quarter [n, 1, h/2, w/2].

    ``quarter`` is what texture is measured on. Both are float32. ValueError for another picture.
    """
    from export.grain_triton import measure_coarse

    side = grain.BLOCK // 2
    _check(half, side)
    count, _, height, width = half.shape
    blocks = (height // side) * (width // side)
    means = half.new_empty(count, MEANS, blocks)
    quarter = half.new_empty(count, 1, height // 2, width // 2)
    total = count * blocks
    grid = ((total + 2 * TILE - 1) // (2 * TILE),)
    torch.library.wrap_triton(measure_coarse)[grid](
        half.contiguous(), means, quarter, total, height, width, side=side, lanes=2, tile=2 * TILE, num_warps=1
    )
    return means, quarter


class GrainStatisticsByKernels(nn.Module):
    """``grain_torch.GrainStatistics`` by the two operators: [n, 3, h, w] RGB in [0, 1] -> the statistics [n, 111]."""

    luma: Tensor

    def __init__(self, statistics: grain_torch.GrainStatistics) -> None:
        super().__init__()
        self.register_buffer("luma", statistics.luma.clone(), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """The statistics of a batch."""
        fine, half = grain_fine((pixels * self.luma).sum(1, keepdim=True))
        coarse, quarter = grain_coarse(half)
        means = (fine[:, :MEANS], fine[:, MEANS : 2 * MEANS], coarse)
        texture = grain_torch.coarse_texture(quarter)
        return grain_torch.pool(torch.cat([_moments(band) for band in means], -1), texture, fine[:, -1] / 255)


def by_kernels(graph: nn.Module) -> nn.Module:
    """A copy of ``graph`` in which a grain that is measured is measured by the kernels."""
    copy = deepcopy(graph)
    for name, module in list(copy.named_modules()):
        if isinstance(module, grain_torch.GrainStatistics):
            copy.set_submodule(name, GrainStatisticsByKernels(module))
    return copy.eval()


def _check(image: Tensor, side: int) -> None:
    """A kernel would leave a part of its outputs unwritten."""
    if image.dtype != torch.float32 or image.shape[2] % side or image.shape[3] % side:
        raise ValueError(f"{image.dtype} {list(image.shape)} is not float32 of sides that are a multiple of {side}")


def _block_means(band: Tensor, side: int) -> Tensor:
    """[n, 1, h, w] -> [n, 9, blocks]."""
    square = band * band
    height, width = int(band.shape[2]), int(band.shape[3])
    lagged = []
    for down, right in grain.LAGS:
        product = band[:, :, : height - down, : width - right] * band[:, :, down:, right:]
        lagged.append(functional.pad(product, (0, right, 0, down)))
    products = (band, square, *lagged, square * band, square * square)
    return torch.cat([grain_torch.blocks(product, side).flatten(2) for product in products], 1)


def _moments(means: Tensor) -> Tensor:
    """[n, 9, blocks] -> [n, blocks, 8], as ``grain_torch`` has them."""
    mean, square, *lagged, cube, fourth = means.unbind(1)
    variance = (square - mean * mean).clamp_min(0) + grain.NOISE_FLOOR
    correlations = [(product - mean * mean) / variance for product in lagged]
    kurtosis = (1 + fourth / (variance * variance)).log() - math.log(4)
    return torch.stack([variance.log(), *correlations, kurtosis, (cube / variance**1.5).clamp(-3, 3)], -1)


def _fine_on_a_cpu(luma: Tensor) -> tuple[Tensor, Tensor]:
    _check(luma, grain.BLOCK)
    fine = grain_torch.blur(luma, grain.SHORT)
    middle = grain_torch.blur(fine, grain.LONG)
    tone = grain_torch.blocks(luma, grain.BLOCK).flatten(2)
    bands = [_block_means(band, grain.BLOCK) for band in (luma - fine, fine - middle)]
    return torch.cat([*bands, tone], 1), grain_torch.blocks(middle, 2)


def _coarse_on_a_cpu(half: Tensor) -> tuple[Tensor, Tensor]:
    _check(half, grain.BLOCK // 2)
    smooth = grain_torch.blur(half, grain.LONG)
    return _block_means(half - smooth, grain.BLOCK // 2), grain_torch.blocks(smooth, 2)


grain_fine.register_kernel("cpu", _fine_on_a_cpu)
grain_coarse.register_kernel("cpu", _coarse_on_a_cpu)
