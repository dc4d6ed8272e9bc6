"""What comes onto a board: submissions, score cards, and files that cannot be read."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.store import open_dataset
from harness.evaluation.cards import write_card
from harness.evaluation.entries import by_method, check_one_truth, score_all
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.scoring import score
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING
from tests.harness.evaluation.builders import scored_maps


@pytest.fixture
def submission(maps, submission_of, noisy_maps, tmp_path):
    return submission_of(tmp_path / "a.zip", maps / "test-truth.h5", noisy_maps(0.1), "A")


def test_submissions_and_cards_together(submission, maps, tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    calls = []
    with open_dataset(maps / "test-truth.h5") as truth:
        write_card(score(submission, truth), tmp_path / "a.json")
        paths = [submission, tmp_path / "broken.zip", tmp_path / "a.json"]
        track, scored, unreadable = score_all(paths, truth, lambda *call: calls.append(call))
    assert track is MASS_MAPPING
    assert [entry.source for entry in scored] == ["submission", "card"]
    assert scored[0].values() == scored[1].values()
    assert [name for name, _ in unreadable] == ["broken.zip"]
    assert calls == [(0, 3, "a.zip"), (1, 3, "broken.zip"), (2, 3, "a.json")]


def test_without_a_truth_only_cards_can_be_read(submission, maps, tmp_path):
    with open_dataset(maps / "test-truth.h5") as truth:
        write_card(score(submission, truth), tmp_path / "a.json")
    assert [entry.team for entry in score_all([tmp_path / "a.json"], None)[1]] == ["A"]
    with pytest.raises(HarnessError, match=r"a\.zip must be a score card \(\.json\).*--truth"):
        score_all([tmp_path / "a.json", submission], None)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(HarnessError, match=r"none of the score cards can be ranked: a\.json"):
        score_all([tmp_path / "a.json"], None)


def test_a_card_of_another_truth_is_not_read(submission, maps, tmp_path):
    with open_dataset(maps / "test-truth.h5") as truth:
        card = write_card(score(submission, truth), tmp_path / "a.json")
    with open_dataset(maps / "validation.h5") as other:
        _, scored, unreadable = score_all([tmp_path / "a.json"], other)
        assert card.truth_fingerprint != other.fingerprint
    assert scored == []
    assert unreadable == [("a.json", "a.json must be scored against validation.h5, got another truth")]


def test_one_truth_file_for_all():
    check_one_truth([])
    check_one_truth([scored_maps("A"), scored_maps("B")])
    entries = [scored_maps("A"), replace(scored_maps("B"), truth_fingerprint="other")]
    with pytest.raises(HarnessError, match=r"A-m-None\.zip and B-m-None\.zip .* different truth files"):
        check_one_truth(entries)
    with pytest.raises(HarnessError, match="different truth files"):
        rank_entries(MASS_MAPPING, entries)


@pytest.mark.parametrize("change", [{"case_ids": ["x"] * 160}, {"groups": np.zeros(160, int)}])
def test_the_same_cases_and_groups_for_all(change):
    with pytest.raises(HarnessError, match="other cases"):
        check_one_truth([scored_maps("A"), replace(scored_maps("B"), **change)])


def test_seeds_of_a_method_are_one_row_and_repetitions_are_not():
    net = [scored_maps("A", "net", seed) for seed in (3, 1, 2)]
    alone = [scored_maps("A", "net2", 1), scored_maps("B", "net", 1)]
    twice = [scored_maps("C", "x", 4), scored_maps("C", "x", 4, wmape=np.zeros(160))]
    seedless = [scored_maps("D", "y"), scored_maps("D", "y", 1)]
    rows = by_method([*net, *alone, *twice, *seedless])
    assert [[entry.seed for entry in row] for row in rows] == [[1, 2, 3], [1], [1], [4], [4], [None], [1]]
