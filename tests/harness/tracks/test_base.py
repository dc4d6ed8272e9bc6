import pickle
from dataclasses import replace

import numpy as np

import metrics
from harness.evaluation.bootstrap import group_sums
from harness.tracks import MASS_MAPPING, STAMPS, Score, Track

TARGETS, PREDICTIONS = np.random.default_rng(0).normal(size=(2, 6, 16, 16))


def test_a_track_needs_scores_by_case_alone():
    scores = (
        Score("mae", "MAE", "", by_case=metrics.mae),
        Score("worst", "worst", "", by_case=metrics.wmape),
    )
    track = Track("t", "T", MASS_MAPPING.inputs, MASS_MAPPING.truth, scores, MASS_MAPPING.format)
    columns = track.by_case(TARGETS, PREDICTIONS)
    assert list(columns) == ["mae", "worst"]
    np.testing.assert_array_equal(columns["mae"], metrics.mae(TARGETS, PREDICTIONS))
    found = group_sums(track, columns, np.arange(6) // 2).total_scores(track)
    assert found["worst"] == metrics.wmape(TARGETS, PREDICTIONS).sum() / 6


def test_a_further_score_of_maps_is_one_more_entry():
    """The order of the scores, and of the columns, is of no importance."""
    further = Score("further", "further", "", by_case=metrics.mae)
    track = replace(MASS_MAPPING, scores=(further, *MASS_MAPPING.scores[::-1]))
    columns, groups = track.by_case(TARGETS, PREDICTIONS), np.arange(6)
    found = group_sums(track, columns, groups).total_scores(track)
    known = group_sums(MASS_MAPPING, MASS_MAPPING.by_case(TARGETS, PREDICTIONS), groups)
    assert {key: found[key] for key in found if key != "further"} == known.total_scores(MASS_MAPPING)
    np.testing.assert_allclose(found["further"], metrics.mae(TARGETS, PREDICTIONS).mean())


def test_the_columns_are_computed_in_other_processes():
    for track in (MASS_MAPPING, STAMPS):
        assert pickle.loads(pickle.dumps(track.by_case)).func is track.by_case.func  # noqa: S301
