"""A network as recordings, with a stand-in for CUDA's: what is replayed here is the network itself."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from film import recorded, specs, torch_network
from film.recorded import SIZES, Recorded
from film.torch_network import TorchNetwork, example

SPEC = specs.ModelSpec("toy", 2, ("no", "yes"), "yes", 0.5, (specs.TensorSpec("SCORES", "FP32", (2,)),))


Judge = Callable[..., tuple[Any, ...]]


class Replayed:
    """Writes what the network says of its inputs into the outputs, as a graph does."""

    def __init__(self, network: Judge, inputs: Sequence[Any], outputs: tuple[Any, ...]) -> None:
        self.replay = lambda: [kept.copy_(said) for kept, said in zip(outputs, network(*inputs), strict=True)]


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what was recorded, in turn."""
    found = []

    def record(network: Judge, inputs: Sequence[Any], *_: Any) -> tuple[Any, tuple[Any, ...]]:
        found.append(len(inputs[0]))
        outputs = network(*inputs)
        return Replayed(network, inputs, outputs), outputs

    stand_in(monkeypatch, record)
    return found


def stand_in(monkeypatch: pytest.MonkeyPatch, record: Callable[..., Any]) -> None:
    """``record`` in place of ours, and nothing asked of a GPU."""
    monkeypatch.setattr(recorded, "record", record)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: None)
    monkeypatch.setattr(torch_network, "example", lambda spec, _: example(spec, "cpu"))


def judge(pixels: Any, valid: Any) -> tuple[Any, ...]:
    means = pixels.float().mean((1, 2, 3))
    return (torch.stack([1 - means, means], 1).masked_fill(~valid, float("nan")),)


def test_every_size_of_a_batch_is_answered_as_without_a_recording(sizes: list[int]) -> None:
    network, random = Recorded(judge, SPEC, "cpu"), np.random.default_rng(1)
    assert sizes == sorted(SIZES, reverse=True), "the largest first, whose memory serves the others"
    for count in (64, 1, 3, 9, 63, 2):  # after a full one, others find its pictures behind theirs
        pixels = torch.from_numpy(random.integers(0, 256, (count, 2, 2, 3), np.uint8))
        valid = torch.from_numpy(random.random((count, 1)) < 0.8)
        (said,), (wanted,) = network(pixels, valid), judge(pixels, valid)
        np.testing.assert_array_equal(said.numpy(), wanted.numpy())


def test_a_batch_is_made_up_to_no_more_than_it_must_be() -> None:
    assert max(SIZES) == specs.MAX_BATCH
    for count in range(1, specs.MAX_BATCH + 1):
        size = min(size for size in SIZES if size >= count)
        assert size - count < 8
        assert size < 2 * count


def test_what_cannot_be_recorded_is_launched_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nwith a long trace")

    stand_in(monkeypatch, record)
    network = TorchNetwork(SPEC, judge, "meta", recorded=True)
    assert network.unrecorded == "operation not permitted when stream is capturing"
    pixels = torch.zeros(3, 2, 2, 3, dtype=torch.uint8)
    np.testing.assert_array_equal(network(pixels, torch.ones(3, 1, dtype=torch.bool))["SCORES"], [[1, 0]] * 3)


def test_what_cannot_run_at_all_is_not_taken_for_what_cannot_be_recorded(sizes: list[int]) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no kernel image is available")

    with pytest.raises(RuntimeError, match="no kernel image"):
        TorchNetwork(SPEC, broken, "meta", recorded=True)
    assert sizes == []


def test_more_than_a_batch_is_answered_in_parts(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_network, "Recorded", lambda network, spec, _: Recorded(network, spec, "cpu"))
    network = TorchNetwork(SPEC, judge, "meta", recorded=True)
    pixels = torch.arange(130, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 2, 2, 3)
    valid = torch.ones(130, 1, dtype=torch.bool)
    np.testing.assert_array_equal(network(pixels, valid)["SCORES"], judge(pixels, valid)[0])
    assert sizes


def test_answers_outlive_the_next_batch(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_network, "Recorded", lambda network, spec, _: Recorded(network, spec, "cpu"))
    network, valid = TorchNetwork(SPEC, judge, "meta", recorded=True), torch.ones(1, 1, dtype=torch.bool)
    first = network(torch.zeros(1, 2, 2, 3, dtype=torch.uint8), valid)["SCORES"]
    network(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8), valid)
    np.testing.assert_array_equal(first, [[1, 0]])
    assert sizes


def test_a_cpu_records_nothing(sizes: list[int]) -> None:
    assert TorchNetwork(SPEC, judge, "cpu", recorded=True).unrecorded == ""
    assert sizes == []
