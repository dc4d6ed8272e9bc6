"""Public parts, and the Ladder: against the paper's own formula, and against an attack."""

import json

import numpy as np
import pytest

from harness.evaluation.ladder import standard_error_of_difference, subset_of
from harness.evaluation.leaderboard import rank_entries
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING
from tests.harness.evaluation.builders import RANKED, ranked_by


def climb(entries, state, unreadable=(), part=None):
    return rank_entries(MASS_MAPPING, entries, unreadable, part=part, ladder=state)


def released(board, team="A", key="wmape"):
    return next(row for row in board.rows if row.team == team).metrics[key].mean


def test_a_subset_holds_whole_groups_and_the_other_the_rest():
    entry = ranked_by(np.random.default_rng(0).random(300))
    public, private = (subset_of(entry, 0.3, 12345, final) for final in (False, True))
    assert len(np.unique(public.groups)) == 30
    assert not set(public.groups) & set(private.groups)
    assert sorted(public.case_ids + private.case_ids) == sorted(entry.case_ids)
    index = [entry.case_ids.index(case) for case in public.case_ids]
    np.testing.assert_array_equal(public.columns["wmape"], entry.columns["wmape"][index])
    assert subset_of(ranked_by(np.ones(300)), 0.3, 12345, False).case_ids == public.case_ids
    assert subset_of(entry, 0.3, 12346, False).case_ids != public.case_ids
    assert len(np.unique(subset_of(entry, 1e-9, 1, False).groups)) == 1
    assert len(np.unique(subset_of(entry, 0.9999, 1, True).groups)) == 1
    with pytest.raises(HarnessError, match="two groups"):
        subset_of(ranked_by(np.ones(3)), 0.5, 1, False)


def test_the_standard_error_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 200))
    expected = (first - second).std(ddof=1) / np.sqrt(200)
    sums = [ranked_by(values, per_group=1).sums() for values in (first, second)]
    assert standard_error_of_difference(MASS_MAPPING, *sums)["wmape"] == pytest.approx(expected, rel=0.05)


def test_a_score_is_released_only_when_it_is_better_by_more_than_the_noise(tmp_path):
    rng, state = np.random.default_rng(1), tmp_path / "state.json"
    base, noise = rng.random(300), rng.normal(0, 0.1, 300)
    noise -= noise.mean()
    error = noise.reshape(100, 3).mean(axis=1).std(ddof=1) / 10
    first = ranked_by(base)
    assert released(climb([first], state)) == round(base.mean(), 4)
    for gain, moves in ((0.0, False), (0.7, False), (-2.0, False), (1.4, True)):
        board = climb([ranked_by(base + noise - gain * error)], state)
        assert released(board) == round(base.mean() - (gain * error if moves else 0), 4)
    assert released(climb([first], state)) < round(base.mean(), 4)
    kept = json.loads(state.read_text())
    assert len(kept["sums"]) == 1  # what was beaten is forgotten


def test_each_team_and_each_score_has_its_own_ladder(tmp_path):
    state, ones = tmp_path / "state.json", np.ones(60)
    climb([ranked_by(0.5 * ones), ranked_by(0.7 * ones, "B")], state, part="public")
    second = ranked_by(0.4 * ones)
    second.columns["dicee"] = 0.9 * ones
    board = climb([second], state, [("bad.zip", "no zip")], "public")
    assert (released(board), released(board, key="dicee"), released(board, "B")) == (0.4, 0.5, 0.7)
    assert (board.ladder, board.part) == (True, "public")
    assert [score.key for score in board.scores] == list(RANKED)
    assert [row.rank for row in board.rows] == [1, 2]
    assert board.not_ranked[0].file == "bad.zip"
    assert "case" not in json.dumps(board.to_json()["rows"]).replace('"cases"', "")


def test_the_attack_of_the_paper_gains_little(tmp_path):
    """Guesses that helped by chance are combined: a plain board shows a gain that is not there."""
    rng, state = np.random.default_rng(2), tmp_path / "state.json"
    truth = rng.integers(0, 2, 120)

    def errors(guess):
        return (guess != truth).astype(float)

    start = ranked_by(errors(rng.integers(0, 2, 120)), per_group=1)
    best = released(climb([start], state))
    helped = []
    for _ in range(30):
        guess = rng.integers(0, 2, 120)
        board = climb([ranked_by(errors(guess), per_group=1)], state)
        if errors(guess).mean() < 0.5:  # what a plain board would have told
            helped.append(guess)
    assert released(board) > best - 0.15
    combined = np.mean(helped, axis=0) > 0.5
    assert errors(combined).mean() < 0.4  # the gain that a plain board would have shown


def test_a_state_of_other_cases_or_a_damaged_one(tmp_path):
    state, entry = tmp_path / "state.json", ranked_by(np.random.default_rng(0).random(60))
    climb([entry], state)
    before = state.read_bytes()
    with pytest.raises(HarnessError, match="public subset"):
        climb([subset_of(entry, 0.5, 1, False)], state, part="public")
    with pytest.raises(HarnessError, match="groups of cases"):
        climb([ranked_by(np.ones(9))], tmp_path / "few.json")
    assert state.read_bytes() == before
    kept = json.loads(before)
    state.write_text(json.dumps(kept | {"sums": dict.fromkeys(kept["sums"], "AAAA")}))
    with pytest.raises(HarnessError, match="damaged"):
        climb([entry], state)
    for damage in ({"sums": {}}, {"teams": []}, {"teams": {"A": {"best": []}}}):
        state.write_text(json.dumps(kept | damage))
        with pytest.raises(HarnessError, match="damaged"):
            climb([entry], state)
    with pytest.raises(HarnessError, match="must begin with"):
        climb([], tmp_path / "new.json")
    state.write_bytes(before)
    assert released(climb([], state)) == round(entry.columns["wmape"].mean(), 4)
