"""Channels that are brought to one range, and weights that are rounded together: what quantisation starts from."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.equalise import equalised, largest_inputs, streams
from export.rounding import LEVELS, Sums, fitted, round_columns, round_to_int8, rounded
from tests.conftest import narrowed
from training import negative_condition
from training.negative_condition import NegativeCondition

CONVOLUTION = "layer1.0.conv2"


@pytest.fixture(scope="module")
def network() -> NegativeCondition:
    """As if trained: every batch norm has seen something, and channels are of very different size."""
    with narrowed():
        network = negative_condition.build(1).eval()
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.log_normal_(-0.5, 1, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
    return network


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(6, 3, 128, 128, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_an_equalised_network_says_the_same(network: NegativeCondition, pictures: Tensor) -> None:
    before, after = network(pictures), equalised(network, pictures[:3])(pictures)
    for was, became in zip(before, after, strict=True):
        torch.testing.assert_close(became, was, rtol=1e-3, atol=1e-3 * float(was.abs().max()))


@torch.no_grad()
def test_a_network_of_which_a_part_is_dead_says_the_same(network: NegativeCondition, pictures: Tensor) -> None:
    dead = copy.deepcopy(network)
    dead.layer2[0].bn1.weight.zero_()
    dead.layer2[0].bn1.bias.fill_(-1)
    before, after = dead(pictures), equalised(dead, pictures[:3])(pictures)
    for was, became in zip(before, after, strict=True):
        torch.testing.assert_close(became, was, rtol=1e-3, atol=1e-3 * float(was.abs().max()))


def test_its_channels_reach_the_same(network: NegativeCondition, pictures: Tensor) -> None:
    same = equalised(network, pictures)
    for stream in streams(same):
        read = [name for name in stream.readers if name != "fc"]
        before = torch.stack(list(largest_inputs(network, read, pictures).values())).amax(0)
        after = torch.stack(list(largest_inputs(same, read, pictures).values())).amax(0)
        alive = before > before.max() / 32
        assert int(alive.sum()) > 1
        torch.testing.assert_close(after[alive], after.max().expand(int(alive.sum())), rtol=1e-3, atol=0.0)


def test_every_layer_of_the_trunk_makes_and_reads_a_stream(network: NegativeCondition) -> None:
    trunk = {name for name, module in network.named_modules() if isinstance(module, nn.Conv2d) and "layer" in name}
    found = streams(network)
    assert {name for stream in found for name in stream.makers} == trunk | {"conv1"}
    assert {name for stream in found for name in stream.readers} == trunk | {"fc"} | {
        f"pyramid.lateral.{number}" for number in range(3)
    }


@given(st.integers(1, 5), st.integers(1, 150), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-20, 1.0, 1e4]))
@settings(deadline=None, max_examples=40)
def test_rounded_weights_are_whole_steps_of_a_scale_that_the_largest_keeps(
    rows: int, columns: int, seed: int, size: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, columns, generator=generator) * size
    inputs = torch.rand(columns, 3, generator=generator)
    done = round_columns(weights, inputs @ inputs.T, round_to_int8(weights))
    scale = weights.abs().amax(1, keepdim=True) / LEVELS
    steps = torch.where(scale > 0, done / scale, done)
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
    assert float(steps.abs().max()) <= LEVELS + 1e-3
    torch.testing.assert_close(done.abs().amax(1, keepdim=True), weights.abs().amax(1, keepdim=True))


def test_roundings_make_up_for_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(200, 8, generator=generator) @ torch.randn(8, 64, generator=generator)
    inputs = (mixed + 0.1 * torch.randn(200, 64, generator=generator)).T
    weights = torch.randn(16, 64, generator=generator)
    scale = weights.abs().amax(1, keepdim=True) / LEVELS
    together = (round_columns(weights, inputs @ inputs.T, round_to_int8(weights)) - weights) @ inputs
    alone = ((weights / scale).round() * scale - weights) @ inputs
    assert float(together.square().mean()) < 0.5 * float(alone.square().mean())


def test_weights_are_fitted_to_rough_inputs() -> None:
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn(10, 4000, generator=generator).exp()
    rough = (exact / 2).round() * 2
    weights = torch.randn(4, 10, generator=generator)
    fit = fitted(weights, Sums(rough @ rough.T, (exact - rough) @ rough.T))
    before, after = ((made @ rough - weights @ exact).square().mean() for made in (weights, fit))
    assert float(after) < 0.9 * float(before)
    np.testing.assert_allclose(fitted(weights, Sums(exact @ exact.T, torch.zeros(10, 10))), weights, atol=1e-5)


def test_convolutions_hold_what_int8_holds_and_the_others_what_bf16_does(
    network: NegativeCondition, pictures: Tensor
) -> None:
    done = rounded(network, {CONVOLUTION: 3.0}, pictures)
    for name, module in done.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.flatten(1)
            assert torch.equal(weight.bfloat16().float(), weight) == (name != CONVOLUTION)
    steps = done.get_parameter(f"{CONVOLUTION}.weight").flatten(1)
    steps = steps / steps.abs().amax(1, keepdim=True) * LEVELS
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
