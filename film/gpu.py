"""The GPUs of this machine, asked of CUDA's driver itself: no framework is loaded for it."""

import ctypes
from dataclasses import dataclass
from typing import Any

from film.errors import SafelightError

LIBRARY = "libcuda.so.1"
"""The driver's."""
_NO_DEVICE = 100
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""CUresult and CUdevice_attribute of cuda.h."""


@dataclass(frozen=True)
class Gpu:
    """One GPU: its compute capability, such as "8.9"."""

    capability: str


class GpuError(SafelightError):
    """There is a driver, and it does not work."""


def find() -> tuple[Gpu, ...]:
    """Those that CUDA sees; none without a driver or a GPU. GpuError, with what the driver says, where it is broken."""
    try:
        driver = ctypes.CDLL(LIBRARY)
    except OSError:
        return ()
    count = ctypes.c_int(0)
    if (code := driver.cuInit(0)) == _NO_DEVICE:
        return ()
    _check(driver, code)
    _check(driver, driver.cuDeviceGetCount(ctypes.byref(count)))
    return tuple(Gpu(_capability(driver, number)) for number in range(count.value))


def _capability(driver: Any, number: int) -> str:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    _check(driver, driver.cuDeviceGet(ctypes.byref(device), number))
    _check(driver, driver.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device))
    _check(driver, driver.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device))
    return f"{major.value}.{minor.value}"


def _check(driver: Any, code: int) -> None:
    if code:
        said = ctypes.c_char_p()
        driver.cuGetErrorString(code, ctypes.byref(said))
        what = (said.value or b"which it has no words for").decode(errors="replace")
        raise GpuError(f"CUDA's driver does not work here, error {code} ({what}): see what `nvidia-smi` says.")
