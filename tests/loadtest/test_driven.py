"""Figures of requests whose times are known."""

import math

import pytest

from loadtest.driven import Driven, Sent, percentile, together


def driven(*sent: Sent, window: tuple[float, float] = (1.0, 5.0), open_loop: bool = False) -> Driven:
    return Driven(sent, window, open_loop, 0.5)


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([3.0], 0.99) == 3
    assert math.isnan(percentile([], 0.5))


def test_a_closed_loop_counts_the_part_of_a_request_that_lies_within() -> None:
    half_before = Sent(0, 0, 2, 8, "")
    within = Sent(2, 2, 4, 8, "")
    half_after = Sent(4, 4, 6, 8, "")
    assert driven(half_before, within, half_after).pictures_per_second == pytest.approx((4 + 8 + 4) / 4)


def test_an_open_loop_counts_the_answers_that_came_within() -> None:
    before, within, after = Sent(0, 0, 0.9, 1, ""), Sent(0.5, 0.5, 4, 1, ""), Sent(3, 3, 9, 1, "")
    assert driven(before, within, after, open_loop=True).pictures_per_second == 1 / 4


def test_only_right_answers_are_good() -> None:
    found = driven(Sent(2, 2, 3, 4, ""), Sent(2, 2, 3, 4, "WrongAnswer"), Sent(3, 3, 4, 4, "ServerOverloaded"))
    assert found.pictures_per_second == 1
    assert found.outcomes == {"": 1, "WrongAnswer": 1, "ServerOverloaded": 1}
    assert found.failed == 2


def test_latency_counts_from_when_a_request_was_due_and_a_refusal_from_when_it_was_sent() -> None:
    found = driven(Sent(1, 3, 4, 1, ""), Sent(1, 3, 3.5, 1, "ServerOverloaded"), open_loop=True)
    assert found.latency(0.5) == 3
    assert found.refusal(0.5, "ServerOverloaded") == 0.5
    assert found.late == 2


def test_slow_requests_of_the_window_are_told_of_even_where_they_end_after_it() -> None:
    quick, slow = Sent(2, 2, 2.5, 1, ""), [Sent(2, 2, 30, 1, "")] * 3
    assert driven(quick, *slow).latency(0.99) == 28


def test_processes_are_counted_while_all_of_them_sent() -> None:
    first = Driven((Sent(1, 1, 3, 4, ""),), (1.0, 5.0), False, 0.5)
    second = Driven((Sent(1, 1, 3, 4, "WrongAnswer"),), (1.5, 5.5), False, 0.25, "off")
    whole = together([first, second])
    assert whole.window == (1.0, 5.0)
    assert (whole.client_cpu, whole.reason, whole.pictures_per_second) == (0.75, "off", 1.0)
