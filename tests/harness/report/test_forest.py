"""The marks of a forest plot, by numbers that are easy to place."""

import pytest

from harness.report.forest import MARGIN, forest_row


def test_no_difference_is_in_the_middle_and_the_outermost_mark_near_an_end():
    row = forest_row(-0.5, -1.0, 0.0)
    assert row["mark"] == pytest.approx(50 - 25 / MARGIN, abs=0.01)
    left, width = row["span"]
    assert (left, left + width) == pytest.approx((50 - 50 / MARGIN, 50), abs=0.01)
    assert row["claimed"] is None
    assert row["reported"] is None


def test_a_claimed_side_reaches_to_the_end_of_the_scale():
    assert forest_row(1.0, None, None, (None, 0.0))["claimed"] == (0, 50)
    assert forest_row(1.0, None, None, (0.0, None))["claimed"] == (50, 50)
    left, width = forest_row(0.0, None, None, (-0.5, 1.0))["claimed"]
    assert (left, left + width) == pytest.approx((50 - 25 / MARGIN, 50 + 50 / MARGIN), abs=0.01)


def test_what_the_report_states_widens_the_scale():
    row = forest_row(0.1, 0.05, 0.15, reported=-1.0)
    assert row["reported"] == pytest.approx(50 - 50 / MARGIN, abs=0.01)
    assert row["mark"] == pytest.approx(50 + 5 / MARGIN, abs=0.01)


def test_twice_and_half_the_time_are_equally_far_from_the_middle():
    twice, half = (forest_row(ratio, None, None, (None, 1.0), 4.0, True) for ratio in (2.0, 0.5))
    assert twice["mark"] - 50 == pytest.approx(50 - half["mark"])
    assert twice["claimed"] == (0, 50)


def test_two_that_are_equal():
    assert forest_row(0.0, 0.0, 0.0) == {"mark": 50, "span": (50, 0), "claimed": None, "reported": None}
