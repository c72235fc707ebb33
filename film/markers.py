"""Where the next marker of a JPEG is: nearly all of a file is a scan's coded pixels, which hold none.

Many 0xFF are in them, each with a stuffed zero behind it, and a regular expression stops at every one. numpy does not,
and lets go of the interpreter's lock meanwhile.
"""

import re

import numpy as np
from numpy.typing import NDArray

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""0xFF and what is no stuffed zero, no restart and no fill byte."""
_ENDS = np.ones(256, bool)
_ENDS[[0x00, *range(0xD0, 0xD8), 0xFF]] = False
"""The same, for each byte behind 0xFF."""
_FILL = np.array(0xFF, np.uint8)
"""An array, for numpy takes longer to make one of a number than to compare some thousand bytes."""
_NEAR, _FAR = 2**12, 2**18
"""For how many bytes the expression is faster, as most markers follow closely; and how many numpy takes in at once at
most. It begins with few and goes on with four times as many each time, so that a file made of markers that are some kB
apart has not much more looked at than it has.
"""


def next_marker(data: bytes, place: int) -> int:
    """Where the next marker at or behind ``place`` begins, fill bytes not counted; -1 if there is none."""
    found = _MARKER.search(data, place, place + _NEAR)
    if found:
        return found.start()
    place, window = place + _NEAR - 1, 2 * _NEAR  # the last byte may be a marker's first
    while len(data) - place >= 2:
        at = _first(np.frombuffer(data, np.uint8, min(window, len(data) - place), place))
        if at >= 0:
            return place + at
        place, window = place + window - 1, min(4 * window, _FAR)
    return -1


def _first(part: NDArray[np.uint8]) -> int:
    followers = part[1:]
    hits = (part[:-1] == _FILL).view(np.uint8)
    suspects = np.minimum(hits, followers, out=hits).view(bool)  # a zero behind it makes it one
    at = int(suspects.argmax())
    if not suspects[at]:
        return -1
    if _ENDS[followers[at]]:
        return at
    places = np.flatnonzero(suspects)  # there are restarts
    ends = places[_ENDS[followers[places]]]
    return int(ends[0]) if ends.size else -1
