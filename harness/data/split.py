"""Splitting a data set by group into training, validation and test sets.

Crops of one cluster, or alerts of one object, never lie on two sides: a method that has seen one of them has
seen much of the others.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib.recfunctions import repack_fields

from harness.data.store import CHUNK, INPUTS_FINGERPRINT, DataError, Dataset, Writer, create, open_dataset
from harness.progress import ProgressCallback, no_progress
from harness.tracks import load

TRAIN, VALIDATION, TEST, UNUSED = 0, 1, 2, -1
MAX_TEST_SHARE, MAX_VALIDATION_SHARE = 1 / 4, 1 / 8
"""The most of a class that goes to the balanced test and validation sets of a small data set."""

FILES = {
    "train.h5": ("train", TRAIN),
    "validation.h5": ("validation", VALIDATION),
    "test-inputs.h5": ("inputs", TEST),
    "test-truth.h5": ("truth", TEST),
}
"""The files of a split, each with its role and the cases that it holds."""


@dataclass(frozen=True)
class Shares:
    """How much goes where. Maps: shares of the clusters. Stamps: alerts of each class."""

    validation_part: float = 0.1
    test_part: float = 0.1
    validation_cases: int = 100
    test_cases: int = 200


def split(
    data: str | PathLike[str],
    folder: str | PathLike[str],
    seed: int = 0,
    shares: Shares = Shares(),
    progress: ProgressCallback = no_progress,
    metadata: Sequence[str] = (),
) -> dict[str, Any]:
    """Write ``train.h5``, ``validation.h5``, ``test-inputs.h5`` and ``test-truth.h5`` into ``folder``.

    The splits share no group (cluster or object). Test inputs are shuffled, and without metadata that reveal
    the class. The draw depends on ``seed`` and the truth: participants could repeat one that depends on
    ``seed`` alone, and ids in the order of the source would reveal classes.

    Parameters
    ----------
    data : path of a data set with inputs and truth
    folder : path of the output folder
    seed : int
    shares : Shares
        Sizes of the splits.
    progress : callable, optional
    metadata : sequence of str
        Names or patterns of additional metadata columns to include in the test inputs.

    Returns
    -------
    dict
        Numbers of cases and groups of each split, and notes for the user.

    Raises
    ------
    DataError
        If the data set lacks inputs or truth, has too few groups or cases for one of the files, or a share
        does not apply to its track.
    """
    folder = Path(folder)
    with open_dataset(data) as dataset:
        for column in (dataset.track.inputs, dataset.track.truth):
            if column.name not in dataset.columns:
                raise DataError(f"{data} must have {column.name} to be split, got none")
        if not dataset.track.splitter:
            raise DataError(f"the track {dataset.track.name!r} must have a splitter, got none")
        for name, share in vars(shares).items():
            if name not in dataset.track.shares and share != getattr(Shares(), name):
                option = f"--{name.replace('_', '-')}"
                raise DataError(f"{option} must be left out: {dataset.track.name} is not split by it")
        groups = dataset.groups()
        drawn = np.random.SeedSequence([seed, secret_seed(dataset)]).generate_state(1, np.uint64)
        assigned, notes = load(dataset.track.splitter)(dataset, shares, int(drawn[0]))
        notes = notes + write_splits(dataset, assigned, folder, seed, progress, metadata)
    summary: dict[str, Any] = {
        name: {"cases": int((assigned == number).sum()), "groups": len(np.unique(groups[assigned == number]))}
        for name, number in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST))
    }
    return summary | {"notes": notes}


def split_groups(dataset: Dataset, shares: Shares, seed: int) -> tuple[np.ndarray, list[str]]:
    """The splitter of the maps: `assign_groups` of the clusters."""
    return assign_groups(dataset.groups(), shares, seed), []


def split_balanced(dataset: Dataset, shares: Shares, seed: int) -> tuple[np.ndarray, list[str]]:
    """The splitter of the alerts: `assign_balanced` of the classes."""
    return assign_balanced(dataset.truth[:], dataset.groups(), dataset.track.classes, shares, seed)


def assign_groups(groups: np.ndarray, shares: Shares, seed: int) -> np.ndarray:
    """TRAIN, VALIDATION or TEST for each case (N,), whole groups drawn at random.

    Raises DataError for groups too few to have one in each.
    """
    names = np.unique(groups)
    if len(names) < 3:
        raise DataError(
            f"train, validation and test need a cluster each: 3 at least were expected, got {len(names)}"
        )
    counts = [max(1, round(share * len(names))) for share in (shares.test_part, shares.validation_part)]
    if sum(counts) >= len(names):
        raise DataError(
            f"test and validation must leave clusters to train on, got {sum(counts)} of {len(names)} for them"
        )
    shuffled = np.random.default_rng(seed).permutation(names)
    assigned = np.full(len(groups), TRAIN)
    assigned[np.isin(groups, shuffled[: counts[0]])] = TEST
    assigned[np.isin(groups, shuffled[counts[0] : sum(counts)])] = VALIDATION
    return assigned


def assign_balanced(
    labels: np.ndarray, groups: np.ndarray, classes: Sequence[str], shares: Shares, seed: int
) -> tuple[np.ndarray, list[str]]:
    """TRAIN, VALIDATION or TEST for each case (N,), as many of every class in test and in validation; notes.

    Alerts of each class are drawn in a random order, first for test, then for validation, each with all
    alerts of its object, so that no object is on two sides. Those of them that exceed the number of their
    class, or are of another class, are UNUSED.
    """
    rng = np.random.default_rng(seed)
    assigned = np.full(len(labels), TRAIN)
    notes: list[str] = []
    for label, name in enumerate(classes):
        cases = rng.permutation(np.flatnonzero(labels == label))
        room = {
            TEST: min(shares.test_cases, int(MAX_TEST_SHARE * len(cases))),
            VALIDATION: min(shares.validation_cases, int(MAX_VALIDATION_SHARE * len(cases))),
        }
        if room[TEST] < shares.test_cases or room[VALIDATION] < shares.validation_cases:
            notes.append(
                f"{name} has {len(cases)} alerts: {room[TEST]} go to test and {room[VALIDATION]} to "
                f"validation, instead of {shares.test_cases} and {shares.validation_cases}"
            )
        for case in cases:
            side = TEST if room[TEST] else VALIDATION
            if assigned[case] == TRAIN and room[side]:
                same_object = np.flatnonzero(groups == groups[case])
                assigned[same_object] = UNUSED
                chosen = same_object[labels[same_object] == label][: room[side]]
                assigned[chosen] = side
                room[side] -= len(chosen)
    if unused := np.count_nonzero(assigned == UNUSED):
        notes.append(f"{unused} alerts are in no part: they share an object with a test or validation alert")
    return assigned, notes


def assign_folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold (0 … folds − 1) of each case: groups whole, those of a class dealt evenly, at random.

    A group is of the class of its first case. Raises DataError if there are fewer groups than folds.
    """
    _, first, index = np.unique(groups, return_index=True, return_inverse=True)
    if len(first) < folds:
        raise DataError(f"{folds} folds need a group each: {folds} at least were expected, got {len(first)}")
    shuffled = np.random.default_rng(seed).permutation(len(first))
    by_class = shuffled[np.argsort(labels[first[shuffled]], kind="stable")]
    fold = np.empty(len(first), int)
    fold[by_class] = np.arange(len(first)) % folds
    return fold[index]


