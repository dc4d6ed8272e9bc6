"""How each track draws its cases: the modules that `Track.drawing` names.

Such a module has two functions, and may have four more:

- ``case_figure(inputs, target, prediction, title) -> Figure | None`` draws one case. ``inputs``, ``target``
  and ``prediction`` are None where they are unknown; None is returned where the figure needs them.
- ``case_tiles(inputs, target, prediction) -> list[Tile]`` are the pictures of a prediction, for a page.
- ``overview(columns, predictions) -> dict[str, Any]`` draws all cases of a submission, from its columns by
  case and its predictions (N, ...), in the same order. It returns a ``title``, a list of `Panel` as
  ``panels`` and, of a classifier, its ``confusion``: for each class the name and, by predicted class, a
  share of the cases and their number.
- ``side_by_side(inputs, target, predictions) -> dict[str, Any]`` gives what gallery.html shows of one case
  under every method: a picture with the tiles of the maps, or the shares of the classes.
- ``comparison_figure(inputs, target, predictions, names, title) -> Figure | None`` draws a case and what two
  submissions, called ``names``, predict of it, on the same scales. None where the figure needs the inputs.
- ``dataset_figures(data) -> Iterator[tuple[str, Figure]]`` draws what a data set holds: figures by the names
  of their files. ``data`` may have only the inputs or only the truth.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from harness.data.store import Dataset


class Panel(NamedTuple):
    """A figure on the page of a submission; ``alt`` is the text in its place."""

    figure: Figure
    title: str
    note: str
    alt: str


def value_of_case(data: Dataset, column: str) -> Callable[[str], np.ndarray | None]:
    """A function of a case id that reads the case's value of a column, None where the file has none."""
    ids = data.case_ids() if column in data.columns else []
    rows = {case_id: row for row, case_id in enumerate(ids)}
    return lambda case_id: np.asarray(data.columns[column][rows[case_id]]) if case_id in rows else None


def evenly_spaced(values: np.ndarray, number: int) -> list[int]:
    """At most ``number`` of the values, from the first to the last at equal distances."""
    indices = np.linspace(0, len(values) - 1, min(number, len(values))).round().astype(int)
    return [int(value) for value in values[indices]]
