"""A colour negative as somebody photographs it: exposed, developed, damaged or not, laid over a light, taken by phone.

The photograph is of the *negative*: orange, dark where the scene was bright. Grain and sensor noise are given for the
size the network sees and grow with resolution, as the noise of a finer scan does (Selwyn's law).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.data.darkroom.defects import (
    DRAWINGS,
    MILD,
    SEVERE,
    cloud_field,
    dust_and_scratches,
    shows,
)
from training.data.darkroom.grain import add_grain
from training.data.darkroom.light import encode, to_light
from training.data.darkroom.stocks import Stock, load_stocks

Density = NDArray[np.float32]
Transmittance = NDArray[np.float32]

NOISE = "noise"
"""The one defect that is in the exposure and not a mark on the film."""


@dataclass(frozen=True)
class Negative:
    """A photographed negative and what is wrong with it.

    ``image`` uint8 (h, w, 3) sRGB; ``defects`` in the order of ``specs.DEFECTS``; ``severity`` float32 (6,), 0 where
    absent; ``mask`` bool (6, h, w), where each defect shows.
    """

    image: NDArray[np.uint8]
    defects: tuple[str, ...]
    severity: NDArray[np.float32]
    mask: NDArray[np.bool_]

    @property
    def readable(self) -> bool:
        """Nothing is wrong with it."""
        return not self.defects


def photograph_negative(picture: NDArray[np.uint8], rng: np.random.Generator, defects: Sequence[str] = ()) -> Negative:
    """``picture`` (h, w, 3, sRGB) as a negative with ``defects``, photographed over a light; same shape.

    The same ``rng`` state gives the same photograph, and the same but for the damage whichever ``defects`` are asked
    for. Raises ValueError for a defect that is not in ``specs.DEFECTS``.
    """
    unknown = sorted(set(defects) - set(DEFECTS))
    if unknown:
        raise ValueError(f"no defect is called {', '.join(unknown)}; there are {', '.join(DEFECTS)}")
    film, damage, dirt, border, camera = rng.spawn(5)
    severity = np.zeros(len(DEFECTS), np.float32)
    for index, own in enumerate(damage.spawn(len(DEFECTS))):
        severity[index] = own.uniform(MILD, SEVERE) if DEFECTS[index] in defects else 0.0
    stock = _draw_stock(film)
    density = _develop(picture, stock, film, float(severity[DEFECTS.index(NOISE)]))
    mask = np.zeros((len(DEFECTS), *picture.shape[:2]), bool)
    mask[DEFECTS.index(NOISE)] = NOISE in defects
    for (name, draw), own in zip(DRAWINGS.items(), damage.spawn(len(DRAWINGS)), strict=True):
        if name in defects:
            index = DEFECTS.index(name)
            before, density = density, draw(density, stock.base, float(severity[index]), own)
            mask[index] = shows(before, density)
    density = dust_and_scratches(density, dirt)
    light, mask = _mount(np.power(np.float32(10.0), -density), mask, stock.base, border)
    named = tuple(name for name in DEFECTS if name in defects)
    return Negative(_photograph(light, camera), named, severity, mask)


def _draw_stock(rng: np.random.Generator) -> Stock:
    """A random colour film; one in twenty is black-and-white, which is no damage either."""
    stocks = list(load_stocks().values())
    monochrome = rng.random() < 0.05
    pool = [stock for stock in stocks if stock.monochrome == monochrome]
    return pool[int(rng.integers(len(pool)))]


def _develop(picture: NDArray[np.uint8], stock: Stock, rng: np.random.Generator, noise: float) -> Density:
    """Density (h, w, 3) of the frame; ``noise`` (0..1) is how severely it was underexposed."""
    stops = float(np.clip(rng.normal(0.4, 0.8), -1.2, 2.5))
    contrast = np.float32(rng.uniform(0.8, 1.1))
    cast = rng.normal(0.0, 0.06, 3).astype(np.float32)  # light of another colour than the film is made for
    grain = rng.uniform(0.01, 0.03) * _per_pixel(picture.shape)
    if noise:
        stops = -3.0 - 2.3 * noise
        grain *= 1.5 + 1.5 * noise
    exposure = stock.expose(np.power(to_light(picture), contrast), stops) + cast
    uneven = 0.03 * cloud_field((picture.shape[0], picture.shape[1]), 0.5, rng)[..., None]
    density = stock.density(exposure) + np.float32(rng.uniform(0.0, 1.0)) * uneven
    return add_grain(density, stock.base, grain, rng.uniform(0.3, 0.8), rng, shared=rng.uniform(0.5, 0.9))


def _per_pixel(shape: tuple[int, ...]) -> float:
    """How much noise a pixel of a picture of ``shape`` has for every unit at the size that the network sees."""
    return min(shape[:2]) / NEGATIVE_CONDITION.size


def _mount(
    frame: Transmittance, mask: NDArray[np.bool_], base: Density, rng: np.random.Generator
) -> tuple[Transmittance, NDArray[np.bool_]]:
    """The frame in what surrounds it: often nothing, else some clear film, sprocket holes or a holder."""
    height, width = frame.shape[:2]
    kind = rng.choice(["none", "sliver", "band"], p=[0.45, 0.3, 0.25])
    widest = {"none": 0.0, "sliver": 0.03, "band": 0.14}[str(kind)]
    top, bottom, left, right = (round(min(height, width) * share) for share in rng.uniform(0, widest, 4))
    if top + bottom + left + right == 0 or min(height - top - bottom, width - left - right) < 2:
        return frame, mask
    around = np.broadcast_to(np.power(np.float32(10.0), -base), frame.shape).copy()
    if rng.random() < 0.5 and kind == "band":
        _punch(around, rng)
    if rng.random() < 0.35:
        around[:] = rng.uniform(0.0, 0.01)  # a black holder
    size, inside = (width - left - right, height - top - bottom), np.s_[top : height - bottom, left : width - right]
    around[inside] = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    moved = np.zeros_like(mask)
    for old, new in zip(mask, moved, strict=True):
        new[inside] = cv2.resize(old.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return around, moved


def _punch(around: Transmittance, rng: np.random.Generator) -> None:
    """Sprocket holes along both long edges of the film: eight a frame, as on 35 mm film."""
    height, width = around.shape[:2]
    pitch, depth = width / 8, round(0.07 * height)
    start = rng.uniform(0, pitch)
    for number in range(8):
        x0, x1 = round(start + number * pitch), round(start + (number + 0.45) * pitch)
        around[round(0.02 * height) : depth, x0:x1] = 1.0
        around[height - depth : height - round(0.02 * height), x0:x1] = 1.0


def _photograph(transmittance: Transmittance, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A phone's JPEG (h, w, 3) of film lying on a light: its lamp, lens, colours, exposure, noise and compression."""
    height, width = transmittance.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    centre = rng.normal(0.0, 0.5, 2)
    falloff = 1.0 - rng.uniform(0.0, 0.25) * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 4
    lamp = np.exp(rng.normal(0.0, [0.12, 0.03, 0.15])).astype(np.float32)
    light = transmittance * lamp * np.maximum(falloff, 0.3).astype(np.float32)[..., None]
    crosstalk = np.float32(rng.uniform(0.0, 0.35))  # a camera's filters are broader than a densitometer's
    light = (1 - crosstalk) * light + crosstalk * light @ np.full((3, 3), 1 / 3, np.float32)
    flare = np.float32(rng.uniform(0.0, 0.12)) * light.mean(axis=(0, 1))
    light = _expose(light + flare, rng)
    light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.15, 0.7) * max(1.0, _per_pixel(light.shape) / 2))
    noise = rng.uniform(0.001, 0.008) * _per_pixel(light.shape)
    values = encode(light) + np.float32(noise) * rng.standard_normal(light.shape, dtype=np.float32)
    codes = np.clip(np.rint(values * 255.0), 0, 255).astype(np.uint8)
    jpeg = simplejpeg.encode_jpeg(codes, quality=int(rng.integers(75, 97)))
    return np.asarray(simplejpeg.decode_jpeg(jpeg), np.uint8)


def _expose(light: Transmittance, rng: np.random.Generator) -> Transmittance:
    """White balance, which takes some of the orange away, and exposure to a mean that phones choose, on 0..1."""
    mean = light[::4, ::4].mean(axis=(0, 1)) + 1e-6
    neutral = np.power(mean.mean() / mean, rng.uniform(-0.3, 0.4))
    balanced = light * neutral.astype(np.float32)
    middle = float(np.median(balanced[::4, ::4].mean(axis=2))) + 1e-4
    gain = min(rng.uniform(0.05, 0.25) / middle, rng.uniform(0.9, 1.6) / float(np.quantile(balanced[::4, ::4], 0.9)))
    contrast = np.float32(rng.uniform(0.6, 1.0))
    return np.asarray(np.power(np.minimum(balanced * np.float32(gain), 4.0), contrast), np.float32)
