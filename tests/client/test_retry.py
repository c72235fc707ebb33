import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.retry import Retry

CHANCE = st.floats(0, 1)


@given(st.integers(1, 60), CHANCE)
def test_a_pause_is_between_half_of_the_doubling_time_and_all_of_it_and_never_over_the_longest(
    attempt: int, chance: float
) -> None:
    retry = Retry(attempts=100, first=0.1, longest=5.0)
    pause = retry.pause(attempt, chance)
    assert pause is not None
    full = min(5.0, 0.1 * 2 ** (attempt - 1))
    assert full / 2 <= pause <= full


def test_the_pauses_of_one_request_double_until_the_attempts_are_used_up() -> None:
    retry = Retry(attempts=4, first=1.0, longest=3.0)
    assert [retry.pause(attempt, 1.0) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 3.0, None]


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"strangers": 0}, {"first": -1.0}, {"longest": -1.0}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="attempts and strangers must be 1 or more"):
        Retry(**wrong)  # type: ignore[arg-type]
