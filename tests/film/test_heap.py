"""What lies free in the middle of a heap goes back to the machine."""

import os
import platform
import subprocess
import sys

import pytest

HOLED = """
import time
import psutil
from film.heap import give_back_every

me = psutil.Process()
blocks = [bytearray(2**20) for _ in range(100)]
held = me.memory_info().rss
del blocks[:-1]  # the last one keeps the heap from being cut
free = me.memory_info().rss
stop = give_back_every(0.05)
for _ in range(1200):
    time.sleep(0.05)
    if me.memory_info().rss < free - 80 * 2**20:
        break
stop()
print(held - free < 20 * 2**20, free - me.memory_info().rss > 80 * 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to give memory back")
def test_what_is_free_in_the_middle_is_given_back() -> None:
    """In a process of its own, whose settings keep its large buffers on the heap as the server's do."""
    settings = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**27)}
    done = subprocess.run(
        [sys.executable, "-c", HOLED], env={**os.environ, **settings}, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["True", "True"], done
