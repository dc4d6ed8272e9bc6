"""What the shared checks let through, and how they say no."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import metrics
from metrics.checking import BYTES_AT_ONCE, apply_to_maps, check_probabilities


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_finite_float16_is_converted_exactly(dtype):
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].reshape(1, 2, -1)
    converted = apply_to_maps(lambda maps: maps, dtype, maps=finite)
    assert converted.dtype == dtype
    np.testing.assert_array_equal(converted, finite.astype(dtype))
    np.testing.assert_array_equal(np.signbit(converted), np.signbit(finite))


def test_every_float16_that_is_not_finite_is_found():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    for value in every[~np.isfinite(every)][::37]:
        with pytest.raises(ValueError, match="must be finite"):
            metrics.mae(np.ones((1, 2), np.float16), np.array([[1, value]], np.float16))


@pytest.mark.parametrize("sign", [1, -1])
def test_values_are_those_of_float32(sign):
    largest = sign * float(np.finfo(np.float32).max)
    assert metrics.mae([[largest, 0.0]], [[0.0, 0.0]]) == abs(largest) / 2
    with pytest.raises(ValueError, match="target must be finite in float32"):
        metrics.mae([[np.nextafter(largest, 2 * largest), 0.0]], [[0.0, 0.0]])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_memory_at_work_does_not_grow_with_the_number_of_maps(dtype):
    peaks = []
    metrics.map_scores(*np.zeros((2, 128, 128), dtype))
    for n in (32, 96):
        maps = np.zeros((n, 128, 128), dtype)
        maps[:, 40, 50] = 1
        tracemalloc.start()
        metrics.wmape(maps, maps)
        metrics.dicee(maps, maps)
        metrics.dpeaks(maps, maps)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 16 * BYTES_AT_ONCE


def test_maps_larger_than_what_is_computed_at_once():
    maps = np.random.default_rng(0).normal(size=(2, 2, 400, 400))
    np.testing.assert_allclose(metrics.mae(*maps), np.abs(maps[0] - maps[1]).mean(axis=(1, 2)), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_maps_that_are_no_multiple_of_what_is_computed_at_once(dtype):
    n = BYTES_AT_ONCE // 128**2 // 8 + 3
    maps = np.random.default_rng(0).normal(size=(2, n, 128, 128)).astype(dtype)
    expected = np.abs(np.subtract(*maps, dtype=np.float64)).mean(axis=(1, 2))
    np.testing.assert_allclose(metrics.mae(*maps), expected, rtol=1e-13)


def test_unsigned_numbers_are_numbers():
    """The differences of these maps would wrap around, and so would sums of these counts."""
    assert metrics.mae(np.array([[1, 250]], np.uint8), np.array([[3, 0]], np.uint8)) == 126
    assert metrics.brier([0, 0], np.array([[1, 0], [0, 1]], np.uint8)) == 1
    assert metrics.accuracy_from_confusion(np.array([[200, 100], [0, 100]], np.uint8)) == 0.75


def test_labels_come_back_as_int64():
    for dtype in (np.uint8, ">i2", np.int64):
        assert metrics.confusion_matrix(np.array([1, 0], dtype), [1, 1], 2).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 1], [0, 1, 1], r"predictions must have shape of labels, \(2,\).*got shape \(3,\)"),
        ([[0, 1]], [[0, 1]], r"labels must have shape \(N,\).*got shape \(1, 2\)"),
        (np.zeros(0, int), np.zeros(0, int), r"labels must have shape \(N,\) and not be empty"),
        ([0.0, 1.0], [0, 1], r"labels must hold integers, got dtype float64"),
        ([0, 1], [False, True], r"predictions must hold integers, got dtype bool"),
        ([0, 1], ["AGN", "SN"], r"predictions must hold integers"),
        (np.ma.array([0, 1]), [0, 1], r"labels must be a plain array, got a masked array"),
    ],
)
def test_labels_are_refused(labels, predictions, message):
    for score in (metrics.accuracy, metrics.balanced_accuracy):
        with pytest.raises(ValueError, match=message):
            score(labels, predictions)
    for score in (metrics.precision, metrics.recall):
        with pytest.raises(ValueError, match=message):
            score(labels, predictions, 1)
    with pytest.raises(ValueError, match=message):
        metrics.fbeta(labels, predictions, 1, 1)
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(labels, predictions, 2)


@pytest.mark.parametrize("bad", [-1, 3])
def test_labels_out_of_range_are_refused(bad):
    message = rf"predictions must lie in 0..2, got {bad} at predictions\[1\] \(1 such of 4"
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix([0, 1, 2, 0], [0, bad, 1, 2], 3)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [0.5, 0.5], r"probabilities must have shape \(N, K\).*\(2,\)"),
        ([0, 1, 1], [[0.5, 0.5]], r"probabilities must have shape \(3, K\), as there are 3 labels.*\(1, 2\)"),
        ([0, 2], [[1, 0], [0, 1]], r"labels must lie in 0..1, got 2 at labels\[1\]"),
        (
            [0, 1],
            [[1, 0], [1.5, -0.5]],
            r"probabilities must be 0 or more, got -0.5 at probabilities\[1, 1\]",
        ),
        ([0, 1], [[1, 0], [np.nan, 1]], r"be 0 or more, got nan at probabilities\[1, 0\]"),
        ([0, 1], [[1, 0], [np.inf, 0]], r"rows of probabilities must be 1 ± 0.003, got inf at .*\[1\]"),
        (
            [0, 1],
            [[0.5, 0.5], [0.7, 0.7]],
            r"sums of rows .* must be 1 ± 0.003, got 1.4 at .*\[1\].*; normalise them",
        ),
        ([0, 1], np.zeros((0, 2)), r"probabilities must have shape \(N, K\) and not be empty"),
        ([0, 1], [["1", "0"], ["0", "1"]], r"probabilities must hold real numbers"),
    ],
)
def test_probabilities_are_refused(labels, probabilities, message):
    for score in (metrics.log_loss, metrics.log_loss_by_case, metrics.brier, metrics.brier_by_case):
        with pytest.raises(ValueError, match=message):
            score(labels, probabilities)


def test_rounded_probabilities_are_accepted():
    probabilities = np.random.default_rng(1).dirichlet(np.ones(5), 1000)
    labels = np.zeros(1000, int)
    for rounded in (probabilities.astype(np.float16), probabilities.round(4)):
        assert metrics.brier(labels, rounded) == pytest.approx(metrics.brier(labels, probabilities), abs=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_probabilities_at_their_bounds(sign):
    """3e-3 and the noise of 1e-6 are accepted; what differs by more than the noise is divided by its sum."""
    for surplus, accepted in ((3.0009e-3, True), (3.0011e-3, False)):
        row = [[0.5, 0.5 + sign * surplus]]
        if accepted:
            assert check_probabilities([0], row)[1].sum() == pytest.approx(1, abs=1e-12)
        else:
            with pytest.raises(ValueError, match=r"must be 1 ± 0\.003"):
                check_probabilities([0], row)
    noisy, uneven = ([[0.5, 0.5 + sign * surplus]] for surplus in (0.9e-6, 1.1e-6))
    np.testing.assert_array_equal(check_probabilities([0], noisy)[1], noisy)
    assert check_probabilities([0], uneven)[1].sum() == pytest.approx(1, abs=1e-12)


def test_no_table_of_three_decimals_is_refused_and_none_wins_by_it():
    rows = np.random.default_rng(2).dirichlet(np.ones(5), 20_000).round(3)
    assert np.ptp(rows.sum(axis=1)) > 3e-3
    assert metrics.log_loss(np.zeros(len(rows), int), rows + 1e-9) > 0
    up, down = [[0.101, 0.101, 0.101, 0.101, 0.599]], [[0.101, 0.101, 0.101, 0.101, 0.593]]
    assert (sum(up[0]), sum(down[0])) == pytest.approx((1.003, 0.997), abs=1e-12)
    for row in (up, down, np.float32(up), np.float32(down)):
        share = row[0][4] / sum(row[0])
        assert metrics.log_loss([4], row) == pytest.approx(-np.log(share), rel=1e-6)
    with pytest.raises(ValueError, match=r"must be 1 ± 0\.003, got 1\.004"):
        metrics.log_loss([4], [[0.102, 0.101, 0.101, 0.101, 0.599]])


@pytest.mark.parametrize(
    ("confusion", "positive", "message"),
    [
        ([1, 2], 0, r"confusion must have shape \(..., K, K\).*\(2,\)"),
        (np.ones((4, 2, 3)), 0, r"confusion must have shape \(..., K, K\).*\(4, 2, 3\)"),
        (np.ones((0, 2, 2)), 0, r"not be empty, got shape \(0, 2, 2\)"),
        ([[1, -2], [3, 4]], 0, r"confusion must be finite and 0 or more, got -2 at confusion\[0, 1\]"),
        ([[1.0, np.nan], [3, 4]], 0, r"got nan at confusion\[0, 1\]"),
        ([[1.0, np.inf], [3, 4]], 0, r"got inf at confusion\[0, 1\]"),
        ([[1, 2], [3, 4]], 2, r"positive must lie in 0..1, got 2 at positive\[0\]"),
        ([[1, 2], [3, 4]], -1, r"positive must lie in 0..1"),
    ],
)
def test_confusion_matrices_are_refused(confusion, positive, message):
    for score in (metrics.precision_from_confusion, metrics.recall_from_confusion):
        with pytest.raises(ValueError, match=message):
            score(confusion, positive)
    with pytest.raises(ValueError, match=message):
        metrics.fbeta_from_confusion(confusion, 1, positive)


def test_importing_the_scores_imports_neither_models_nor_files():
    code = "import metrics, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "tensorflow",
        "keras",
        "h5py",
        "galsim",
        "skimage",
        "sklearn",
        "matplotlib",
        "harness",
        "submissions",
    }
    assert heavy.isdisjoint(loaded)
    assert "metrics.mass_mapping" in loaded


def test_the_largest_value_of_float32_is_not_counted_with_the_infinite_ones():
    kappa = [[float(np.finfo(np.float32).max), np.inf]]
    with pytest.raises(ValueError, match=r"got inf at target\[0, 1\] \(1 such of 2\)"):
        metrics.mae(kappa, kappa)
