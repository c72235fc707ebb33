"""What is served: a trained network wrapped so that pixels and a flag go in, and named probabilities come out.

Input of every graph: UINT8 RGB ``PIXELS`` [n, size, size, 3], as the preprocessing step gives them, and BOOL ``VALID``
[n, 1]. Scaling to [0, 1] and the network's layout live in here, so that there is no second place where they can
differ. Every output of a picture that is not valid is NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from export.errors import ExportError
from film.specs import FILM_ORIGIN, FILM_ORIGIN_EXPLAIN, NEGATIVE_CONDITION, ModelSpec

LEVELS = 255.0
"""The largest value of an 8-bit pixel."""


def _only_valid(output: Tensor, valid: Tensor) -> Tensor:
    """``output`` [n, ...] where ``valid`` [n, 1] is true, NaN elsewhere."""
    shape = (-1,) + (1,) * (output.dim() - 1)
    return output.masked_fill(~valid.reshape(shape), float("nan"))  # with no tensor of its own, which has a device


class FilmOriginGraph(nn.Module):
    """The Keras network, [n, size, size, 3] in [0, 1] -> probability of film [n, 1], as ``SCORES``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """PIXELS, VALID -> (SCORES,)."""
        film = self.network(pixels.float() / LEVELS)
        return (_only_valid(torch.cat((1 - film, film), dim=1), valid),)


class NegativeConditionGraph(nn.Module):
    """The ResNet-18, [n, 3, size, size] in [0, 1] -> logits, as ``SCORES``, ``DEFECTS`` and ``DEFECT_MAP``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """PIXELS, VALID -> (SCORES, DEFECTS, DEFECT_MAP)."""
        logits = self.network(pixels.permute(0, 3, 1, 2).float() / LEVELS)
        outputs = (logits.condition.softmax(1), logits.defects.sigmoid(), logits.places.sigmoid())
        return tuple(_only_valid(output, valid) for output in outputs)


class FilmOriginExplainGraph(nn.Module):
    """An explainer of ``training.explain``, pixels in [0, 1] -> probability and map, as ``SCORES`` and ``HEATMAP``."""

    def __init__(self, explainer: nn.Module) -> None:
        super().__init__()
        self.explainer = explainer

    @property
    def network(self) -> nn.Module:
        """The Keras network that is explained."""
        return self.explainer.get_submodule("network")

    def forward(self, pixels: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """PIXELS, VALID -> (SCORES, HEATMAP)."""
        film, heatmap = self.explainer(pixels.float() / LEVELS)
        return _only_valid(torch.cat((1 - film, film), dim=1), valid), _only_valid(heatmap, valid)


@dataclass(frozen=True)
class Exportable:
    """A classifier that can be exported: what it is called, and how its weights become a serving graph."""

    spec: ModelSpec
    graph: Callable[[Any], nn.Module]
    load: Callable[[Path], Any]

    def serving_graph(self, weights: Path) -> nn.Module:
        """The graph of the trained ``weights``, ready to judge; ExportError where they cannot be used."""
        if not weights.is_file():
            raise ExportError(f"{weights} does not exist. Train the network first: make train.")
        try:
            return self.graph(self.load(weights)).eval()
        except (ValueError, OSError, SafetensorError) as error:
            raise ExportError(f"{weights} cannot be used: {error}") from error


def _load_film_origin(weights: Path) -> Any:
    from training import film_origin  # brings in Keras: seconds that the other model need not pay

    return film_origin.load(weights)


def _load_explainer(weights: Path) -> Any:
    from training.explain import explainer

    return explainer(_load_film_origin(weights))


def _load_negative_condition(weights: Path) -> Any:
    from training import negative_condition

    return negative_condition.load(weights)


EXPORTABLES = {
    FILM_ORIGIN.name: Exportable(FILM_ORIGIN, FilmOriginGraph, _load_film_origin),
    FILM_ORIGIN_EXPLAIN.name: Exportable(FILM_ORIGIN_EXPLAIN, FilmOriginExplainGraph, _load_explainer),
    NEGATIVE_CONDITION.name: Exportable(NEGATIVE_CONDITION, NegativeConditionGraph, _load_negative_condition),
}
