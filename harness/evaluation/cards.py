"""Score cards that can be ranked later: the scores by case lie beside ``CARD.json``, in ``CARD.npz``.

A card may come from a stranger. It is read as a submission is (in memory, within limits, nothing unpickled)
and must agree with itself; whether its scores are true, only the submission and the truth can tell.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import CASE_ID_BYTES
from harness.evaluation.scoring import ScoreCard, Scored, score_card
from harness.files import HarnessError, beside, json_text, read_json, write_text
from harness.schemas import SCORE_CARD
from harness.tracks import get_track
from submissions import SubmissionError, ValidationReport, check_case_id, limits
from submissions.archive import list_zip
from submissions.npy import read_npy
from submissions.report import check_text

MAX_CARD_BYTES = 1 << 20
LARGEST_SCORE = 1e100
"""Sums and squares of so large scores are finite, and no map has one."""
TEXTS = ("track", "team", "method", "truth_fingerprint")


class CardError(HarnessError):
    """A score card that cannot be ranked."""


def check_name(path: Path) -> None:
    """Raise HarnessError unless the name is one of a score card."""
    if path.suffix.lower() != ".json":
        raise HarnessError(f"{path}: the name of a card must end in .json, got {path.suffix or 'no ending'}")


def write_card(scored: Scored, path: Path) -> ScoreCard:
    """Write the score card of an accepted submission and, beside it, the scores by case; returns the card."""
    check_name(path)
    by_case = path.with_suffix(".npz")
    ids = np.array(scored.case_ids, dtype=f"S{CASE_ID_BYTES}").view(np.uint8).reshape(-1, CASE_ID_BYTES)
    columns: dict[str, Any] = {"case_id": ids, "group": scored.groups, **scored.columns}
    with beside(by_case) as temporary:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **columns)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    card = replace(score_card(scored), cases_sha256=digest)
    write_text(path, json_text(card.to_json()))
    return card


def read_card(path: Path) -> Scored:
    """Read a score card and its scores by case, as if the submission had been scored here.

    Raises CardError where they do not agree, or are none.
    """
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ValueError(f"it must have {MAX_CARD_BYTES:,} bytes at most, got more")
        return _checked(path, read_json(path, SCORE_CARD))
    except (HarnessError, SubmissionError, LookupError, TypeError, ValueError, OverflowError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        problem = problem.replace(str(path), path.name)  # a board shows no folders
        raise CardError(f"{path.name} is no score card that can be ranked: {problem}") from error


def _checked(path: Path, value: Mapping[str, Any]) -> Scored:
    card = ScoreCard.from_json(value, path.name)
    for name in TEXTS:
        check_text(getattr(card, name), name)
    if not 0 < card.cases <= limits.MAX_CASES:
        raise ValueError(f"cases must be 1 to {limits.MAX_CASES:,}, got {card.cases}")
    if card.seed is not None and not 0 <= card.seed < 2**63:
        raise ValueError(f"seed must be null or 0 to 2^63 - 1, got {card.seed!r:.50}")
    if not re.fullmatch("[0-9a-f]{64}", card.submission_sha256):
        raise ValueError(f"submission_sha256 must be 64 of 0-9 a-f, got {card.submission_sha256!r:.50}")
    if card.cases_sha256 is None:
        raise ValueError("cases_sha256 must be that of the scores by case, got none")
    track = get_track(card.track)
    columns = _columns(path.with_suffix(".npz"), card.cases, card.cases_sha256)
    case_ids = [bytes(row).rstrip(b"\0").decode("ascii") for row in columns.pop("case_id")]
    for case_id in case_ids:
        check_case_id(case_id)
    if len(set(case_ids)) < card.cases:
        raise ValueError("case ids must be unique, got one twice")
    groups = columns.pop("group")
    if groups.dtype.kind not in "iu":
        raise ValueError(f"group must hold integers, got {groups.dtype}")
    for name in filter(None, (track.label, track.answer)):
        classes = columns[name]
        if classes.dtype.kind not in "iu" or not np.isin(classes, np.arange(len(track.classes))).all():
            raise ValueError(f"{name} must hold integers from 0 to {len(track.classes) - 1}, got others")
    report = ValidationReport(track.name, card.cases, card.team, card.method, found=card.cases)
    scored = Scored(path, track, card.team, card.method, card.submission_sha256, report, columns, case_ids,
                    groups, card.truth_fingerprint, card.seed, "card")  # fmt: skip
    claimed = [card.metrics[score.key].mean for score in track.scores]
    with np.errstate(over="ignore", invalid="ignore"):
        same = np.allclose(list(scored.values().values()), claimed, rtol=1e-9, atol=1e-12)
    if not same:
        raise ValueError("metrics must be those of the scores by case, got others")
    return scored


def _columns(path: Path, cases: int, digest: str) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(
            f"{path.name} must lie beside the card, got none; `astroboard score --out` writes it"
        )
    files, columns = list_zip(path), {}
    if len(files.names) > limits.MAX_COLUMNS:
        raise ValueError(f"{path.name} must have {limits.MAX_COLUMNS} columns at most, got more")
    if files.sha256() != digest:
        raise ValueError(f"{path.name} must have the SHA-256 in the card, got another")
    with files.open() as content:
        for name in files.names:
            shape = (cases, CASE_ID_BYTES) if name == "case_id.npy" else (cases,)
            data = content(name, cases * CASE_ID_BYTES + limits.MAX_NPY_HEADER)
            values = columns[name.removesuffix(".npy")] = read_npy(data, shape)
            if not (np.abs(values.astype(np.float64)) <= LARGEST_SCORE).all():
                raise ValueError(
                    f"{path.name}, {name}: numbers must be finite and at most {LARGEST_SCORE:g}, got others"
                )
    return columns
