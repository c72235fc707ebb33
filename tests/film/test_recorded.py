"""A network as recordings, with a stand-in for CUDA's: what is replayed here is the network itself."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from film import recorded, specs, torch_network
from film.network import NetworkError
from film.recorded import SIZES, Recorded
from film.torch_network import TorchNetwork, example

SPEC = specs.ModelSpec("toy", 2, ("no", "yes"), "yes", 0.5, (specs.TensorSpec("SCORES", "FP32", (2,)),))


Judge = Callable[..., tuple[Any, ...]]


class Replayed:
    """Writes what the network says of its inputs into the outputs, as a graph does."""

    def __init__(self, network: Judge, inputs: Sequence[Any], outputs: tuple[Any, ...]) -> None:
        self.replay = lambda: [kept.copy_(said) for kept, said in zip(outputs, network(*inputs), strict=True)]


class OnTheCpu(Recorded):
    def __init__(self, network: Judge, spec: specs.ModelSpec, _: str) -> None:
        super().__init__(network, spec, "cpu")


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
    assert sizes[0] == 1, "to see whether it can be done, at the price of the smallest"
    assert sizes[1:] == sorted(SIZES, reverse=True), "the largest first, whose memory serves the others"
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


def test_what_a_recording_took_before_it_failed_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    held_when_emptied = []

    def record(_: Judge, inputs: Sequence[Any], *__: Any) -> tuple[Any, tuple[Any, ...]]:
        taken.append(weakref.ref(inputs[0]))
        if len(taken) > 1:
            raise RuntimeError("CUDA out of memory")
        return None, judge(*inputs)

    stand_in(monkeypatch, record)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: held_when_emptied.append([one() for one in taken]))
    assert TorchNetwork(SPEC, judge, "meta", recorded=True).unrecorded == "CUDA out of memory"
    assert held_when_emptied == [[None, None]]


def test_what_cannot_run_at_all_is_not_taken_for_what_cannot_be_recorded(sizes: list[int]) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no kernel image is available")

    with pytest.raises(RuntimeError, match="no kernel image"):
        TorchNetwork(SPEC, broken, "meta", recorded=True)
    assert sizes == []


def test_more_than_a_batch_is_answered_in_parts(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_network, "Recorded", OnTheCpu)
    network = TorchNetwork(SPEC, judge, "meta", recorded=True)
    pixels = torch.arange(130, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 2, 2, 3)
    valid = torch.ones(130, 1, dtype=torch.bool)
    np.testing.assert_array_equal(network(pixels, valid)["SCORES"], judge(pixels, valid)[0])
    assert sizes


def test_answers_outlive_the_next_batch(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_network, "Recorded", OnTheCpu)
    network, valid = TorchNetwork(SPEC, judge, "meta", recorded=True), torch.ones(1, 1, dtype=torch.bool)
    first = network(torch.zeros(1, 2, 2, 3, dtype=torch.uint8), valid)["SCORES"]
    network(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8), valid)
    np.testing.assert_array_equal(first, [[1, 0]])
    assert sizes


@pytest.mark.parametrize("wrong_at", [1, 2, 24, 64])
def test_a_recording_that_answers_otherwise_is_found_whatever_its_size(
    monkeypatch: pytest.MonkeyPatch, wrong_at: int
) -> None:
    wrong = set[int]()

    def record(network: Judge, inputs: Sequence[Any], *_: Any) -> tuple[Any, tuple[Any, ...]]:
        def off(pixels: Any, valid: Any) -> tuple[Any, ...]:
            return tuple(said + 0.1 * (len(pixels) in wrong) for said in network(pixels, valid))

        return Replayed(off, inputs, outputs := network(*inputs)), outputs

    stand_in(monkeypatch, record)
    monkeypatch.setattr(torch_network, "Recorded", OnTheCpu)
    TorchNetwork(SPEC, judge, "meta", recorded=True).check_recorded()
    wrong.add(wrong_at)
    with pytest.raises(NetworkError, match=r"its recording is wrong: SCORES is off by more than 0\.01 in a batch of"):
        TorchNetwork(SPEC, judge, "meta", recorded=True).check_recorded()
    TorchNetwork(SPEC, judge, "cpu", recorded=True).check_recorded()


def test_a_cpu_records_nothing(sizes: list[int]) -> None:
    assert TorchNetwork(SPEC, judge, "cpu", recorded=True).unrecorded == ""
    assert sizes == []
