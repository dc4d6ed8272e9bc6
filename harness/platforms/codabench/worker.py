"""Scoring inside Codabench's worker, which shows everything printed here to the participant.

Nothing tells of the truth by case, nor of which cases are public: a submission is checked against all cases
of the competition, scored by those of its phase, and every number is rounded so that no single case shows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from harness.data.store import open_dataset
from harness.evaluation.rounding import coarse, left_out, supported_step, supported_steps, to_step
from harness.evaluation.scoring import ScoreCard, Scored, score, score_card
from harness.tracks import Score, Track
from submissions import Code, SubmissionError
from submissions.codabench import check

TRUTH, CASES = "truth.h5", "cases.json"
OVERALL = "overall"
"""The column that the platform ranks by, and chooses the best submission of a person by."""
OVERALL_DIGITS, OVERALL_SPREAD = 4, 0.25
BINS, BAR, SHARE_DIGITS, SHARE_SPREAD = 12, 20, 2, 0.5
"""Of histograms: bins, the width of a bar, the digits of a share, and its largest possible spread."""
MAX_SCORE = 1e10
"""A board of Codabench keeps ten digits before the decimal point and ten after it."""


def main(arguments: Sequence[str]) -> int:
    """Score ``INPUT/res`` by ``INPUT/ref``; the exit status: 0 scored, 1 refused, 2 another failure.

    Writes ``detailed_results.html`` into ``OUTPUT``, and ``scores.json`` if the submission is accepted.
    """
    if len(arguments) != 2:
        print("usage: score.py INPUT OUTPUT", file=sys.stderr)
        return 2
    source, output = map(Path, arguments)
    table, stream = "", sys.stderr
    try:
        found, card, track, scores, shares = _scored(source)
        (output / "scores.json").write_text(json.dumps(scores, indent=1, allow_nan=False), encoding="utf-8")
        status, title, table, stream = 0, "Scores", _table(card, track, shares), sys.stdout
    except SubmissionError as error:
        status, title, found = 1, "Not scored", str(error)
    except Exception as error:  # its message, like a traceback, might hold some of the truth
        status, title = 2, "Not scored"
        found = f"the scoring failed ({type(error).__name__}): please tell the organisers"
    print(found, file=stream)
    page = Template(Path(__file__).with_name("details.html").read_text(encoding="utf-8"))
    html = page.substitute(title=title, table=table, found=escape(found))
    (output / "detailed_results.html").write_text(html, encoding="utf-8")
    return status


def overall(track: Track, scores: Mapping[str, Any], constant: Mapping[str, float]) -> np.ndarray:
    """One number (...) for a platform that ranks by one: 0 at best, 1 where all is as bad as a constant map.

    The mean over the ranked scores of the distance from the best, in units of that of the ``constant``
    prediction, and 1 at most. So a constant cannot lead, though it is good by one score.
    """
    parts = []
    for each in track.ranked:
        best = 0.0 if each.lower_is_better else 1.0
        unit = abs(constant[each.key] - best) or 1.0
        parts.append(np.minimum(np.abs(scores[each.key] - best) / unit, 1))
    return np.asarray(np.mean(parts, axis=0))


def released(
    scored: Scored, card: ScoreCard, constant: Mapping[str, float]
) -> tuple[dict[str, float], ScoreCard]:
    """What the board shows, by key of the column, and the card with every number rounded."""
    track, sums = scored.track, scored.sums()
    steps, without = supported_steps(track, sums), left_out(track, sums)
    metrics = {key: value.rounded(steps[key]) for key, value in card.metrics.items()}
    means = {key: value.mean for key, value in card.metrics.items()}
    whole = float(overall(track, means, constant))
    step = supported_step(whole, overall(track, without, constant), OVERALL_DIGITS, OVERALL_SPREAD)
    board = {OVERALL: float(to_step(whole, step))} | {key: value.mean for key, value in metrics.items()}
    return board, replace(card, metrics=metrics)


def histograms(scored: Scored) -> dict[str, list[float]]:
    """The shares of the cases by bins of each score by case, by its key, rounded so that no group shows.

    The bins are the same for all submissions: BINS of half the score's usual spread, the last one open. So
    they tell nothing of the extremes. Shares are rounded as scores are.
    """
    _, groups = np.unique(scored.groups, return_inverse=True)
    sizes = np.bincount(groups)[:, None]
    found = {}
    for each in histogram_scores(scored.track):
        bins = np.clip(scored.columns[each.column] / _bin_width(each), 0, BINS - 1).astype(int)
        counts = np.bincount(BINS * groups + bins, minlength=BINS * len(sizes)).reshape(-1, BINS)
        total = counts.sum(axis=0)
        without = (total - counts) / (sizes.sum() - sizes) if len(sizes) > 1 else np.zeros(counts.shape)
        shares = total / total.sum()
        steps = [
            supported_step(*of_bin, SHARE_DIGITS, SHARE_SPREAD)
            for of_bin in zip(shares, without.T, strict=True)
        ]
        found[each.key] = to_step(shares, np.array(steps)).tolist()
    return found


def histogram_scores(track: Track) -> list[Score]:
    """The scores that have a value of their own for each case, from 0 on."""
    return [each for each in track.scores if each.column and not each.trials and each.within[0] == 0]


def _bin_width(each: Score) -> float:
    return each.spread / 2


def _scored(source: Path) -> tuple[str, ScoreCard, Track, dict[str, float], dict[str, list[float]]]:
    """The report, the card, its track, the board's row, the histograms; SubmissionError for a refusal."""
    cases = json.loads((source / "ref" / CASES).read_text(encoding="utf-8"))
    with open_dataset(source / "ref" / TRUTH) as truth:
        track = truth.track
        report = check(source / "res", track.format, cases["case_ids"], cases["fingerprint"])
        found = "\n".join(report.lines())
        if not report.accepted:
            raise SubmissionError(found, report.faults[0].code)
        scored = score(source / "res", replace(truth, track=coarse(track)))
    card = replace(score_card(scored), team=report.team)
    for each in track.scores:
        if not abs(card.metrics[each.key].mean) < MAX_SCORE:
            message = (
                f"{each.title} is beyond {MAX_SCORE:.0e}, more than a board can show: are the units right?"
            )
            raise SubmissionError(message, Code.TOO_LARGE)
    scores, card = released(scored, card, cases["constant"])
    return found, card, track, scores, histograms(scored)