def write_splits(
    dataset: Dataset, assigned: np.ndarray, folder: Path, seed: int, progress: ProgressCallback,
    metadata: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """Write the four files of a split: ``assigned`` says for each case (N,) where it goes.

    `hand_out` writes the test inputs; its notes are returned. The others keep the order of the source. The
    files get their names when all four are complete. Raises DataError if one would have no case.
    """
    for role, number in FILES.values():
        if not (assigned == number).any():
            raise DataError(
                f"{dataset.path} must have cases for train, validation and test, got {len(assigned)}, of "
                f"which none goes to {'test' if number == TEST else role}; nothing was written"
            )
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".split.", dir=folder) as unfinished:
        notes = _write_files(dataset, assigned, Path(unfinished), seed, progress, metadata)
        for name in FILES:
            Path(unfinished, name).replace(folder / name)
    return notes


def _write_files(
    dataset: Dataset, assigned: np.ndarray, folder: Path, seed: int, progress: ProgressCallback,
    metadata: Sequence[str],
) -> list[str]:  # fmt: skip
    inputs = dataset.track.inputs.name
    source = {"split_of": dataset.fingerprint, "seed": seed}
    sources = {role: dict(source) for role, _ in FILES.values()}
    done, total = 0, int((assigned != UNUSED).sum() + (assigned == TEST).sum())
    with ExitStack() as stack:
        writers = {
            role: (stack.enter_context(create(folder / name, dataset.track, role, sources[role])), number)
            for name, (role, number) in FILES.items()
        }
        handed_out, _ = writers.pop("inputs")
        for index, chunk in enumerate(dataset.chunks()):
            sides = assigned[index * CHUNK : (index + 1) * CHUNK]
            for writer, number in writers.values():
                if (chosen := sides == number).any():
                    without = {inputs, "metadata"} if writer.role == "truth" else set()
                    writer.append(**{k: v[chosen] for k, v in chunk.items() if k not in without})
                    progress(done := done + int(chosen.sum()), total, "cases")
        rows = np.flatnonzero(assigned == TEST)
        notes = hand_out(dataset, rows, handed_out, secret_seed(dataset), metadata)
        progress(total, total, "cases")
        sources["truth"][INPUTS_FINGERPRINT] = handed_out.fingerprint()
    return notes


