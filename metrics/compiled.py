"""Scores and peaks of maps of 128 × 128 pixels, compiled by numba; `metrics.mass_mapping` calls them.

*Sums over the pixels* take two loops. The first adds up the errors and the values, in float64. The second
compares each pixel with the means, for the masks of DICEE and for the correlation. A pixel so near to a mean
that rounding may decide is only counted here (``at_mean``); the caller then computes that mean exactly.

*Peaks* take three steps. (1) `_smooth_down` smooths along the columns: a Gaussian is separable, so that two
passes of 25 weights do for its 625. Four rows are summed together, since they share most of their inputs, and
are stored as a *strip*: the four numbers of a column side by side. (2) `_smooth_along` smooths the strips
along their rows. A step of one column is a step of four numbers, so that one instruction serves four rows and
adds numbers that lie close together. (3) `_find_highest` compares each pixel with its eight neighbours, and
keeps the highest peaks in a short sorted list; a pixel below the last of a full list needs no closer look.

SciPy smooths in float64, and rounds once an axis; here all sums are of float32, which is twice as fast. So
two pixels may come out in another order, if they are closer than a *tolerance*, the bound of that rounding.
No such comparison is decided here: the map is *uncertain*, and the caller smooths it again with SciPy. That
makes the peaks those of SciPy in all cases, ties included. Of a hundred maps of noise, one is uncertain.

Shapes are constants and loops have no branches, so that the compiler unrolls and vectorises them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

SIDE = 128
PIXELS = SIDE * SIDE
SIGMA = 3.0  # pixels
RADIUS = 12  # pixels; SciPy cuts the Gaussian off at 4 σ
ROWS = 4  # of a strip
STRIPS = SIDE // ROWS
MARGIN = ROWS * RADIUS  # numbers before and after the pixels of a strip
LANES = 16  # numbers that one instruction takes, at most
BLOCK = 4 * LANES  # numbers that are summed, and searched for peaks, together
ZERO_REPLACEMENT = 1e-5
EPSILON = 2.0**-52  # of float64
NO_OVERFLOW = 1e37  # above it, the sum of two pixels might overflow float32

COLUMNS = ("wmape", "mae", "wmse", "correlation", "in_target", "in_prediction", "in_both", "at_mean")
"""What `score_pixels` computes: four scores, and the numbers of pixels above the mean of each map, above both
means, and too near to a mean to tell."""

ANY_ORDER = {"reassoc", "contract", "nsz"}  # what the compiler may do with sums of float64
IN_ORDER = {"contract", "nsz"}


def _gaussian() -> tuple[NDArray[np.float32], float]:
    """The weights of the smoothing from the middle outwards, and the tolerance for pixels of up to 1.

    The unit is 2⁻²⁴, the most that rounding to float32 changes, as a share. A sum runs from the ends of the
    Gaussian inwards, and stays small for long: rounding it costs less than Σ w (1 + distance) units. Rounding
    the sums of two pixels, the products and the weights costs a unit each. There are two passes; SciPy rounds
    twice, the comparison once; and each of two compared pixels may be off by that.
    """
    distance = np.arange(RADIUS + 1)
    heights = np.exp(-0.5 * (distance / SIGMA) ** 2)
    weights = heights / (heights[0] + 2 * heights[1:].sum())
    units = weights[0] + 2 * (weights[1:] * (1 + distance[1:])).sum() + 3
    return weights.astype(np.float32), 2 * (2 * units + 3) * 2.0**-24


_GAUSSIAN = _gaussian()  # arguments, for a constant array would keep loops from being vectorised


def _compile(freedom: set[str] | bool = False) -> Any:
    """Compile a function; ``freedom`` is what the compiler may do with its floating-point arithmetic."""
    return numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=freedom)


def score_maps(
    target: NDArray[Any], prediction: NDArray[Any], n_peaks: int, pixels: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]] | None:
    """Of float16 or float32 maps (n, SIDE, SIDE): COLUMNS (n, 8), the peaks of target and prediction
    (2, n, n_peaks, 2), and whether these are certain (2, n). None if a value is not finite.

    No column is computed, and none returned, unless ``pixels``; no peak if ``n_peaks`` is 0.
    """
    n = len(target)
    columns, peaks = np.empty((n if pixels else 0, len(COLUMNS))), np.zeros((2, n, n_peaks, 2), np.int64)
    certain = np.ones((2, n), np.bool_)
    finite = _score_pairs(_bits(target), _bits(prediction), *_GAUSSIAN, columns, peaks, certain)
    return (columns, peaks, certain) if finite else None


def find_peaks(maps: NDArray[Any], n_peaks: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    """The peaks (n, n_peaks, 2) of maps (n, SIDE, SIDE), and whether they are certain (n,)."""
    peaks, certain = np.zeros((len(maps), n_peaks, 2), np.int64), np.ones(len(maps), np.bool_)
    finite = _find_all_peaks(_bits(maps), *_GAUSSIAN, peaks, certain)
    return (peaks, certain) if finite else None


def _bits(maps: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(maps).reshape(-1, PIXELS).view(f"u{maps.itemsize}")


@_compile()
def _load(bits, pixels):  # type: ignore[no-untyped-def]
    """Write float16 or float32, seen as integers, as float32; their extremes, and whether all are finite.

    The bits of a float16 are moved to their places, and the zeros of the exponents differ by 112. That turns
    infinity and NaN into 65,536 or more. In float32 they are what has all bits of the exponent set.
    """
    out = pixels.view(np.uint32)
    largest = np.uint32(0)
    if bits.itemsize == 2:
        for i in range(PIXELS):
            wide = np.uint32(bits[i])
            out[i] = (wide & 0x7FFF) << 13 | (wide & 0x8000) << 16
        for i in range(PIXELS):
            pixels[i] *= np.float32(2.0**112)
        low, high = _extremes(pixels)
        return low, high, max(high, -low) < 65536
    for i in range(PIXELS):
        largest = max(largest, np.uint32(bits[i] & 0x7FFFFFFF))
        out[i] = bits[i]
    low, high = _extremes(pixels)
    return low, high, largest < 0x7F800000


@_compile()
def _extremes(pixels):  # type: ignore[no-untyped-def]
    """The least and the greatest value: of each column first, whose neighbours are compared at once."""
    lows, highs = pixels[:SIDE].copy(), pixels[:SIDE].copy()
    for row in range(0, SIDE, 2):
        x, y = pixels[row * SIDE : (row + 1) * SIDE], pixels[(row + 1) * SIDE : (row + 2) * SIDE]
        for c in range(SIDE):
            low, high = (x[c], y[c]) if x[c] < y[c] else (y[c], x[c])
            lows[c] = low if low < lows[c] else lows[c]
            highs[c] = high if high > highs[c] else highs[c]
    return np.float64(lows.min()), np.float64(highs.max())


@_compile(ANY_ORDER)
def _score_pixels(target, prediction, low, high, low_p, high_p, columns):  # type: ignore[no-untyped-def]
    """Write the columns of one pair of maps, whose least and greatest values are known."""
    sum_t = sum_p = sum_d = sum_dd = sum_tdd = sum_filled = sum_e = sum_te = 0.0
    zeros = 0
    for i in range(PIXELS):
        t, p = np.float64(target[i]), np.float64(prediction[i])
        d = p - t
        sum_t += t
        sum_p += p
        sum_d += abs(d)
        sum_dd += d * d
        sum_tdd += t * (d * d)
        zeros += t == 0
        filled = t if t != 0 else ZERO_REPLACEMENT
        e = abs((p if p != 0 else ZERO_REPLACEMENT) - filled) / abs(filled)
        sum_filled += filled
        sum_e += e
        sum_te += filled * e
    mean, mean_p = sum_t / PIXELS, sum_p / PIXELS
    edge, edge_p = max(mean, low), max(mean_p, low_p)  # the mean of a constant map may round to below it
    near = PIXELS * max(high, -low) * EPSILON if low < high else -1.0
    near_p = PIXELS * max(high_p, -low_p) * EPSILON if low_p < high_p else -1.0
    in_t = in_p = in_both = at_mean = 0
    tt = pp = tp = 0.0
    for i in range(PIXELS):
        t, p = np.float64(target[i]), np.float64(prediction[i])
        in_t += t > edge
        in_p += p > edge_p
        in_both += (t > edge) & (p > edge_p)
        dt, dp = t - mean, p - mean_p
        at_mean += bool((abs(dt) <= near) | (abs(dp) <= near_p))
        tt += dt * dt
        pp += dp * dp
        tp += dt * dp
    highest = max(high, ZERO_REPLACEMENT) if zeros else high
    varies = low < high and low_p < high_p
    low, high = abs(low), abs(high)
    span = low + high if low + high > 0 else 1.0
    columns[0] = (sum_e + sum_te / highest) / (PIXELS + sum_filled / highest)
    columns[1] = sum_d / PIXELS
    columns[2] = (sum_dd + (sum_tdd + low * sum_dd) / span) / (PIXELS + (sum_t + PIXELS * low) / span)
    columns[3] = min(max(tp / (np.sqrt(tt) * np.sqrt(pp)), -1.0), 1.0) if varies else 0.0
    columns[4], columns[5], columns[6], columns[7] = in_t, in_p, in_both, at_mean


@_compile()
def _find_peaks(padded, low, high, weights, tolerance, work, peaks):  # type: ignore[no-untyped-def]
    """Write the peaks (k, 2) of a map that has RADIUS rows of margin above and below; are they certain?"""
    strips, smooth, heights, around, ranked = work
    largest = max(high, -low)
    if low == high or largest >= NO_OVERFLOW:
        return low == high
    _smooth_down(padded, strips, weights)
    _smooth_along(strips, smooth, weights)
    within = np.float32(tolerance * largest + 2e-30)  # the latter is what subnormal numbers lose
    certain = _find_highest(smooth, within, heights, around, ranked)
    for rank in range(len(peaks)):
        peaks[rank, 0], peaks[rank, 1] = ranked[rank, 0], ranked[rank, 1]
    return certain


@numba.njit(inline="always")  # numba inlines it before LLVM vectorises the loops around it
def _smoothed(x, middle, step, gap, weights):  # type: ignore[no-untyped-def]
    """Four smoothed numbers of ``x``, ``gap`` apart, the first at index ``middle``.

    The neighbours that are weighted lie ``step`` apart.
    """
    sum_0 = sum_1 = sum_2 = sum_3 = np.float32(0)
    for k in range(RADIUS, 0, -1):
        i, j = middle - k * step, middle + k * step
        sum_0 += weights[k] * (x[i] + x[j])
        sum_1 += weights[k] * (x[i + gap] + x[j + gap])
        sum_2 += weights[k] * (x[i + 2 * gap] + x[j + 2 * gap])
        sum_3 += weights[k] * (x[i + 3 * gap] + x[j + 3 * gap])
    sum_0 += weights[0] * x[middle]
    sum_1 += weights[0] * x[middle + gap]
    sum_2 += weights[0] * x[middle + 2 * gap]
    sum_3 += weights[0] * x[middle + 3 * gap]
    return sum_0, sum_1, sum_2, sum_3


@_compile(IN_ORDER)
def _smooth_down(padded, strips, weights):  # type: ignore[no-untyped-def]
    """Smooth a map with RADIUS rows of margin above and below along its columns, and store strips."""
    for row in range(RADIUS):
        for c in range(SIDE):
            padded[(RADIUS - 1 - row) * SIDE + c] = padded[(RADIUS + row) * SIDE + c]
            padded[(RADIUS + SIDE + row) * SIDE + c] = padded[(RADIUS + SIDE - 1 - row) * SIDE + c]
    for strip in range(STRIPS):
        first = strip * ROWS * SIDE
        x = padded[first : first + (ROWS + 2 * RADIUS) * SIDE]
        out = strips[strip, MARGIN:]
        for c in range(SIDE):
            i = ROWS * c
            out[i], out[i + 1], out[i + 2], out[i + 3] = _smoothed(x, RADIUS * SIDE + c, SIDE, SIDE, weights)


@_compile(IN_ORDER)
def _smooth_along(strips, smooth, weights):  # type: ignore[no-untyped-def]
    """Smooth strips along their rows, and store them one behind the other, after one column of margin."""
    for strip in range(STRIPS):
        left, right = strips[strip], strips[strip, ROWS * SIDE :]
        for k in range(RADIUS):
            for row in range(ROWS):
                left[ROWS * (RADIUS - 1 - k) + row] = left[ROWS * (RADIUS + k) + row]
                right[ROWS * (RADIUS + k) + row] = right[ROWS * (RADIUS - 1 - k) + row]
    for strip in range(STRIPS):
        for start in range(0, ROWS * SIDE, BLOCK):
            x = strips[strip, start : start + BLOCK + 2 * MARGIN]
            begin = ROWS + strip * ROWS * SIDE + start
            out = smooth[begin : begin + BLOCK]
            for i in range(LANES):
                out[i], out[i + LANES], out[i + 2 * LANES], out[i + 3 * LANES] = _smoothed(
                    x, MARGIN + i, ROWS, LANES, weights
                )


@_compile()
def _index(row, column):  # type: ignore[no-untyped-def]
    """Where a pixel is in the smoothed strips, after the margin of one column."""
    return ROWS + row // ROWS * (ROWS * SIDE) + ROWS * column + row % ROWS


@_compile()
def _position(i):  # type: ignore[no-untyped-def]
    """Row and column of number ``i`` after that margin."""
    return i // (ROWS * SIDE) * ROWS + i % ROWS, i % (ROWS * SIDE) // ROWS


@_compile()
def _highest_neighbour(smooth, row, column):  # type: ignore[no-untyped-def]
    highest = max(smooth[_index(row, column - 1)], smooth[_index(row, column + 1)])
    for near in range(column - 1, column + 2):
        highest = max(highest, smooth[_index(row - 1, near)], smooth[_index(row + 1, near)])
    return highest


@_compile()
def _find_highest(smooth, tolerance, heights, around, peaks):  # type: ignore[no-untyped-def]
    """Sort the k + 1 highest peaks of smoothed strips into ``peaks`` (k + 1, 2); whether the first k are
    certain: higher by more than the tolerance than the next peak and than their own neighbours.

    ``heights`` and ``around`` (k + 1,) are work space for the peaks and their highest neighbours.
    """
    last = len(heights) - 1
    candidate = np.empty(BLOCK, np.bool_)
    heights[:] = -np.inf
    peaks[:] = 0
    least = heights[last]
    for start in range(0, PIXELS, BLOCK):
        here, left, right = smooth[start + ROWS :], smooth[start:], smooth[start + 2 * ROWS :]
        found = 0
        for i in range(BLOCK):
            beside = left[i] if left[i] > right[i] else right[i]
            beside = beside if beside > least else least
            candidate[i] = here[i] + tolerance >= beside
            found += candidate[i]
        if found == 0:
            continue
        for i in range(BLOCK):
            height = here[i]
            if not candidate[i] or height <= least:
                continue
            row, column = _position(start + i)
            if row == 0 or row == SIDE - 1 or column == 0 or column == SIDE - 1:
                continue
            highest = _highest_neighbour(smooth, row, column)
            if height + tolerance < highest:
                continue
            rank = last
            while rank > 0 and height > heights[rank - 1]:
                heights[rank], around[rank] = heights[rank - 1], around[rank - 1]
                peaks[rank, 0], peaks[rank, 1] = peaks[rank - 1, 0], peaks[rank - 1, 1]
                rank -= 1
            heights[rank], around[rank] = height, highest
            peaks[rank, 0], peaks[rank, 1] = row, column
            least = heights[last]
    certain = True
    for rank in range(last):
        higher = heights[rank] > around[rank] + tolerance and heights[rank] > heights[rank + 1] + tolerance
        certain &= peaks[rank, 0] > 0 and higher
    return certain


@_compile()
def _work_space(n_peaks):  # type: ignore[no-untyped-def]
    strips = np.empty((STRIPS, ROWS * SIDE + 2 * MARGIN), np.float32)
    smooth = np.zeros(ROWS + PIXELS + ROWS, np.float32)
    heights, around = np.empty(n_peaks + 1, np.float32), np.empty(n_peaks + 1, np.float32)
    return strips, smooth, heights, around, np.empty((n_peaks + 1, 2), np.int64)


@_compile()
def _score_pairs(target, prediction, weights, tolerance, columns, peaks, certain):  # type: ignore[no-untyped-def]
    padded, work = np.empty((2, (SIDE + 2 * RADIUS) * SIDE), np.float32), _work_space(peaks.shape[2])
    t, p = padded[0, RADIUS * SIDE :][:PIXELS], padded[1, RADIUS * SIDE :][:PIXELS]
    for n in range(len(target)):
        low, high, finite = _load(target[n], t)
        low_p, high_p, finite_p = _load(prediction[n], p)
        if not (finite and finite_p):
            return False
        if len(columns):
            _score_pixels(t, p, low, high, low_p, high_p, columns[n])
        if peaks.shape[2]:
            certain[0, n] = _find_peaks(padded[0], low, high, weights, tolerance, work, peaks[0, n])
            certain[1, n] = _find_peaks(padded[1], low_p, high_p, weights, tolerance, work, peaks[1, n])
    return True


@_compile()
def _find_all_peaks(maps, weights, tolerance, peaks, certain):  # type: ignore[no-untyped-def]
    padded, work = np.empty((SIDE + 2 * RADIUS) * SIDE, np.float32), _work_space(peaks.shape[1])
    pixels = padded[RADIUS * SIDE :][:PIXELS]
    for n in range(len(maps)):
        low, high, finite = _load(maps[n], pixels)
        if not finite:
            return False
        certain[n] = _find_peaks(padded, low, high, weights, tolerance, work, peaks[n])
    return True
