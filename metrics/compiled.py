"""The scores of `metrics.mass_mapping`, compiled by numba for maps of 128 × 128 pixels in float16 or float32.

Scores equal those of NumPy to rounding, for their sums run in another order. Peaks are those of maps smoothed
in single precision, and come with a word on whether rounding might have changed them. Sizes are constants, so
that the compiler unrolls what runs over the weights, and each pixel that is loaded serves four sums.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

SIDE = 128
PIXELS = SIDE * SIDE
RADIUS = 12  # the most pixels to one side that the weights of the smoothing reach
MIDDLE = RADIUS * SIDE  # where a map begins that has as many rows more above it, and below it
ROWS = 4  # of a strip, which holds so many rows, smoothed together: column by column, row by row in each
BLOCK = 64  # pixels that are searched for peaks together
LANES = 16  # numbers that one instruction takes, at most
ZERO = 1e-5
EPSILON = 2.0**-52
NO_OVERFLOW = 1e37  # with a value beyond it, a sum might overflow

COLUMNS = ("wmape", "mae", "wmae", "wmse", "correlation", "in_truth", "in_guess", "in_both", "at_mean")
"""Scores by pixels, and of the masks of DICEE how many pixels are in that of T, in that of P, in both, and so
near to a mean that its rounding might decide, where that is not the mean of a constant map."""

ANY_ORDER = {"reassoc", "contract", "nsz"}  # of sums
IN_ORDER = {"contract", "nsz"}


def scores(
    target: NDArray[Any], prediction: NDArray[Any], n_peaks: int, weights: NDArray[np.float32], slack: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]] | None:
    """Of maps (n, SIDE, SIDE): COLUMNS (n, 9), the peaks of both (2, n, n_peaks, 2), and which are in doubt.

    ``weights`` (RADIUS + 1,) are those of the smoothing from the middle outwards. ``slack`` is how far the
    difference of two smoothed pixels may be off in a map whose largest value is 1. None if a value is not
    finite.
    """
    maps = [np.ascontiguousarray(each).reshape(-1, PIXELS) for each in (target, prediction)]
    bits = [each.view(f"u{each.itemsize}") for each in maps]
    limits = [float(np.finfo(each.dtype).max) for each in maps]
    columns = np.empty((len(target), len(COLUMNS)))
    peaks = np.zeros((2, len(target), n_peaks, 2), np.int64)
    doubtful = np.zeros((2, len(target)), np.bool_)
    finite = _scores(*bits, *limits, weights, slack, columns, peaks, doubtful)
    return (columns, peaks, doubtful) if finite else None


def _compile(freedom: set[str] | bool = False) -> Any:
    """Compile a function that is called with arrays of one kind; ``freedom`` is what its sums may do."""
    return numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=freedom)


@_compile()
def _load(bits, work):  # type: ignore[no-untyped-def]
    """Write float16 or float32, seen as integers, as float32; infinities come out beyond the limit."""
    work_bits = work.view(np.uint32)
    if bits.itemsize == 2:
        for i in range(PIXELS):
            wide = np.uint32(bits[i])
            work_bits[i] = (wide & 0x7FFF) << 13 | (wide & 0x8000) << 16
        for i in range(PIXELS):
            work[i] *= np.float32(2.0**112)
    else:
        for i in range(PIXELS):
            work_bits[i] = bits[i]


@_compile()
def _extremes(values):  # type: ignore[no-untyped-def]
    """The least and the greatest of float32, NaN if there is one.

    They are compared as integers, which are alike for the compiler in any order: those of positive numbers
    rise with them, those of negative ones fall, and without signs all of these are above all of those.
    """
    signed, unsigned = values.view(np.int32), values.view(np.uint32)
    top, least, most = signed[0], unsigned[0], unsigned[0]
    for i in range(values.size):
        top, least, most = max(top, signed[i]), min(least, unsigned[i]), max(most, unsigned[i])
    negative, positive = most >= 2**31, top >= 0
    found = np.array([most if negative else least, top if positive else least], np.uint32).view(np.float32)
    return np.float64(found[0]), np.float64(found[1])


@_compile(ANY_ORDER)
def _pixel_scores(t, p, low, high, low_p, high_p, out):  # type: ignore[no-untyped-def]
    """Write COLUMNS of one map; the extremes of T and of P are known."""
    sum_t = sum_p = sum_d = sum_td = sum_dd = sum_tdd = sum_filled = sum_e = sum_te = 0.0
    zeros = 0
    for i in range(PIXELS):
        true, given = np.float64(t[i]), np.float64(p[i])
        d = given - true
        sum_t += true
        sum_p += given
        sum_d += abs(d)
        sum_td += true * abs(d)
        sum_dd += d * d
        sum_tdd += true * (d * d)
        zeros += true == 0
        filled = true if true != 0 else ZERO
        e = abs((given if given != 0 else ZERO) - filled) / abs(filled)
        sum_filled += filled
        sum_e += e
        sum_te += filled * e
    mean, mean_p = sum_t / PIXELS, sum_p / PIXELS
    edge, edge_p = max(mean, low), max(mean_p, low_p)  # the mean of a constant map may round to below it
    doubt = PIXELS * max(high, -low) * EPSILON if low < high else -1.0
    doubt_p = PIXELS * max(high_p, -low_p) * EPSILON if low_p < high_p else -1.0
    in_t = in_p = in_both = at_mean = 0
    tt = pp = tp = 0.0
    for i in range(PIXELS):
        true, given = np.float64(t[i]), np.float64(p[i])
        in_t += true > edge
        in_p += given > edge_p
        in_both += (true > edge) & (given > edge_p)
        dt, dp = true - mean, given - mean_p
        at_mean += bool((abs(dt) <= doubt) | (abs(dp) <= doubt_p))
        tt += dt * dt
        pp += dp * dp
        tp += dt * dp
    highest = max(high, ZERO) if zeros else high
    varies = low < high and low_p < high_p
    low, high = abs(low), abs(high)
    span = low + high if low + high > 0 else 1.0
    weights = PIXELS + (sum_t + PIXELS * low) / span
    out[0] = (sum_e + sum_te / highest) / (PIXELS + sum_filled / highest)
    out[1] = sum_d / PIXELS
    out[2] = (sum_d + (sum_td + low * sum_d) / span) / weights
    out[3] = (sum_dd + (sum_tdd + low * sum_dd) / span) / weights
    out[4] = min(max(tp / (np.sqrt(tt) * np.sqrt(pp)), -1.0), 1.0) if varies else 0.0
    out[5], out[6], out[7], out[8] = in_t, in_p, in_both, at_mean


@_compile(IN_ORDER)
def _smooth_down(rows, strips, weights):  # type: ignore[no-untyped-def]
    """Smooth (SIDE + 2 RADIUS, SIDE) along the first axis into strips, with room at both ends."""
    for row in range(0, SIDE, ROWS):
        x = rows[row * SIDE : (row + ROWS + 2 * RADIUS) * SIDE]
        out = strips[row // ROWS, ROWS * RADIUS :]
        for c in range(SIDE):
            a = b = d = e = np.float32(0)
            for k in range(RADIUS, 0, -1):
                up, down = (RADIUS - k) * SIDE + c, (RADIUS + k) * SIDE + c
                a += weights[k] * (x[up] + x[down])
                b += weights[k] * (x[up + SIDE] + x[down + SIDE])
                d += weights[k] * (x[up + 2 * SIDE] + x[down + 2 * SIDE])
                e += weights[k] * (x[up + 3 * SIDE] + x[down + 3 * SIDE])
            middle = RADIUS * SIDE + c
            a += weights[0] * x[middle]
            b += weights[0] * x[middle + SIDE]
            d += weights[0] * x[middle + 2 * SIDE]
            e += weights[0] * x[middle + 3 * SIDE]
            out[ROWS * c], out[ROWS * c + 1], out[ROWS * c + 2], out[ROWS * c + 3] = a, b, d, e


@_compile(IN_ORDER)
def _smooth_across(strips, smooth, weights):  # type: ignore[no-untyped-def]
    """Smooth strips along their rows, one behind the other, with a column before the first and after all."""
    for strip in range(SIDE // ROWS):
        for start in range(0, ROWS * SIDE, 4 * LANES):
            x = strips[strip, start : start + 4 * LANES + 2 * ROWS * RADIUS]
            begin = ROWS + strip * ROWS * SIDE + start
            out = smooth[begin : begin + 4 * LANES]
            for c in range(LANES):
                a = b = d = e = np.float32(0)
                for k in range(RADIUS, 0, -1):
                    left, right = ROWS * (RADIUS - k) + c, ROWS * (RADIUS + k) + c
                    a += weights[k] * (x[left] + x[right])
                    b += weights[k] * (x[left + LANES] + x[right + LANES])
                    d += weights[k] * (x[left + 2 * LANES] + x[right + 2 * LANES])
                    e += weights[k] * (x[left + 3 * LANES] + x[right + 3 * LANES])
                middle = ROWS * RADIUS + c
                a += weights[0] * x[middle]
                b += weights[0] * x[middle + LANES]
                d += weights[0] * x[middle + 2 * LANES]
                e += weights[0] * x[middle + 3 * LANES]
                out[c], out[c + LANES], out[c + 2 * LANES], out[c + 3 * LANES] = a, b, d, e


@_compile()
def _at(row, column):  # type: ignore[no-untyped-def]
    """Where a pixel is in the smoothed strips."""
    return ROWS + row // ROWS * (ROWS * SIDE) + ROWS * column + row % ROWS


@_compile()
def _place(i):  # type: ignore[no-untyped-def]
    return i // (ROWS * SIDE) * ROWS + i % ROWS, i % (ROWS * SIDE) // ROWS


@_compile()
def _around(smooth, row, column):  # type: ignore[no-untyped-def]
    """The highest of the eight neighbours of a pixel."""
    highest = max(smooth[_at(row, column - 1)], smooth[_at(row, column + 1)])
    for across in range(-1, 2):
        highest = max(highest, smooth[_at(row - 1, column + across)], smooth[_at(row + 1, column + across)])
    return highest


@_compile()
def _highest(smooth, slack, heights, nearby, peaks):  # type: ignore[no-untyped-def]
    """Sort the highest k + 1 peaks of a smoothed map in strips into ``peaks`` (k + 1, 2), and say whether the
    first k are beyond doubt. ``heights`` and ``nearby`` (k + 1,) keep them and their highest neighbours.
    """
    last = len(heights) - 1
    higher = np.empty(BLOCK, np.bool_)
    heights[:] = -np.inf
    peaks[:] = 0
    least = heights[last]
    for start in range(0, PIXELS, BLOCK):
        here, left, right = smooth[start + ROWS :], smooth[start:], smooth[start + 2 * ROWS :]
        found = 0
        for i in range(BLOCK):
            around = left[i] if left[i] > right[i] else right[i]
            around = around if around > least else least
            higher[i] = here[i] + slack >= around
            found += higher[i]
        if found == 0:
            continue
        for i in range(BLOCK):
            height = here[i]
            if not (higher[i] and height > least):
                continue
            row, column = _place(start + i)
            if row == 0 or row == SIDE - 1 or column == 0 or column == SIDE - 1:
                continue
            around = _around(smooth, row, column)
            if height + slack < around:
                continue
            rank = last
            while rank > 0 and height > heights[rank - 1]:
                heights[rank], nearby[rank] = heights[rank - 1], nearby[rank - 1]
                peaks[rank, 0], peaks[rank, 1] = peaks[rank - 1, 0], peaks[rank - 1, 1]
                rank -= 1
            heights[rank], nearby[rank] = height, around
            peaks[rank, 0], peaks[rank, 1] = row, column
            least = heights[last]
    certain = True
    for rank in range(last):
        certain &= peaks[rank, 0] > 0
        certain &= heights[rank] > nearby[rank] + slack and heights[rank] > heights[rank + 1] + slack
    return certain


@_compile()
def _smooth(rows, strips, smooth, weights):  # type: ignore[no-untyped-def]
    """Smooth a map that begins at MIDDLE of ``rows``, both margins of which are its mirror images."""
    for k in range(RADIUS):
        for c in range(SIDE):
            rows[(RADIUS - 1 - k) * SIDE + c] = rows[(RADIUS + k) * SIDE + c]
            rows[(RADIUS + SIDE + k) * SIDE + c] = rows[(RADIUS + SIDE - 1 - k) * SIDE + c]
    _smooth_down(rows, strips, weights)
    for strip in range(SIDE // ROWS):
        left, right = strips[strip], strips[strip, ROWS * SIDE :]
        for k in range(RADIUS):
            for row in range(ROWS):
                left[ROWS * (RADIUS - 1 - k) + row] = left[ROWS * (RADIUS + k) + row]
                right[ROWS * (RADIUS + k) + row] = right[ROWS * (RADIUS - 1 - k) + row]
    _smooth_across(strips, smooth, weights)


@_compile()
def _scores(target, prediction, most, most_p, weights, slack, columns, peaks, doubtful):  # type: ignore[no-untyped-def]
    rows = np.empty((2, (SIDE + 2 * RADIUS) * SIDE), np.float32)
    t, p = rows[0, MIDDLE : MIDDLE + PIXELS], rows[1, MIDDLE : MIDDLE + PIXELS]
    strips = np.empty((SIDE // ROWS, ROWS * (SIDE + 2 * RADIUS)), np.float32)
    smooth = np.zeros(PIXELS + 2 * ROWS, np.float32)
    k = peaks.shape[2]
    ranked = np.empty((k + 1, 2), np.int64)
    heights, nearby = np.empty(k + 1, np.float32), np.empty(k + 1, np.float32)
    for n in range(len(target)):
        _load(target[n], t)
        _load(prediction[n], p)
        low, high = _extremes(t)
        low_p, high_p = _extremes(p)
        if not (-most <= low and high <= most and -most_p <= low_p and high_p <= most_p):
            return False
        _pixel_scores(t, p, low, high, low_p, high_p, columns[n])
        for which in range(2):
            largest = max(high, -low) if which == 0 else max(high_p, -low_p)
            doubtful[which, n] = largest >= NO_OVERFLOW
            if doubtful[which, n] or (low == high if which == 0 else low_p == high_p):
                continue
            _smooth(rows[which], strips, smooth, weights)
            off = np.float32(slack * largest + 2e-30)
            doubtful[which, n] = not _highest(smooth, off, heights, nearby, ranked)
            for rank in range(k):
                peaks[which, n, rank, 0], peaks[which, n, rank, 1] = ranked[rank, 0], ranked[rank, 1]
    return True
