"""What a user gets back: typed, frozen, and ready for JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film.specs import DEFECT_THRESHOLD, DEFECTS


@dataclass(frozen=True)
class Verdict:
    """One label chosen by a model. ``probability`` is that of ``label``; ``scores`` has every label's, 0..1.

    ``unsure`` says that the label is little more than a guess (``film.specs.ModelSpec.unsure``).
    """

    label: str
    probability: float
    scores: Mapping[str, float]
    unsure: bool = False

    def __str__(self) -> str:
        return f"{self.label} {self.probability:.0%}{'?' if self.unsure else ''}"


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the models say of one picture.

    ``source`` is the path as it was given, or ``#3`` for bytes that came fourth. ``origin`` and ``condition`` are None
    where that model was not asked or could not answer; then ``error`` says why. ``defects`` has the probability of
    every defect, 0..1; ``defect_map`` the same by place, FP32 [defect, row, column] in ``film.specs.DEFECTS``' order,
    over the centre square of the picture.
    """

    source: str
    origin: Verdict | None = None
    condition: Verdict | None = None
    defects: Mapping[str, float] = field(default_factory=dict)
    defect_map: NDArray[np.float32] | None = None
    error: str | None = None

    @property
    def named_defects(self) -> dict[str, float]:
        """The defects that are more likely there than not, the likeliest first."""
        found = ((name, chance) for name, chance in self.defects.items() if chance >= DEFECT_THRESHOLD)
        return dict(sorted(found, key=lambda item: -item[1]))

    def map_of(self, defect: str) -> NDArray[np.float32] | None:
        """Where ``defect`` is likely, FP32 [row, column] in 0..1; None without a map, KeyError for no defect of ours.

        A picture has a defect as soon as one place clearly has it, so ``defects`` is nearer to the map's largest value
        than to its mean.
        """
        if defect not in DEFECTS:
            raise KeyError(f"{defect!r} is no defect; there are {', '.join(DEFECTS)}")
        return None if self.defect_map is None else self.defect_map[DEFECTS.index(defect)]

    def to_dict(self, *, maps: bool = False) -> dict[str, Any]:
        """Plain values for JSON, never NaN; ``defect_map`` as nested lists when ``maps``, left out otherwise."""
        plain = {
            "source": self.source,
            "origin": asdict(self.origin) if self.origin else None,
            "condition": asdict(self.condition) if self.condition else None,
            "defects": dict(self.defects),
            "named_defects": list(self.named_defects),
            "error": self.error,
        }
        if maps:
            plain["defect_map"] = None if self.defect_map is None else self.defect_map.tolist()
        return plain


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where one picture's verdict on film or digital comes from.

    ``origin`` is what ``Prediction.origin`` would be. ``heatmap``, FP32 [row, column] in 0..1, lies over the centre
    square of the picture: 0 where nothing speaks for film (or something against it), 1 where the most does. Both are
    None for a bad picture; then ``error`` says why.
    """

    source: str
    origin: Verdict | None = None
    heatmap: NDArray[np.float32] | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, never NaN; the map as nested lists, rows from the top."""
        return {
            "source": self.source,
            "origin": asdict(self.origin) if self.origin else None,
            "heatmap": None if self.heatmap is None else self.heatmap.tolist(),
            "error": self.error,
        }


@dataclass(frozen=True)
class Positive:
    """The positive of one negative: an encoded JPEG, or no bytes and the reason in ``error``."""

    source: str
    data: bytes = field(repr=False, default=b"")
    error: str | None = None


@dataclass(frozen=True)
class Status:
    """How a server is: ``ready`` when it and every model asked about can answer."""

    address: str
    ready: bool
    server: str
    version: str
    models: Mapping[str, bool]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
