"""Ranking submissions: ranks by each of the track's scores, their mean, and how sure the board is of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import open_dataset
from harness.files import HarnessError, json_text, write_text
from harness.progress import Report, silent
from harness.resampling import LEVEL, RESAMPLES, bootstrap, interval
from harness.scoring import Scored, score, score_card
from harness.tracks import Track
from submissions import SubmissionError

SCHEMA = "astroboard-leaderboard/1"


def leaderboard(
    track: Track, scored: Sequence[Scored], unreadable: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The board of submissions that were all scored against one truth file, best first.

    Ranked by the mean of the ranks by each of the track's ranked scores; equal means share a rank.
    Submissions with missing or invalid cases, and those that could not be read at all (name, reason), are
    listed as not ranked.
    """
    accepted = [one for one in scored if one.report.accepted]
    if len({one.truth_fingerprint for one in scored}) > 1:
        raise HarnessError(
            "the submissions were scored against different truth files; one board needs one truth"
        )
    rows = [_row(one) for one in accepted]
    if rows:
        _rank(track, rows, accepted)
    rows.sort(key=lambda row: (row["mean_rank"], row["team"], row["method"], row["file"]))
    refused = [
        {"file": one.path.name, "team": one.team, "method": one.method, "reason": one.report.summary()}
        for one in scored
        if not one.report.accepted
    ]
    refused += [{"file": name, "team": "", "method": "", "reason": reason} for name, reason in unreadable]
    return {
        "schema": SCHEMA,
        "track": track.name,
        "title": track.title,
        "cases": rows[0]["cases"] if rows else 0,
        "groups": rows[0]["groups"] if rows else 0,
        "truth_fingerprint": rows[0]["truth_fingerprint"] if rows else None,
        "level": LEVEL,
        "resamples": RESAMPLES,
        "scores": [
            {
                "key": one.key,
                "title": one.title,
                "meaning": one.meaning,
                "lower_is_better": one.lower_is_better,
                "ranked": one.ranked,
                "digits": one.digits,
            }
            for one in track.scores
        ],
        "rows": rows,
        "not_ranked": refused,
    }


def board_of(paths: Sequence[Path], truth: Path, report: Report = silent) -> dict[str, Any]:
    """Score submission files against a truth file and rank them. A file that cannot be read is not ranked."""
    scored, unreadable = [], []
    with open_dataset(truth) as data:
        for done, path in enumerate(paths):
            report(done, len(paths), path.name)
            try:
                scored.append(score(path, data))
            except SubmissionError as error:
                unreadable.append((path.name, str(error)))
        return leaderboard(data.track, scored, unreadable)


def write_board(boards: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write ``leaderboard.json`` (one board, or a list of them) and ``index.html`` into the folder."""
    from harness.report.page import write_page

    write_text(folder / "leaderboard.json", json_text(boards[0] if len(boards) == 1 else list(boards)))
    write_page(boards, folder / "index.html")


def _row(one: Scored) -> dict[str, Any]:
    card = score_card(one)
    return {
        "file": one.path.name,
        **{
            key: card[key]
            for key in ("team", "method", "cases", "groups", "submission_sha256", "truth_fingerprint")
        },
        "metrics": card["metrics"],
    }


def _rank(track: Track, rows: list[dict[str, Any]], accepted: Sequence[Scored]) -> None:
    values = np.array([[row["metrics"][one.key]["mean"] for one in track.scores] for row in rows])
    ranks = rank_by_score(track, values)
    overall = shared_ranks(ranks.mean(axis=-1))
    sums = np.stack([one.sums() for one in accepted])
    low = high = np.full(len(rows), np.nan)
    if sums.shape[1] > 1:
        resampled = rank_by_score(track, bootstrap(track, sums)).mean(axis=-1)
        low, high = interval(shared_ranks(resampled))
    for index, row in enumerate(rows):
        row["rank"] = int(overall[index])
        row["mean_rank"] = float(ranks[index].mean())
        row["rank_low"], row["rank_high"] = (
            (None, None) if np.isnan(low[index]) else (int(np.floor(low[index])), int(np.ceil(high[index])))
        )
        for place, one in enumerate(track.ranked):
            row["metrics"][one.key]["rank"] = int(ranks[index, place])


def rank_by_score(track: Track, values: np.ndarray) -> np.ndarray:
    """Ranks (..., systems, ranked scores) of values (..., systems, M): 1 is best, equal values share one."""
    ranked = [index for index, one in enumerate(track.scores) if one.ranked]
    sign = np.array([1 if one.lower_is_better else -1 for one in track.ranked])
    by_score = np.moveaxis(values[..., ranked] * sign, -1, -2)
    return np.moveaxis(shared_ranks(by_score), -1, -2)


def shared_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, 1 for the lowest; equal values share the rank of the first of them."""
    return 1 + (values[..., None, :] < values[..., :, None]).sum(axis=-1)
