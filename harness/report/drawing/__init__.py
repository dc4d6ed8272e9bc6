"""How each track draws its cases: the modules that `Track.drawing` names.

Such a module has two functions, and may have a third:

- ``case_figure(inputs, target, prediction, title) -> Figure | None`` draws one case. ``inputs`` and
  ``target`` are None where they are unknown; None is returned where the figure needs them.
- ``case_texts(case_id, target, prediction) -> dict[str, str]`` says in words what the figure shows:
  ``target`` and ``prediction``, which may be empty, and ``alt``, the text in place of the picture.
- ``overview(columns, predictions) -> dict[str, Any]`` draws all cases of a submission, from the scores by
  case and the predictions (N, ...) in the same order. It returns a ``title``; ``panels``, each with
  ``figure``, ``title``, ``note``, ``alt`` and whether it is ``wide``; and a ``table`` with ``title``,
  ``label``, ``corner``, ``columns``, ``column_note`` and ``rows``: a name, and a share and a count a column.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.data.store import Dataset


def value_of_case(data: Dataset, column: str) -> Callable[[str], np.ndarray | None]:
    """A function of a case id that reads the case's value of a column, None where the file has none."""
    ids = data.case_ids() if column in data.columns else []
    rows = {case_id: row for row, case_id in enumerate(ids)}
    return lambda case_id: np.asarray(data.columns[column][rows[case_id]]) if case_id in rows else None
