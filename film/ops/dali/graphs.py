"""The pixel operations as DALI graphs. A graph is the same for every device: it runs where its decoder is told to.

Judged against `film.ops.reference` by the same test as the other twins. Nothing here runs; `runner` and Triton's DALI
backend do that. DALI fails a whole batch for one picture that it cannot decode, so `film.gate` looks at each first.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from nvidia.dali import Pipeline, fn, math, pipeline_def, types
from nvidia.dali.data_node import DataNode

from film import specs

Device = Literal["cpu", "gpu"]
Definition = Callable[[], Pipeline]
"""What DALI's ``pipeline_def`` gives, and its ``autoserialize`` wants: a pipeline that is made when called."""
NO_DEVICE = None
"""DALI's device id for a pipeline that never touches a GPU."""


def classifier_pipeline(
    size: int, device: Device, device_id: int | None = NO_DEVICE, threads: int = specs.DALI_THREADS
) -> Definition:
    """Defines ``ENCODED`` UINT8 [n] -> ``PIXELS`` UINT8 [size, size, 3], up to ``specs.MAX_BATCH`` at a time.

    The output is on the device; ``device_id`` numbers the GPU; ``threads`` are the host's.
    """

    @pipeline_def(  # type: ignore[untyped-decorator]
        batch_size=specs.MAX_BATCH,
        num_threads=threads,
        device_id=device_id,
        prefetch_queue_depth=1,  # what is fed in comes out of the same run
        output_dtype=[types.UINT8],
        output_ndim=[3],
    )
    def graph() -> DataNode:
        data = encoded()
        return crop_resize(decode(data, device), extent(data), size)

    definition: Definition = graph
    return definition


def inversion_pipeline(device: Device, device_id: int | None = NO_DEVICE) -> Definition:
    """Defines ``ENCODED`` UINT8 [n] -> ``PADDED`` UINT8 [h, w, 3], ``EXTENT`` INT64 [2], for each negative of a batch.

    The positives of a batch are made equally large with black at the right and below; ``EXTENT`` is a positive's own
    height and width. ``PADDED`` is on the device, ``EXTENT`` always on the CPU.
    """

    @pipeline_def(  # type: ignore[untyped-decorator]
        batch_size=specs.MAX_BATCH,
        num_threads=specs.DALI_THREADS,
        device_id=device_id,
        prefetch_queue_depth=1,  # what is fed in comes out of the same run
        output_dtype=[types.UINT8, types.INT64],
        output_ndim=[3, 1],
    )
    def graph() -> tuple[DataNode, DataNode]:
        data = encoded()
        size = extent(data)
        return fn.pad(invert_negative(decode(data, device), size), axes=(0, 1)), size

    definition: Definition = graph
    return definition


def encoded() -> DataNode:
    """The input of both pipelines; zeros may follow the picture, where it shares a tensor with longer ones."""
    return fn.external_source(name=specs.ENCODED.name, dtype=types.UINT8, ndim=1)


def decode(data: DataNode, device: Device) -> DataNode:
    """Upright RGB pixels [h, w, 3] UINT8.

    On a GPU chroma is enlarged plainly and not smoothly as libjpeg-turbo does, which would keep the hardware decoder
    out; it moves no probability of the samples by more than 0.003, and of real pictures by 0.034 (docs/gpu.md). The
    hardware, where there is any, is given every picture that it can take: by itself DALI gives it two thirds of a
    batch, and what a picture's pixels are would hang on its place there.
    """
    if device == "gpu":
        return fn.decoders.image(data, device="mixed", output_type=types.RGB, hw_decoder_load=1.0)
    return fn.decoders.image(data, device="cpu", output_type=types.RGB)


def extent(data: DataNode) -> DataNode:
    """Height and width of an encoded picture once it is upright, INT64 [2] on the CPU.

    Read from its header: the decoded picture may be on a GPU, and not every executor brings something back from there.
    """
    return fn.peek_image_shape(data, dtype=types.INT64)[:2]


