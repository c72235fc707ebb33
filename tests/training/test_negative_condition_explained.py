"""DEFECT_MAP against autograd: it is the class activation map that gradients of the pooled defects would give."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch
from torch import Tensor

from export.graphs import NegativeConditionGraph
from film.preprocess import preprocess
from film.specs import DEFECTS, EXPLANATION_TOLERANCE, NEGATIVE_CONDITION, VALID
from training import negative_condition
from training.negative_condition import NegativeCondition

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def network() -> NegativeCondition:
    return negative_condition.load(ROOT / "training" / "weights" / "negative_condition.safetensors")


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    """Two negatives and two pictures of noise, as the server's preprocessing makes them: UINT8 [4, 244, 244, 3]."""
    side = NEGATIVE_CONDITION.size
    files = sorted((ROOT / "samples" / "negatives").glob("*.jpg"))[:2]
    noise = np.random.default_rng(5).integers(0, 256, (2, side, side, 3), np.uint8)
    return torch.from_numpy(np.concatenate((preprocess([f.read_bytes() for f in files], side).pixels, noise)))


def class_activation_maps(network: NegativeCondition, pixels: Tensor) -> Tensor:
    """Logits [n, 6, h, w]: what the head's features say in each place, weighed by the slope of the pooled defect.

    Grad-CAM's weights, summed over the places instead of averaged, and its map not rectified; the bias of the head,
    which no gradient shows, is the only thing taken from the network itself.
    """
    kept: list[Tensor] = []
    hook = network.defects.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    pooled = network(pixels.permute(0, 3, 1, 2).float() / 255).defects
    hook.remove()
    (features,) = kept
    maps = []
    for number in range(len(DEFECTS)):
        (slopes,) = torch.autograd.grad(pooled[:, number].sum(), features, retain_graph=True)
        weights = slopes.sum((2, 3), keepdim=True)
        maps.append((weights * features).sum(1) + network.defects.bias[number])
    return torch.stack(maps, 1).detach()


def test_each_place_is_the_class_activation_map_of_its_defect(network: NegativeCondition, pixels: Tensor) -> None:
    expected = class_activation_maps(network, pixels)
    with torch.no_grad():
        places = network(pixels.permute(0, 3, 1, 2).float() / 255).places
        served = NegativeConditionGraph(network)(pixels, torch.ones(len(pixels), *VALID.shape, dtype=torch.bool))
    served_map = dict(zip((output.name for output in NEGATIVE_CONDITION.outputs), served, strict=True))["DEFECT_MAP"]

    assert expected.std((2, 3)).min() > 10 * EXPLANATION_TOLERANCE, "maps that are flat would prove nothing"
    torch.testing.assert_close(places, expected, atol=EXPLANATION_TOLERANCE, rtol=0)
    torch.testing.assert_close(served_map, expected.sigmoid(), atol=EXPLANATION_TOLERANCE, rtol=0)