def _table(card: ScoreCard, track: Track, shares: Mapping[str, list[float]]) -> str:
    """The scores as a table in HTML."""
    head = ("score", "value", "95 % interval", "std")
    rows = ["<thead><tr>" + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr></thead>"]
    for each in sorted(track.scores, key=lambda one: not one.ranked):
        value = card.metrics[each.key]
        mean, low, high, std = (
            "–" if number is None else f"{number:.{each.digits}f}"
            for number in (value.mean, value.low, value.high, value.std)
        )
        interval = low if low == high else f"{low} to {high}"
        cells = "".join(f"<td>{cell}</td>" for cell in (mean, interval, std))
        counts = "<b>Counts for the rank.</b> " if each.ranked else ""
        better = "Lower" if each.lower_is_better else "Higher"
        ranks = " class=ranks" if each.ranked else ""
        rows.append(
            f'<tbody{ranks}><tr><th scope="row">{escape(each.title)}</th>{cells}</tr>'
            f'<tr class="about"><td colspan="{len(head)}">{counts}{better} is better. '
            f"{escape(each.meaning)}{_histogram(each, shares[each.key]) if each.key in shares else ''}"
            "</td></tr></tbody>"
        )
    names = f"{escape(card.team)} / {escape(card.method)}: {card.cases} cases, {card.groups} groups"
    about = "<p>Std is the standard deviation over the cases. Bars are shares of the cases, rounded.</p>"
    return f"<p>{names}</p>\n<table>\n" + "\n".join(rows) + f"\n</table>\n{about}"


def _histogram(each: Score, shares: Sequence[float]) -> str:
    """A histogram as SVG. Its text says the shares that are not 0, since not everybody sees it."""
    edges = [f"{_bin_width(each) * number:g}" for number in range(BINS)]
    ranges = [*(f"{low} to {high}" for low, high in pairwise(edges)), f"{edges[-1]} or more"]
    told = ", ".join(f"{name}: {share:.0%}" for name, share in zip(ranges, shares, strict=True) if share)
    heights = [round(29 * min(share, 1), 1) for share in shares]
    bars = "".join(
        f'<rect x="{BAR * number + 1}" y="{30 - height:g}" width="{BAR - 2}" height="{height:g}"/>'
        for number, height in enumerate(heights)
    )
    name = f"Cases by {escape(each.title)}: {told}"
    return (
        f'<svg viewBox="0 0 {BAR * BINS} 42" role="img" aria-label="{name}">{bars}'
        f'<path d="M0 30h{BAR * BINS}"/><text y="40">0</text>'
        f'<text x="{BAR * BINS}" y="40" text-anchor="end">{ranges[-1]}</text></svg>'
    )
