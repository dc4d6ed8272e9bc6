"""The comparison of two submissions as files: a page, the scores by case, and pictures of cases."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from harness.evaluation.comparison import Comparison, ScoreDifference
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, json_text, write_csv, write_text
from harness.report.comparison_text import better, cases_table, scores_table, verdict
from harness.report.figures import save_figure
from harness.report.forest import forest_row
from harness.report.gallery import Shown, shown_cases, strips
from harness.report.page import render
from harness.report.submission_page import table_by_case
from harness.tracks import load


def write_comparison(
    comparison: Comparison, scored: Sequence[Scored], truth: Path | None, out: Path, data: Path | None = None,
    kind: str = "png",
) -> None:  # fmt: skip
    """Write ``comparison.json``, ``index.html``, ``scores.csv`` and pictures of cases into a folder.

    The page and ``<case_id>.<kind>`` show the cases where the two submissions differ most. There are no
    pictures where one of the two is a score card. ``data`` is a data set with the inputs of the cases, which
    pictures of stamps need; a full data set as ``truth`` serves as well. Raises HarnessError where it does
    not have them.
    """
    cases, track = _called(comparison), scored[0].track
    drawn = ""
    if cases and truth and track.drawing and all(each.source == "submission" for each in scored):
        shown = dict(zip(cases, shown_cases(scored, list(cases), truth, data), strict=True))
        _draw(scored, shown, data or truth, out, kind)
        chosen = {scored[0].case_ids.index(case_id): name for case_id, name in cases.items()}
        drawn = strips(scored, "AB", chosen, shown.values(), "Case, of those that differ most")
    write_text(out / "comparison.json", json_text(comparison.to_json()))
    write_csv(out / "scores.csv", *table_by_case(scored, ("a_", "b_")))
    texts = scores_table(comparison)[1]
    rows = [{"cells": cells} | _marks(score) for cells, score in zip(texts, comparison.scores, strict=True)]
    header, listed, left = cases_table(comparison)
    page = render("comparison.html", comparison=comparison, verdict=verdict(comparison), rows=rows,
                  drawn=Markup(drawn), cases={"header": header, "rows": listed, "left": left})  # fmt: skip
    write_text(out / "index.html", page)


def _called(comparison: Comparison) -> dict[str, str]:
    """The cases where the two differ most, and in which scores they do: each case once."""
    titles = {score.key: score.title for score in comparison.scores}
    scores: dict[str, list[str]] = {}
    for case in comparison.cases:
        scores.setdefault(case.case_id, []).append(titles[case.score])
    return {case_id: f"among the most different in {' and '.join(of)}" for case_id, of in scores.items()}


def _marks(score: ScoreDifference) -> dict[str, object]:
    """The marks of a row of the forest plot, in which A is the better one to the right of the middle."""
    sign = -1 if score.lower_is_better else 1
    low, high = (None if each is None else sign * each for each in (score.low, score.high)[::sign])
    winner, unknown = better(score), "not known" if score.low is None else "not told apart"
    words = f"{winner} is better" if winner else unknown
    return {"at": forest_row(sign * score.difference, low, high), "ranked": score.ranked, "words": words}


def _draw(scored: Sequence[Scored], shown: Mapping[str, Shown], data: Path, out: Path, kind: str) -> None:
    drawing = load(scored[0].track.drawing)
    names = [f"{mark}: {each.team} / {each.method}" for mark, each in zip("AB", scored, strict=True)]
    for case_id, (inputs, target, predictions) in shown.items():
        figure = drawing.comparison_figure(inputs, target, predictions, names, case_id)
        if figure is None:
            raise HarnessError(
                f"pictures must have the inputs of case {case_id}, got {data} without them; name a data set "
                "that has them, with --inputs"
            )
        save_figure(figure, out / f"{case_id}.{kind}")
