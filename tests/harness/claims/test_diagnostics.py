"""Scores that claims are about, on predictions of which they are known."""

import numpy as np
import pytest

from harness.claims.diagnostics import (
    errors_near_mean,
    grid_power,
    mae_of_zeros,
    peaks_found,
    with_diagnostics,
)
from harness.tracks import MASS_MAPPING, STAMPS


def test_border():
    target = np.random.default_rng(5).normal(size=(3, 128, 128)).astype(np.float32)
    prediction = target.copy()
    prediction[:, 8:-8, 8:-8] += 1
    prediction[:, 0] += 2
    columns = with_diagnostics(MASS_MAPPING).by_case(target, prediction)
    assert columns["border_mae"] == pytest.approx(np.full(3, 2 * 128 / (128**2 - 112**2)), rel=1e-5)
    assert columns["wmape"] == pytest.approx(MASS_MAPPING.by_case(target, prediction)["wmape"])


def test_confidence():
    rng = np.random.default_rng(5)
    labels, probabilities = rng.integers(5, size=40), rng.dirichlet(np.ones(5), 40)
    columns = STAMPS.by_case(labels, probabilities)
    plain, further = (
        track.summarise(
            {key: value.sum(axis=0) for key, value in track.statistics(columns, np.arange(40)).items()},
            np.array(40),
        )
        for track in (STAMPS, with_diagnostics(STAMPS))
    )
    assert further.pop("confidence") == pytest.approx(probabilities.max(axis=1).mean())
    assert all(further[key] == pytest.approx(value) for key, value in plain.items())


def bumps(*places):
    """A map with a bump at each place (row, column), each lower than the one before."""
    rows, columns = np.mgrid[:128, :128]
    return sum(
        (5 - index) * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 50)
        for index, (row, column) in enumerate(places)
    )[None]


@pytest.mark.parametrize(
    ("places", "share"),
    [
        (((30, 30), (60, 90), (100, 40)), 1),
        (((100, 40), (30, 30), (60, 90)), 1),  # the order is another one
        (((30, 32), (61, 91), (100, 40)), 1),  # 2 pixels away
        (((30, 33), (60, 90), (100, 40)), 2 / 3),  # 3 pixels away
        (((30, 30), (64, 64), (10, 100)), 1 / 3),
        (((64, 64), (10, 100), (120, 120)), 0),
    ],
)
def test_peaks_in_any_order(places, share):
    true = bumps((30, 30), (60, 90), (100, 40))
    assert peaks_found(true, bumps(*places)) == pytest.approx([share])


def test_a_predicted_peak_counts_once():
    """Two true peaks are near one predicted peak: only one of them is found."""
    true, predicted = np.zeros((2, 1, 128, 128))
    true[0, 30, 30], true[0, 60, 90], true[0, 100, 40] = 9, 8, 7
    predicted[0, 30, 30], predicted[0, 60, 10], predicted[0, 90, 90] = 9, 8, 7
    assert peaks_found(true, predicted) == pytest.approx([1 / 3])


def test_errors_near_the_mean():
    """Wrong are 0.005 and -0.004, near the mean of 0, and 0.3, which is not: two of three."""
    target = np.array([[[0.005, -0.004, 0.3, -0.301]]])
    prediction = np.array([[[-1.0, 1.0, -1.0, -1.0]]])  # above its mean of -0.5 is the second pixel alone
    assert errors_near_mean(target, prediction) == pytest.approx([2 / 3])
    assert errors_near_mean(target, target) == [0]


NEAR_TWO = 128**2 - 111**2
"""So many frequencies have 56 or more cycles along rows or columns, in a map of 128 pixels."""


def test_power_of_a_grid():
    """The power of a single bright pixel is 1 at all frequencies.

    Columns that alternate by ±0.01 add 0.01 · 128² to the amplitude at one frequency.
    """
    point = np.zeros((1, 128, 128))
    point[0, 0, 0] = 1
    assert grid_power(point, point) == pytest.approx([1])
    grid = point + 0.01 * (-1.0) ** np.arange(128)
    assert grid_power(point, grid) == pytest.approx([(NEAR_TWO - 1 + (1 + 163.84) ** 2) / NEAR_TWO])
    assert grid_power(point, np.zeros_like(point)) == [1]


def test_blocks_of_two_pixels_are_a_grid():
    """A wave of 4 cycles over 64 pixels, each of which becomes a block of 2×2, has an image at 60 cycles.

    The amplitude of the wave is 64 · 32, and a block multiplies it by 2 along the rows and by
    2 cos(60π / 128) along the columns, at the frequencies 60 and −60.
    """
    point = np.zeros((1, 128, 128))
    point[0, 0, 0] = 1
    wave = np.cos(2 * np.pi * 4 * np.arange(64) / 64) * np.ones((64, 1))
    image = 64 * 32 * 2 * 2 * np.cos(60 * np.pi / 128)
    blocks = point + np.kron(wave, np.ones((2, 2)))
    assert grid_power(point, blocks) == pytest.approx([1 + 2 * image**2 / NEAR_TWO], rel=0.01)
    smooth = point + np.cos(2 * np.pi * 4 * np.arange(128) / 128)
    assert grid_power(point, smooth) == pytest.approx([1])


def test_zeros():
    target = np.array([[[1.0, -3.0], [0.0, 2.0]]])
    assert mae_of_zeros(target, 9 * target) == [1.5]
