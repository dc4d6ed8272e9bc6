"""Counts on arrays small enough to count by hand."""

from dataclasses import replace

import numpy as np

from harness.data.tally import ImageTally, Tally
from harness.tracks import MASS_MAPPING, STAMPS


def test_counts_of_two_chunks_of_images():
    tally = ImageTally()
    first = np.zeros((2, 2, 3, 2), np.float32)
    first[0, 0, 0] = [np.nan, 3]
    first[0, 1, 1] = [np.nan, np.nan]
    first[1, 0, 0] = [-3.4e38, np.inf]
    tally.add(first)
    tally.add(np.full((1, 2, 2, 2), -1, np.int16))
    assert tally.to_json() == {
        "shapes": {"2×3×2": 2, "2×2×2": 1},
        "not_square": 2,
        "nan": 3,
        "nan_by_channel": [2, 1],
        "cases_with_nan": 1,
        "zeros_by_channel": [9 / 16, 9 / 16],
        "zeros": 18 / 32,  # 24 values less 3 NaN, the 3, −3.4e38 and infinity
        "unusable": 5 / 32,
        "min": -1.0,
        "max": 3.0,
        "mean": float(f"{-5 / 27:.6g}"),
        "std": float(f"{(17 / 27 - (5 / 27) ** 2) ** 0.5:.6g}"),
    }


def test_images_without_a_usable_value():
    tally = ImageTally()
    tally.add(np.full((2, 3, 3), np.nan, np.float16))
    counts = tally.to_json()
    assert (counts["nan"], counts["nan_by_channel"], counts["unusable"]) == (18, [18], 1)
    assert "mean" not in counts


def test_what_is_usable_ends_below_ten_to_the_ten():
    tally = ImageTally()
    tally.add(np.array([[[1e10, -1e10], [9e9, -9e9]]], np.float32))
    counts = tally.to_json()
    assert (counts["unusable"], counts["min"], counts["max"]) == (0.5, -9e9, 9e9)


def test_values_that_are_all_the_same_have_no_deviation():
    tally = ImageTally()
    tally.add(np.full((50, 7, 7), 0.1, np.float32))
    tally.add(np.full((1, 7, 7), 0.1, np.float32))
    assert tally.to_json()["std"] < 1e-7


def test_numbers_are_no_labels_where_a_track_has_no_classes():
    tally = Tally(replace(STAMPS, classes=()))
    tally.add({"labels": np.array([1, 2, 2])})
    assert tally.to_json() == {}


def test_no_case_is_no_count():
    tally = Tally(MASS_MAPPING)
    tally.add({"kappa": np.ones((0, 4, 4), np.float16)})
    assert tally.to_json() == {}


def test_columns_of_both_tracks():
    stamps = Tally(STAMPS)
    stamps.add({"labels": np.array([1, 1, 4], np.int8), "metadata": np.zeros(3)})
    stamps.add({"labels": np.array([0], np.int8)})
    assert stamps.to_json() == {"classes": {"AGN": 1, "SN": 2, "VS": 0, "asteroid": 0, "bogus": 1}}
    maps = Tally(MASS_MAPPING)
    maps.add({"kappa": np.ones((2, 4, 4), np.float16)})
    assert list(maps.to_json()) == ["kappa"]
    assert Tally(MASS_MAPPING).to_json() == {}
