"""A film photograph as a lab hands it back: exposed, developed, scanned, inverted; from a digital picture.

Only what film and its scanner do happens here. What any picture goes through afterwards - resizing, sharpening, JPEG -
is ``finish``, and digital pictures get that too, so that it tells the classes nothing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.darkroom.development import Development, draw_development
from training.data.darkroom.grain import add_grain
from training.data.darkroom.light import MID_GREY, to_light, to_picture
from training.data.darkroom.scanner import Look, digitise, draw_scanner
from training.data.darkroom.stocks import Stock, load_stocks

DEVELOPMENT_ODDS = (0.86, 0.05, 0.03, 0.06)
"""Of fresh, pushed, pulled and expired rolls among scans: fewer are kept, and shown, than are photographed. Free."""
DEVELOPMENT_REACH = 0.5
"""How far these go, against negatives: who pays for scans seldom does so for the worst rolls. Free."""
_FOG_READ = 0.8
"""Share of an old roll's fog that the lab's balance takes out. Free."""


@dataclass(frozen=True)
class Roll:
    """What is the same for a frame: the film, how it was exposed and how it was developed.

    The ranges in ``draw_roll`` are free, chosen by looking and by what carried over to real film (docs/training.md),
    where nothing else is said.
    """

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
    development: Development

    def density(self, light: NDArray[np.float32]) -> NDArray[np.float32]:
        """Density (h, w, 3) that scene-linear ``light`` (h, w, 3) leaves, base and fog included, without grain."""
        developed = self.stock.density(self.stock.expose(light, self.stops + self.development.stops))
        return self.clear + np.float32(self.development.contrast) * (developed - self.stock.base)

    @property
    def clear(self) -> NDArray[np.float32]:
        """Density (3,) where no light fell: base, and fog where the roll is old."""
        return np.asarray(self.stock.base + self.development.fog, np.float32)


def draw_roll(rng: np.random.Generator) -> Roll:
    """A random but plausible roll: a colour film, or in one of six cases black-and-white."""
    stocks = load_stocks()
    colour = [stock for stock in stocks.values() if not stock.monochrome]
    monochrome = [stock for stock in stocks.values() if stock.monochrome]
    pool = monochrome if rng.random() < 1 / 6 else colour
    stock = pool[int(rng.integers(len(pool)))]
    return Roll(
        stock=stock,
        stops=float(rng.choice([rng.normal(0.5, 0.8), rng.uniform(-2.5, 3.0)], p=[0.75, 0.25])),
        recovery=float(np.exp(rng.uniform(0.0, np.log(5.0)))),
        halation=float(rng.uniform(0.0, 0.05) if rng.random() < 0.7 else rng.uniform(0.05, 0.2)),
        softness=float(rng.uniform(0.2, 0.8) if rng.random() < 0.6 else 0.0),
        # Pixels are 17 to 35 micrometres here: about what Selwyn's law gives for these (see ``grain``).
        grain=float(np.exp(rng.uniform(np.log(0.005), np.log(0.035)))),
        # Mostly under 9 micrometres, which is nearly white.
        grain_size=float(abs(rng.normal(0.0, 0.25))),
        grain_power=float(rng.uniform(-0.25, 0.45)),
        fog=float(rng.uniform(0.08, 0.5)),
        shared_grain=1.0 if stock.monochrome else 1.0 - float(np.exp(rng.uniform(np.log(0.01), np.log(0.3)))),
        development=draw_development(rng, DEVELOPMENT_ODDS, DEVELOPMENT_REACH),
    )


def scene(picture: NDArray[np.uint8], recovery: float = 1.0) -> NDArray[np.float32]:
    """Scene-linear light (h, w, 3) of an sRGB ``picture``; the brightest tones are stretched to ``recovery`` times.

    A camera clips what film would still tell apart: negative film holds some stops more above white than a JPEG does,
    as its curves in ``stocks`` show. Light above half of white gets up to that headroom back; the cubic is free.
    """
    light = to_light(picture)
    peak = light.max(axis=2, keepdims=True)
    over = np.clip((peak - 0.5) / 0.5, 0.0, 1.0)
    stretched: NDArray[np.float32] = (light * (1.0 + (recovery - 1.0) * over**3)).astype(np.float32)
    return stretched


def halate(light: NDArray[np.float32], strength: float, spread: float) -> NDArray[np.float32]:
    """``light`` with the glow of halation: highlights reflected by the film's back, strongest in the red layer.

    ``strength`` is the share of reflected light, ``spread`` the sigma of the glow in pixels. Light that comes back
    through the base meets the red-sensitive layer first, as that lies lowest; the blue one lies uppermost, behind two
    others and the yellow filter, and receives almost none (James, "The Theory of the Photographic Process", 4th ed.,
    1977, on halation). The three shares, and that only light above 0.8 is followed, are free.
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
    reach as far as the frame is large. On 35 mm film, 36 mm long, the glow has a sigma of 0.14 mm, about the thickness
    of the base that light crosses twice; softness one of 7 to 29 micrometres, which leaves half of the contrast at 27
    to 6.5 cycles/mm: a lens at its best and a poor or shaken one (free; film alone does better).
    """
    long_side = frame or max(picture.shape[:2])
    light = halate(scene(picture, roll.recovery), roll.halation, long_side / 250.0)
    if roll.softness * long_side > 250:
        light = cv2.GaussianBlur(light, (0, 0), roll.softness * long_side / 1000.0)
    return add_grain(
        roll.density(light),
        roll.clear,
        roll.grain * roll.development.grain,
        roll.grain_size,
        rng,
        shared=roll.shared_grain,
        power=roll.grain_power,
        fog=roll.fog,
    )


def scan(density: NDArray[np.float32], roll: Roll, look: Look, middle: float | None = None) -> NDArray[np.uint8]:
    """The lab's positive, sRGB (h, w, 3), of a negative of ``density`` (h, w, 3).

    The density above the base is divided by the film's own slope, which undoes the curve where it is straight and
    keeps its toe and shoulder, as a printing paper would; then comes the lab's correction of brightness, so that the
    picture's middle tone is near mid-grey or where the exposure left it, its rendering of colour, and a soft white and
    black. ``middle`` is the ``middle_tone`` of the whole frame where ``density`` is a part of it.

    That labs print to a grey average is Evans's rule (US patent 2,571,697, 1951); how much of an error they leave, half
    of a small one and a seventh of a large one, is free, and so is all of ``look``.
    """
    log_light = _printed(density, roll)
    middle = middle_tone(density, roll) if middle is None else middle
    log_light -= np.clip(middle, -0.15, 0.15) * 0.5 + (middle - np.clip(middle, -0.15, 0.15)) * 0.85
    if not roll.stock.monochrome:
        grey = log_light.mean(axis=2, keepdims=True)
        log_light = grey + np.float32(look.saturation) * (log_light - grey) + np.array(look.balance, np.float32)
    log_light = np.float32(look.contrast) * log_light + np.float32(look.brightness)
    return to_picture(_paper(log_light, look))


def middle_tone(density: NDArray[np.float32], roll: Roll) -> float:
    """Log10 light, about mid-grey, of the middle of a negative's densities (h, w, 3): what a lab aims at."""
    return float(np.median(_printed(density[::4, ::4], roll)))