def crop_resize(image: DataNode, size: DataNode, side: int) -> DataNode:
    """A picture [h, w, 3] whose ``extent`` is ``size``, to [side, side, 3].

    As `reference.crop_resize`, within ``specs.CROP_RESIZE_TOLERANCE``; every other DALI filter is far outside.
    """
    height, width = size[0], size[1]
    shorter = math.min(height, width)
    left, top = _half_to_even(width - shorter), _half_to_even(height - shorter)
    right, bottom = _half_to_even(width + shorter), _half_to_even(height + shorter)
    square = fn.slice(
        image,
        start=_whole(fn.stack(top, left)),
        shape=_whole(fn.stack(math.max(bottom - top, 1), math.max(right - left, 1))),  # 1x5000 must keep a pixel
        axes=(0, 1),
    )
    return fn.resize(square, size=(side, side), interp_type=types.INTERP_LANCZOS3, antialias=True)


def invert_negative(image: DataNode, size: DataNode, gamma: float = 1.0) -> DataNode:
    """The positive [h, w, 3] of a negative whose ``extent`` is ``size``.

    As `reference.invert_negative`, within ``specs.INVERT_TOLERANCE``.
    """
    pixels = size[0] * size[1]
    low, high = _percentile(image, pixels, 1), _percentile(image, pixels, 99)
    spread = high - low
    # In double precision and in the reference's order: 255 * (1 - x) is a whole number more often than not, and floor
    # takes every other rounding for another level. A flat channel (no spread) counts as its brightest value.
    stretched = math.clamp((image - low) / math.max(spread, 1e-9), 0.0, 1.0)
    inverted = math.floor(255 * (1 - math.max(stretched, spread <= 0)))
    if gamma != 1:
        inverted = math.floor(255 * (inverted / 255) ** (1 / gamma) + 1e-9)
    levels = fn.cast(inverted, dtype=types.UINT8)
    means = fn.reductions.sum(levels, axes=(0, 1), dtype=types.UINT64) / fn.cast(pixels, dtype=types.FLOAT64)
    grey = (means[0] + means[1] + means[2]) / 3
    gains = grey / math.max(means, 1e-9)  # a black channel stays black, whatever its gain
    balanced = fn.reshape(levels * fn.cast(gains, dtype=types.FLOAT), layout="HWC")
    return fn.cast(fn.filter(balanced, _BINOMIAL), dtype=types.UINT8)  # rounds, and ends at 0 and 255


_BINOMIAL = np.outer((1, 4, 6, 4, 1), (1, 4, 6, 4, 1)).astype(np.float32) / 256


def _whole(numbers: DataNode) -> DataNode:
    """INT32, which is what operators take for places and sizes."""
    return fn.cast(numbers, dtype=types.INT32)


def _half_to_even(double: DataNode) -> DataNode:
    """Half of a whole number of 0 or more; what falls between two whole numbers goes to the even one."""
    half = double // 2
    return half + (double & 1) * (half & 1)


def _percentile(image: DataNode, pixels: DataNode, percent: int) -> DataNode:
    """numpy's linear percentile of each channel of an 8-bit picture, FLOAT64 [3], to the last bit.

    DALI has no histogram. The value with ``rank`` others below it is found by bisection, a bit at a time, counting how
    many are at or below a threshold; the next larger one is needed only where the rank is the last of its value.
    """
    position = (pixels - 1) * percent
    rank = position // 100
    value = _byte(128) * (_count(image <= _byte(127)) <= rank)
    for bit in (64, 32, 16, 8, 4, 2, 1):
        value = value + _byte(bit) * (_count(image <= value + _byte(bit - 1)) <= rank)
    below = image <= value
    counted = _count(below)
    following = fn.reductions.min(math.max(image, _byte(255) * below), axes=(0, 1))
    last_of_its_value = (counted <= rank + 1) & (counted < pixels)
    # As numpy does it: a bit more or less and a level that falls on a whole number is another, of half a picture.
    share = fn.cast(pixels * 0 + percent, dtype=types.FLOAT64) / 100
    part = fn.cast(pixels - 1, dtype=types.FLOAT64) * share - rank
    step = (following - value) * last_of_its_value
    late = part >= 0.5
    return (value + step - step * (1 - part)) * late + (value + step * part) * (part < 0.5)


def _count(flags: DataNode) -> DataNode:
    """How many pixels of each channel are flagged, INT64 [3]."""
    ones = flags * _byte(1)  # sums take no flags
    return fn.cast(fn.reductions.sum(ones, axes=(0, 1), dtype=types.UINT64), dtype=types.INT64)


def _byte(value: int) -> types.ScalarConstant:
    """A constant that keeps the arithmetic on bytes, which is several times as fast as on DALI's usual int32."""
    return types.Constant(value, dtype=types.UINT8)
