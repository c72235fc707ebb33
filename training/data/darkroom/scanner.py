"""What the machine that reads the film adds: optics, sensor noise, its maker's sharpening, and how it renders tones.

Four kinds are about. Two are labs' minilab scanners, Fuji's Frontier and Noritsu's; a flatbed or a home film scanner is
soft, noisy in the dark and often left flat; a digital camera on a copy stand resolves grain well. We found no
measurements of the two minilabs. Labs and photographers who compare them agree that a Frontier is the smoother one,
which rolls highlights off early, and that a Noritsu draws finer detail (for one "Frontier vs Noritsu" by Dept. of
Vibe); on which is warmer and which more contrasty they contradict each other, and the operator's settings move both. So
the shoulder and the width of the sharpening differ by kind here, tone and colour overlap, and a Frontier is but a
little warmer. All numbers are free: chosen by looking at real scans and at what carried over to them
(docs/training.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.darkroom.grain import noise

Range = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """How a machine, and who sits at it, renders a negative; the default renders what the film saw."""

    contrast: float = 1.0
    """Slope of the inversion; 1 gives the scene's own contrast back."""
    saturation: float = 1.0
    """Factor of the colours' distance from grey, in log light."""
    balance: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Log10 gain of R, G, B that the colour balance is off by."""
    brightness: float = 0.0
    """Log10 gain of the whole picture that the density correction is off by."""
    black: float = 2.6
    """Log10 light below mid-grey at which the scan is black."""
    white: float = 1.0
    """Scene-linear light of the scan's white: labs keep it under what a file can hold."""
    knee: float = 0.5
    """Share of ``white`` from which on highlights are bent towards it."""


@dataclass(frozen=True)
class Scanner:
    """How film is read: ``blur`` is the sigma of the optics in pixels, 0 for none.

    ``noise`` is the standard deviation in 8-bit levels of the sensor's noise, alike in all channels as these machines'
    software leaves it; ``sharpening`` the amount and ``radius`` the sigma in pixels of an unsharp mask.
    """

    blur: float
    noise: float
    sharpening: float
    radius: float
    look: Look = Look()
    kind: str = ""


@dataclass(frozen=True)
class Kind:
    """What the scanners of one kind have in common: a share of all, odds of what not all do, and ranges."""

    share: float
    blurs: float
    blur: Range
    sharpens: float
    sharpening: Range
    radius: Range
    contrast: Range
    saturation: Range
    warmth: float
    """Log10 gain of red over blue, on average."""
    tint: float
    """Standard deviation of the log10 gain of each channel."""
    black: Range
    white: Range
    knee: Range


KINDS: Mapping[str, Kind] = {
    "frontier": Kind(
        share=0.35, blurs=0.2, blur=(0.25, 0.5), sharpens=0.8, sharpening=(0.3, 1.3), radius=(0.6, 1.2),
        contrast=(0.8, 1.4), saturation=(0.95, 1.25), warmth=0.012, tint=0.02,
        black=(1.2, 2.6), white=(0.75, 1.0), knee=(0.38, 0.5),
    ),
    "noritsu": Kind(
        share=0.35, blurs=0.2, blur=(0.25, 0.5), sharpens=0.8, sharpening=(0.4, 1.5), radius=(0.5, 1.0),
        contrast=(0.75, 1.35), saturation=(0.95, 1.25), warmth=0.0, tint=0.02,
        black=(1.2, 2.6), white=(0.78, 1.05), knee=(0.48, 0.62),
    ),
    "flatbed": Kind(
        share=0.2, blurs=1.0, blur=(0.3, 0.7), sharpens=0.6, sharpening=(0.2, 1.5), radius=(0.5, 1.2),
        contrast=(0.7, 1.3), saturation=(0.85, 1.2), warmth=0.0, tint=0.03,
        black=(1.0, 2.2), white=(0.75, 1.05), knee=(0.45, 0.6),
    ),
    "camera": Kind(
        share=0.1, blurs=1.0, blur=(0.0, 0.4), sharpens=0.5, sharpening=(0.1, 0.8), radius=(0.5, 1.2),
        contrast=(0.7, 1.4), saturation=(0.85, 1.25), warmth=0.0, tint=0.03,
        black=(1.0, 2.6), white=(0.75, 1.05), knee=(0.45, 0.6),
    ),
}  # fmt: skip


def draw_scanner(rng: np.random.Generator, kind: str | None = None) -> Scanner:
    """A random scanner of ``kind``, or of a kind drawn by its share; KeyError where there is no such kind."""
    drawn = list(KINDS)[int(rng.choice(len(KINDS), p=[one.share for one in KINDS.values()]))]
    kind = kind or drawn
    of = KINDS[kind]
    tint = rng.normal(0.0, of.tint, 3) + np.array([0.5, 0.0, -0.5]) * of.warmth
    look = Look(
        contrast=float(rng.uniform(*of.contrast)),
        saturation=float(rng.uniform(*of.saturation)),
        balance=(float(tint[0]), float(tint[1]), float(tint[2])),
        brightness=float(rng.normal(0.02, 0.16)),
        black=float(rng.uniform(*of.black)),
        white=float(rng.uniform(*of.white)),
        knee=float(rng.uniform(*of.knee)),
    )
    return Scanner(
        blur=float(rng.uniform(*of.blur) if rng.random() < of.blurs else 0.0),
        noise=float(rng.uniform(0.4, 3.0) if rng.random() < 0.4 else 0.0),
        sharpening=float(rng.uniform(*of.sharpening) if rng.random() < of.sharpens else 0.0),
        radius=float(rng.uniform(*of.radius)),
        look=look,
        kind=kind,
    )


def sharpen(picture: NDArray[np.float32], amount: float, radius: float) -> NDArray[np.float32]:
    """Unsharp mask: ``picture`` (h, w, 3) plus ``amount`` of its difference from a blur of sigma ``radius`` pixels."""
    return np.asarray(picture + amount * (picture - cv2.GaussianBlur(picture, (0, 0), radius)), np.float32)


def digitise(positive: NDArray[np.uint8], scanner: Scanner, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The scan (h, w, 3) of an ideal positive (h, w, 3), both sRGB.

    Optics first, then the sensor's noise, then sharpening, which raises both noise and grain: the order of the light.
    """
    out = positive.astype(np.float32)
    if scanner.blur > 0:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), scanner.blur), np.float32)
    if scanner.noise > 0:
        out = out + scanner.noise * noise(out.shape[0], out.shape[1], 0.0, rng)[..., None]
    if scanner.sharpening > 0:
        out = sharpen(out, scanner.sharpening, scanner.radius)
    codes: NDArray[np.uint8] = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    return codes
