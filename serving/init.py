"""What the first process of a container has to be, where nobody else is that: an init.

The kernel keeps signals from the first process of a namespace that it has no handler for, SIGKILL from inside as well,
and makes every orphan its child. Triton is no init: it could not be ended from beside it, and would collect nobody.
"""

import contextlib
import os
import signal
import time
from types import FrameType

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_LAST_SECONDS = 5.0
"""In which others may finish once the child has ended; then they end with the namespace."""


def stand_by() -> None:
    """Return in a child. This process stays: it hands on signals, collects the dead, and exits as the child does."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(child, number)

        for number in _PASSED_ON:
            signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    if child:
        os._exit(_outlast(child))


def _outlast(child: int) -> int:
    """The exit code of ``child``, as a shell would put it, after the end of all that is left."""
    ended, status = 0, 0
    while ended != child:
        ended, status = os.wait()
    for number in _PASSED_ON:  # there is nobody left to hand them on to
        signal.signal(number, signal.SIG_IGN)
    deadline = time.monotonic() + _LAST_SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
        except ChildProcessError:
            break
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
