"""Shapes of load, and the moments at which requests of an open load are due."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.levels import (
    SHAPES,
    Arrivals,
    Level,
    LevelsError,
    amount_at,
    due_times,
    parse,
    shape,
    total_seconds,
    written,
)

LEVELS = st.lists(st.builds(Level, st.floats(0.1, 50), st.floats(0.1, 50)), min_size=1, max_size=5)


@given(LEVELS)
def test_levels_are_read_as_they_were_written(levels: list[Level]) -> None:
    assert parse(written(levels)) == levels


@pytest.mark.parametrize("text", ["", "10", "10:x", "10:2:3", "0:5", "5:-1", "nan:1"])
def test_what_is_no_load_is_refused(text: str) -> None:
    with pytest.raises(LevelsError):
        parse(text)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_takes_its_time_and_reaches_its_amount(name: str) -> None:
    levels = shape(name, 60, 40)
    assert total_seconds(levels) == pytest.approx(60)
    assert max(level.amount for level in levels) == 40


def test_a_spike_comes_and_goes() -> None:
    levels = shape("spike", 50, 40)
    assert [amount_at(levels, second) for second in (0, 19, 21, 29, 31, 49)] == [4, 4, 40, 40, 4, 4]
    assert amount_at(levels, 50) is None


def test_steps_go_up() -> None:
    assert [level.amount for level in shape("step", 40, 8)] == [2, 4, 6, 8]


def test_a_shape_that_there_is_not_is_named() -> None:
    with pytest.raises(LevelsError, match=r"'wave'.*spike"):
        shape("wave", 1, 1)


def test_a_fixed_rate_has_equal_distances_at_each_level() -> None:
    due = list(due_times([Level(2, 2), Level(1, 4)], "fixed"))
    assert due == pytest.approx([0, 0.5, 1, 1.5, 2, 2.25, 2.5, 2.75])


@given(LEVELS, st.sampled_from(["poisson", "fixed"]))
def test_arrivals_come_in_order_and_within_the_time(levels: list[Level], arrivals: Arrivals) -> None:
    due = list(due_times(levels, arrivals))
    assert due == sorted(due)
    assert all(0 <= moment <= total_seconds(levels) for moment in due)


def test_poisson_arrivals_have_the_rate_of_each_level_and_the_spread_of_chance() -> None:
    due = np.array(list(due_times([Level(100, 50), Level(100, 5)], "poisson", seed=1)))
    first, second = np.sum(due < 100), np.sum(due >= 100)
    assert first == pytest.approx(5000, abs=5 * 5000**0.5)
    assert second == pytest.approx(500, abs=5 * 500**0.5)
    gaps = np.diff(due[:first])
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)  # of an exponential distribution they are the same


def test_the_same_seed_draws_the_same_moments() -> None:
    levels = [Level(10, 10)]
    one, again, other = (list(itertools.islice(due_times(levels, "poisson", seed), 20)) for seed in (1, 1, 2))
    assert one == again != other