def _printed(density: NDArray[np.float32], roll: Roll) -> NDArray[np.float32]:
    """Log10 light about mid-grey that ``density`` (h, w, 3) stands for on the straight part of the curve.

    The lab reads the film's base beside the frame, and with it most of an old roll's fog.
    """
    grey = np.full((1, 2, 3), MID_GREY, np.float32)
    grey[0, 1] *= 2.0
    at_grey, at_double = roll.stock.density(roll.stock.expose(grey))[0]
    slope = (at_double - at_grey) / np.log10(2.0)
    return np.asarray((density - np.float32(_FOG_READ) * roll.development.fog - at_grey) / slope, np.float32)


def _paper(log_light: NDArray[np.float32], look: Look) -> NDArray[np.float32]:
    """Scene-linear light of log10 light about mid-grey: 0 at ``look.black`` decades below, bent softly to its white.

    Paper's curve has a straight part, a shoulder and a least and largest density (Hunt, "The Reproduction of Colour");
    that the shoulder is an exponential is free.
    """
    light = MID_GREY * np.exp(log_light * np.float32(np.log(10.0)))
    floor, white = MID_GREY * 10.0**-look.black, look.white
    light = np.maximum(light - floor, 0.0) * (MID_GREY / (MID_GREY - floor))
    knee = look.knee * white
    bent = white - (white - knee) * np.exp(-np.maximum(light - knee, 0.0) / (white - knee))
    return np.where(light < knee, light, bent).astype(np.float32)


def photograph_positive(
    picture: NDArray[np.uint8],
    rng: np.random.Generator,
    frame: int | None = None,
    whole: NDArray[np.uint8] | None = None,
    kind: str | None = None,
) -> NDArray[np.uint8]:
    """``picture`` (h, w, 3, sRGB) as if taken on a random film and scanned by a lab; same shape.

    Where ``picture`` is a part of a frame, ``frame`` is the frame's long side in the same pixels and ``whole`` the
    frame itself at any size, which the lab's brightness is set by. ``kind`` is that of the scanner (see ``scanner``),
    drawn unless given. The same ``rng`` state gives the same photograph.
    """
    roll, scanner = draw_roll(rng), draw_scanner(rng, kind)
    middle = None if whole is None else middle_tone(roll.density(scene(whole)), roll)
    return digitise(scan(develop(picture, roll, rng, frame), roll, scanner.look, middle), scanner, rng)