def hand_out(
    dataset: Dataset, rows: np.ndarray, writer: Writer, seed: int, metadata: Sequence[str] = ()
) -> list[str]:
    """Write the inputs of some rows (n,) as participants get them; returns notes on their metadata.

    A source is often sorted by class, and so would be rows, numbers of groups, and places in the file. So the
    rows are shuffled, and the numbers of their groups are dealt anew among them, by a ``seed`` that nobody
    else can know. Only those columns of the metadata are written that the track names, or a pattern of
    ``metadata`` matches. Raises DataError for a pattern that matches none.
    """
    rng = np.random.default_rng([seed, len(rows)])
    rows = rng.permutation(rows)
    names, index = np.unique(dataset.groups()[rows], return_inverse=True)
    columns: dict[str, Any] = {
        "case_id": dataset.columns["case_id"][:][rows],
        "group": rng.permutation(names)[index],
    }
    kept, notes = _metadata_columns(dataset, metadata)
    if kept:  # repacked, so that the others leave no bytes
        columns["metadata"] = repack_fields(dataset.columns["metadata"][:][rows][kept])
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        inputs = np.stack([dataset.inputs[row] for row in rows[chunk]])
        of_chunk: dict[str, Any] = {dataset.track.inputs.name: inputs}
        writer.append(**of_chunk, **{name: values[chunk] for name, values in columns.items()})
    return notes


def _metadata_columns(dataset: Dataset, patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns of the metadata to hand out, and notes on those that may tell the truth."""
    names = [] if dataset.metadata is None else list(dataset.metadata.dtype.names or ())
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise DataError(f"metadata to hand out must be of {', '.join(names) or 'none'}, got {pattern!r}")
    unnamed = [name for name in names if name not in dataset.track.test_metadata]
    asked = [name for name in unnamed if any(fnmatchcase(name, pattern) for pattern in patterns)]
    without = [name for name in unnamed if name not in asked]
    notes = []
    if without:
        notes.append(
            f"the test inputs leave out the metadata {' '.join(without)}, which may tell the truth; "
            "--metadata NAME hands out one nevertheless"
        )
    if asked:
        have = f"the test inputs have the metadata {' '.join(asked)}"
        notes.append(f"{have}: make sure that they do not tell the truth")
    return [name for name in names if name not in without], notes


def public_cases(groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which cases (N,) are public: those of a random ``fraction`` of the groups, one at least and never all.

    Groups and seed determine the subset, so a secret needs a secret seed. Raises DataError for fewer than
    two groups.
    """
    names = np.unique(groups)
    if len(names) < 2:
        raise DataError("the truth must have two groups or more to have a public subset, got one")
    drawn = np.random.default_rng(np.random.SeedSequence(seed)).permutation(names)
    return np.isin(groups, drawn[: int(np.clip(round(fraction * len(names)), 1, len(names) - 1))])


def secret_seed(truth: Dataset) -> int:
    """A 48-bit seed derived from the truth of each id, unknown to participants.

    The order of the file does not count: classes in their order are easily guessed.
    """
    chunks = (truth.truth[start : start + CHUNK] for start in range(0, len(truth), CHUNK))
    values = [sha256(value.tobytes()).digest() for chunk in chunks for value in chunk]
    digest = sha256()
    for case_id, value in sorted(zip(truth.case_ids(), values, strict=True)):
        digest.update(f"{case_id} ".encode() + value)
    return int.from_bytes(digest.digest()[:6])
