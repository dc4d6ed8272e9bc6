import json

import numpy as np
import pytest
from scipy.stats import rankdata

from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.ranking import board_of, leaderboard, rank_by_score, shared_ranks, write_board
from harness.scoring import score
from harness.tracks import MASS_MAPPING, STAMPS


@pytest.fixture(scope="module")
def board_files(tmp_path_factory, maps, submission_of, noisy_maps):
    """Three that clearly differ, one that equals the second, one incomplete, one that is no zip."""
    folder, truth = tmp_path_factory.mktemp("board"), maps / "test-truth.h5"
    paths = [
        submission_of(folder / "worst.zip", truth, noisy_maps(0.3), "C", "much noise"),
        submission_of(folder / "middle.zip", truth, noisy_maps(0.05), "B", "noise"),
        submission_of(folder / "best.zip", truth, noisy_maps(0.003), "<script>alert(1)</script>", "a & b"),
        submission_of(folder / "same.zip", truth, noisy_maps(0.05), "A", "noise"),
        submission_of(folder / "part.zip", truth, noisy_maps(0.0), "Half", "some", slice(2)),
        folder / "broken.zip",
    ]
    paths[-1].write_bytes(b"no zip")
    return paths, truth


def test_order_ties_and_not_ranked(board_files):
    board = board_of(*board_files)
    assert [row["file"] for row in board["rows"]] == ["best.zip", "same.zip", "middle.zip", "worst.zip"]
    assert [row["rank"] for row in board["rows"]] == [1, 2, 2, 4]
    assert [row["mean_rank"] for row in board["rows"]] == [1, 2, 2, 4]
    assert {one["file"] for one in board["not_ranked"]} == {"part.zip", "broken.zip"}
    assert all(one["reason"] for one in board["not_ranked"])
    for row in board["rows"]:
        assert row["rank_low"] <= row["rank"] <= row["rank_high"]
        for value in row["metrics"].values():
            assert value["low"] <= value["mean"] <= value["high"]


def test_a_submission_ranks_the_same_in_any_order_of_files(board_files):
    paths, truth = board_files
    first, second = board_of(paths, truth), board_of(paths[::-1], truth)
    assert first["rows"] == second["rows"]


def test_nothing_to_rank(board_files):
    paths, truth = board_files
    board = board_of(paths[-2:], truth)
    assert board["rows"] == []
    assert len(board["not_ranked"]) == 2


def test_ranks_follow_the_direction_of_each_score():
    values = np.zeros((3, len(STAMPS.scores)))
    values[:, 0] = [0.9, 0.8, 0.9]
    values[:, 1] = [0.1, 0.2, 0.3]
    assert rank_by_score(STAMPS, values).tolist() == [[1, 3, 1], [3, 2, 1], [1, 1, 1]]
    values = np.zeros((2, len(MASS_MAPPING.scores)))
    values[:, 1] = [0.1, 0.2]
    assert rank_by_score(MASS_MAPPING, values).tolist() == [[1, 1, 1], [1, 2, 1]]


def test_shared_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 5, (50, 8)).astype(float)
    np.testing.assert_array_equal(shared_ranks(values), rankdata(values, method="min", axis=-1))


def test_files_of_the_board(board_files, tmp_path):
    board = board_of(*board_files)
    write_board([board], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "leaderboard.json").read_text()) == board
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a &amp; b" in page
    assert "part.zip" in page
    assert "http" not in page  # nothing from anywhere else
    write_board([board], tmp_path / "again")
    assert (tmp_path / "again" / "index.html").read_bytes() == (tmp_path / "out" / "index.html").read_bytes()


def test_one_board_needs_one_truth(maps, board_files):
    with open_dataset(maps / "test-truth.h5") as data:
        first = score(board_files[0][0], data)
    with open_dataset(maps / "validation.h5") as data:
        second = score(board_files[0][0], data)
    with pytest.raises(HarnessError, match="different truth"):
        leaderboard(MASS_MAPPING, [first, second])
