"""Boards that cannot be overfit: a public part of the groups, and scores released by the Ladder.

The Ladder is that of Blum & Hardt (2015, arXiv:1502.04585) without parameters: a team's score is replaced
only by one that is better by more than the standard error of the difference of the two, and is rounded when
released. Here each ranked score has its own ladder, and the standard error is that over groups.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from harness.data.split import public_cases
from harness.evaluation.bootstrap import MIN_GROUPS, Sums, bootstrap
from harness.evaluation.leaderboard import SPREADS, board_of_rows, check_one_truth, not_ranked, place
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, json_text, read_json, write_text
from harness.schemas import LADDER
from harness.tracks import Track


def part_of(scored: Scored, fraction: float, seed: int, final: bool) -> Scored:
    """The public part of what was scored, or what is left for the end: the same for every submission."""
    public = public_cases(scored.groups, fraction, seed)
    rows = np.flatnonzero(~public if final else public)
    return replace(
        scored,
        columns={name: values[rows] for name, values in scored.columns.items()},
        case_ids=[scored.case_ids[row] for row in rows],
        groups=scored.groups[rows],
    )


def climb(
    track: Track,
    scored: Sequence[Scored],
    unreadable: Sequence[tuple[str, str]],
    path: Path,
    part: str | None,
) -> dict[str, Any]:
    """Let the submissions climb in this order, keep the state in the file, and return the board of it.

    The state holds what nobody but the organisers should see.
    """
    accepted = [one for one in scored if one.report.accepted]
    check_one_truth(accepted)
    state = _read_state(path, track, accepted)
    for one in accepted:
        _climb(track, state, one)
    state["sums"] = {digest: state["sums"][digest] for digest in sorted(_used(state))}
    write_text(path, json_text(state))
    shown = replace(track, scores=track.ranked)
    board = board_of_rows(shown, _rows(shown, state), not_ranked(scored, unreadable))
    return board | {"ladder": True, "part": part}


def _climb(track: Track, state: dict[str, Any], one: Scored) -> None:
    """Release each ranked score of one submission that its team's best must yield to."""
    team = state["teams"].setdefault(one.team, {"best": {}})
    sums, values = one.sums(), one.values()
    steps = {
        digest: step(track, sums, _unpacked(state["sums"][digest], sums.shape))
        for digest in {best["sums"] for best in team["best"].values()}
    }
    digest = hashlib.sha256(sums.toarray().tobytes()).hexdigest()
    for index, score in enumerate(track.scores):
        best = team["best"].get(score.key)
        if best:
            gain = (best["score"] - values[index]) * (1 if score.lower_is_better else -1)
            if not gain > steps[best["sums"]][index]:
                continue
        if score.ranked:
            state["sums"][digest] = _packed(sums)
            team["best"][score.key] = {"score": float(values[index]), "sums": digest}
            team |= {"method": one.method, "file": one.path.name, "submission_sha256": one.sha256}


def step(track: Track, first: Sums, second: Sums) -> np.ndarray:
    """The standard error over the groups of the difference of two systems in each score (M,).

    For a mean over groups of equal size it is s/√n of the paired differences, as in the paper.
    """
    drawn = bootstrap(track, [first, second])
    groups = first.shape[0]
    return np.asarray((drawn[:, 0] - drawn[:, 1]).std(axis=0) * np.sqrt(groups / (groups - 1)))


def _rows(track: Track, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each team, of its released scores: they may be from different submissions."""
    rows = []
    for name, team in state["teams"].items():
        scores = {one.key: round(team["best"][one.key]["score"], one.digits) for one in track.scores}
        who = {key: team[key] for key in ("file", "submission_sha256")}
        rows.append(
            who
            | {key: state[key] for key in ("cases", "groups", "truth_fingerprint")}
            | {
                "source": "ladder",
                "team": name,
                "method": team["method"],
                "seeds": [who | {"seed": None, "scores": scores}],
                "metrics": {key: {"mean": score} | dict.fromkeys(SPREADS) for key, score in scores.items()},
            }
        )
    if not rows:
        return []
    values = np.array([[row["metrics"][one.key]["mean"] for one in track.scores] for row in rows])
    order = place(track, rows, values, np.empty((0, *values.shape)))
    return [rows[index] for index in order]


def _read_state(path: Path, track: Track, scored: Sequence[Scored]) -> dict[str, Any]:
    """The state in the file, or a new one; for the cases that these submissions were scored on."""
    about: dict[str, Any] = {}
    for first in scored[:1]:
        if (groups := len(np.unique(first.groups))) < MIN_GROUPS:
            raise HarnessError(f"a ladder needs {MIN_GROUPS} groups of cases or more, and there are {groups}")
        about = {
            "schema": LADDER,
            "track": track.name,
            "truth_fingerprint": first.truth_fingerprint,
            "cases": len(first.case_ids),
            "groups": groups,
            "cases_sha256": hashlib.sha256(" ".join(first.case_ids).encode()).hexdigest(),
        }
    if not (about or path.exists()):
        raise HarnessError(f"{path}: a ladder begins with a submission that is accepted, and there is none")
    if not path.exists():
        return about | {"teams": {}, "sums": {}}
    state = read_json(path, LADDER)
    if any(state.get(key) != value for key, value in about.items()):
        raise HarnessError(
            f"{path} is the ladder of another truth file or another public part; name a new file"
        )
    try:
        whole = _used(state) <= state["sums"].keys()
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise HarnessError(f"{path} is damaged: it does not hold what its teams climbed with")
    return state


def _used(state: Mapping[str, Any]) -> set[str]:
    """The names of the sums that some team's best refers to."""
    return {best["sums"] for team in state["teams"].values() for best in team["best"].values()}


def _packed(sums: Sums) -> str:
    return base64.b64encode(zlib.compress(sums.toarray().tobytes())).decode("ascii")


def _unpacked(text: str, shape: tuple[int, ...]) -> Sums:
    try:
        return sparse.csr_array(np.frombuffer(zlib.decompress(base64.b64decode(text))).reshape(shape))
    except (binascii.Error, zlib.error, ValueError) as error:
        raise HarnessError(f"the state of the ladder is damaged: {error}") from error
