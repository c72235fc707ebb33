"""A film photograph as a lab hands it back: exposed, developed, scanned, inverted; from a digital picture.

Only what film and its scanner do happens here. What any picture goes through afterwards - resizing, sharpening, JPEG -
is ``finish``, and digital pictures get that too, so that it tells the classes nothing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.darkroom.grain import add_grain
from training.data.darkroom.light import MID_GREY, to_light, to_picture
from training.data.darkroom.scanner import digitise, draw_scanner
from training.data.darkroom.stocks import Stock, load_stocks


@dataclass(frozen=True)
class Roll:
    """What is the same for a frame: the film, how it was exposed and how the lab scanned it."""

    stock: Stock
    stops: float
    """Exposure error; positive is over."""
    recovery: float
    """How far clipped highlights of the digital picture are taken to exceed white, as a factor of light."""
    halation: float
    """Share of the light of highlights that the film's back throws into the red layer around them."""
    softness: float
    """Blur of the lens and of light scattered in the emulsion: its sigma in thousandths of the frame's long side."""
    grain: float
    grain_size: float
    grain_power: float
    fog: float
    shared_grain: float
    """These five: see ``add_grain``."""
    contrast: float
    """Slope of the lab's inversion; 1 gives the scene's own contrast back."""
    balance: tuple[float, float, float]
    """Log10 gain of R, G, B that the lab's colour balance is off by."""
    brightness: float
    """Log10 gain of the whole picture that the lab's density correction is off by."""
    black: float
    """Log10 light below mid-grey at which the scan is black."""
    white: float
    """Scene-linear light of the scan's white: labs keep it under what a file can hold."""


def draw_roll(rng: np.random.Generator) -> Roll:
    """A random but plausible roll: a colour film, or in one of six cases black-and-white."""
    stocks = load_stocks()
    colour = [stock for stock in stocks.values() if not stock.monochrome]
    monochrome = [stock for stock in stocks.values() if stock.monochrome]
    pool = monochrome if rng.random() < 1 / 6 else colour
    stock = pool[int(rng.integers(len(pool)))]
    balance = np.zeros(3) if stock.monochrome else rng.normal(0.0, 0.02, 3)
    return Roll(
        stock=stock,
        stops=float(rng.choice([rng.normal(0.5, 0.8), rng.uniform(-2.5, 3.0)], p=[0.75, 0.25])),
        recovery=float(np.exp(rng.uniform(0.0, np.log(5.0)))),
        halation=float(rng.uniform(0.0, 0.05) if rng.random() < 0.7 else rng.uniform(0.05, 0.2)),
        softness=float(rng.uniform(0.2, 0.8) if rng.random() < 0.6 else 0.0),
        grain=float(np.exp(rng.uniform(np.log(0.005), np.log(0.035)))),
        grain_size=float(abs(rng.normal(0.0, 0.25))),
        grain_power=float(rng.uniform(-0.25, 0.45)),
        fog=float(rng.uniform(0.08, 0.5)),
        shared_grain=1.0 if stock.monochrome else 1.0 - float(np.exp(rng.uniform(np.log(0.01), np.log(0.3)))),
        contrast=float(rng.uniform(0.7, 1.4)),
        balance=(float(balance[0]), float(balance[1]), float(balance[2])),
        brightness=float(rng.normal(0.02, 0.16)),
        black=float(rng.uniform(1.0, 2.6)),
        white=float(rng.uniform(0.75, 1.05)),
    )


def scene(picture: NDArray[np.uint8], recovery: float = 1.0) -> NDArray[np.float32]:
    """Scene-linear light (h, w, 3) of an sRGB ``picture``; the brightest tones are stretched to ``recovery`` times.

    A camera clips what film would still tell apart, so light above half of white is given the headroom back.
    """
    light = to_light(picture)
    peak = light.max(axis=2, keepdims=True)
    over = np.clip((peak - 0.5) / 0.5, 0.0, 1.0)
    stretched: NDArray[np.float32] = (light * (1.0 + (recovery - 1.0) * over**3)).astype(np.float32)
    return stretched


def halate(light: NDArray[np.float32], strength: float, spread: float) -> NDArray[np.float32]:
    """``light`` with the glow of halation: highlights reflected by the film's back, strongest in the red layer.

    ``strength`` is the share of reflected light, ``spread`` the sigma of the glow in pixels. The blue layer lies
    on top, under two others and a filter, and receives almost none.
    """
    if strength <= 0:
        return light
    bright = np.maximum(light.max(axis=2) - 0.8, 0.0)
    glow = cv2.GaussianBlur(bright, (0, 0), max(spread, 0.3))
    reach = np.array([1.0, 0.3, 0.04], np.float32) * strength
    return np.asarray(light + glow[..., None] * reach, np.float32)


