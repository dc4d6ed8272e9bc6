import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from harness.data.split import public_cases, secret_seed
from harness.data.store import open_dataset
from harness.evaluation.board import Facts
from harness.evaluation.cards import write_card
from harness.evaluation.leaderboard import make_leaderboard, rank_entries
from harness.evaluation.scoring import score_card
from harness.files import HarnessError
from harness.report.page import write_leaderboard
from harness.tracks import MASS_MAPPING
from submissions.manifest import Manifest
from tests.harness.evaluation.builders import ranked_by, scored_maps


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
    board = make_leaderboard(*board_files).board
    assert [row.file for row in board.rows] == ["best.zip", "same.zip", "middle.zip", "worst.zip"]
    assert [row.rank for row in board.rows] == [1, 2, 2, 4]
    assert [row.mean_rank for row in board.rows] == [1, 2, 2, 4]
    assert {refused.file for refused in board.not_ranked} == {"part.zip", "broken.zip"}
    assert all(refused.reason for refused in board.not_ranked)
    for row in board.rows:
        assert row.rank_low <= row.rank <= row.rank_high
        for value in row.metrics.values():
            assert value.low <= value.mean <= value.high
            assert value.rank is None or value.rank_low <= value.rank <= value.rank_high
    first, second, third, last = board.rows
    assert first.p_better_than_next > 0.99
    assert second.p_better_than_next == 0.5  # the same predictions
    assert second.metrics != third.metrics  # but for what compares them with the next
    assert {value.p_better_than_next for value in second.metrics.values()} == {0.5}
    assert last.p_better_than_next is None
    assert [row.group for row in board.rows] == [1, 2, 2, 3]
    assert board.kendall_tau == pytest.approx(1)
    assert not board.wilcoxon


def test_a_submission_ranks_the_same_in_any_order_of_files(board_files):
    paths, truth = board_files
    first, second = make_leaderboard(paths, truth).board, make_leaderboard(paths[::-1], truth).board
    assert first.rows == second.rows


def test_nothing_to_rank(board_files):
    paths, truth = board_files
    board = make_leaderboard(paths[-2:], truth).board
    assert (board.rows, board.cases, board.groups) == ((), 0, 0)
    assert len(board.not_ranked) == 2


def test_files_of_the_board(board_files, tmp_path):
    board = make_leaderboard(*board_files).board
    write_leaderboard([board], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "leaderboard.json").read_text()) == board.to_json()
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a &amp; b" in page
    assert "part.zip" in page
    write_leaderboard([board], tmp_path / "again")
    assert (tmp_path / "again" / "index.html").read_bytes() == (tmp_path / "out" / "index.html").read_bytes()


def test_chances_and_intervals_are_those_of_drawing_the_groups_themselves():
    rng = np.random.default_rng(1)
    easy = np.repeat(rng.random(40), 4)
    scored = [
        scored_maps(team, **{key: easy + rng.normal(level, 0.3, 160) for key in ("wmape", "dicee", "dpeaks")})
        for team, level in (("A", 0.0), ("B", 0.05), ("C", 0.5))
    ]
    rows = rank_entries(MASS_MAPPING, scored).rows
    keys = ("wmape", "dicee", "dpeaks")
    means = np.array([[one.columns[key].reshape(40, 4).mean(axis=1) for key in keys] for one in scored])
    drawn = means[:, :, rng.integers(40, size=(20000, 40))].mean(axis=-1)  # (systems, scores, resamples)
    wins = (drawn[0] < drawn[1]).mean(axis=-1)
    ranks = rankdata(drawn, axis=0, method="min").mean(axis=1)
    overall = (ranks[0] < ranks[1]).mean() + (ranks[0] == ranks[1]).mean() / 2
    assert [row.team for row in rows] == ["A", "B", "C"]
    assert rows[0].p_better_than_next == pytest.approx(overall, abs=0.03)
    for key, won in zip(keys, wins, strict=True):
        assert rows[0].metrics[key].p_better_than_next == pytest.approx(won, abs=0.03)
    assert [row.group for row in rows] == [1, 1, 2]
    assert [(row.rank_low, row.rank_high) for row in rows] == [(1, 2), (1, 2), (3, 3)]


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    """A is better on the public half of the clusters, B on the other."""
    folder = tmp_path_factory.mktemp("cards")
    public = public_cases(np.repeat(np.arange(40), 3), 0.5, 7)
    for team, values in (("A", np.where(public, 0.2, 0.8)), ("B", np.where(public, 0.6, 0.4))):
        write_card(ranked_by(values, team), folder / f"{team}.json")
    return [folder / "A.json", folder / "B.json"]


