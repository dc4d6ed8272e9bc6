"""Splitting a data set by group into what a competition hands out and what it keeps.

Crops of one cluster, or alerts of one object, never lie on two sides: a method that has seen one of them has
seen much of the others.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.store import CHUNK, DataError, Dataset, Writer, create, open_dataset
from harness.progress import ProgressCallback, no_progress

TRAIN, VALIDATION, TEST = 0, 1, 2
TEST_PART, VALIDATION_PART = 1 / 4, 1 / 8
"""The most of a class that goes to the balanced test and validation sets of a small data set."""


@dataclass(frozen=True)
class Shares:
    """How much goes where. Maps: parts of the clusters. Stamps: alerts of each class."""

    validation_part: float = 0.1
    test_part: float = 0.1
    validation_cases: int = 100
    test_cases: int = 200


def split(
    data: Path,
    folder: Path,
    seed: int = 0,
    shares: Shares = Shares(),
    progress: ProgressCallback = no_progress,
) -> dict:
    """Write ``train.h5``, ``validation.h5``, ``test-inputs.h5`` and ``test-truth.h5`` into ``folder``.

    Returns a summary: cases and groups of each part, and what a reader should know of it.
    """
    with open_dataset(data) as dataset:
        for column in (dataset.track.inputs, dataset.track.truth):
            if column.name not in dataset.columns:
                raise DataError(f"{data} has no {column.name}: only a full data set can be split")
        groups = dataset.groups()
        notes: list[str] = []
        if dataset.track.classes:
            part = balanced_parts(dataset.truth[:], groups, dataset.track.classes, shares, seed, notes)
        else:
            part = group_parts(groups, shares, seed)
        write_parts(dataset, part, folder, seed, progress)
    names = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    summary: dict = {
        name: {"cases": int((part == number).sum()), "groups": len(np.unique(groups[part == number]))}
        for name, number in names.items()
    }
    unused = int((part < 0).sum())
    if unused:
        notes.append(f"{unused} alerts are in no part: they share an object with a test or validation alert")
    return summary | {"notes": notes}


def group_parts(groups: np.ndarray, shares: Shares, seed: int) -> np.ndarray:
    """The part (TRAIN, VALIDATION or TEST) of each case, whole groups drawn at random."""
    names = np.unique(groups)
    if len(names) < 3:
        raise DataError(
            f"the data has {len(names)} cluster(s): a split by cluster needs 3 at least, one for each part"
        )
    counts = [max(1, round(part * len(names))) for part in (shares.test_part, shares.validation_part)]
    if sum(counts) >= len(names):
        raise DataError(
            f"test and validation take {sum(counts)} of {len(names)} clusters: none is left to train"
        )
    shuffled = np.random.default_rng(seed).permutation(names)
    part = np.full(len(groups), TRAIN)
    part[np.isin(groups, shuffled[: counts[0]])] = TEST
    part[np.isin(groups, shuffled[counts[0] : sum(counts)])] = VALIDATION
    return part


def balanced_parts(
    labels: np.ndarray,
    groups: np.ndarray,
    classes: tuple[str, ...],
    shares: Shares,
    seed: int,
    notes: list[str],
) -> np.ndarray:
    """The part of each case, with as many test and as many validation alerts of every class.

    Objects are drawn whole. Alerts without room beside the others of their object are in no part (-1).
    """
    rng = np.random.default_rng(seed)
    part = np.full(len(labels), TRAIN)
    for label, name in enumerate(classes):
        cases = rng.permutation(np.flatnonzero(labels == label))
        room = {
            TEST: min(shares.test_cases, int(TEST_PART * len(cases))),
            VALIDATION: min(shares.validation_cases, int(VALIDATION_PART * len(cases))),
        }
        if room[TEST] < shares.test_cases or room[VALIDATION] < shares.validation_cases:
            notes.append(
                f"{name} has {len(cases)} alerts: {room[TEST]} go to test and {room[VALIDATION]} to "
                f"validation, instead of {shares.test_cases} and {shares.validation_cases}"
            )
        for case in cases:
            number = TEST if room[TEST] else VALIDATION
            if part[case] == TRAIN and room[number]:
                same = np.flatnonzero(groups == groups[case])
                part[same] = -1
                same = same[labels[same] == label][: room[number]]
                part[same] = number
                room[number] -= len(same)
    return part


def fold_parts(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold (0 … folds − 1) of each case: groups whole, those of a class dealt evenly, at random.

    A group is of the class of its first case. Raises DataError if there are fewer groups than folds.
    """
    _, first, index = np.unique(groups, return_index=True, return_inverse=True)
    if len(first) < folds:
        raise DataError(f"the data have {len(first)} groups: {folds} at least are needed for as many folds")
    shuffled = np.random.default_rng(seed).permutation(len(first))
    by_class = shuffled[np.argsort(labels[first[shuffled]], kind="stable")]
    fold = np.empty(len(first), int)
    fold[by_class] = np.arange(len(first)) % folds
    return fold[index]


def write_parts(
    dataset: Dataset, part: np.ndarray, folder: Path, seed: int, progress: ProgressCallback
) -> None:
    inputs, truth = dataset.track.inputs.name, dataset.track.truth.name
    files: tuple[tuple[str, str, int, set[str]], ...] = (
        ("train.h5", "train", TRAIN, set()),
        ("validation.h5", "validation", VALIDATION, set()),
        ("test-inputs.h5", "inputs", TEST, {truth}),
        ("test-truth.h5", "truth", TEST, {inputs, "metadata"}),
    )
    source = {"split_of": dataset.fingerprint, "seed": seed}
    with ExitStack() as stack:
        writers: list[tuple[Writer, int, set[str]]] = [
            (stack.enter_context(create(folder / name, dataset.track, role, source)), number, without)
            for name, role, number, without in files
        ]
        start = 0
        for chunk in dataset.chunks():
            rows = part[start : start + len(chunk["case_id"])]
            for writer, number, without in writers:
                if (rows == number).any():
                    writer.append(**{k: v[rows == number] for k, v in chunk.items() if k not in without})
            start += len(rows)
            progress(start, len(part), "cases")


def public_cases(groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which cases (N,) are public: those of a random ``fraction`` of the groups, one at least and never all.

    Who knows the groups and the seed knows the part. Raises DataError for fewer than two groups.
    """
    names = np.unique(groups)
    if len(names) < 2:
        raise DataError("a public part needs two groups or more, and the truth has one")
    drawn = np.random.default_rng(np.random.SeedSequence(seed)).permutation(names)
    return np.isin(groups, drawn[: int(np.clip(round(fraction * len(names)), 1, len(names) - 1))])


def secret_seed(truth: Dataset) -> int:
    """A 48-bit seed derived from the truth, which participants do not know."""
    digest = hashlib.sha256()
    for start in range(0, len(truth), CHUNK):
        digest.update(truth.truth[start : start + CHUNK].tobytes())
    return int.from_bytes(digest.digest()[:6])
