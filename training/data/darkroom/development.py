"""What development and age make of a roll: pushed, pulled, long expired, or nothing of the kind.

Longer development is steeper and grainier, shorter is flatter and finer: so says Kodak, "The Essential Reference Guide
for Filmmakers", on push and pull processing. Old film is fogged, by layers unequally, flatter and grainier: so say
those who use it (C. Stoll, "Fogged Film: 1990 Kodak Vericolor 400", 2022). By how much depends on the lab, on age and
on how the film was kept, so all numbers are free: chosen by looking.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["fresh", "pushed", "pulled", "expired"]
KINDS: tuple[Kind, ...] = ("fresh", "pushed", "pulled", "expired")
ODDS = (0.71, 0.12, 0.04, 0.13)
"""Of each kind among photographed negatives: free. Old rolls are what people find and ask about."""


@dataclass(frozen=True, eq=False)
class Development:
    """How a roll differs from the curves of its film.

    ``contrast`` multiplies the density above the base, ``stops`` are added to the exposure, ``grain`` multiplies the
    grain's strength, ``fog`` float32 (3,) is density of R, G, B that is there without light.
    """

    kind: Kind
    contrast: float
    stops: float
    grain: float
    fog: NDArray[np.float32]


def draw_development(
    rng: np.random.Generator, odds: tuple[float, ...] = ODDS, reach: float = 1.0, kind: Kind | None = None
) -> Development:
    """A random development: of ``kind``, or of one drawn with ``odds``; ``reach`` (0..1) is how far it may go.

    A pushed roll was underexposed, a pulled one overexposed: that is why they are.
    """
    drawn: Kind = KINDS[int(rng.choice(len(KINDS), p=odds))]
    kind = kind or drawn
    contrast, stops, grain, fog = 1.0, 0.0, 1.0, np.zeros(3)
    if kind == "pushed":
        contrast, stops, grain = rng.uniform(1.1, 1.35), -rng.uniform(0.3, 1.0), 1.3
    elif kind == "pulled":
        contrast, stops, grain = rng.uniform(0.75, 0.9), rng.uniform(0.3, 1.0), 0.85
    elif kind == "expired":
        contrast, grain = rng.uniform(0.7, 0.95), 1.4
        fog = rng.uniform(0.05, 0.35) * rng.uniform(0.6, 1.0, 3)
    return Development(kind, contrast**reach, reach * stops, grain**reach, (reach * fog).astype(np.float32))
