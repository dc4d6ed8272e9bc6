"""Training, submitting and scoring the runs of claims."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from harness.claims.diagnostics import with_diagnostics
from harness.claims.plan import Folds, Run
from harness.data.store import open_dataset
from harness.evaluation.scoring import Scored, score
from harness.files import HarnessError
from harness.parallel import in_order
from harness.progress import ProgressCallback, no_progress
from harness.runs.training import submit, train
from submissions import SubmissionError, ValidationReport

TEAM = "astroboard"


def run_missing(
    runs: Sequence[Run], executor: Executor | None = None, progress: ProgressCallback = no_progress
) -> Iterator[Run]:
    """Train and submit missing runs; yield every run, in order, when it is complete.

    Runs that others start from come first, before any other begins. An ``executor`` trains several at a time;
    all its workers must see the same folders.
    """
    done = 0
    first = {run.start for run in runs}

    def train_here(run: Run) -> Run:
        title = f"runs; {run.baseline}, seed {run.seed}"
        progress(done, len(runs), title)
        return train_and_submit(
            run,
            lambda step, steps, text: progress(done, len(runs), f"{title}: {int(step)} of {steps} {text}"),
        )

    for stage in ([run for run in runs if run in first], [run for run in runs if run not in first]):
        trained = in_order(executor, train_and_submit, stage) if executor else map(train_here, stage)
        for run in trained:
            done += 1
            progress(done, len(runs), "runs")
            yield run


def train_and_submit(run: Run, progress: ProgressCallback = no_progress) -> Run:
    """Train a run and predict its test, as far as this is not done."""
    if not run.folder.exists():
        start = run.start.folder if run.start else None
        train(
            run.baseline, run.data, run.folder, run.preset, run.seed, progress, start=start,
            settings=run.settings,
        )  # fmt: skip
    if not run.submission.is_file():
        submit([run.folder], run.data / "test-inputs.h5", TEAM, run.submission, progress=progress)
    return run


def score_folds(folds: Folds, progress: ProgressCallback = no_progress) -> Scored:
    """The scores of complete runs, their tests joined. Raises HarnessError where a submission is damaged."""
    return join([_score(run, progress) for run in folds])


def _score(run: Run, progress: ProgressCallback) -> Scored:
    with open_dataset(run.data / "test-truth.h5") as truth:
        try:
            scored = score(run.submission, replace(truth, track=with_diagnostics(truth.track)), progress)
        except SubmissionError as error:
            raise HarnessError(f"{run.submission} is damaged, remove it: {error}") from error
    if not scored.report.accepted:
        raise HarnessError(f"{run.submission} is damaged, remove it: {scored.report.summary()}")
    return scored


def join(scored: Sequence[Scored]) -> Scored:
    """Join test sets without common cases, such as the folds of a cross-validation, to one."""
    if len(scored) == 1:
        return scored[0]

    def joint_hash(hashes: Sequence[str]) -> str:
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    return replace(
        scored[0],
        sha256=joint_hash([fold.sha256 for fold in scored]),
        columns={name: np.concatenate([fold.columns[name] for fold in scored]) for name in scored[0].columns},
        case_ids=[case_id for fold in scored for case_id in fold.case_ids],
        groups=np.concatenate([fold.groups for fold in scored]),
        truth_fingerprint=joint_hash([fold.truth_fingerprint for fold in scored]),
        report=ValidationReport(scored[0].track.name, sum(fold.report.expected for fold in scored)),
    )
