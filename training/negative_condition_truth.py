"""What is known of negatives that people labelled, which is less than of simulated ones, and how to learn from it.

A person says whether a negative is readable and perhaps which defects it has, and never in which places. What nobody
said is left out of the objective instead of being taken for a no.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from film.specs import NEGATIVE_CONDITION


@dataclass(frozen=True)
class Known:
    """Of n negatives: ``readable`` bool [n]; ``defects`` float [n, 6], 1 or 0 for each anywhere on the negative, nan
    where nobody said; ``located`` bool [n, 6], whether their ``places`` are true."""

    readable: Tensor
    defects: Tensor
    located: Tensor


@dataclass(frozen=True)
class Targets:
    """What a batch should be answered: ``readable`` float [n], ``defects`` float [n, 6], both nan where that is not
    known, and ``located`` bool [n, 6], where the places are."""

    readable: Tensor
    defects: Tensor
    located: Tensor

    def to(self, device: torch.device) -> "Targets":
        """The same on ``device``."""
        return Targets(self.readable.to(device), self.defects.to(device), self.located.to(device))


def targets(known: Known, index: Tensor, places: Tensor, whole: bool) -> Targets:
    """What is known of the negatives ``index`` [n] of ``known``, or where not ``whole`` of a quarter of each.

    ``places`` float [n, 6, p, p] are theirs, cut alike. A quarter of a readable negative is readable; that of a damaged
    one is what its places say, and where they say nothing it may be either.
    """
    located, anywhere = known.located[index], places.amax((2, 3))
    if whole:
        return Targets(
            known.readable[index].float(), torch.where(located, anywhere, known.defects[index].float()), located
        )
    unknown = torch.tensor(torch.nan)
    defects = torch.where(located, anywhere, unknown)
    none = known.readable[index] | (located.all(1) & (anywhere == 0).all(1))
    some = (located & (anywhere > 0)).any(1) & ~known.readable[index]
    return Targets(torch.where(none, 1.0, torch.where(some, 0.0, unknown)), defects, located)


def objective_of_known(
    condition: Tensor, defects: Tensor, places: Tensor, truth: Tensor, known: Targets, smoothing: float
) -> Tensor:
    """The objective of ``training.negative_condition_report``, each part a mean over what is known only.

    ``condition`` [n, 2], ``defects`` [n, 6] and ``places`` [n, 6, p, p] are logits, ``truth`` float [n, 6, p, p].
    """
    judged, said, located = ~known.readable.isnan(), ~known.defects.isnan(), known.located[..., None, None]
    readable = known.readable.nan_to_num().long()
    target = readable if NEGATIVE_CONDITION.positive_index == 1 else 1 - readable
    verdict = functional.cross_entropy(condition, target, label_smoothing=smoothing, reduction="none")
    wanted = known.defects.nan_to_num()
    named = functional.binary_cross_entropy_with_logits(defects, wanted + smoothing * (0.5 - wanted), reduction="none")
    placed = functional.binary_cross_entropy_with_logits(places, truth, reduction="none")
    return _mean(verdict, judged) + 2 * _mean(named, said) + 12 * _mean(placed, located.expand_as(placed))


def _mean(loss: Tensor, counts: Tensor) -> Tensor:
    """The mean of ``loss`` where ``counts``; 0 where nothing does."""
    return torch.where(counts, loss, 0.0).sum() / counts.sum().clamp_min(1)
