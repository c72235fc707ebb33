"""Film stocks: how dense each layer becomes under how much light.

Colour curves are Status M densities against log10 exposure in lux-seconds, digitised from makers' datasheets by
OwlMightyCh/film-scan-calibration (CC BY 4.0, see NOTICE) and thinned by ``reduce_curves``. Status M is what a scanner
or a printing light sees of a negative, so the orange mask is in the curves: it is why the blue density of clear film
is high.

What each layer *sees* are nine numbers a film, from the maker's spectral sensitivities in the same collection (see
``reduce_curves`` and ``primaries``); Pro 400H and Vision3 500T have no such chart there and see the picture's R, G and
B. What each dye *absorbs* outside its own third of the spectrum is not drawn a second time: the curves are integral
densities of neutral exposures, in which all three dyes are, and for colours the mask is there to cancel those side
absorptions (Hunt, "The Reproduction of Colour", chapter on masking). The collection's dye densities are fits on another
film's dyes, good to 0.05 by their own account, and would add more doubt than colour. Interimage effects, which give
saturation back, are left out too.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.darkroom.light import MID_GREY

CURVES = Path(__file__).parent / "curves"
_DARKEST = 1e-5
"""Light below this is treated as this: eleven stops under mid-grey, where every film is clear."""
_PANCHROMATIC = np.array([0.30, 0.50, 0.20], np.float32)
"""How much a black-and-white film sees of red, green and blue: between the eye and an even response. Free."""


@dataclass(frozen=True, eq=False)
class Stock:
    """A film: characteristic curves of its red-, green- and blue-sensitive layers.

    ``log_exposure`` (n,) rises evenly, in log10 lux-seconds; ``layers`` (n, 3) holds the density of each channel R, G,
    B at those exposures, base and mask included, never falling. ``sensitivity`` (3, 3) holds the share of a scene's R,
    G, B (columns) in what each layer (rows) sees; rows add up to 1.
    """

    name: str
    iso: float
    log_exposure: NDArray[np.float32]
    layers: NDArray[np.float32]
    sensitivity: NDArray[np.float32] = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    monochrome: bool = False

    @property
    def base(self) -> NDArray[np.float32]:
        """Density (3,) of R, G, B where no light fell: base, fog and, in a colour film, the orange mask."""
        base: NDArray[np.float32] = self.layers[0]
        return base

    def expose(self, light: NDArray[np.float32], stops: float = 0.0) -> NDArray[np.float32]:
        """Log10 lux-seconds (h, w, 3) that scene-linear ``light`` (h, w, 3) gives on this film.

        At ``stops`` 0 mid-grey gets 10/ISO lux-seconds, the definition of a metered exposure in ISO 2721; positive
        ``stops`` overexpose. Each layer sees its own mixture of the colours, a monochrome stock the same in all three.
        """
        light = light @ self.sensitivity.T
        grey = np.float32(np.log10(10.0 / self.iso / MID_GREY) + stops * np.log10(2.0))
        exposure: NDArray[np.float32] = np.log10(np.maximum(light, _DARKEST)).astype(np.float32) + grey
        return exposure

    def density(self, log_exposure: NDArray[np.float32]) -> NDArray[np.float32]:
        """Density (h, w, 3) after development, of R, G, B, base included; its transmittance is ``10 ** -density``.

        ``log_exposure`` (h, w, 3) is in log10 lux-seconds; outside the measured range the nearest end holds.
        """
        out = np.empty_like(log_exposure, dtype=np.float32)
        for channel in range(3):
            out[..., channel] = np.interp(log_exposure[..., channel], self.log_exposure, self.layers[:, channel])
        return out


def black_and_white(iso: float = 400.0, gamma: float = 0.62, base: float = 0.25) -> Stock:
    """A plausible black-and-white negative film; no maker's data.

    A straight line of slope ``gamma`` (the slope paper grade 2 is made for), bent smoothly at the toe around the
    speed point of ISO 6 (0.8/ISO lux-seconds) and at the shoulder 3.2 decades further; a grey base of ``base``.
    """
    grid = np.arange(-4.0, 2.0, 0.04, dtype=np.float32)
    toe = np.log10(0.8 / iso)
    softness = 0.18
    bend = softness * (np.logaddexp(0, (grid - toe) / softness) - np.logaddexp(0, (grid - toe - 3.2) / softness))
    curve = (base + gamma * bend).astype(np.float32)
    layers, alike = np.repeat(curve[:, None], 3, axis=1), np.tile(_PANCHROMATIC, (3, 1))
    return Stock("Black and white", iso, grid, layers, alike, monochrome=True)


def _load(path: Path) -> Stock:
    record = json.loads(path.read_text(encoding="utf-8"))
    layers = np.array(record["density"], np.float32)
    grid = record["first_log_exposure"] + record["step"] * np.arange(len(layers), dtype=np.float32)
    sensitivity = np.array(record.get("sensitivity", np.eye(3)), np.float32)
    return Stock(record["name"], float(record["iso"]), grid.astype(np.float32), layers, sensitivity)


@cache
def load_stocks() -> dict[str, Stock]:
    """Every stock by name: the colour negative films in ``curves/`` in order of name, then the black-and-white one."""
    stocks = [_load(path) for path in sorted(CURVES.glob("*.json"))]
    return {stock.name: stock for stock in [*stocks, black_and_white()]}
