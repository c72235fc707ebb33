"""What can go wrong with a negative, drawn by its cause into the density of the developed film.

Defects and causes are those of the founding project, "CNN (ResNet18) for Film (Color Negatives) Detection", whose table
of abnormal films names underexposure, uneven development, exhausted developer, folding and storage, and re-coiling.

Every drawing takes density float32 (h, w, 3) of R, G, B with the base included, and gives a changed copy. Sizes are
shares of the short side, so that a thumbnail and a scan of a frame get the same damage. Where a drawing *shows* is
decided on the photograph, not here (see ``visibility``).

What each drawing does to the density follows from its cause: no developer leaves the base, no bleaching leaves silver,
a hole leaves nothing, rubbing takes the uppermost layer first. Shapes, numbers and amounts are free: chosen by
looking.

``noise`` is not here: it is not a mark on the film but too little light on it (see ``negative``).
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Density = NDArray[np.float32]
Field = NDArray[np.float32]

MILD, SEVERE = 0.35, 1.0
"""Range of severity that is drawn: from what a person notices and calls damage, upwards."""


def blank_area(density: Density, base: Density, severity: float, rng: np.random.Generator) -> Density:
    """Uneven development: a large part stayed clear because no developer reached it, or is fogged all over."""
    height, width = shape = _size(density)
    clouds = cloud_field(shape, 0.35, rng)
    if rng.random() < 0.6:  # from one side, as when a reel stands too high in the tank
        along_width = rng.random() < 0.5
        ramp = np.linspace(-1, 1, width if along_width else height, dtype=np.float32)
        ramp = ramp[::-1] if rng.random() < 0.5 else ramp
        clouds = 0.25 * clouds + (ramp[None, :] if along_width else ramp[:, None])
    edge = np.quantile(clouds, 1 - rng.uniform(0.15, 0.3) - 0.35 * severity)
    reach = _ramp((clouds - edge) / rng.uniform(0.05, 0.5))
    inside = density[reach > 0.5]
    clear = float((inside - base).mean()) > 0.35 and rng.random() < 0.7
    target = base + (0.0 if clear else rng.uniform(1.3, 2.0))
    strength = np.float32(0.75 + 0.25 * severity)
    return _mix(density, np.broadcast_to(target.astype(np.float32), density.shape), reach * strength)


def color_patches(density: Density, base: Density, severity: float, rng: np.random.Generator) -> Density:
    """Exhausted developer: blotches in which the layers developed differently, so that the colour shifts."""
    shape = _size(density)
    out = density.copy()
    for _ in range(1 + int(rng.integers(1, 3))):
        clouds = cloud_field(shape, rng.uniform(0.08, 0.3), rng)
        edge = np.quantile(clouds, rng.uniform(0.65, 0.92))
        reach = _ramp((clouds - edge) / rng.uniform(0.4, 1.5))
        shift = rng.normal(0.0, 1.0, 3)
        shift -= 0.7 * shift.mean()  # colour more than darkness
        shift *= (0.16 + 0.4 * severity) / np.abs(shift).max()
        out += reach[..., None] * shift.astype(np.float32)
    return np.maximum(out, np.float32(0.0))


def holes(density: Density, base: Density, severity: float, rng: np.random.Generator) -> Density:
    """Folding and storage: torn or pierced film, through which the light shines; the rim is crumpled."""
    shape = _size(density)
    short = min(shape)
    hole, rim = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    spot, turn = _anywhere(shape, rng), rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(1, 4))):
        radius = short * (0.008 + 0.05 * severity * rng.uniform(0.1, 1.0))
        outline = _blob(spot, radius, rng, stretch=rng.uniform(1.0, 4.0), turn=turn, rough=0.35)
        _fill(hole, outline, 1.0)
        cv2.polylines(rim, [outline], True, 1.0, max(1, round(short * 0.006)), cv2.LINE_AA)
        spot = _near(spot, 0.12 * short, shape, rng)
        turn += rng.normal(0.0, 0.3)
    crumpled = density + (rng.uniform(0.0, 0.5) * rim)[..., None]
    return np.asarray(crumpled * (1.0 - hole[..., None]), np.float32)


def residual_spots(density: Density, base: Density, severity: float, rng: np.random.Generator) -> Density:
    """Exhausted chemistry: spots left unfinished, dark where silver stayed in the film, pale where no dye formed."""
    shape = _size(density)
    short = min(shape)
    dark = rng.random() < 0.7
    spots = np.zeros(shape, np.float32)
    centre, spread = _anywhere(shape, rng), rng.uniform(0.08, 0.6) * short
    count = int(rng.integers(1, 4 + round(16 * severity)))
    largest = (0.026 + 0.03 * severity) / count**0.25  # a few large ones or many small ones
    for _ in range(count):
        radius = short * rng.uniform(0.013, largest)
        outline = _blob(_near(centre, spread, shape, rng), radius, rng, stretch=rng.uniform(1.0, 2.5), rough=0.3)
        _fill(spots, outline, 1.0)
        if rng.random() < 0.4:  # dried from the middle outwards: a ring
            middle = outline.mean(axis=0, keepdims=True)
            _fill(spots, np.rint(middle + 0.6 * (outline - middle)).astype(np.int32), rng.uniform(0.0, 0.7))
    spots = cv2.GaussianBlur(spots, (0, 0), max(0.4, short * rng.uniform(0.001, 0.005)))
    if dark:
        silver = np.float32(0.4 + 0.6 * severity) * np.array([0.8, 1.0, 1.1], np.float32)
        return np.asarray(density + spots[..., None] * silver, np.float32)
    return np.asarray(density * (1.0 - spots[..., None] * np.float32(0.45 + 0.35 * severity)), np.float32)


def dye_removal(density: Density, base: Density, severity: float, rng: np.random.Generator) -> Density:
    """Re-coiling: streaks along the film where the layers were rubbed off, the uppermost (blue) first."""
    if density.shape[0] > density.shape[1]:  # the film runs along the longer side
        return dye_removal(density.swapaxes(0, 1), base, severity, rng).swapaxes(0, 1)
    height, width = density.shape[:2]
    across = np.arange(height, dtype=np.float32)[:, None] / height
    along = np.arange(width, dtype=np.float32)[None, :] / width
    streaks = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 3 + round(4 * severity)))):
        half = rng.uniform(0.006, 0.012 + 0.03 * severity)
        centre = rng.uniform(0.05, 0.95) + rng.normal(0.0, 0.02) * along
        start, length = rng.uniform(-0.4, 0.6), rng.uniform(0.4, 1.2)
        profile = _ramp(1.5 - np.abs(across - centre) / half)
        ends = _ramp((along - start) / 0.05) * _ramp((start + length - along) / 0.05)
        np.maximum(streaks, profile * ends, out=streaks)
    fibres = cv2.resize(rng.random((height, max(2, width // 40)), dtype=np.float32), (width, height))
    rubbed = streaks * np.clip(0.55 + 0.75 * fibres, 0.0, 1.0)
    green = rng.uniform(0.2, 1.0) if np.ptp(base) > 0 else 1.0  # a black-and-white film has but one layer
    red = green * rng.uniform(0.0, 1.0) if np.ptp(base) > 0 else 1.0
    depth = np.array([red, green, 1.0], np.float32) * np.float32(0.45 + 0.5 * severity)
    return np.asarray(density * (1.0 - rubbed[..., None] * depth), np.float32)


Drawing = Callable[[Density, Density, float, np.random.Generator], Density]
DRAWINGS: dict[str, Drawing] = {
    "blank_area": blank_area,
    "color_patches": color_patches,
    "residual_spots": residual_spots,
    "dye_removal": dye_removal,
    "holes": holes,
}
"""The defects that are marks on the film, in the order in which they come about: holes last, nothing covers them."""


def cloud_field(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Field:
    """A smooth random field (h, w), about mean 0 and deviation 1, whose clouds are ``scale`` of the short side."""
    step = max(1.0, scale * min(shape))
    rows, columns = (int(np.ceil(side / step)) + 3 for side in shape)
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    fine = cv2.resize(coarse, (round(columns * step), round(rows * step)), interpolation=cv2.INTER_CUBIC)
    top, left = (int(rng.integers(0, full - side + 1)) for full, side in zip(fine.shape, shape, strict=True))
    return np.ascontiguousarray(fine[top : top + shape[0], left : left + shape[1]], np.float32)


def _size(density: Density) -> tuple[int, int]:
    return density.shape[0], density.shape[1]


def _ramp(x: Field) -> Field:
    """Smooth step from 0 at x <= 0 to 1 at x >= 1."""
    t = np.clip(x, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def _mix(a: Density, b: Density, share_of_b: Field) -> Density:
    return np.asarray(a + (b - a) * share_of_b[..., None], np.float32)


def _anywhere(shape: tuple[int, int], rng: np.random.Generator) -> tuple[float, float]:
    """A random point (x, y), not quite at the edge."""
    return rng.uniform(0.08, 0.92) * shape[1], rng.uniform(0.08, 0.92) * shape[0]


def _near(
    point: tuple[float, float], spread: float, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[float, float]:
    """A random point about ``spread`` pixels from ``point``, kept inside the picture."""
    x, y = np.array(point) + rng.normal(0.0, spread, 2)
    return float(np.clip(x, 0, shape[1] - 1)), float(np.clip(y, 0, shape[0] - 1))


def _blob(
    centre: tuple[float, float],
    radius: float,
    rng: np.random.Generator,
    *,
    stretch: float = 1.0,
    turn: float | None = None,
    rough: float = 0.2,
) -> NDArray[np.int32]:
    """Outline (n, 2) of an irregular shape about ``centre`` (x, y): ``stretch`` times longer than wide, never empty."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    knots = rng.normal(1.0, rough, 8).clip(0.3)
    radii = max(radius, 0.8) * np.interp(angles, np.linspace(0, 2 * np.pi, 9), np.append(knots, knots[0]))
    x, y = radii * np.cos(angles) * stretch, radii * np.sin(angles)
    turn = rng.uniform(0, np.pi) if turn is None else turn
    outline = np.stack((x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)), axis=1)
    return np.asarray(np.rint(outline + np.array(centre)), np.int32)


def _fill(field: Field, outline: NDArray[np.int32], value: float) -> None:
    cv2.fillPoly(field, [outline], value)
