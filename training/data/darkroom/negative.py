"""A colour negative as somebody photographs it: exposed, developed, damaged or not, laid over a light, taken by phone.

The photograph is of the *negative*: orange, dark where the scene was bright. Grain and sensor noise are given for the
size the network sees and grow with resolution, as the noise of a finer scan does (Selwyn's law).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from film.specs import DEFECTS
from training.data.darkroom.defects import DRAWINGS, MILD, SEVERE, cloud_field
from training.data.darkroom.development import Kind, draw_development
from training.data.darkroom.dirt import dust_and_scratches
from training.data.darkroom.grain import add_grain
from training.data.darkroom.light import to_light
from training.data.darkroom.phone import draw_phone, meter, per_pixel, shade, take
from training.data.darkroom.stocks import Stock, black_and_white, load_stocks
from training.data.darkroom.strip import clear_film, mount
from training.data.darkroom.visibility import SMALL, VISIBLE, change, faintness, small, strength, unmasked

Density = NDArray[np.float32]

NOISE = "noise"
"""The one defect that is in the exposure and not a mark on the film."""
FAINT = ("blank_area", "color_patches", "dye_removal")
"""What also comes in traces that nobody would call damage."""
_SEEN_DIRT = 0.08
"""Density by which dirt has to differ from the film to be seen: a fifth of the light."""


@dataclass(frozen=True)
class Negative:
    """A photographed negative and what is wrong with it.

    ``image`` uint8 (h, w, 3) sRGB; ``defects`` in the order of ``specs.DEFECTS``; ``severity`` float32 (6,), 0 where
    absent; ``mask`` bool (6, h, w), where each defect shows; ``strength`` float32 (6,), how strongly each shows in the
    centre square (see ``visibility``), of traces too; ``dirt`` the share of the frame under dust, hairs and scratches,
    which are no defect.
    """

    image: NDArray[np.uint8]
    defects: tuple[str, ...]
    severity: NDArray[np.float32]
    mask: NDArray[np.bool_]
    strength: NDArray[np.float32]
    dirt: float

    @property
    def readable(self) -> bool:
        """Nothing is wrong with it."""
        return not self.defects


@dataclass(frozen=True)
class World:
    """What films, phones and scenes there are: one world to train on, another to judge by."""

    stocks: tuple[str, ...]
    phones: range
    """Numbers of ``draw_phone``."""
    frames: tuple[float, float] = (0.55, 1.0)
    """Least and largest share of a photograph's height in a frame; above 1 its mirror images go on around it."""
    recoloured: float = 0.0
    """Share of the scenes in other colours than they were photographed in."""
    blank: float = 0.0
    """Share of the negatives on which there is no picture: one colour, or one that passes into another."""


HELD_OUT = ("Ektar 100", "Fujifilm 200", "Portra 160")
"""Films that no negative to train on is made of."""
TRAINING_WORLD = World(
    tuple(name for name in load_stocks() if name not in HELD_OUT), range(0, 400), (0.3, 1.8), 0.35, 0.08
)
JUDGING_WORLD = World(HELD_OUT, range(1000, 1100))


def photograph_negative(
    picture: NDArray[np.uint8],
    rng: np.random.Generator,
    defects: Sequence[str] = (),
    world: World = TRAINING_WORLD,
    kind: Kind | None = None,
) -> Negative:
    """``picture`` (h, w, 3, sRGB) as a negative with ``defects``, photographed over a light; same shape.

    ``kind`` is how the roll was developed (see ``development``), random unless given. The same ``rng`` state gives the
    same photograph, and the same but for the damage whichever ``defects`` are asked for. Raises ValueError for a defect
    that is not in ``specs.DEFECTS``.
    """
    unknown = sorted(set(defects) - set(DEFECTS))
    if unknown:
        raise ValueError(f"no defect is called {', '.join(unknown)}; there are {', '.join(DEFECTS)}")
    film, damage, dirt, border, camera = rng.spawn(5)
    severity = np.zeros(len(DEFECTS), np.float32)
    for index, own in enumerate(damage.spawn(len(DEFECTS))):
        severity[index] = own.uniform(MILD, SEVERE) if DEFECTS[index] in defects else 0.0
    stock = _draw_stock(film, world)
    clean, density = _develop(picture, stock, film, float(severity[DEFECTS.index(NOISE)]), kind)
    image = small(_transmittance(clean)), small(_transmittance(density))
    density, marks = _damage(density, stock.base, severity, damage)
    dirty = dust_and_scratches(density, dirt)
    covered = float((np.abs(dirty - density)[..., 1] > _SEEN_DIRT).mean())
    seen, view = mount(_transmittance(dirty), stock.base, border)
    phone = draw_phone(world.phones[int(camera.integers(len(world.phones)))])
    light = seen * shade((seen.shape[0], seen.shape[1]), phone, camera)
    exposure = meter(light, clear_film(stock.base), phone, camera)
    mask, strengths = np.zeros((len(DEFECTS), *picture.shape[:2]), bool), np.zeros(len(DEFECTS), np.float32)
    for index, (before, after) in marks.items():
        changed = change(before, after, exposure)
        noticed = changed * unmasked(before, exposure) if DEFECTS[index] in SMALL else changed
        placed, noticed = (view.place(cv2.resize(layer, picture.shape[1::-1])) for layer in (changed, noticed))
        mask[index] = (placed >= VISIBLE) & (severity[index] > 0)
        strengths[index] = strength(noticed)
    noise = DEFECTS.index(NOISE)
    strengths[noise] = faintness(*image, exposure)
    if severity[noise]:
        mask[noise] = view.place(np.ones(picture.shape[:2], np.float32)) > 0.5
    named = tuple(name for name in DEFECTS if name in defects)
    return Negative(take(light, exposure, camera), named, severity, mask, strengths, covered)


