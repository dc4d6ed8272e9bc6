"""Boards with as many rows as wanted and with hostile names, as `leaderboard` makes them."""

import hashlib
from dataclasses import replace

import numpy as np

from harness.evaluation.board import Board, Reference
from harness.tracks import MASS_MAPPING, STAMPS

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202e\u200f"
HOSTILE_AS_SHOWN = HOSTILE[:-2] + r"\u202e\u200f"
LONG = "a team of several words " * 8
PUBLISHED = "https://example.org/report"
NAMES = (HOSTILE, "N" * 200, "Ángeles & sons", "عنقاء مغرب", "暗い物質の地図を描く会", LONG)


def a_board(track=MASS_MAPPING, rows=40, seed=0):
    """Rows in order of rank, with ties, groups of several and long names."""
    rng = np.random.default_rng(seed)
    quality = np.sort(rng.normal(size=rows))
    rank = np.searchsorted(quality.round(1), quality.round(1)) + 1
    made = []
    for index in range(rows):
        metrics = {}
        for column, score in enumerate(track.scores):
            sign = 1 if score.lower_is_better else -1
            value = float(np.exp(0.3 * sign * quality[index] + 0.05 * rng.normal()))
            metrics[score.key] = {
                "mean": value, "std": 0.1, "low": value * 0.93,
                "high": value * 1.08, "seed_std": 0.01 if index % 5 == 0 else None,
                "rank": int(rank[index]), "rank_low": max(1, int(rank[index]) - column),
                "rank_high": min(rows, int(rank[index]) + 2), "p_better_than_next": 0.8, "wilcoxon": None,
            }  # fmt: skip
        name = NAMES[index] if index < len(NAMES) else f"Team {index}"
        file, sha = f"{index}.zip", hashlib.sha256(f"{track.name} {index}".encode()).hexdigest()
        made.append({
            "file": file, "team": name, "method": "a method with a rather long name" if index % 3 else "ks93",
            "cases": 800, "groups": 90, "submission_sha256": sha, "truth_fingerprint": "f" * 64,
            "metrics": metrics, "source": "card" if index % 7 == 6 else "submission",
            "seeds": [{"file": file, "seed": n, "submission_sha256": sha, "scores": {}}
                      for n in range(3 if index % 5 == 0 else 1)],
            "rank": int(rank[index]), "mean_rank": float(rank[index]) + 0.33,
            "rank_low": max(1, int(rank[index]) - 2), "rank_high": min(rows, int(rank[index]) + 3),
            "rank_of_means": index + 1, "normalised_mean": index / 40, "group": index // 4 + 1,
            "p_better_than_next": float(rng.uniform(0.5, 1)) if index < rows - 1 else None,
            "p_better": [float(1 / (1 + np.exp(0.3 * (index - other)))) for other in range(rows)],
            "public_rank": index + 1, "baseline": index == 3,
            "facts": {"link": (PUBLISHED, "javascript:alert(1)")[index % 2], "parameters": 1000 * index,
                      "training_seconds": 90.0 * index} if index % 4 else None,
        })  # fmt: skip
    keys = ("key", "title", "meaning", "lower_is_better", "ranked", "digits")
    values = {
        "schema": "astroboard-leaderboard/1", "track": track.name, "title": track.title,
        "cases": 800, "groups": 90,
        "truth_fingerprint": "f" * 64, "level": 0.95, "resamples": 2000, "kendall_tau": 0.87, "part": None,
        "ladder": False, "wilcoxon": False, "rows": made,
        "scores": [{key: getattr(score, key) for key in keys} for score in track.scores],
        "not_ranked": [
            {"file": "part.zip", "team": HOSTILE, "method": "some", "reason": "12 missing-case"},
            {"file": "broken<b>.zip", "team": "", "method": "", "reason": "not a zip file"},
        ],
    }  # fmt: skip
    return Board.from_json(values, "a board")


def two_boards():
    published = Reference("A report", {"wmape": 1.53}, HOSTILE, PUBLISHED)
    return [replace(a_board(MASS_MAPPING, 40), references=(published,)), a_board(STAMPS, 4, seed=1)]
