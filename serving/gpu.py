"""Whether there is a GPU, asked of the driver itself: no framework is loaded for it."""

import ctypes


def count() -> int:
    """How many GPUs CUDA sees; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    found = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(found)) != 0:
        return 0
    return found.value
