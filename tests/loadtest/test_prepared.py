"""Pictures and answers that one process makes and another takes; and in which order they are sent."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from loadtest.pictures import SAMPLES, PicturesError, read
from loadtest.prepared import Deck, Prepared, prepare


def test_another_process_gets_the_same_pictures_and_answers(tmp_path: Path) -> None:
    made = prepare(None, "small", 2, NEGATIVE_CONDITION.name)
    made.save(tmp_path / "new" / "folder")
    loaded = Prepared.load(tmp_path / "new" / "folder")
    assert loaded.blobs == made.blobs
    assert len(loaded.expected) == 2
    for mine, theirs in zip(made.expected, loaded.expected, strict=True):
        assert theirs.tolerance == mine.tolerance
        assert set(theirs.outputs) == {NEGATIVE_CONDITION.name}
        values = theirs.outputs[NEGATIVE_CONDITION.name]
        assert set(values) == {output.name for output in NEGATIVE_CONDITION.outputs}
        for name, right in mine.outputs[NEGATIVE_CONDITION.name].items():
            np.testing.assert_array_equal(values[name], right, strict=True)


def test_a_folder_of_the_users_goes_before_made_pictures(tmp_path: Path) -> None:
    blob = read(SAMPLES)[0]
    (tmp_path / "mine.jpg").write_bytes(blob)
    assert prepare(tmp_path, "scan", 100, FILM_ORIGIN.name).blobs == [blob]


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match=str(tmp_path)):
        prepare(tmp_path, "scan", 100)


@given(size=st.integers(1, 20), count=st.integers(1, 50), rounds=st.integers(1, 20), seed=st.integers(0, 9))
def test_no_picture_is_sent_much_oftener_than_another(size: int, count: int, rounds: int, seed: int) -> None:
    deck = Deck(size, seed)
    hands = [deck.deal(count) for _ in range(rounds)]
    assert all(len(hand) == count for hand in hands)
    dealt = Counter(number for hand in hands for number in hand)
    assert set(dealt) <= set(range(size))
    times = [dealt[number] for number in range(size)]
    assert max(times) - min(times) <= 1
