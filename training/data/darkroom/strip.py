"""What surrounds a frame when somebody photographs it: film base, sprocket holes, the neighbours, a holder, bare light.

Proportions are those of 35 mm film (ISO 1007): a frame of 36 x 24 mm on film 35 mm wide, 2 mm between frames, holes of
2.8 x 2 mm every 4.75 mm, 2 mm from the edge. Squarer frames are taken for roll film, which has no holes.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float32]
SURROUNDED = 0.65
"""Share of the photographs that show more than the frame."""
ASKEW = 0.6
"""Share of the photographs with surroundings that show more of one edge of the film than of the other."""


@dataclass(frozen=True, eq=False)
class View:
    """How a frame lies in the photograph: ``matrix`` (2, 3) takes the frame's pixels (x, y) to the photograph's."""

    matrix: NDArray[np.float64]
    size: tuple[int, int]
    """Width and height of the frame, and of the photograph."""

    def place(self, layer: NDArray[np.float32]) -> NDArray[np.float32]:
        """A ``layer`` (h, w) of the frame where it lies in the photograph, 0 around it."""
        return np.asarray(cv2.warpAffine(layer, self.matrix, self.size), np.float32)


def whole_frame(size: tuple[int, int]) -> View:
    """A photograph of the frame and nothing else."""
    return View(np.eye(2, 3), size)


def mount(frame: Light, base: Light, rng: np.random.Generator) -> tuple[Light, View]:
    """The transmittance of a photograph, (h, w, 3) as ``frame``, and where in it the frame is.

    ``base`` is the density (3,) of clear film. A third of the photographs show the frame only; the others a little or a
    lot of what is around it, not quite straight.
    """
    height, width = frame.shape[:2]
    if height > width:  # film runs along the longer side
        turned, view = mount(np.ascontiguousarray(frame.swapaxes(0, 1)), base, rng)
        matrix = view.matrix[::-1, [1, 0, 2]]
        return np.ascontiguousarray(turned.swapaxes(0, 1)), View(np.ascontiguousarray(matrix), (width, height))
    if rng.random() >= SURROUNDED:
        return frame, whole_frame((width, height))
    strip, left, top = _strip(frame, base, rng)
    zoom = 1 / rng.choice([rng.uniform(0.96, 1.08), rng.uniform(1.08, 1.45)])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.normal(0.0, 1.2)), zoom)
    matrix[:, 2] += rng.normal(0.0, 0.04, 2) * height
    if rng.random() < ASKEW:  # one edge of the film comes into view, often with no more than part of its holes
        matrix[1, 2] += rng.choice([-1.0, 1.0]) * rng.uniform(0.04, 0.17) * height
    outside = [float(value) for value in strip[0, 0]]
    from_strip = matrix @ np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
    seen = cv2.warpAffine(
        strip, from_strip, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside
    )
    return np.asarray(seen, np.float32), View(matrix, (width, height))


def _strip(frame: Light, base: Light, rng: np.random.Generator) -> tuple[Light, int, int]:
    """The frame in its film, and what is left and above of it in pixels."""
    height, width = frame.shape[:2]
    mm = height / 24
    left, top, gap, rebate = round(0.22 * width), round(0.3 * height), round(2 * mm), round(5.5 * mm)
    beyond = np.float32(rng.choice([1.0, rng.uniform(0.0, 0.02)], p=[0.3, 0.7]))
    strip = np.full((height + 2 * top, width + 2 * left, 3), beyond, np.float32)
    film = strip[top - rebate : top + height + rebate]
    film[:] = clear_film(base)
    if rng.random() < 0.6:  # else the last frame of a strip
        neighbour = frame[:, ::-1]
        strip[top : top + height, : left - gap] = neighbour[:, width - left + gap :]
        strip[top : top + height, left + width + gap :] = neighbour[:, : left - gap]
    if width / height > 1.4 and rng.random() < 0.8:
        _punch(film, mm, rng.uniform(0, 4.75))
        if rng.random() < 0.5:
            _write_on_edge(film, mm, rng)
    strip[top : top + height, left : left + width] = frame
    if rng.random() < 0.4:
        _hold(strip, (left, top, width, height), rng)
    return strip, left, top


def clear_film(base: Light) -> Light:
    """Transmittance (3,) of film of density ``base`` (3,)."""
    return np.power(np.float32(10.0), -base).astype(np.float32)


def _punch(film: Light, mm: float, start: float) -> None:
    """Sprocket holes along both edges, through which the lamp shines."""
    for number in range(-1, int(film.shape[1] / mm / 4.75) + 1):
        x0, x1 = (max(0, round((start + number * 4.75 + end) * mm)) for end in (0.0, 2.8))
        film[round(2 * mm) : round(4 * mm), x0:x1] = 1.0
        film[len(film) - round(4 * mm) : len(film) - round(2 * mm), x0:x1] = 1.0


def _write_on_edge(film: Light, mm: float, rng: np.random.Generator) -> None:
    """Frame number and film code, exposed onto the edge by the maker."""
    text = f"{int(rng.integers(1, 37))}   {int(rng.integers(100, 5300))}-{int(rng.integers(1, 9))}   >"
    where = round(rng.uniform(0.0, 0.7) * film.shape[1]), round(1.5 * mm)
    value = [float(v) for v in film[0, 0] * np.float32(rng.uniform(0.15, 0.5))]
    cv2.putText(film, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.05 * mm, value, max(1, round(0.15 * mm)), cv2.LINE_AA)


def _hold(strip: Light, frame: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """A black holder that leaves the frame free, with a little more or less than all of it."""
    left, top, width, height = frame
    across, along = (round(share * height) for share in rng.uniform(-0.015, 0.1, 2))
    black = np.float32(rng.uniform(0.0, 0.015))
    if rng.random() < 0.3:  # film narrower than the opening: a line of bare light beside it
        rim = round(rng.uniform(0.005, 0.025) * height)
        for side in (np.s_[:, left - rim : left], np.s_[:, left + width : left + width + rim], np.s_[top - rim : top]):
            if rng.random() < 0.6:
                strip[side] = 1.0
    strip[: max(0, top - across)] = black
    strip[top + height + across :] = black
    strip[:, : max(0, left - along)] = black
    strip[:, left + width + along :] = black