def _damage(
    density: Density, base: Density, severity: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Density, dict[int, tuple[Density, Density]]]:
    """Draw the defects whose ``severity`` is not 0, and now and then a trace of another.

    Also the transmittance before and after each drawing, small, by the defect's index.
    """
    marks: dict[int, tuple[Density, Density]] = {}
    tracing, *own = rng.spawn(1 + len(DRAWINGS))
    trace = FAINT[int(tracing.integers(len(FAINT)))] if tracing.random() < 0.3 else ""
    weakness = np.float32(tracing.uniform(0.03, 0.15))
    for (name, draw), generator in zip(DRAWINGS.items(), own, strict=True):
        index = DEFECTS.index(name)
        if not severity[index] and name != trace:
            continue
        after = draw(density, base, float(severity[index]) or MILD, generator)
        if not severity[index]:
            after = density + weakness * (after - density)
        marks[index] = small(_transmittance(density)), small(_transmittance(after))
        density = after
    return density, marks


def _transmittance(density: Density) -> Density:
    return np.asarray(np.exp(density * np.float32(-np.log(10.0))), np.float32)


def _draw_stock(rng: np.random.Generator, world: World) -> Stock:
    """A random film of ``world``; one in twelve is black-and-white, no damage either; all are if none has colour."""
    names = [name for name in world.stocks if not load_stocks()[name].monochrome]
    if not names or rng.random() < 1 / 12:
        return black_and_white(
            iso=float(rng.choice([100.0, 400.0])), gamma=rng.uniform(0.5, 0.75), base=rng.uniform(0.15, 0.4)
        )
    return load_stocks()[names[int(rng.integers(len(names)))]]


def _develop(
    picture: NDArray[np.uint8], stock: Stock, rng: np.random.Generator, noise: float, kind: Kind | None
) -> tuple[Density, Density]:
    """Density (h, w, 3) of the frame without grain and with it; ``noise`` (0..1) is how severely it was underexposed.

    The film's density varies by up to 0.03 over the frame, as a tank's development does. Exposure errors lean to more,
    as people were told to; ranges of exposure, contrast of the scene and grain are free: chosen by looking, the grain's
    around the 4 (colour) to 17 thousandths (Tri-X) of RMS granularity in makers' sheets, which are for an aperture of
    48 micrometres and are 0.43 of that in a pixel of 98, a 244th of 24 mm (Selwyn's law). Its size, 0.3 to 0.8 pixels,
    is what a phone's lens and demosaicing leave of dye clouds of some micrometres, and just as free.
    """
    shape = picture.shape[0], picture.shape[1]
    stops = float(np.clip(rng.normal(0.5, 0.9), -1.3, 3.0))
    contrast = np.float32(rng.uniform(0.8, 1.1))
    cast = rng.normal(0.0, 0.06, 3).astype(np.float32)  # light of another colour than the film is made for
    grain = np.exp(rng.uniform(np.log(0.003), np.log(0.025))) * per_pixel(shape)
    development = draw_development(rng, kind=kind)
    stops, grain = stops + development.stops, grain * development.grain
    if noise:
        stops = -3.8 - 2.8 * noise
        grain *= 1.5 + 1.5 * noise
    exposure = stock.expose(np.power(to_light(picture), contrast), stops) + cast
    uneven = 0.03 * cloud_field(shape, 0.5, rng)[..., None]
    image = np.float32(development.contrast) * (stock.density(exposure) - stock.base)
    density = stock.base + development.fog + image + np.float32(rng.uniform(0.0, 1.0)) * uneven
    grain_size, shared = rng.uniform(0.3, 0.8), rng.uniform(0.5, 0.9)
    return density, add_grain(density, stock.base, grain, grain_size, rng, shared=shared)
