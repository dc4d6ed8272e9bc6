"""Runs that are trained, submitted and scored, once each."""

import numpy as np
import pytest

from harness.claims.execute import join, run_missing, score_folds
from harness.files import HarnessError
from harness.parallel import executor
from harness.runs.folder import finished


@pytest.mark.slow
def test_runs_are_trained_once_and_yielded_in_order(runs):
    told = []
    assert list(run_missing(runs, None, lambda *words: told.append(words))) == runs
    assert told[-1] == (len(runs), len(runs), "runs")
    assert any(text.startswith("runs; majority, seed 1: ") for _, _, text in told)
    before = {run: (run.folder / "run.json").stat().st_mtime_ns for run in runs}
    for run in runs:
        record = finished(run.folder)
        assert (record["baseline"], record["seed"], record["preset"]) == (run.baseline, run.seed, "smoke")
        assert run.submission.is_file()
    with executor(2) as pool:
        assert list(run_missing(runs, pool)) == runs
    assert {run: (run.folder / "run.json").stat().st_mtime_ns for run in runs} == before
    runs[0].submission.unlink()
    assert list(run_missing(runs[:1])) == runs[:1]
    assert runs[0].submission.is_file()


@pytest.mark.slow
def test_folds_are_joined_to_one_test(runs):
    list(run_missing(runs))
    first, second = (score_folds((run,)) for run in runs[2:])
    both = join([first, second])
    np.testing.assert_array_equal(both.columns["correct"], np.tile(first.columns["correct"], 2))
    np.testing.assert_array_equal(both.groups, np.tile(first.groups, 2))
    assert both.report.expected == 2 * first.report.expected
    assert len({both.sha256, first.sha256, second.sha256}) == 3
    assert join([first]) is first


def test_a_damaged_submission_is_named(runs, tmp_path):
    from dataclasses import replace

    run = replace(runs[0], folder=tmp_path / "run")
    run.submission.write_text("x")
    with pytest.raises(HarnessError, match=r"run\.zip is damaged, remove it"):
        score_folds((run,))
