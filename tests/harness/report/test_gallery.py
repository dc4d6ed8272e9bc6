"""The gallery of a board of many entries."""

from dataclasses import replace

import pytest

from harness.data.store import open_dataset
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.scoring import score
from harness.report.page import update_leaderboard
from harness.tracks import MASS_MAPPING

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forty(tmp_path_factory, maps, submission_of, noisy_maps):
    """The truth, and forty entries with one submission of noise, which takes the most bytes."""
    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path_factory.mktemp("forty") / "a.zip", truth, noisy_maps(0.2), "us", "noise")
    with open_dataset(truth) as data:
        scored = score(path, data)
    return truth, [replace(scored, sha256=f"{number:064x}", method=f"m{number}") for number in range(40)]


def test_a_board_of_forty_is_small(forty, tmp_path):
    truth, scored = forty
    update_leaderboard(rank_entries(MASS_MAPPING, scored), tmp_path, scored, truth, pages=False)
    page = (tmp_path / "index.html").read_text()
    assert page.count('aria-label="Prediction minus truth') == 5 * 40
    assert len(page.encode()) < 1.5e6


@pytest.mark.parametrize("change", [{"part": "public"}, {"ladder": True}])
def test_nothing_is_shown_of_public_cases_and_released_scores(forty, tmp_path, change):
    truth, scored = forty
    board = replace(rank_entries(MASS_MAPPING, scored[:2]), **change)
    update_leaderboard(board, tmp_path, scored[:2], truth, pages=False)
    page = (tmp_path / "index.html").read_text()
    assert "<image" not in page
    assert not any(case_id in page for case_id in scored[0].case_ids)
