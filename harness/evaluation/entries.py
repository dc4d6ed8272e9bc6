"""The entries of a board: submissions that are scored, and score cards that are read."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from harness.data.store import Dataset
from harness.evaluation.board import Reference
from harness.evaluation.cards import CardError, read_card
from harness.evaluation.scoring import Scored, score
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.tracks import Track
from submissions import SubmissionError


def score_all(
    paths: Sequence[Path], truth: Dataset | None, progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
) -> tuple[Track, list[Scored], list[tuple[str, str]]]:  # fmt: skip
    """Score submissions against the truth, and read score cards, which need no truth.

    An ``executor`` shares out the cases of each. Returns the track, what was scored, and the name and the
    reason of each file that cannot be read. Raises HarnessError where a submission comes without a truth, or
    no card can be read.
    """
    scored: list[Scored] = []
    unreadable = []
    for done, path in enumerate(paths):
        progress(done, len(paths), path.name)
        try:
            if path.suffix.lower() == ".json":
                scored.append(_card_for(truth, path))
            elif truth is None:
                raise HarnessError(
                    f"{path} must be a score card (.json) where there is no truth; name one with --truth"
                )
            else:
                scored.append(score(path, truth, executor=executor))
        except (SubmissionError, CardError) as error:
            unreadable.append((path.name, str(error)))
    if truth is None and not scored:
        reasons = "; ".join(reason for _, reason in unreadable)
        raise HarnessError(f"none of the score cards can be ranked: {reasons}")
    return truth.track if truth else scored[0].track, scored, unreadable


def _card_for(truth: Dataset | None, path: Path) -> Scored:
    """The score card in a file; CardError where it is of other cases than those of the truth."""
    card = read_card(path)
    if truth is not None and (
        card.truth_fingerprint != truth.fingerprint
        or card.case_ids != truth.case_ids()
        or not np.array_equal(card.groups, truth.groups())
    ):
        raise CardError(f"{path.name} must be scored against {truth.path.name}, got another truth")
    return card


def check_one_truth(scored: Sequence[Scored]) -> None:
    """Raise HarnessError unless all were scored on the same cases, in the same groups and order."""
    for first, other in ((scored[0], other) for other in scored[1:]):
        names = f"{first.path.name} and {other.path.name}"
        if (other.track, other.truth_fingerprint) != (first.track, first.truth_fingerprint):
            raise HarnessError(f"{names} must be scored against one truth file, got different truth files")
        if other.case_ids != first.case_ids or not np.array_equal(other.groups, first.groups):
            raise HarnessError(
                f"{names} must have the same cases and groups in one order, got other cases of one truth; "
                "score both again with one file"
            )


def by_method(scored: Sequence[Scored]) -> list[list[Scored]]:
    """The submissions of each row: the seeds of one method in one folder together, all others alone.

    A manifest says what its author likes, so a file that was named alone is a row of its own: it could claim
    to be a seed of another's method. Submissions without a seed, or with the same seed twice, are no
    repetitions of one method.
    """
    methods: dict[tuple[str, ...], list[Scored]] = {}
    for entry in sorted(scored, key=lambda entry: (-1 if entry.seed is None else entry.seed,
                                                   entry.path.name, entry.sha256)):  # fmt: skip
        alone = () if entry.owner is not None else (entry.sha256, str(entry.path))
        methods.setdefault((entry.team, entry.method, entry.owner or "", *alone), []).append(entry)
    rows = []
    for _, entries in sorted(methods.items()):
        seeds = {entry.seed for entry in entries}
        repeated = None not in seeds and len(seeds) == len(entries)
        rows += [entries] if repeated else [[entry] for entry in entries]
    return rows


def in_folders(paths: Sequence[Path]) -> dict[Path, str | None]:
    """The submissions and score cards that are named, and those in the folders named, with their owners.

    The owner is the name of the folder, None for a file that is named itself. Raises HarnessError for a
    folder without any, and for two folders of one name.
    """
    owners: dict[Path, str | None] = {}
    folders: set[str] = set()
    for path in paths:
        if not path.is_dir():
            owners.setdefault(path, None)
            continue
        owner = path.resolve().name
        files = submissions_in(path)
        if not files:
            raise HarnessError(f"{path} must hold submissions (.zip) or score cards (.json), got none")
        if owner in folders:
            raise HarnessError(
                f"folders must have different names, which tell whose they are, got two called {owner}"
            )
        folders.add(owner)
        owners |= dict.fromkeys(files, owner)
    return owners


def submissions_in(folder: Path) -> list[Path]:
    """The zips and score cards in a folder; not the manifest of a submission that is still to be zipped."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in (".zip", ".json") and path.name != "manifest.json" and path.name[0] != "."
    ]


def read_references(path: Path, track: Track) -> tuple[tuple[Reference, ...], list[str]]:
    """The published scores in a TOML file, and what it names as baselines: methods, or files.

    Each table ``[[reference]]`` has a ``name``, ``scores`` by key, and may have a ``source`` and a ``link``.
    Raises HarnessError where a value is missing or none of these, a score is none of the track's, or a link
    is no web address.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} must be a TOML file, got none: {error}") from error
    tables, baselines = values.pop("reference", []), values.pop("baselines", [])
    right = isinstance(tables, list) and isinstance(baselines, list) and not values
    if not right or not all(isinstance(name, str) for name in baselines):
        raise HarnessError(
            f"{path} must hold tables [[reference]] and a list of names, baselines, got {', '.join(values)}"
        )
    references = tuple(Reference.from_json(table, str(path)) for table in tables)
    keys = [score.key for score in track.scores]
    for reference in references:
        if unknown := [key for key in reference.scores if key not in keys]:
            raise HarnessError(
                f"{path}, {reference.name}: scores must be of {', '.join(keys)}, got {unknown[0]}"
            )
        if reference.link and not reference.link.startswith(("https://", "http://")):
            raise HarnessError(
                f"{path}, {reference.name}: link must begin with https://, got {reference.link!r:.50}"
            )
    return references, baselines
