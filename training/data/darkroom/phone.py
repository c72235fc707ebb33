"""A phone over a light table: what its camera makes of the light that comes through film.

The steps follow a camera's pipeline: lamp, lens (falloff, blur, flare), sensor (broad colour filters, noise), white
balance, exposure, tone curve, sharpening, JPEG.

- Falloff: illumination falls with the fourth power of the cosine of the angle to the axis; 1 - k r^2 is the first term
  of it. At the corner of a phone's picture, some 38 degrees, 0.38 of the light would be left; its software gives most
  of that back, so 0 to 0.35 is lost here.
- Flare: light spread evenly over the picture, as ISO 9358 defines veiling glare; a lit room's is far stronger.
- Colour filters: a camera's overlap far more than a densitometer's (Jiang, Liu, Gu and Süsstrunk, "What is the space of
  spectral sensitivity functions for digital color cameras?", 2013), so each channel sees some of all.
- Noise: that of photons grows with the root of light, which the encoding's curve makes about even over the tones
  (Anscombe, "The transformation of Poisson, binomial and negative-binomial data", 1948); colour noise is coarser, as
  demosaicing and noise reduction leave it.

The ranges are free: chosen by looking at real photographs of negatives.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from film.specs import NEGATIVE_CONDITION
from training.data.darkroom.light import encode

Light = NDArray[np.float32]
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Rec. 709 weights of linear light."""


@dataclass(frozen=True)
class Phone:
    """One camera and its habits."""

    crosstalk: float
    """Share of each channel that is the mean of all three: its filters are broader than a densitometer's."""
    neutral: float
    """How far automatic white balance takes the orange away: 0 not at all, 1 until film base is grey."""
    saturation: float
    contrast: float
    falloff: float
    """Light lost in the corners of the picture, as a share."""
    blur: float
    """Sigma in pixels at the size that the network sees."""
    sharpening: float
    noise: float
    """Standard deviation of the encoded value, at the size that the network sees."""
    quality: tuple[int, int]
    """Lowest and highest JPEG quality."""


def draw_phone(number: int) -> Phone:
    """The phone with that ``number``: always the same one, unlike that of any other number."""
    rng = np.random.default_rng([20, number])
    lowest = int(rng.integers(60, 92))
    return Phone(
        crosstalk=float(rng.uniform(0.0, 0.35)),
        neutral=float(rng.choice([rng.uniform(-0.35, 0.15), rng.uniform(0.15, 0.65)], p=[0.7, 0.3])),
        saturation=float(rng.uniform(0.75, 1.6)),
        contrast=float(rng.uniform(0.75, 1.45)),
        falloff=float(rng.uniform(0.0, 0.35)),
        blur=float(rng.choice([rng.uniform(0.15, 0.6), rng.uniform(0.6, 1.1)], p=[0.75, 0.25])),
        sharpening=float(rng.uniform(0.0, 0.8)),
        noise=float(np.exp(rng.uniform(np.log(0.0005), np.log(0.008)))),
        quality=(lowest, min(98, lowest + 8)),
    )


@dataclass(frozen=True, eq=False)
class Exposure:
    """What one picture was taken with: turns light at the sensor into encoded values."""

    phone: Phone
    gain: Light
    """(3,) white balance and exposure together."""
    flare: Light
    """(3,) light that spreads over the whole picture, in units of the light at the sensor."""
    middle: float
    """Light about which the contrast turns."""
    contrast: float
    lift: float
    """Encoded value of black: haze, reflections of the room on the film."""

    def values(self, light: Light) -> Light:
        """Encoded sRGB values in 0..1, of light (h, w, 3) through film, 1.0 for the bare lamp."""
        exposed = light @ (_mixing(self.phone.crosstalk) * self.gain) + self.flare * self.gain
        decades = np.log(np.maximum(exposed, np.float32(1e-6)))
        turned = np.float32((1 - self.contrast) * np.log(self.middle))
        toned = np.exp(np.float32(self.contrast) * decades + turned)
        saturation = np.float32(self.phone.saturation)
        coloured = toned @ (saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * _LUMA[:, None])
        lift = np.float32(self.lift)
        return np.asarray(lift + (1 - lift) * encode(coloured), np.float32)


