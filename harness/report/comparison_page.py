"""The comparison of two submissions as files: a page, the scores by case, and pictures of cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from harness.data.store import open_dataset
from harness.evaluation.comparison import Comparison, ScoreDifference
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, json_text, write_csv, write_text
from harness.report.cells import chance, with_arrow, with_interval
from harness.report.comparison_text import better, cases_table, sides, verdict
from harness.report.drawing import value_of_case
from harness.report.figures import save_figure
from harness.report.forest import forest_row
from harness.report.gallery import strips
from harness.report.page import render
from harness.report.submission_page import scores_by_case
from harness.tracks import load
from submissions import open_submission


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
        _draw(scored, list(cases), truth, data or truth, out, kind)
        index_of = {case_id: index for index, case_id in enumerate(scored[0].case_ids)}
        chosen = {index_of[case_id]: name for case_id, name in cases.items()}
        drawn = strips(scored, "AB", chosen, truth, data or truth, label="Case, of those that differ most")
    write_text(out / "comparison.json", json_text(comparison.to_json()))
    _write_scores(scored, out / "scores.csv")
    rows = [_row(score) for score in comparison.scores]
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


def _row(score: ScoreDifference) -> dict[str, object]:
    """A row of the forest plot, in which A is the better one to the right of the middle."""
    sign = -1 if score.lower_is_better else 1
    low, high = (None if each is None else sign * each for each in (score.low, score.high)[::sign])
    winner = better(score)
    return {
        "title": with_arrow(score.title, score.lower_is_better),
        "values": sides(score),
        "difference": with_interval(score.difference, score.low, score.high, score.digits),
        "chance": chance(score.p_a_better),
        "at": forest_row(sign * score.difference, low, high),
        "ranked": score.ranked,
        "words": f"{winner} is better"
        if winner
        else "not told apart"
        if score.low is not None
        else "not known",
    }


def _write_scores(scored: Sequence[Scored], path: Path) -> None:
    """Write the scores of both by case as CSV."""
    scores = scores_by_case(scored[0].track)
    header = ["case_id", "group", *(f"{side}_{score.key}" for score in scores for side in "ab")]
    columns = [each.columns[score.column].tolist() for score in scores for each in scored]
    write_csv(path, header, zip(scored[0].case_ids, scored[0].groups.tolist(), *columns, strict=True))


def _draw(
    scored: Sequence[Scored], case_ids: list[str], truth: Path, data: Path, out: Path, kind: str
) -> None:
    track = scored[0].track
    drawing = load(track.drawing)
    predictions = [open_submission(each.path, track.format, case_ids).read()[0] for each in scored]
    names = [f"{mark}: {each.team} / {each.method}" for mark, each in zip("AB", scored, strict=True)]
    with open_dataset(truth, track) as targets, open_dataset(data, track) as given:
        inputs_of = value_of_case(given, track.inputs.name)
        target_of = value_of_case(targets, track.truth.name)
        for index, case_id in enumerate(case_ids):
            figure = drawing.comparison_figure(
                inputs_of(case_id), target_of(case_id), [each[index] for each in predictions], names, case_id
            )
            if figure is None:
                raise HarnessError(
                    f"pictures must have the inputs of case {case_id}, got {data} without them; name a "
                    "data set that has them, with --inputs"
                )
            save_figure(figure, out / f"{case_id}.{kind}")
