"""The network of ``film_origin`` that is served: it measures the grain of a picture, then judges what it measured.

The first half is fixed: residuals of luma at three scales, their second to fourth moments and spatial correlation in
blocks, averaged over the picture with more weight on its smooth parts. Noise residuals are how cameras are told apart
in forensics (Fridrich and Kodovsky, "Rich Models for Steganalysis of Digital Images", 2012; Lukas, Fridrich and Goljan,
"Digital Camera Identification from Sensor Pattern Noise", 2006). The second half is trained: many logistic units that
each see two fifths of the statistics and learn from half of the photographs (Ho, "The Random Subspace Method", 1998;
Breiman, "Bagging Predictors", 1996). No unit can lean on a quirk of the simulation, which is why this network carries
over to real film where a free convolutional one does not (docs/training.md has the figures).

Only luma is looked at: colour says more about scene and fashion than about film, and black-and-white is judged alike.
"""

import sys
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from film.specs import FILM_ORIGIN

BLOCK = 20
"""Side in pixels of a block that statistics are taken of; the picture's sides are multiples of it."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B, from ITU-R BT.601: what JPEG calls Y."""
TOGETHER = 16
"""Pixels whose luma is computed at a time; it divides the number of pixels of any picture of whole blocks."""
SHORT, LONG = (1.0, 2.0, 1.0), (1.0, 4.0, 6.0, 4.0, 1.0)
"""Binomial taps: Gaussians of sigma 0.7 and 1 pixel."""
LAGS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
"""Steps (down, right) in pixels at which a residual is compared with itself."""
FURTHEST = max(max(lag) for lag in LAGS)
STRIP = 100_000
"""Pixels whose moments are taken at a time, about: what is made of them on the way stays in a core's second cache. A
picture as a whole took OpenVINO an eighth longer."""
LANES = 10
"""Pixels of a row that are blurred at a time, as channels; half as many in the coarsest picture. It divides any w."""
BANDS = 3
NOISE_FLOOR = 0.02
"""Added to every variance, in squared 8-bit levels: about a quarter of what rounding to whole levels gives."""
FLATNESS = (0.0, 0.5, 1.5)
"""How strongly texture lowers a block's weight, one kind of average for each."""
TONES = (0.12, 0.3, 0.5, 0.7, 0.88)
TONE_WIDTH = 0.1
SPREAD_FLOOR = 1e-6
"""Added to the variance of a moment over the blocks, so that its root has a slope where all are alike."""
MOMENTS = 3 + len(LAGS)
LAGGED = slice(2, 2 + len(LAGS))
_MEANS = (slice(1), slice(1, 2), LAGGED, slice(-2, -1), slice(-1, None))
"""Where among the means of a block are: the residual, its square, its lagged products, its cube, its fourth power."""
FEATURES = BANDS * MOMENTS * (len(FLATNESS) + 1) + BANDS * len(TONES)
"""Numbers that a picture is summed up in: 111."""
LIMIT = 3.0
"""Standard deviations beyond which a statistic counts no further: real pictures are odder than simulated ones."""


class Blocks(NamedTuple):
    """What is measured of each block of 20 x 20 pixels, row by row from the top left."""

    moments: Any
    """(n, blocks, 24): of each scale its log variance, correlations, log kurtosis and skewness."""
    texture: Any
    """(n, blocks): log variance of what is too coarse to be grain."""
    tone: Any
    """(n, blocks): mean luma, 0..1."""


