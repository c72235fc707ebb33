"""The next marker is where a regular expression over every byte finds it, however far that is."""

import random
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from film import markers
from film.markers import next_marker

PLAINLY = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


def plainly(data: bytes, place: int) -> int:
    found = PLAINLY.search(data, place)
    return found.start() if found else -1


@pytest.mark.parametrize("distance", [0, 1, 4093, 4094, 4095, 4096, 4097, 36_000, 36_862, 36_863, 36_864, 400_000])
@pytest.mark.parametrize("marker", [b"\xff\xd9", b"\xff\xff\xff\xda", b"\xff\x01", b"\xff", b"\xff\xff", b""])
@pytest.mark.parametrize("behind", [b"", b"\0", b"\xff\xc4"])
@pytest.mark.parametrize("between", [b"\x7f", b"\0", b"\xff\0", b"\xff\xd3", b"\xff", b"a\xff\xff\xd7"])
def test_at_every_distance(distance: int, marker: bytes, behind: bytes, between: bytes) -> None:
    filling = (between * (distance // len(between) + 1))[:distance]
    data = filling + marker + behind
    assert next_marker(data, 0) == plainly(data, 0)
    assert next_marker(b"\xff\xd8" + data, 2) == plainly(b"\xff\xd8" + data, 2)


def test_in_bytes_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    monkeypatch.setattr(markers, "_NEAR", 4)
    monkeypatch.setattr(markers, "_FAR", 40)
    for _ in range(3000):
        data = bytes(rng.choices([0xFF, 0, 0xD0, 0xD7, 0xD8, 0xCF, 1, 9], [6, 6, 3, 3, 0.1, 0.1, 0.1, 3], k=200))
        place = rng.randrange(220)
        assert next_marker(data, place) == plainly(data, place)


@pytest.mark.parametrize("gap", [b"\xff", b"\xff\xd0", b"\xff\x00", b"\x00"])
def test_a_file_of_markers_some_way_apart_has_not_much_more_looked_at_than_it_has(
    monkeypatch: pytest.MonkeyPatch, gap: bytes
) -> None:
    looked, first = [0], markers._first

    def count(part: NDArray[np.uint8]) -> int:
        looked[0] += len(part)
        return first(part)

    monkeypatch.setattr(markers, "_first", count)
    data, place, found = (gap * (4100 // len(gap)) + b"\xff\xfe\x00\x02") * 200, 0, 0
    while (place := markers.next_marker(data, place)) >= 0:
        place, found = place + 4, found + 1
    assert found == 200
    assert looked[0] < 3 * len(data)
