"""Numbers as they are shown: to the digits that their interval supports."""

import pytest

from harness.evaluation.leaderboard import rank_entries
from harness.report.cells import board_table, chance, notes, number, with_interval
from harness.tracks import MASS_MAPPING
from tests.harness.evaluation.builders import scored_maps


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 4, "–"),
        (0.64772, 4, "0.6477"),
        (0.0, 4, "0.0000"),
        (-0.0, 2, "0.00"),
        (-0.00001, 2, "0.00"),
        (-0.00001, 3, "-1e-05"),
        (0.0000037, 5, "3.7e-06"),
        (0.0000037, 7, "3.7e-06"),
        (1234.5, -2, "1200"),
        (9.96e-6, 6, "0.000010"),
        (0.0, 7, "0"),
    ],
)  # fmt: skip
def test_numbers(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("values", "digits", "text"),
    [
        ((0.6477, 0.4874, 0.8389), 4, "0.65 [0.49, 0.84]"),
        ((393.24, 350.1, 440.2), 1, "393 [350, 440]"),
        ((4112.0, 3100.0, 5200.0), 4, "4100 [3100, 5200]"),
        ((3.7e-6, 2.94e-6, 4.6e-6), 5, "3.7e-06 [2.9e-06, 4.6e-06]"),
        ((3.7e-6, 0.0, 1e-5), 5, "3.7e-06 [0, 1.00e-05]"),
        ((0.647712, 0.647702, 0.647722), 4, "0.6477 [0.6477, 0.6477]"),  # no more than the usual ones
        ((1.0, 0.6637, 1.0), 4, "1.00 [0.66, 1.00]"),
        ((1.0, 1.0, 1.0), 4, "1.0000 [1.0000, 1.0000]"),
        ((0.25, None, None), 4, "0.2500"),
        ((0.00041, None, None), 4, "0.00041"),
        ((-0.001, -0.5, 0.5), 4, "0.00 [-0.50, 0.50]"),
    ],
)  # fmt: skip
def test_numbers_with_intervals(values, digits, text):
    assert with_interval(*values, digits) == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [(None, "–"), (0.0, "<0.001"), (1.0, ">0.999"), (0.5, "0.50"), (0.004, "0.004"), (0.9985, "0.999")],
)
def test_probabilities(probability, text):
    assert chance(probability) == text


def test_seeds_that_make_no_difference_are_called_deterministic():
    columns = scored_maps("A").columns
    same = [scored_maps("A", "same", seed, owner="us", **columns) for seed in range(3)]
    other = [scored_maps("A", "other", seed, owner="us") for seed in range(3)]
    board = rank_entries(MASS_MAPPING, [*same, *other])
    _, rows = board_table(board)
    texts = {row[1]: " ".join(row) for row in rows}
    assert texts.keys() == {"same (deterministic)", "other (3 seeds)"}
    assert "±" not in texts["same (deterministic)"]
    assert "±" in texts["other (3 seeds)"]
    assert not any("±" in note for note in notes(rank_entries(MASS_MAPPING, same)))
