"""Preprocessing, inversion and network of the cuda profile, with their device the CPU."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from film import device, gate, images, specs
from film.device_preprocess import DeviceInversion, DevicePreprocess
from film.network import NetworkError
from film.ops.dali.runner import Runner
from film.preprocess import invert, preprocess
from film.torch_network import CPU_BATCH, load_torch_network

SAMPLES = Path(__file__).parents[2] / "samples"
PHOTOGRAPHS = [file.read_bytes() for file in sorted(SAMPLES.rglob("*.jpg"))[:3]]
CUT = PHOTOGRAPHS[0][: len(PHOTOGRAPHS[0]) // 2]
SPEC = specs.NEGATIVE_CONDITION


@pytest.fixture(scope="module")
def on_cpu() -> DevicePreprocess:
    return DevicePreprocess(SPEC.size, "cpu")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"model_instance_kind": "GPU", "model_instance_device_id": "1"}, "cuda:1"),
        ({"model_instance_kind": "CPU", "model_instance_device_id": "0"}, "cpu"),
    ],
)
def test_triton_says_which_device(told: dict[str, str], expected: str) -> None:
    assert device.of_instance(told) == expected


def test_pixels_are_those_of_the_cpu_profile(on_cpu: DevicePreprocess) -> None:
    blobs = [PHOTOGRAPHS[0], CUT, PHOTOGRAPHS[1], b""]
    done, wanted = on_cpu(blobs), preprocess(blobs, SPEC.size)
    assert done.errors == wanted.errors
    np.testing.assert_array_equal(done.valid, wanted.valid)
    difference = np.abs(done.pixels.numpy().astype(int) - wanted.pixels).mean(axis=(1, 2, 3))
    assert (difference <= specs.SCALED_DECODE_TOLERANCE.mean).all()


def test_an_answer_outlives_the_next_one(on_cpu: DevicePreprocess) -> None:
    first = on_cpu(PHOTOGRAPHS[:1]).pixels
    before = first.clone()
    on_cpu(PHOTOGRAPHS[1:2])
    assert torch.equal(first, before)


def test_what_fails_in_dali_all_the_same_is_done_by_the_cpu_and_dali_goes_on(
    on_cpu: DevicePreprocess, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = [PHOTOGRAPHS[0], CUT]
    with monkeypatch.context() as credulous:
        credulous.setattr(gate, "is_sound", lambda _: True)
        done = on_cpu(blobs)
        positives = DeviceInversion("cpu")(blobs)
    wanted = preprocess(blobs, SPEC.size)
    assert done.errors == wanted.errors
    np.testing.assert_array_equal(done.pixels.numpy(), wanted.pixels)
    assert positives == invert(blobs)
    assert on_cpu(PHOTOGRAPHS).valid.all()


def test_whatever_dali_raises_costs_no_picture(on_cpu: DevicePreprocess, monkeypatch: pytest.MonkeyPatch) -> None:
    """It turns errors of its own into those of Python's, a wrong index for one."""

    def fail(*_: object) -> None:
        raise IndexError("out of range")

    looked_at: list[str] = []
    monkeypatch.setattr("film.device_preprocess.end_if_broken", looked_at.append)
    by_dali = on_cpu(PHOTOGRAPHS).pixels
    with monkeypatch.context() as failing:
        failing.setattr(Runner, "__call__", fail)
        done = on_cpu(PHOTOGRAPHS)
    assert looked_at == ["cpu"]
    np.testing.assert_array_equal(done.pixels.numpy(), preprocess(PHOTOGRAPHS, SPEC.size).pixels)
    assert not torch.equal(done.pixels, by_dali)
    assert torch.equal(on_cpu(PHOTOGRAPHS).pixels, by_dali), "DALI goes on"


@pytest.mark.parametrize(
    ("where", "broken", "ended"), [("cuda:0", True, [1]), ("cuda:0", False, []), ("cpu", True, [])]
)
def test_a_process_that_cannot_use_its_gpu_any_more_ends(
    where: str, broken: bool, ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the guard starts another; what is wrong is played."""

    def synchronize(_: str) -> None:
        if broken:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    codes: list[int] = []
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(os, "_exit", codes.append)
    device.end_if_broken(where)
    assert codes == ended


def test_positives_are_those_of_the_cpu_profile() -> None:
    blobs = [PHOTOGRAPHS[0], CUT, PHOTOGRAPHS[1]]
    with ThreadPoolExecutor(2) as pool:
        found = DeviceInversion("cpu", pool.map)(blobs)
    for (positive, error), (wanted, reason) in zip(found, invert(blobs), strict=True):
        assert error == reason
        assert bool(positive) == bool(wanted)
        if wanted:
            difference = np.abs(images.decode(positive).astype(int) - images.decode(wanted))
            assert difference.mean() <= specs.POSITIVE_TOLERANCE


class Brightness(torch.nn.Module):
    """As small as a network can be: the brightness of each picture, as the two probabilities it is called for."""

    def forward(self, PIXELS: torch.Tensor, VALID: torch.Tensor) -> tuple[torch.Tensor]:  # noqa: N803
        bright = PIXELS.float().mean(dim=(1, 2, 3)).reshape(-1, 1) / 255
        scores = torch.cat((1 - bright, bright), dim=1)
        return (torch.where(VALID, scores, torch.full((), float("nan"))),)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_network_answers_requests_of_any_size_in_order(tmp_path: Path) -> None:
    spec = specs.FILM_ORIGIN
    file = tmp_path / "model.pt"
    torch.jit.script(Brightness()).save(str(file))
    network = load_torch_network(file, spec, "cpu")
    counts = (1, CPU_BATCH + 1, 2)
    pixels = [torch.randint(0, 256, (count, *spec.pixels.shape), dtype=torch.uint8) for count in counts]
    valid = [torch.tensor([[number != 1] for number in range(count)]) for count in counts]

    scores = torch.cat([network(*part)["SCORES"] for part in zip(pixels, valid, strict=True)])

    bright = torch.cat(pixels).float().mean(dim=(1, 2, 3)) / 255
    assert torch.equal(torch.isnan(scores).all(dim=1), ~torch.cat(valid)[:, 0])
    torch.testing.assert_close(scores[torch.cat(valid)[:, 0], 1], bright[torch.cat(valid)[:, 0]])


def test_a_network_that_cannot_be_loaded_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"nothing\.pt is missing: export it with `make export`"):
        load_torch_network(tmp_path / "nothing.pt", SPEC, "cpu")
    broken = tmp_path / "model.pt"
    broken.write_bytes(b"no TorchScript")
    with pytest.raises(NetworkError, match=r"model\.pt cannot be loaded on cpu"):
        load_torch_network(broken, SPEC, "cpu")