def measure(pixels: Any, strip: int = STRIP) -> Blocks:
    """The blocks of float32 (n, h, w, 3) RGB in 0..1, sides a multiple of 20 pixels, ``strip`` pixels at a time."""
    luma = _luma(pixels)
    tone = _flat(_blocks(luma, BLOCK)) / 255.0
    fine = _blur(luma, SHORT, LANES)
    middle = _blur(fine, LONG, LANES)
    half = _halve(middle, LANES)
    half_smooth = _blur(half, LONG, LANES)
    quarter = _halve(half_smooth, LANES)
    bands = ((luma, fine, BLOCK), (fine, middle, BLOCK), (half, half_smooth, BLOCK // 2))
    moments = ops.concatenate([_moments(*band, strip) for band in bands], axis=1)
    coarse = quarter - _blur(quarter, LONG, LANES // 2)
    texture = ops.log(_variance(_blocks(coarse, BLOCK // 4), _blocks(coarse * coarse, BLOCK // 4)))
    return Blocks(ops.transpose(moments, (0, 2, 1)), _flat(texture), tone)


class Weights(NamedTuple):
    """How much each block counts: (n, blocks) that sum to 1, for each kind of average and for each tone."""

    averages: list[Any]
    tones: list[Any]


def weigh(texture: Any, tone: Any) -> Weights:
    """The weights of blocks of that ``texture`` and ``tone``, both (n, blocks)."""
    # Clipped blocks, black or white, show no grain.
    usable = ops.where(ops.logical_and(tone > 0.05, tone < 0.95), 1.0, 1e-2)
    tones = []
    for centre in TONES:
        near = ops.exp(-(((tone - centre) / TONE_WIDTH) ** 2) / 2) + 1e-4
        tones.append(_normalised(near * ops.exp(-FLATNESS[1] * texture)))
    return Weights([_normalised(usable * ops.exp(-strength * texture)) for strength in FLATNESS], tones)


def pool(moments: Any, weights: Weights) -> Any:
    """The statistics (n, 111) of a picture from the moments (n, blocks, 24) of its blocks."""
    means = [_mean(moments, weight) for weight in weights.averages]
    spread = ops.sqrt(_mean((moments - ops.expand_dims(means[1], 1)) ** 2, weights.averages[1]) + SPREAD_FLOOR)
    variances = moments[..., ::MOMENTS]
    tones = [_mean(variances, weight) - means[1][..., ::MOMENTS] for weight in weights.tones]
    return ops.concatenate([*means, spread, *tones], axis=-1)


@keras.saving.register_keras_serializable("safelight")
class GrainStatistics(keras.layers.Layer):  # type: ignore[misc]
    """float32 (n, h, w, 3) RGB in 0..1, sides a multiple of 20 pixels, to the statistics (n, 111); nothing trainable.

    In order: for each way to average (evenly, smooth blocks more, smooth blocks much more) the mean of each moment of
    each scale; the spread of each moment; the log variance of each scale in five tones against its mean.
    """

    def __init__(self, strip: int = STRIP, **options: Any) -> None:
        super().__init__(**options)
        self.strip = strip

    def get_config(self) -> dict[str, Any]:
        """What it takes to make it again."""
        return {**super().get_config(), "strip": self.strip}

    def call(self, pixels: Any) -> Any:
        """The statistics of a batch."""
        measured = measure(pixels, self.strip)
        return pool(measured.moments, weigh(measured.texture, measured.tone))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """(n, 111)."""
        return (input_shape[0], FEATURES)


def in_one_piece(network: keras.Model) -> bool:
    """Make ``network`` measure a picture as a whole, if it measures grain; whether it does.

    A GPU has room for that, and starts fewer kernels.
    """
    layers = [layer for layer in network.layers if isinstance(layer, GrainStatistics)]
    for layer in layers:
        layer.strip = sys.maxsize
    return bool(layers)


def _luma(pixels: Any) -> Any:
    """Luma (n, h, w, 1) in 0..255 of RGB (n, h, w, 3) in 0..1, as a product of matrices, sixteen at a time.

    The same as a sum along the last axis, which is too short to fill a vector register.
    """
    height, width = pixels.shape[1:3]
    weights = np.kron(np.eye(TOGETHER), 255.0 * np.array(LUMA)[:, None]).astype(np.float32)  # (48, 16)
    rows = ops.reshape(pixels, (-1, height * width // TOGETHER, 3 * TOGETHER))
    return ops.reshape(ops.matmul(rows, ops.convert_to_tensor(weights)), (-1, height, width, 1))


def _blur(image: Any, taps: tuple[float, ...], side: int) -> Any:
    """``image`` (n, h, w, 1) blurred both ways with ``taps`` of sum 1, mirrored at its edges; same shape.

    ``side`` pixels of a row are computed at a time, as channels: it divides w. A convolution of one channel leaves
    most of a vector register empty, and took OpenVINO four times as long.
    """
    kernel = np.array(taps, np.float32) / np.float32(sum(taps))
    pad = len(taps) // 2
    padded = ops.pad(image, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
    shifted = np.stack([np.pad(kernel, (start, side - 1 - start)) for start in range(side)], axis=-1)
    across = ops.conv(padded, ops.convert_to_tensor(shifted[None, :, None]), strides=(1, side), padding="valid")
    down = np.repeat(kernel[:, None, None, None], side, axis=2)  # (taps, 1, side, 1)
    return ops.reshape(ops.depthwise_conv(across, ops.convert_to_tensor(down), padding="valid"), (-1, *image.shape[1:]))


def _blocks(image: Any, side: int) -> Any:
    """The mean of each block of ``image`` (n, h, w, 1): (n, h / side, w / side, 1).

    First over the rows of a block, which adds whole rows of the picture at once and is nearly all of the work: a
    pooling of one channel adds pixel by pixel.
    """
    height, width = image.shape[1:3]
    rows = ops.mean(ops.reshape(image, (-1, height // side, side, width)), axis=2)
    return ops.mean(ops.reshape(rows, (-1, height // side, width // side, side)), axis=3, keepdims=True)


def _halve(image: Any, side: int) -> Any:
    """The mean of each 2 x 2 pixels, ``side`` pixels of a row at a time, as channels of a convolution."""
    height, width = image.shape[1:3]
    pairs = np.kron(np.eye(side // 2), np.full((2, 1), 0.25)).astype(np.float32)  # (side, side / 2)
    kernel = np.stack([pairs, pairs])[:, None]  # (2, 1, side, side / 2)
    parts = ops.reshape(image, (-1, height, width // side, side))
    halves = ops.conv(parts, ops.convert_to_tensor(kernel), strides=(2, 1), padding="valid")
    return ops.reshape(halves, (-1, height // 2, width // 2, 1))


def _flat(blocks: Any) -> Any:
    """(n, h, w, 1) as (n, h * w)."""
    return ops.reshape(blocks, (-1, blocks.shape[1] * blocks.shape[2]))


def _variance(mean: Any, square: Any) -> Any:
    """The variance of which ``mean`` and ``square`` are the means of a residual and of its square, and the floor."""
    return ops.maximum(square - mean * mean, 0.0) + NOISE_FLOOR


def _moments(sharp: Any, smooth: Any, side: int, strip: int) -> Any:
    """Of each block of the residual ``sharp - smooth``, both (n, h, w, 1), the eight moments: (n, 8, blocks).

    Log variance, correlation at each lag, log kurtosis, skewness. Kurtosis is against a normal distribution's 3, after
    1 was added to both so that the log is tame.
    """
    means = _block_means(sharp, smooth, side, strip)
    mean, square, lagged, cube, fourth = (means[:, part] for part in _MEANS)
    variance = _variance(mean, square)
    correlations = (lagged - mean * mean) / variance
    kurtosis = ops.log(1.0 + fourth / (variance * variance)) - float(np.log(4.0))
    return ops.concatenate(
        [ops.log(variance), correlations, kurtosis, ops.clip(cube / variance**1.5, -3.0, 3.0)], axis=1
    )


def _block_means(sharp: Any, smooth: Any, side: int, strip: int) -> Any:
    """The means over each block of the residual and of its products, as ``_row_means`` orders them: (n, 9, blocks)."""
    height, width = sharp.shape[1:3]
    sharp, smooth = (ops.reshape(image, (-1, height * width)) for image in (sharp, smooth))
    pixels, further = height * width, FURTHEST * (width + 1)  # of these a lag reaches beyond a strip
    step = min(pixels, max(1, strip // (side * width)) * side * width)
    partners = ops.convert_to_tensor(_partners(width))
    means = []
    for start in range(0, pixels, step):
        end = min(start + step, pixels)
        # A picture in one piece is not sliced: a slice that takes everything stays in some exporters' files.
        band = sharp - smooth if step == pixels else sharp[:, start:end] - smooth[:, start:end]
        if end == pixels:
            reached = ops.pad(band, ((0, 0), (0, further)))
        else:
            beyond = sharp[:, end : end + further] - smooth[:, end : end + further]
            reached = ops.concatenate([band, beyond], axis=1)
        rows = _row_means(band, reached, side, width) * partners
        means.append(ops.mean(ops.reshape(rows, (-1, *rows.shape[1:3], width // side, side)), axis=4))
    return ops.reshape(ops.concatenate(means, axis=2), (-1, means[0].shape[1], pixels // side**2))


def _row_means(band: Any, reached: Any, side: int, width: int) -> Any:
    """Means over ``side`` rows of a strip's residual (n, pixels) and of its products, ordered as ``_MEANS`` says:
    (n, 9, rows / side, width).

    ``reached`` is ``band`` and what follows, as far as a lag gets. A step down and right is one along the line of
    pixels; at the end of a row that leads to the start of the next, which is no partner: see ``_partners``.
    """
    pixels, square = band.shape[1], band * band
    steps = [down * width + right for down, right in LAGS]
    lagged = [band * reached[:, step : step + pixels] for step in steps]
    products = [band, square, *lagged, square * band, square * square]
    rows = [ops.mean(ops.reshape(product, (-1, pixels // (side * width), side, width)), axis=2) for product in products]
    return ops.stack(rows, axis=1)


def _partners(width: int) -> NDArray[np.float32]:
    """0 where a pixel of a row has no partner at that lag, which counts as a product of 0; else 1: (9, 1, width)."""
    found = np.ones((MOMENTS + 1, 1, width), np.float32)
    for number, (_, right) in enumerate(LAGS, LAGGED.start):
        found[number, :, width - right :] = 0.0
    return found


def _normalised(weight: Any) -> Any:
    return weight / ops.sum(weight, axis=1, keepdims=True)


def _mean(values: Any, weight: Any) -> Any:
    """Weighted mean over blocks of ``values`` (n, blocks, k): (n, k)."""
    return ops.sum(values * ops.expand_dims(weight, -1), axis=1)


@keras.saving.register_keras_serializable("safelight")
class Standardise(keras.layers.Layer):  # type: ignore[misc]
    """(n, 111) to the same with mean 0 and spread 1 of what it was ``adapt``ed to, cut off at 3."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights: they are measured, not trained."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
        self.spread = self.add_weight(shape=shape, initializer="ones", trainable=False, name="spread")

    def adapt(self, statistics: NDArray[np.float32]) -> None:
        """Take mean and spread from ``statistics`` (n, 111)."""
        self.mean.assign(statistics.mean(axis=0))
        self.spread.assign(statistics.std(axis=0) + 1e-4)

    def call(self, statistics: Any) -> Any:
        """The standardised statistics."""
        return ops.clip((statistics - self.mean) / self.spread, -LIMIT, LIMIT)


@keras.saving.register_keras_serializable("safelight")
class Calibrate(keras.layers.Layer):  # type: ignore[misc]
    """The mean of the members' probabilities (n, m) to one calibrated probability (n, 1).

    ``sigmoid(scale * logit + offset)``: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights: they are fitted, not trained."""
        self.scale = self.add_weight(shape=(1,), initializer="ones", trainable=False, name="scale")
        self.offset = self.add_weight(shape=(1,), initializer="zeros", trainable=False, name="offset")

    def call(self, members: Any) -> Any:
        """The calibrated probability."""
        mean = ops.clip(ops.mean(members, axis=-1, keepdims=True), 1e-6, 1 - 1e-6)
        return ops.sigmoid(self.scale * ops.log(mean / (1.0 - mean)) + self.offset)


def build(size: int = FILM_ORIGIN.size, members: int = 200) -> keras.Model:
    """The untrained network: float32 (n, size, size, 3) RGB in 0..1 to the probability of film, (n, 1)."""
    return keras.Sequential(
        [
            keras.Input((size, size, 3), name="pixels"),
            GrainStatistics(name="statistics"),
            Standardise(name="standardise"),
            keras.layers.Dense(members, activation="sigmoid", name="members"),
            Calibrate(name="film"),
        ],
        name=FILM_ORIGIN.name,
    )


def calibrate(network: keras.Model, scale: float, offset: float) -> None:
    """Put Platt's ``scale`` and ``offset`` of the logit into the last layer."""
    network.get_layer("film").set_weights([np.array([scale], np.float32), np.array([offset], np.float32)])
