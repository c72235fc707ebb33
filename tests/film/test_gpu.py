"""What CUDA's driver says of GPUs, by a stand-in for it: few machines that run this have one."""

import ctypes
from dataclasses import dataclass
from typing import Any

import pytest

from film import gpu
from film.gpu import Gpu, GpuError


@dataclass
class Driver:
    """Answers as the library does, of ``capabilities``, or with ``code`` to every question."""

    capabilities: tuple[tuple[int, int], ...] = ()
    code: int = 0

    def cuInit(self, _flags: int) -> int:  # noqa: N802
        return self.code

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.capabilities)
        return self.code

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        device._obj.value = number
        return self.code

    def cuDeviceGetAttribute(self, value: Any, what: int, device: ctypes.c_int) -> int:  # noqa: N802
        value._obj.value = self.capabilities[device.value][what - 75]
        return self.code

    def cuGetErrorString(self, _code: int, said: Any) -> int:  # noqa: N802
        said._obj.value = b"driver and library differ"
        return 0


@pytest.mark.parametrize("capabilities", [(), ((8, 9),), ((9, 0), (12, 1))])
def test_every_gpu_is_found(monkeypatch: pytest.MonkeyPatch, capabilities: tuple[tuple[int, int], ...]) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver(capabilities))
    assert gpu.find() == tuple(Gpu(f"{major}.{minor}") for major, minor in capabilities)


def test_a_driver_without_a_device_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver(code=100))
    assert gpu.find() == ()


def test_a_machine_without_a_driver_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "LIBRARY", "libnowhere.so.1")
    assert gpu.find() == ()


@pytest.mark.parametrize("code", [803, 999])
def test_a_broken_driver_is_quoted(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver(((8, 9),), code))
    with pytest.raises(GpuError, match=rf"error {code} \(driver and library differ\)"):
        gpu.find()
