"""Checks of the inputs of all scores. They raise ValueError with the value found and its position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Scores = Any  # float64 (...): an array, or a NumPy scalar for one map or matrix

BYTES_AT_ONCE = 2**20  # eight maps of 128 × 128 in float64: what a score works on stays in the cache
LARGEST = float(np.finfo(np.float32).max)
SUM_TOLERANCE = 3e-3  # of a probability vector: room for five values of float16, or of three decimals
SUM_NOISE = 1e-6  # of such a sum in floating point: more than that of five values of float32


def refusal(what: str, expected: str, got: object, advice: str = "") -> ValueError:
    """The error that all functions here raise: what must be as expected, what came, and what to do."""
    return ValueError(f"{what} must {expected}, got {got}" + (f"; {advice}" if advice else ""))


def apply_to_maps(formula: Callable[..., NDArray[Any]], dtype: DTypeLike, **maps: ArrayLike) -> Any:
    """Apply ``formula`` to maps (..., H, W) of one shape, a few at a time.

    ``formula`` gets arrays (n, H, W) of ``dtype`` in the order given. It may overwrite them, and returns a
    new array (n, ...). The same arrays serve all maps: memory is bounded, and new pages would cost more time
    than the arithmetic. The result has the leading shape of the maps.

    Raises ValueError unless the maps have one shape, are not empty, and hold real numbers that are finite in
    float32. Boolean, complex, object and masked arrays are refused.
    """
    arrays = {name: _array(name, values, "fiu") for name, values in maps.items()}
    (first, array), *_ = arrays.items()
    shape = array.shape
    _require_shape(first, array, "(..., H, W)", array.ndim >= 2)
    for name, other in arrays.items():
        _require_shape(name, other, f"of {first}, {shape} (nothing is broadcast)", other.shape == shape)
    stacks = {name: other.reshape(-1, *shape[-2:]) for name, other in arrays.items()}
    n = len(stacks[first])
    step = min(n, max(1, BYTES_AT_ONCE // (shape[-2] * shape[-1] * np.dtype(dtype).itemsize)))
    work = [np.empty((step, *shape[-2:]), dtype) for _ in stacks]
    results = []
    for start in range(0, n, step):
        chunks = [array[: n - start] for array in work]
        for (name, stack), chunk in zip(stacks.items(), chunks, strict=True):
            if not _fill(chunk, stack[start : start + step]):
                finite = np.abs(arrays[name].astype(np.float64)) <= LARGEST
                advice = "replace NaN, infinite and huge values"
                _require(name, arrays[name], finite, "be finite in float32", advice)
        results.append(formula(*chunks))
    return np.concatenate(results).reshape(shape[:-2] + results[0].shape[1:])[()]


def _fill(work: NDArray[Any], values: NDArray[Any]) -> bool:
    """Copy values into an array of another dtype; whether all are finite in float32."""
    limit = LARGEST
    if values.dtype == np.float16:
        # NumPy converts float16 one by one. To move the bits and to scale by the difference of the exponents'
        # zeros is exact, and several times as fast. Infinity and NaN come out at 2¹⁶ or more.
        form, bits = np.finfo(work.dtype), work.view(f"i{work.itemsize}")
        bits[...] = values.view(np.int16)
        bits <<= form.nmant - 10
        bits &= ~((2 ** (form.nexp - 5) - 1) << (form.nmant + 5))
        work *= 2.0 ** (form.maxexp - 16)
        values, limit = work, float(np.finfo(np.float16).max)
    if not (-limit <= values.min() and values.max() <= limit):
        return False
    if values is not work:
        np.copyto(work, values, casting="unsafe")
    return True


def check_labels(n_classes: int | None = None, **labels: ArrayLike) -> list[NDArray[np.int64]]:
    """Integer labels (N,) of one length as int64, each in 0..n_classes-1 where ``n_classes`` is given."""
    arrays = {name: _array(name, values, "iu") for name, values in labels.items()}
    first, expected = next(iter(arrays.items()))
    for name, array in arrays.items():
        _require_shape(name, array, "(N,)", array.ndim == 1)
        _require_shape(name, array, f"of {first}, {expected.shape}", len(array) == len(expected))
        if n_classes is not None:
            _require(name, array, (array >= 0) & (array < n_classes), f"lie in 0..{n_classes - 1}")
    return [array.astype(np.int64) for array in arrays.values()]


def check_probabilities(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Labels (N,) in 0..K-1 and probabilities (N, K): 0 or more, each row adding up to 1 ± `SUM_TOLERANCE`.

    A row of which the sum differs from 1 by more than `SUM_NOISE` comes back divided by it, so that nothing
    is won by rounding upwards. Probabilities stay float32 if they are, and become float64 else.
    """
    array = _array("probabilities", probabilities, "fiu")
    _require_shape("probabilities", array, "(N, K)", array.ndim == 2)
    (checked,) = check_labels(array.shape[1], labels=labels)
    n = len(checked)
    _require_shape("probabilities", array, f"({n}, K), as there are {n} labels", len(array) == n)
    _require("probabilities", array, array >= 0, "be 0 or more")
    sums = array.sum(axis=1, dtype=np.float64)
    apart = abs(sums - 1)
    good, rule = apart <= SUM_TOLERANCE + SUM_NOISE, f"be 1 ± {SUM_TOLERANCE}"
    _require("sums of rows of probabilities", sums, good, rule, "normalise them")
    array = array.astype(np.float32 if array.dtype == np.float32 else np.float64)
    uneven = apart > SUM_NOISE
    array[uneven] /= sums[uneven, np.newaxis]
    return checked, array


def check_confusion(confusion: ArrayLike, positive: int = 0) -> NDArray[np.float64]:
    """Confusion matrices (..., K, K) of finite numbers of 0 or more, ``positive`` being one of K classes."""
    array = _array("confusion", confusion, "fiu")
    _require_shape("confusion", array, "(..., K, K)", array.ndim >= 2 and array.shape[-1] == array.shape[-2])
    check_labels(array.shape[-1], positive=[positive])
    return _counts("confusion", array)


def check_histogram(counts: ArrayLike) -> NDArray[np.float64]:
    """Histograms (..., T, 2) of finite numbers of 0 or more."""
    array = _array("counts", counts, "fiu")
    _require_shape("counts", array, "(..., T, 2)", array.ndim >= 2 and array.shape[-1] == 2)
    return _counts("counts", array)


def _counts(name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    """The array as float64, in which sums of small integers do not overflow."""
    _require(name, array, (array >= 0) & (array < np.inf), "be finite and 0 or more")
    return array.astype(np.float64, copy=False)


def _array(name: str, values: ArrayLike, kinds: str) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        raise refusal(name, "be a plain array", "a masked array", "fill it, for a score sees every value")
    array = np.asarray(values)
    if array.dtype.kind not in kinds:
        expected = "real numbers" if "f" in kinds else "integers"
        raise refusal(name, f"hold {expected}", f"dtype {array.dtype}", "convert it")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _require_shape(name: str, array: NDArray[Any], expected: str, holds: bool) -> None:
    if not holds or array.size == 0:
        raise refusal(name, f"have shape {expected} and not be empty", f"shape {array.shape}")


def _require(name: str, array: NDArray[Any], good: NDArray[np.bool_], rule: str, advice: str = "") -> None:
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        found = f"{array[index]} at {name}{list(index)} ({np.count_nonzero(~good)} such of {array.size})"
        raise refusal(name, rule, found, advice)
