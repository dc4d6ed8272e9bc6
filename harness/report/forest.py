"""Where a forest plot has its marks: a row for each difference, each on its own scale around zero."""

from collections.abc import Callable
from math import log

MARGIN = 1.08
"""How far the scale of a row reaches beyond the outermost of its marks."""


def forest_row(
    difference: float, low: float | None, high: float | None,
    claimed: tuple[float | None, float | None] = (None, None), reported: float | None = None,
    ratio: bool = False,
) -> dict[str, float | tuple[float, float] | None]:  # fmt: skip
    """Positions in per cent of the width; no difference is in the middle, at 50.

    ``mark`` is the difference; ``span`` (where it begins, how wide it is) is the interval, None without one;
    ``claimed`` likewise, where a bound that is None is the end of the scale; ``reported`` is None where
    nothing is. A ``ratio`` is drawn by its logarithm, so that 2 and 1/2 are equally far from the middle.
    """
    in_units: Callable[[float], float] = (lambda value: log(value) if value > 0 else 0.0) if ratio else float
    given = (difference, low, high, *claimed, reported)
    mark, start, end, first, last, stated = (None if each is None else in_units(each) for each in given)
    reach = MARGIN * max(abs(each or 0.0) for each in (mark, start, end, first, last, stated)) or 1.0

    def place(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else round(50 + 50 * value / reach, 2)

    def between(low: float | None, high: float | None) -> tuple[float, float]:
        return place(low, 0), round(place(high, 100) - place(low, 0), 2)

    return {
        "mark": place(mark, 50),
        "span": None if start is None or end is None else between(start, end),
        "claimed": None if first is None and last is None else between(first, last),
        "reported": None if stated is None else place(stated, 50),
    }
