import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film import prior
from film.prior import with_prior

shares = st.floats(0.01, 0.99)


def test_the_prior_that_was_trained_changes_nothing() -> None:
    assert with_prior(0.3, prior=0.5) == pytest.approx(0.3)
    assert with_prior(0.3, prior=0.2, trained=0.2) == pytest.approx(0.3)


def test_an_undecided_answer_becomes_the_prior() -> None:
    assert with_prior(0.5, prior=0.9) == pytest.approx(0.9)


@given(shares, shares)
def test_both_labels_add_up_to_one(probability: float, share: float) -> None:
    assert with_prior(probability, share) + with_prior(1 - probability, 1 - share) == pytest.approx(1)


@given(shares, shares, shares)
def test_going_there_and_back_gives_the_same(probability: float, share: float, trained: float) -> None:
    there = with_prior(probability, share, trained)
    assert with_prior(there, trained, share) == pytest.approx(probability)


def test_certainty_and_nan_stay() -> None:
    assert with_prior(1.0, 0.1) == 1.0
    assert with_prior(0.0, 0.9) == 0.0
    assert math.isnan(with_prior(math.nan, 0.9))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, math.nan])
def test_a_prior_that_is_no_share_is_named(share: float) -> None:
    with pytest.raises(ValueError, match="prior is"):
        with_prior(0.5, share)


def test_the_example_is_right() -> None:
    assert doctest.testmod(prior).failed == 0
