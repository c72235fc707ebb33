"""Python loads this at its start where the folder is in PYTHONPATH: it mends a Python whose library is newer than it.

Triton's stub for Python 3.11 brings an interpreter older than 3.11.7 and takes the standard library of the machine, whose
multiprocessing asks a lock for a method that the older one lacks. The lock written in Python has it.
"""

import _thread
import threading

if not hasattr(_thread.RLock, "_recursion_count"):
    threading._CRLock = None  # type: ignore[attr-defined]
