"""What happens to every picture, film or not, between its making and the web: the same random chain for both.

If the classes differed in sharpness, size, colour cast or JPEG quality, a network would learn that instead of film.
"""

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from training.data.darkroom.grain import noise
from training.data.darkroom.light import encode, to_light


def frame(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random part (80..100 % each way) of ``picture``, perhaps mirrored, its long side 1000..1600 pixels."""
    height, width = picture.shape[:2]
    part = rng.uniform(0.8, 1.0)
    h, w = max(1, round(height * part)), max(1, round(width * part))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    crop = picture[top : top + h, left : left + w]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    scale = rng.uniform(1000, 1600) / max(h, w)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(crop), size, interpolation=method), np.uint8)


def photograph_digital(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """``picture`` (h, w, 3, sRGB) as another digital camera and another edit would have made it; same shape.

    Sensor noise is even in light, so it shows in the shadows where grain shows in the middle tones; edits change
    exposure, contrast and colour as much as a lab does, and one picture in six loses its colour.
    """
    light = to_light(picture)
    if rng.random() < 0.6:
        gain = 10.0 ** (rng.normal(0.04, 0.12) + rng.normal(0.0, 0.02, 3))
        contrast = rng.uniform(0.8, 1.25)
        light = 0.18 * np.power(np.maximum(light * gain.astype(np.float32), 1e-6) / 0.18, np.float32(contrast))
    if rng.random() < 0.3:
        level = 10.0 ** rng.uniform(-3.6, -2.6)
        height, width = picture.shape[:2]
        speckle = np.stack([noise(height, width, rng.uniform(0.0, 0.8), rng) for _ in range(3)], axis=-1)
        light = light + level * np.sqrt(np.maximum(light, 0.0) + 0.02) * speckle
    out = encode(light.astype(np.float32))
    if rng.random() < 1 / 6:
        out = np.repeat((out @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], 3, axis=-1)
    codes: NDArray[np.uint8] = np.rint(out * 255.0).astype(np.uint8)
    return codes


def finish(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """``picture`` (h, w, 3) after a random lens softness, vignette and sharpening; same shape."""
    out = picture.astype(np.float32)
    if rng.random() < 0.4:
        height, width = picture.shape[:2]
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        out = out * (1.0 - rng.uniform(0.0, 0.3) * ((x * x + y * y) / 2)).astype(np.float32)[..., None]
    if rng.random() < 0.4:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 0.8))
    if rng.random() < 0.6:
        out = out + rng.uniform(0.1, 1.0) * (out - cv2.GaussianBlur(out, (0, 0), rng.uniform(0.6, 1.4)))
    codes: NDArray[np.uint8] = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    return codes


def to_jpeg(picture: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
    """``picture`` as a JPEG of random quality (80..96) and chroma subsampling."""
    quality = int(rng.integers(80, 97))
    subsampling = str(rng.choice(["420", "422", "444"], p=[0.6, 0.1, 0.3]))
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture), quality=quality, colorspace="RGB", colorsubsampling=subsampling
    )
    return jpeg
