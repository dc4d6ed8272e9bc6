"""To what public scores are rounded, and that a case alone cannot be read from them."""

from dataclasses import replace

import numpy as np
import pytest

from harness.evaluation.board import Value
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.rounding import coarse, left_out, supported_step, supported_steps, to_step
from harness.tracks import MASS_MAPPING, STAMPS
from tests.harness.evaluation.builders import ranked_by, scored_maps, scored_stamps


@pytest.mark.parametrize(
    ("value", "step", "rounded"),
    [(0.13, 0.05, 0.15), (0.12, 0.05, 0.1), (0.3, 0.1, 0.3), (-0.02, 0.05, 0.0), (47.0, 20.0, 40.0),
     (3.4e-11, 1e-11, 3e-11)],
)  # fmt: skip
def test_multiples_of_a_step(value, step, rounded):
    found = to_step(value, step)
    assert float(found) == rounded  # 0.3, not 3 * 0.1 = 0.30000000000000004
    assert not np.signbit(found)


def test_the_numbers_of_a_value_are_rounded_and_what_is_unknown_stays_so():
    assert Value(0.12, None, 0.07, 0.21).rounded(0.05) == Value(0.1, None, 0.05, 0.2)
    assert Value(0.12, 0.33, None, None).rounded(0.1) == Value(0.1, 0.3, None, None)


@pytest.mark.parametrize(
    ("spread", "digits", "changed", "step"),
    [
        (0.1, 4, 0, 0.01),  # the standard error of 100 groups, 0.01, which is a step itself
        (0.11, 4, 0, 0.02),
        (0.2, 4, 0, 0.02),
        (0.21, 4, 0, 0.05),
        (0.51, 4, 0, 0.1),
        (1e-6, 4, 0, 1e-4),
        (0.1, 1, 0, 0.1),  # the last digit that is shown
        (0.1, 4, 0.006, 0.02),  # without one group the score moves by 0.006, of which twice counts
        (0.1, 4, -0.006, 0.02),
        (0.1, 4, 0.004, 0.01),
    ],
)
def test_steps_are_1_2_or_5_times_a_power_of_ten(spread, digits, changed, step):
    without = np.full(100, 0.5)
    without[7] += changed
    assert supported_step(0.5, without, digits, spread) == pytest.approx(step)


def test_a_score_that_a_group_makes_possible_counts_as_0_without_it():
    assert supported_step(0.2, np.array([0.2, np.nan, 0.2]), 4, 0.1) == pytest.approx(0.5)  # of 2 × 0.2


def test_scores_without_each_group():
    """Four groups of three cases: without the first, (2 + 3 + 4) / 3."""
    sums = ranked_by(np.repeat([1.0, 2.0, 3.0, 4.0], 3)).sums()
    np.testing.assert_allclose(left_out(MASS_MAPPING, sums)["wmape"], [3, 8 / 3, 7 / 3, 2])


def test_each_score_has_the_step_of_its_digits_and_its_usual_spread():
    """100 groups whose scores are alike: the spreads of the three scores over 10 are 0.05, 0.01 and 8."""
    steps = supported_steps(MASS_MAPPING, ranked_by(np.ones(300)).sums())
    assert (steps["wmape"], steps["dicee"], steps["dpeaks"]) == pytest.approx((0.05, 0.01, 10))


def test_probabilities_count_to_three_digits_and_as_one_in_a_hundred_at_least():
    labels = np.zeros(3, int)
    probabilities = np.array([[0.3333, 0.3333, 0.3333, 0, 0.0001], [0.5004, 0.4996, 0, 0, 0],
                              [0.001, 0.999, 0, 0, 0]])  # fmt: skip
    columns = coarse(STAMPS).by_case(labels, probabilities)
    np.testing.assert_allclose(columns["log_loss"], np.log([3, 2, 100]))  # of thirds, of halves, of 0.01
    np.testing.assert_allclose(columns["sn_probability"], [1 / 3, 0.5, 0.999])
    assert coarse(MASS_MAPPING) is MASS_MAPPING
    few = replace(STAMPS, columns=lambda labels, _: {"label": labels})
    assert list(coarse(few).by_case(labels, probabilities)) == ["label"]


def test_a_public_board_has_nothing_finer_than_the_steps():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.3, 100)
    noise -= noise.mean()
    scored = [ranked_by(np.repeat(level + noise, 3), team)
              for team, level in (("A", 0.502), ("B", 0.498), ("C", 0.823))]  # fmt: skip
    board = rank_entries(MASS_MAPPING, scored, part="public")
    assert [(row.team, row.rank, row.metrics["wmape"].mean) for row in board.rows] == [
        ("A", 1, 0.5), ("B", 1, 0.5), ("C", 3, 0.8),
    ]  # fmt: skip
    cell = board.rows[0].metrics["wmape"]
    assert (cell.std, cell.low, cell.high) == pytest.approx((0.3, 0.45, 0.55))
    assert 0.2 < board.rows[0].p_better_than_next < 0.5  # resamples, too, are rounded: B is better in each
    assert board.rows[2].metrics["dicee"].mean == 0.82  # in steps of 0.01
    assert board.rows[0].seeds[0].scores["wmape"] == 0.5
    plain = rank_entries(MASS_MAPPING, scored)
    assert [row.team for row in plain.rows] == ["B", "A", "C"]
    assert plain.rows[1].seeds[0].scores["wmape"] == pytest.approx(0.502, abs=1e-12)


def test_of_several_seeds_the_coarsest_step_counts():
    """One seed has a group that moves the mean of DICEE by 0.05, and is shown in steps of 0.1."""
    odd = np.full(300, 0.5)
    odd[:3] = 5.45
    scored = [scored_maps("A", "m", seed, per_group=3, owner="us", dicee=values)
              for seed, values in ((1, np.full(300, 0.5)), (2, odd))]  # fmt: skip
    (row,) = rank_entries(MASS_MAPPING, scored, part="public").rows
    assert [seed.scores["dicee"] for seed in row.seeds] == pytest.approx([0.5, 0.5])
    assert row.metrics["dicee"].mean == pytest.approx(0.5)  # of 0.52475
    assert row.metrics["dicee"].seed_std == 0


@pytest.mark.parametrize(("part", "known"), [(None, True), ("private", True), ("public", False)])
def test_what_is_right_everywhere_has_exact_bounds_but_on_a_public_board(part, known):
    """45 of 45 right: the bound of Clopper & Pearson would tell a board that all are right."""
    labels = np.repeat(range(5), 9)
    board = rank_entries(STAMPS, [scored_stamps(labels, labels)], part=part)
    cell = board.rows[0].metrics["accuracy"]
    assert cell.low == (pytest.approx(0.9213, abs=5e-5) if known else None)
    assert board.classes == (dict.fromkeys(STAMPS.classes, 9) if known else None)