def develop(
    picture: NDArray[np.uint8], roll: Roll, rng: np.random.Generator, frame: int | None = None
) -> NDArray[np.float32]:
    """Density (h, w, 3) of the developed negative of an sRGB ``picture`` (h, w, 3), grain included.

    ``frame`` is the long side in pixels of the whole frame where ``picture`` is a part of it: halation and softness
    reach as far as the frame is large.
    """
    long_side = frame or max(picture.shape[:2])
    light = halate(scene(picture, roll.recovery), roll.halation, long_side / 250.0)
    if roll.softness * long_side > 250:
        light = cv2.GaussianBlur(light, (0, 0), roll.softness * long_side / 1000.0)
    density = roll.stock.density(roll.stock.expose(light, roll.stops))
    return add_grain(
        density,
        roll.stock.base,
        roll.grain,
        roll.grain_size,
        rng,
        shared=roll.shared_grain,
        power=roll.grain_power,
        fog=roll.fog,
    )


def scan(density: NDArray[np.float32], roll: Roll, middle: float | None = None) -> NDArray[np.uint8]:
    """The lab's positive, sRGB (h, w, 3), of a negative of ``density`` (h, w, 3).

    The density above the base is divided by the film's own slope, which undoes the curve where it is straight and
    keeps its toe and shoulder, as a printing paper would; then comes the lab's correction of brightness, so that the
    picture's middle tone is near mid-grey or where the exposure left it, and a soft white and black. ``middle`` is
    the ``middle_tone`` of the whole frame where ``density`` is a part of it.
    """
    log_light = _printed(density, roll.stock)
    middle = middle_tone(density, roll) if middle is None else middle
    log_light -= np.clip(middle, -0.15, 0.15) * 0.5 + (middle - np.clip(middle, -0.15, 0.15)) * 0.85
    log_light = roll.contrast * log_light + np.array(roll.balance, np.float32) + np.float32(roll.brightness)
    return to_picture(_paper(log_light, roll.black, roll.white))


def middle_tone(density: NDArray[np.float32], roll: Roll) -> float:
    """Log10 light, about mid-grey, of the middle of a negative's densities (h, w, 3): what a lab aims at."""
    return float(np.median(_printed(density[::4, ::4], roll.stock)))


def _printed(density: NDArray[np.float32], stock: Stock) -> NDArray[np.float32]:
    """Log10 light about mid-grey that ``density`` (h, w, 3) stands for on the straight part of the curve."""
    grey = np.full((1, 2, 3), MID_GREY, np.float32)
    grey[0, 1] *= 2.0
    at_grey, at_double = stock.density(stock.expose(grey))[0]
    return np.asarray((density - at_grey) / ((at_double - at_grey) / np.log10(2.0)), np.float32)


def _paper(log_light: NDArray[np.float32], black: float, white: float) -> NDArray[np.float32]:
    """Scene-linear light of log10 light about mid-grey: 0 at ``black`` decades below, bent softly towards ``white``."""
    light = MID_GREY * np.exp(log_light * np.float32(np.log(10.0)))
    floor = MID_GREY * 10.0**-black
    light = np.maximum(light - floor, 0.0) * (MID_GREY / (MID_GREY - floor))
    knee = 0.5 * white
    bent = white - (white - knee) * np.exp(-np.maximum(light - knee, 0.0) / (white - knee))
    return np.where(light < knee, light, bent).astype(np.float32)


def photograph_positive(
    picture: NDArray[np.uint8],
    rng: np.random.Generator,
    frame: int | None = None,
    whole: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """``picture`` (h, w, 3, sRGB) as if taken on a random film and scanned by a lab; same shape.

    Where ``picture`` is a part of a frame, ``frame`` is the frame's long side in the same pixels and ``whole`` the
    frame itself at any size, which the lab's brightness is set by. The same ``rng`` state gives the same photograph.
    """
    roll, scanner = draw_roll(rng), draw_scanner(rng)
    middle = (
        None if whole is None else middle_tone(roll.stock.density(roll.stock.expose(scene(whole), roll.stops)), roll)
    )
    return digitise(scan(develop(picture, roll, rng, frame), roll, middle), scanner, rng)
