"""Digital pictures: what a camera's software leaves of a scene, and what their owners then do to them.

Shares and ranges are free: chosen by looking, and by what carried over to real pictures (docs/training.md).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.darkroom.grain import noise
from training.data.darkroom.light import MID_GREY, encode, to_light

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def clean(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """``picture`` (h, w, 3, sRGB) without most of its camera's noise; same shape.

    The licensed photographs are from compact cameras of the 2000s, whose noise would lie under simulated grain and mark
    simulated digital pictures as old. A bilateral filter keeps edges (Tomasi and Manduchi, 1998); chroma, where the eye
    misses detail least, is mostly filtered again as cameras do.
    """
    out = cv2.bilateralFilter(picture, 7, rng.uniform(8.0, 36.0), rng.uniform(1.0, 2.5))
    if rng.random() < 0.7:
        ycc = cv2.cvtColor(out, cv2.COLOR_RGB2YCrCb)
        ycc[..., 1:] = cv2.bilateralFilter(np.ascontiguousarray(ycc)[..., :], 9, 24, 3)[..., 1:]
        out = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB)
    return np.asarray(out, np.uint8)


def photograph_digital(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """``picture`` (h, w, 3, sRGB) as another digital camera and another edit would have made it; same shape.

    Edits change exposure, contrast and colour as much as a lab does; a quarter are made to look faded as film does, one
    picture in 25 gets the even grain that editing programs offer, and one in six loses its colour. Sensor noise has
    been through demosaicing and noise reduction, so it is correlated and coloured where grain is neither.
    """
    light = to_light(picture)
    if rng.random() < 0.6:
        gain = 10.0 ** (rng.normal(0.0, 0.18) + rng.normal(0.0, 0.025, 3))
        contrast = rng.uniform(0.75, 1.4)
        light = MID_GREY * np.power(np.maximum(light * gain.astype(np.float32), 1e-6) / MID_GREY, np.float32(contrast))
    if rng.random() < 0.15:
        light = light + _sensor_noise(light, rng)
    out = encode(light.astype(np.float32))
    if rng.random() < 0.25:
        black, white = rng.uniform(0.0, 0.14, 3) * rng.uniform(0.3, 1.0), 1.0 - rng.uniform(0.0, 0.12, 3)
        out = (black + (white - black) * out).astype(np.float32)
    if rng.random() < 1 / 6:
        out = np.repeat((out @ _GREY)[..., None], 3, axis=-1)
    if rng.random() < 0.04:
        out = out + rng.uniform(0.01, 0.05) * noise(out.shape[0], out.shape[1], rng.uniform(0.0, 0.8), rng)[..., None]
    codes: NDArray[np.uint8] = np.rint(np.clip(out, 0.0, 1.0) * 255.0).astype(np.uint8)
    return codes


def _sensor_noise(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Shot noise, growing with the root of light, smeared over a pixel or two; each channel in part its own.

    Photons are counted, so their noise is the root of their number (Poisson); the 0.01 is the sensor's own.
    """
    height, width = light.shape[:2]
    level, shared = 10.0 ** rng.uniform(-3.8, -2.5), rng.uniform(0.0, 0.8)
    common = noise(height, width, rng.uniform(0.5, 1.5), rng)
    own = [noise(height, width, rng.uniform(0.6, 2.5), rng) for _ in range(3)]
    speckle = np.stack([np.sqrt(shared) * common + np.sqrt(1 - shared) * each for each in own], axis=-1)
    return np.asarray(level * np.sqrt(np.maximum(light, 0.0) + 0.01) * speckle, np.float32)