def test_public_and_final_boards_of_a_subset(cards):
    boards = {
        final: make_leaderboard(cards, None, public_fraction=0.5, seed=7, final=final).board
        for final in (False, True)
    }
    assert [(board.part, board.groups, board.cases) for board in boards.values()] == [
        ("public", 20, 60), ("private", 20, 60),
    ]  # fmt: skip
    assert [[row.team for row in board.rows] for board in boards.values()] == [["A", "B"], ["B", "A"]]
    assert [row.public_rank for row in boards[True].rows] == [2, 1]
    assert [row.public_rank for row in boards[False].rows] == [None, None]
    assert boards[True].rows[0].metrics["wmape"].mean == pytest.approx(0.4)
    plain = make_leaderboard(cards, None, seed=7, final=True).board
    assert (plain.part, plain.groups) == (None, 40)
    with pytest.raises(HarnessError, match="seed or a truth file"):
        make_leaderboard(cards, None, public_fraction=0.5)


def test_public_ranks_are_those_of_the_public_board(stamps, submission_of, tmp_path):
    """It rounds probabilities, so that answers which the fourth decimal decides are others there."""

    def barely(labels):
        return np.full((len(labels), 5), 0.1999) + 5e-4 * np.eye(5)[labels]

    def mostly(labels):
        return np.eye(5)[np.where(np.arange(len(labels)) % 5, labels, (labels + 1) % 5)]

    truth = stamps / "test-truth.h5"
    paths = [submission_of(tmp_path / f"{predict.__name__}.zip", truth, predict, predict.__name__)
             for predict in (barely, mostly)]  # fmt: skip
    public, private = (
        make_leaderboard(paths, truth, public_fraction=0.5, final=final).board.rows for final in (False, True)
    )
    assert [row.team for row in private] == ["barely", "mostly"]
    assert [row.team for row in public] == ["mostly", "barely"]
    assert [row.public_rank for row in private] == [2, 1]


def test_the_truth_gives_the_seed_of_a_public_subset(board_files):
    paths, truth = board_files
    found = make_leaderboard(paths[:1], truth, public_fraction=0.5)
    with open_dataset(truth) as data:
        ids, public = data.case_ids(), public_cases(data.groups(), 0.5, secret_seed(data))
    assert found.scored[0].case_ids == [case_id for case_id, shown in zip(ids, public, strict=True) if shown]


def test_shown_boards_round_probabilities_first(stamps, submission_of, tmp_path):
    """The second of 0.3996, 0.4004 is right. Rounded, they tie, and the first counts as the answer."""
    truth = stamps / "data.h5"

    def predict(labels):
        probabilities = np.full((len(labels), 5), 0.2 / 3)
        rows = np.arange(len(labels))
        probabilities[rows, (labels - 1) % 5], probabilities[rows, labels] = 0.3996, 0.4004
        return probabilities

    paths = [submission_of(tmp_path / "a.zip", truth, predict)]
    shown = [{"public_fraction": 0.5}, {"ladder": tmp_path / "l.json"}]
    whole = [{}, {"public_fraction": 0.5, "final": True}]
    means = [
        [make_leaderboard(paths, truth, **options).board.rows[0].metrics["accuracy"].mean for options in each]
        for each in (shown, whole)
    ]
    assert max(means[0]) < 0.4  # of AGN alone, which come first
    assert means[1] == [1, 1]


def test_baselines_are_named_by_method_or_file(board_files, tmp_path):
    paths, truth = board_files
    (tmp_path / "r.toml").write_text('baselines = ["much noise", "same.zip"]')
    rows = make_leaderboard(paths, truth, references=tmp_path / "r.toml").board.rows
    assert {row.file: row.baseline for row in rows} == {
        "best.zip": False, "same.zip": True, "middle.zip": False, "worst.zip": True,
    }  # fmt: skip


def test_seeds_of_one_method_are_one_row():
    seeds = [scored_maps("A", "net", seed, owner="us") for seed in (3, 1, 2)]
    others = [
        scored_maps("A", "other", 1, owner="us"),
        scored_maps("B", "net", 1, owner="us"),
        scored_maps("C", "x", owner="us"),
        scored_maps("C", "x", owner="us"),
        scored_maps("D", "y", 4, owner="us"),
    ]
    again = scored_maps("D", "y", 4, owner="us", wmape=np.zeros(160))
    board = rank_entries(MASS_MAPPING, [*seeds, *others, again])
    assert len(board.rows) == 7  # the same seed twice, or none, is no repetition
    row = next(row for row in board.rows if (row.team, row.method) == ("A", "net"))
    assert [seed.seed for seed in row.seeds] == [1, 2, 3]
    values = [one.columns["dicee"].mean() for one in seeds]
    assert row.metrics["dicee"].mean == pytest.approx(np.mean(values))
    assert row.metrics["dicee"].seed_std == pytest.approx(np.std(values, ddof=1))
    averaged = scored_maps("A", "net", **{key: np.mean([one.columns[key] for one in seeds], axis=0)
                                   for key in seeds[0].columns})  # fmt: skip
    alone = rank_entries(MASS_MAPPING, [averaged]).rows[0].metrics["dicee"]
    assert (row.metrics["dicee"].low, row.metrics["dicee"].high) == pytest.approx((alone.low, alone.high))
    assert alone.seed_std is None


