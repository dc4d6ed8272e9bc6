"""Boards that limit overfitting: a public subset of the groups, and scores released by the Ladder.

Whoever may submit often learns from the scores on a board which changes help by chance, and fits the test
set. The Ladder of Blum & Hardt (2015, arXiv:1502.04585) bounds the error that this brings into the board's
best scores. Its version without parameters is used: a team's score is replaced only by one that is better by
more than the standard error of the difference of the two, and is rounded when released. Here each ranked
score has its own ladder, and the standard error is that over groups.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from harness.data.split import public_cases
from harness.evaluation.board import Cell, Row, Seed
from harness.evaluation.bootstrap import MIN_GROUPS_FOR_RANKS, GroupSums, bootstrap
from harness.evaluation.names import skeletons
from harness.evaluation.ranking import standings
from harness.evaluation.rounding import supported_steps, to_step
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, json_text, read_json, write_text
from harness.schemas import LADDER
from harness.tracks import Track


def subset_of(scored: Scored, fraction: float, seed: int, private: bool) -> Scored:
    """What was scored of the public groups, or of all others: the same cases for every submission."""
    public = public_cases(scored.groups, fraction, seed)
    rows = np.flatnonzero(~public if private else public)
    return replace(
        scored,
        columns={name: values[rows] for name, values in scored.columns.items()},
        case_ids=[scored.case_ids[row] for row in rows],
        groups=scored.groups[rows],
    )


def release_scores(track: Track, accepted: Sequence[Scored], path: Path) -> list[Row]:
    """Let submissions climb in this order, keep the state in the file, and return the rows of the board.

    The state is for the organisers only. Raises HarnessError where it is damaged, or of other cases.
    """
    path = path.resolve()  # the state is replaced, and a link to it should not be
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:  # which the system releases at our end
        fcntl.flock(lock, fcntl.LOCK_EX)  # from reading to writing, or another's releases would be lost
        state = _read_state(path, track, accepted)
        for entry in accepted:
            _climb(track, state, entry)
        state["sums"] = {digest: state["sums"][digest] for digest in sorted(_used(state))}
        write_text(path, json_text(state))
    return _rows(replace(track, scores=track.ranked), state)


def _team(state: Mapping[str, Any], entry: Scored) -> str:
    """The name of the entry's team in the state: that of its folder, or else the first that looks like it.

    Who may call a team as they like could have a ladder for each spelling, and so a release for each.
    """
    if entry.owner is not None:
        return entry.owner
    own = skeletons(entry.team)
    return next((name for name in state["teams"] if own & skeletons(name)), entry.team)


def _climb(track: Track, state: dict[str, Any], entry: Scored) -> None:
    """Release each ranked score of a submission that is better than its team's best by more than noise.

    The best of different scores may be of different submissions. The sums over groups of each are kept in the
    state, named by their digest, for the standard error of the next comparison.
    """
    team = state["teams"].setdefault(_team(state, entry), {"best": {}})
    sums = entry.sums()
    values, steps = sums.total_scores(track), supported_steps(track, sums)
    errors = {
        digest: standard_error_of_difference(track, sums, _unpacked(state["sums"][digest], sums))
        for digest in {best["sums"] for best in team["best"].values()}
    }
    packed = sums.matrix.toarray().tobytes()
    digest = hashlib.sha256(packed).hexdigest()
    for score in track.ranked:
        value, best = values[score.key], team["best"].get(score.key)
        if best and not (best["score"] - value) * score.sign > errors[best["sums"]][score.key]:
            continue
        state["sums"][digest] = base64.b64encode(zlib.compress(packed)).decode("ascii")
        team["best"][score.key] = {"score": value, "step": steps[score.key], "sums": digest}
        team |= {"method": entry.method, "file": entry.path.name, "submission_sha256": entry.sha256}


def standard_error_of_difference(track: Track, first: GroupSums, second: GroupSums) -> dict[str, float]:
    """The standard error over the groups of the difference of two systems, for each score.

    For a mean over groups of equal size it is s/√n of the paired differences, as in the paper.
    """
    groups = first.groups
    correction = np.sqrt(groups / (groups - 1))  # resamples vary about the sample's own mean
    drawn = bootstrap(track, [first, second])
    return {key: float(np.diff(resamples).std() * correction) for key, resamples in drawn.items()}


def _rows(track: Track, state: Mapping[str, Any]) -> list[Row]:
    """A row for each team, of its released scores."""
    if not state["teams"]:
        return []
    names = [(name, team["method"], team["file"], team["submission_sha256"])
             for name, team in state["teams"].items()]  # fmt: skip
    values = {}
    for score in track.scores:
        best = [team["best"][score.key] for team in state["teams"].values()]
        steps = [each.get("step", 10.0**-score.digits) for each in best]  # version 0.1.0 kept none
        values[score.key] = to_step(np.array([each["score"] for each in best]), np.array(steps))
    drawn = {key: np.empty((0, len(names))) for key in values}
    order, overall, by_score = standings(track, values, drawn, state["groups"], names)
    unknown = dict.fromkeys(("std", "low", "high", "seed_std", "wilcoxon"))
    rows = []
    for row, index in enumerate(order):
        team, method, file, sha256 = names[index]
        scores = {key: float(each[index]) for key, each in values.items()}
        cells = {key: Cell(score, **unknown, **by_score[key][row]) for key, score in scores.items()}
        seeds = (Seed(file, None, sha256, scores),)
        rows.append(Row(file, "ladder", team, method, state["cases"], state["groups"], sha256,
                        state["truth_fingerprint"], seeds, cells, **overall[row]))  # fmt: skip
    return rows


def _read_state(path: Path, track: Track, accepted: Sequence[Scored]) -> dict[str, Any]:
    """The state in the file, or a new one, for the cases that these submissions were scored on."""
    about: dict[str, Any] = {}
    if accepted:
        first, groups = accepted[0], len(np.unique(accepted[0].groups))
        about = {
            "schema": LADDER, "track": track.name, "truth_fingerprint": first.truth_fingerprint,
            "cases": len(first.case_ids), "groups": groups,
            "cases_sha256": hashlib.sha256(" ".join(first.case_ids).encode()).hexdigest(),
        }  # fmt: skip
        in_folders = {entry.owner is not None for entry in accepted}
        if len(in_folders) > 1:
            raise HarnessError(
                "submissions of a ladder must come in a folder for each team, or none in a folder, got both"
            )
        about["teams_are"] = "folders" if in_folders.pop() else "manifests"
        if groups < MIN_GROUPS_FOR_RANKS:
            least = f"{MIN_GROUPS_FOR_RANKS} groups of cases or more"
            raise HarnessError(f"a ladder must have {least}, got {groups}")
    if not path.exists():
        if not about:
            raise HarnessError(f"{path}: a ladder must begin with an accepted submission, got none")
        return about | {"teams": {}, "sums": {}}
    state = read_json(path, LADDER)
    state.setdefault("teams_are", "manifests")  # which 0.1.0 did not say
    if about.get("teams_are", state["teams_are"]) != state["teams_are"]:
        raise HarnessError(
            f"{path} must be the ladder of teams as {about['teams_are']} name them, got one of teams as "
            f"{state['teams_are']} do; name a new file"
        )
    if any(state.get(key) != value for key, value in about.items()):
        raise HarnessError(
            f"{path} must be the ladder of this truth file and public subset, got that of others; "
            "name a new file"
        )
    if not _is_whole(track, state):
        raise HarnessError(f"{path} must hold the sums of all released scores, got a damaged file")
    return state


def _is_whole(track: Track, state: Mapping[str, Any]) -> bool:
    """Whether all is there that `_climb` and `_rows` need."""
    with suppress(KeyError, TypeError, AttributeError):
        teams = [team for team in state["teams"].values() if team["best"]]
        texts = [team[name] for team in teams for name in ("method", "file", "submission_sha256")]
        best = [team["best"][score.key] for team in teams for score in track.ranked]
        numbers = [number for each in best for number in (each["score"], each.get("step", 1))]
        numbers += [state["groups"], state["cases"]]
        texts.append(state["truth_fingerprint"])
        return (
            len(teams) == len(state["teams"])
            and all(isinstance(text, str) for text in texts)
            and all(isinstance(number, int | float) for number in numbers)
            and _used(state) <= state["sums"].keys()
        )
    return False


def _used(state: Mapping[str, Any]) -> set[str]:
    """The names of the sums that some team's best refers to."""
    return {best["sums"] for team in state["teams"].values() for best in team["best"].values()}


def _unpacked(text: str, like: GroupSums) -> GroupSums:
    """The sums in the state, of the same statistics as the others."""
    try:
        matrix = np.frombuffer(zlib.decompress(base64.b64decode(text))).reshape(like.matrix.shape)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise HarnessError(f"a ladder must hold sums over groups, got a damaged file: {error}") from error
    return replace(like, matrix=sparse.csr_array(matrix))
