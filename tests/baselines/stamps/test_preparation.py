import pickle

import h5py
import numpy as np
import pytest

from baselines.protocol import BaselineError, Cases
from baselines.stamps.preparation import class_labels, prepare, prepared


@pytest.fixture
def stamps():
    return np.random.default_rng(0).normal(100, 30, (4, 63, 63, 3)).astype(np.float32)


def one_by_one(stamps, size):
    """The definition, a channel at a time in double precision."""
    edge = (63 - size) // 2
    out = np.zeros((len(stamps), size, size, 3))
    for n, stamp in enumerate(stamps):
        for channel in range(3):
            pixels = stamp[edge : edge + size, edge : edge + size, channel].astype(float)
            good = np.isfinite(pixels) & (np.abs(pixels) <= 1e10)
            if good.any() and pixels[good].max() > pixels[good].min():
                low, high = pixels[good].min(), pixels[good].max()
                out[n, ..., channel][good] = (pixels[good] - low) / (high - low)
    return out


@pytest.mark.parametrize("size", [21, 41, 63])
def test_every_channel_runs_from_0_to_1(stamps, size):
    out = prepare(stamps, size)
    assert out.shape == (4, size, size, 3)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.min(axis=(1, 2)), 0)
    np.testing.assert_array_equal(out.max(axis=(1, 2)), 1)
    np.testing.assert_allclose(out, one_by_one(stamps, size), atol=1e-6)


def test_crop_is_centred_and_comes_before_the_scaling(stamps):
    stamps[:, 31, 31] = 1000
    out = prepare(stamps)
    np.testing.assert_array_equal(out[:, 10, 10], 1)
    stamps[:, :21] = 1e6  # outside the centre, so without consequence
    np.testing.assert_array_equal(prepare(stamps), out)


def test_nan_becomes_0_and_moves_nothing_else(stamps):
    expected = prepare(stamps)
    stamps[1, 25, 25, 0] = np.nan
    out = prepare(stamps)
    expected[1, 4, 4, 0] = 0
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("bad", [3.4e38, -3.4e38, np.inf, -np.inf, 2e10])
def test_impossible_values_count_as_nan(stamps, bad):
    with_nan = stamps.copy()
    with_nan[2, 31:33, :, 1] = np.nan
    stamps[2, 31:33, :, 1] = bad
    np.testing.assert_array_equal(prepare(stamps), prepare(with_nan))


def as_in_the_notebooks(stamps, size):
    """Scaled by ``np.amin`` and ``np.amax``, a channel at a time, and only then NaN → 0."""
    edge = (63 - size) // 2
    channels = stamps[:, edge : edge + size, edge : edge + size].astype(float)
    channels[np.abs(channels) > 1e10] = np.nan
    for stamp in channels:
        for channel in range(3):
            low, high = np.amin(stamp[..., channel]), np.amax(stamp[..., channel])
            with np.errstate(invalid="ignore"):
                stamp[..., channel] = (stamp[..., channel] - low) / (high - low)
    return np.nan_to_num(channels)


def test_one_nan_blanks_its_channel_as_in_the_notebooks(stamps):
    stamps[0, 25, 25, 0] = stamps[1, 62, 62, 1] = np.nan
    stamps[2, 31, 31, 2], stamps[3, ..., 0] = 3.4e38, 7
    out = prepare(stamps, 21, "channel")
    np.testing.assert_allclose(out, as_in_the_notebooks(stamps, 21), atol=1e-6)
    blank = np.argwhere(~out.any(axis=(1, 2)))
    assert blank.tolist() == [[0, 0], [2, 2], [3, 0]]  # the NaN in the corner is cropped away
    assert np.argwhere(~prepare(stamps, 63, "channel").any(axis=(1, 2))).tolist() == [
        [0, 0], [1, 1], [2, 2], [3, 0],
    ]  # fmt: skip
    assert np.argwhere(~prepare(stamps, 21).any(axis=(1, 2))).tolist() == [[3, 0]]


