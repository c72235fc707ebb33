"""Memory that a process took for large buffers and has free now, given back to the machine every so often.

glibc gives back what lies free at the end of a heap; what lies free in the middle stays the process' own. Buffers of
every size, in several threads, leave it in another place each time, so that a process that decodes pictures for weeks
holds what its worst moments needed. Giving everything back at once would cost more: pages have to be fetched again.
The cpu profile's decoding processes do this; `serving/settings.py` has what glibc is told besides.
"""

import ctypes
import random
import threading
from collections.abc import Callable

SECONDS = 60.0


def give_back_every(seconds: float = SECONDS) -> Callable[[], None]:
    """From now on, in a thread that keeps no process alive; returns what ends it. Does nothing without glibc."""
    ended = threading.Event()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # malloc_trim(3)
    if trim is None:
        return ended.set

    def work() -> None:
        wait = seconds * random.uniform(0.5, 1)  # not all processes of a server at the same moment
        while not ended.wait(wait):
            trim(0)
            wait = seconds

    threading.Thread(target=work, name="give back memory", daemon=True).start()
    return ended.set
