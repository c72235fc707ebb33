"""What a person sees of a defect, measured on the photograph at the size that the network sees.

A drawing on the film is compared with the film without it, both through the same camera: dark parts, haze and a low
contrast hide it as they would hide it from a viewer. Its ``strength`` in the centre square is the root of the summed
squares of what it changed, a matched filter's signal over unit noise (Green and Swets, 1966): it grows with contrast
and with the root of the area. Detail of its own size around it hides a small mark, as a leaf hides a leaf-sized spot:
contrast masking (Legge and Foley, "Contrast masking in human vision", 1980).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.data.darkroom.phone import Exposure

Field = NDArray[np.float32]

VISIBLE = 0.045
"""Change of the encoded value (0..1) of some channel that belongs to a defect's mask: eleven levels of 255."""
SMALL = ("holes", "residual_spots")
"""Defects as small as a picture's own detail, which can hide them."""
MASKING = 0.08
"""Deviation of the encoded value among a spot's neighbours from which on they hide it; free: chosen by looking."""
BOUNDS: dict[str, tuple[float, float]] = {
    "noise": (0.6, 1.2),
    "blank_area": (8.0, 26.0),
    "color_patches": (3.5, 9.5),
    "holes": (1.0, 4.0),
    "residual_spots": (1.0, 4.0),
    "dye_removal": (2.0, 6.0),
}
"""Strength below which nobody would call a defect there, and from which anybody would, found by looking at sheets."""


def small(transmittance: Field) -> Field:
    """``transmittance`` (h, w, 3) of a frame with a short side as the network sees it, or smaller."""
    scale = NEGATIVE_CONDITION.size / min(transmittance.shape[:2])
    if scale >= 1:
        return transmittance
    size = round(transmittance.shape[1] * scale), round(transmittance.shape[0] * scale)
    return np.asarray(cv2.resize(transmittance, size, interpolation=cv2.INTER_AREA), np.float32)


def change(before: Field, after: Field, exposure: Exposure) -> Field:
    """By how much (h, w) the encoded value of some channel differs between two transmittances (h, w, 3)."""
    difference: Field = np.abs(exposure.values(after) - exposure.values(before)).max(axis=2)
    return np.asarray(cv2.GaussianBlur(difference, (0, 0), 0.7), np.float32)  # single grains do not show


def unmasked(before: Field, exposure: Exposure) -> Field:
    """Which part (h, w), 0..1, of a small change to the transmittance ``before`` (h, w, 3) its surroundings leave."""
    luma = exposure.values(before).mean(axis=2)
    mean, square = (cv2.GaussianBlur(field, (0, 0), 4.0) for field in (luma, luma * luma))
    texture = np.sqrt(np.maximum(square - mean * mean, 0.0)) / MASKING
    return np.asarray(1.0 / np.hypot(1.0, texture), np.float32)


def faintness(clean: Field, grainy: Field, exposure: Exposure) -> float:
    """How little of a picture there is to see: its noise over its contrast, 0 for a fine one.

    Both are deviations of the encoded value; the contrast leaves out what changes over more than an eighth of the
    picture, as a cloudless sky does. ``clean`` and ``grainy`` (h, w, 3) are the transmittance without and with grain;
    the camera's noise is added, and a floor for what eyes and JPEG lose.
    """
    signal, seen = (exposure.values(light[::2, ::2])[..., 1] for light in (clean, grainy))
    noise = np.hypot(float((seen - signal).std()), exposure.phone.noise)
    detail = signal - cv2.GaussianBlur(signal, (0, 0), min(signal.shape) / 8)
    return float((0.008 + noise) / (detail.std() + 1e-4))


def strength(changed: Field) -> float:
    """How strongly a change (h, w) of a photograph shows in its centre square (see above)."""
    height, width = changed.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = changed[top : top + side, left : left + side]
    seen = square[square >= VISIBLE]
    return float(np.sqrt(np.sum(np.square(seen, dtype=np.float64)))) * NEGATIVE_CONDITION.size / side


def verdict(strengths: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Which defects (6,) a person would see, given their strengths; None where that is open to dispute."""
    low, high = np.array([BOUNDS[name] for name in DEFECTS]).T
    if ((strengths > low) & (strengths < high)).any():
        return None
    seen: NDArray[np.bool_] = strengths >= high
    return seen