def test_facts_of_a_method_are_those_of_its_manifest():
    known = {"link": "https://example.org/", "training_data": "782430db", "parameters": 588_000,
             "training_seconds": 61.5, "hardware": ["2 cores", "one GPU"]}  # fmt: skip
    manifests = {"A": Manifest("mass-mapping", "A", "m", **known), "B": Manifest("mass-mapping", "B", "m")}
    scored = [replace(scored_maps(team), manifest=manifests.get(team)) for team in "ABC"]
    facts = {row.team: row.facts for row in rank_entries(MASS_MAPPING, scored).rows}
    assert facts == {"A": Facts(**known | {"hardware": ("2 cores", "one GPU")}), "B": None, "C": None}


def test_two_recipes_may_disagree():
    ones = np.ones(160)
    scored = [
        scored_maps("steady", wmape=0.1 * ones, dicee=0.2 * ones, dpeaks=20 * ones),
        scored_maps("wins two", wmape=0.09 * ones, dicee=0.19 * ones, dpeaks=90 * ones),
        scored_maps("last", wmape=0.2 * ones, dicee=0.3 * ones, dpeaks=95 * ones),
    ]
    board = rank_entries(MASS_MAPPING, scored)
    assert [row.team for row in board.rows] == ["wins two", "steady", "last"]
    assert [row.rank_of_means for row in board.rows] == [2, 1, 3]
    assert board.kendall_tau == pytest.approx(1 / 3)


def test_wilcoxon_is_scipys_on_groups_with_holms_correction():
    groups = np.repeat(np.arange(40), np.tile([1, 2, 3, 10], 10))  # of so many cases each
    scored = [replace(scored_maps(team, seed=seed, owner="us"), groups=groups)
              for team, seed in zip("ABCDD", (1, 1, 1, 1, 2), strict=True)]  # fmt: skip
    board = rank_entries(MASS_MAPPING, scored, wilcoxon=True)
    by_case = {(one.team, key): values for one in scored for key, values in one.columns.items()}
    for key in scored[-1].columns:  # the mean of both seeds
        by_case["D", key] = (scored[-2].columns[key] + scored[-1].columns[key]) / 2
    ranked, raw = ("wmape", "dicee", "dpeaks"), []
    for row, below in itertools.pairwise(board.rows):
        for key in ranked:
            one, other = (
                [by_case[each.team, key][groups == group].mean() for group in range(40)]
                for each in (row, below)
            )
            raw.append(wilcoxon(one, other).pvalue)
    order, corrected, most = np.argsort(raw), np.empty(len(raw)), 0.0
    for place, index in enumerate(order):
        most = corrected[index] = max(most, min(1, raw[index] * (len(raw) - place)))
    found = [row.metrics[key].wilcoxon for row in board.rows[:-1] for key in ranked]
    np.testing.assert_allclose(found, corrected)
    assert all(value.wilcoxon is None for value in board.rows[-1].metrics.values())
    assert rank_entries(MASS_MAPPING, scored).rows[0].metrics["dicee"].wilcoxon is None


def test_bounds_of_few_groups_are_possible_scores():
    """Of four groups with 0, 0, 0 and 1 the interval about 0.25 would begin below 0."""
    entry = ranked_by([0.0, 0, 0, 1], per_group=1)
    cells = rank_entries(MASS_MAPPING, [entry]).rows[0].metrics["dicee"], score_card(entry).metrics["dicee"]
    for cell in cells:
        assert (cell.mean, cell.low) == (0.25, 0)
        assert cell.high > 0.75


def test_few_groups_leave_the_rest_unknown():
    board = rank_entries(MASS_MAPPING, [scored_maps("A", groups=3), scored_maps("B", groups=3)])
    for row in board.rows:
        assert row.rank_low is row.group is row.p_better_than_next is None
        value = row.metrics["dicee"]
        assert value.low < value.mean < value.high
        assert value.rank_low is value.p_better_than_next is None
    board = rank_entries(MASS_MAPPING, [scored_maps("A", groups=2)])
    assert board.rows[0].metrics["dicee"].low is None
    json.dumps(board.to_json(), allow_nan=False)