def meter(light: Light, clear: Light, phone: Phone, rng: np.random.Generator) -> Exposure:
    """How ``phone`` exposes ``light`` (h, w, 3); ``clear`` (3,) is what the film base lets through.

    All of it is free: chosen by looking.

    The middle tone lands anywhere between a dark and a bright picture, as with real ones: some meter the bare lamp.
    """
    small = light[::4, ::4] @ _mixing(phone.crosstalk)
    hazy = rng.random() < 0.3  # the room is lit: its light lies over the picture
    flare = np.float32(rng.uniform(0.3, 2.0) if hazy else rng.uniform(0.0, 0.12)) * np.median(small, axis=(0, 1))
    balance = _balance(clear, phone, rng)
    seen = (small + flare) * balance @ _LUMA
    middle = float(np.median(seen)) + 1e-4
    target = np.exp(rng.uniform(np.log(0.04), np.log(0.32)))
    brightest = float(np.quantile(seen, 0.9)) + 1e-4
    gain = min(target / middle, rng.uniform(0.6, 1.5) / brightest) if rng.random() < 0.85 else 0.8
    return Exposure(
        phone=phone,
        gain=np.asarray(balance * np.float32(gain), np.float32),
        flare=np.asarray(flare, np.float32),
        middle=middle * gain,
        contrast=phone.contrast * float(rng.uniform(0.8, 1.0) if hazy else rng.uniform(0.9, 1.4)),
        lift=float(rng.uniform(0.0, 0.15)) if hazy else float(rng.uniform(0.0, 0.04)),
    )


def _mixing(crosstalk: float) -> Light:
    """Matrix (3, 3) that leaves each channel with ``crosstalk`` of the mean of all."""
    return np.asarray((1 - crosstalk) * np.eye(3) + crosstalk / 3, np.float32)


def _balance(clear: Light, phone: Phone, rng: np.random.Generator) -> Light:
    lamp = np.exp(rng.normal([0.05, 0.0, -0.15], [0.1, 0.05, 0.3]))  # more often warm than cold
    wanted = float(np.clip(phone.neutral + rng.normal(0.0, 0.08), -0.4, 0.8))
    gain = np.power(clear.mean() / np.maximum(clear, 1e-3), wanted) * lamp
    return np.asarray(gain / (gain @ _LUMA), np.float32)


def shade(size: tuple[int, int], phone: Phone, rng: np.random.Generator) -> Light:
    """Light (h, w, 1) of an uneven lamp through a lens that darkens its corners; ``size`` is height and width.

    The lens by the law above; the lamp bright in some place and brighter on one side, as small light tables are (free).
    """
    height, width = size
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lens = 1.0 - phone.falloff * (x**2 + y**2) / 2
    centre, turn = rng.normal(0.0, 0.6, 2), rng.uniform(0, 2 * np.pi)
    lamp = 1.0 - rng.uniform(0.0, 0.3) * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 4
    slope = 1.0 + rng.uniform(0.0, 0.2) * (np.cos(turn) * x + np.sin(turn) * y)
    return np.asarray(np.maximum(lens * lamp * slope, 0.2), np.float32)[..., None]


def take(light: Light, exposure: Exposure, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The JPEG's pixels (h, w, 3) of ``light`` (h, w, 3): blurred, exposed, noisy, sharpened, compressed."""
    phone, scale = exposure.phone, per_pixel((light.shape[0], light.shape[1]))
    blurred = cv2.GaussianBlur(light, (0, 0), max(0.2, phone.blur * scale * float(rng.uniform(0.7, 1.4))))
    values = exposure.values(blurred)
    grey = rng.standard_normal((*values.shape[:2], 1), dtype=np.float32)
    colour = cv2.resize(
        rng.standard_normal((values.shape[0] // 2 + 1, values.shape[1] // 2 + 1, 3), dtype=np.float32),
        values.shape[1::-1],
    )
    values = values + np.float32(phone.noise * scale) * (grey + np.float32(0.7) * colour)
    if phone.sharpening > 0.1:
        soft = cv2.GaussianBlur(values, (0, 0), 0.8 * scale)
        values = values + np.float32(phone.sharpening) * (values - soft)
    codes = np.clip(np.rint(values * 255.0), 0, 255).astype(np.uint8)
    jpeg = simplejpeg.encode_jpeg(codes, quality=int(rng.integers(phone.quality[0], phone.quality[1] + 1)))
    return np.asarray(simplejpeg.decode_jpeg(jpeg), np.uint8)


def per_pixel(size: tuple[int, int]) -> float:
    """How many pixels of a picture of ``size`` stand for one at the size that the network sees, in a line."""
    return min(size) / NEGATIVE_CONDITION.size
