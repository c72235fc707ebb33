"""Growth is told from noise, from single jumps, and from what goes up and down."""

import numpy as np
import pytest

from loadtest.limits.trend import trend

TIMES = np.arange(900.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_under_noise_grows(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 20, len(TIMES))
    found = trend(TIMES.tolist(), (500 + 0.05 * TIMES + noise).tolist())
    assert found.grows
    assert found.low < 0.05 < found.high


def test_noise_alone_seldom_grows() -> None:
    draws = [np.random.default_rng(seed).normal(500, 20, len(TIMES)) for seed in range(60)]
    assert sum(trend(TIMES.tolist(), draw.tolist()).grows for draw in draws) <= 5  # two or three in a hundred


def test_one_jump_is_no_growth() -> None:
    found = trend(TIMES.tolist(), np.where(TIMES < 200, 100.0, 110.0).tolist())
    assert not found.grows
    assert (found.start, found.end) == (100, 110)


def test_what_never_changes_and_what_shrinks_do_not_grow() -> None:
    assert not trend(TIMES.tolist(), [7.0] * len(TIMES)).grows
    assert not trend(TIMES.tolist(), (-TIMES).tolist()).grows


def test_sens_interval_of_a_line_is_its_slope() -> None:
    found = trend([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 5.0, 7.0, 9.0, 11.0])
    assert (found.slope, found.low, found.high) == (2, 2, 2)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="four samples"):
        trend([0.0, 1.0], [1.0, 2.0])