@pytest.mark.parametrize("value", [0, 17, -3e9, np.nan, np.inf, 3.4e38])
def test_channel_without_contrast_becomes_0(stamps, value):
    expected = prepare(stamps)
    stamps[0, ..., 2] = value
    out = prepare(stamps)
    expected[0, ..., 2] = 0
    np.testing.assert_array_equal(out, expected)


def test_single_usable_pixel_becomes_0(stamps):
    stamps[0, ..., 0] = np.nan
    stamps[0, 31, 31, 0] = 5
    assert not prepare(stamps)[0, ..., 0].any()


def test_ends_of_the_allowed_range_and_least_contrast(stamps):
    stamps[0, 30, 30], stamps[0, 31, 31] = -1e10, 1e10
    stamps[1] = 0
    stamps[1, 31, 31] = np.float32(1e-45)  # the least float32 above 0
    out = prepare(stamps)
    assert out[0].min() == 0
    assert out[0].max() == 1
    np.testing.assert_array_equal(out[1, 10, 10], 1)


def test_double_precision_does_not_overflow(stamps):
    wide = stamps.astype(np.float64)
    wide[0, 31, 31] = 1e300
    assert np.isfinite(prepare(wide)).all()


def test_input_is_left_alone_and_none_gives_none(stamps):
    stamps[0, 31] = np.nan
    before = stamps.copy()
    prepare(stamps)
    np.testing.assert_array_equal(stamps, before)
    assert prepare(stamps[:0]).shape == (0, 21, 21, 3)


@pytest.mark.parametrize("shape", [(63, 63, 3), (2, 63, 55, 3), (2, 63, 63, 1), (2, 21, 21, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(BaselineError, match="63, 63, 3"):
        prepare(np.zeros(shape, np.float32))


def test_other_sizes_are_refused(stamps):
    with pytest.raises(BaselineError, match=r"one of \(21, 41, 63\), got 22"):
        prepare(stamps, 22)


def test_whole_set_is_prepared_chunk_by_chunk(stamps, tmp_path):
    many = np.tile(stamps, (70, 1, 1, 1))  # more than one chunk, and a rest
    labels = np.zeros(len(many), np.int8)
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file["images"], file["labels"] = many, labels
        read = prepared(Cases(file["images"], file["labels"], labels))
    np.testing.assert_array_equal(read, prepare(many))


def test_labels_are_checked():
    def cases(labels):
        return Cases(np.zeros((len(labels), 63, 63, 3)), np.array(labels), None)

    np.testing.assert_array_equal(class_labels(cases([4, 0, 2])), [4, 0, 2])
    for wrong in ([0, 5], [-1, 2], [0.0, 1.0], [True, False]):
        with pytest.raises(BaselineError, match=r"0\.\.4"):
            class_labels(cases(wrong))
    with pytest.raises(BaselineError, match="1 or more, got 0"):
        class_labels(cases([]))


@pytest.mark.slow
def test_real_alerts(shared_data):
    alerts = pickle.loads((shared_data / "stamps" / "ztf_stamps.pkl").read_bytes())  # noqa: S301
    stamps = np.stack([image for image in alerts["images"] if image.shape == (63, 63, 3)])
    assert np.isnan(stamps).any()
    assert np.nanmax(np.abs(stamps)) > 1e38
    for size in (21, 63):
        np.testing.assert_allclose(prepare(stamps, size), one_by_one(stamps, size), atol=2e-6)
        expected = as_in_the_notebooks(stamps, size)
        np.testing.assert_allclose(prepare(stamps, size, "channel"), expected, atol=2e-6)
    blank = {
        (size, nan): int((~prepare(stamps, size, nan).any(axis=(1, 2))).sum())
        for size in (21, 63)
        for nan in ("pixel", "channel")
    }
    assert blank == {(21, "pixel"): 0, (21, "channel"): 51, (63, "pixel"): 0, (63, "channel"): 276}
