"""Comparing two submissions: the numbers against SciPy and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.data.store import open_dataset
from harness.evaluation.cards import write_card
from harness.evaluation.comparison import _most_different_cases, compare
from harness.evaluation.scoring import score
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS
from tests.harness.evaluation.builders import scored_maps

COLUMNS = [score.key for score in MASS_MAPPING.scores]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, maps, submission_of, noisy_maps):
    folder, truth = tmp_path_factory.mktemp("pair"), maps / "data.h5"  # 60 clusters
    paths = [submission_of(folder / f"{name}.zip", truth, noisy_maps(sigma, seed), name)
             for name, sigma, seed in (("a", 0.019, 1), ("b", 0.02, 2))]  # fmt: skip
    return *paths, truth


def test_differences_are_those_of_the_scores_by_case(pair):
    first, second, truth = pair
    with open_dataset(truth) as data:
        one, other = score(first, data), score(second, data)
    found, _ = compare(first, second, truth)
    assert (found.a.team, found.b.team) == ("a", "b")
    for each in found.scores:
        key = each.key
        difference = one.columns[key] - other.columns[key]
        assert each.difference == pytest.approx(difference.mean(), abs=1e-12)
        assert each.difference == each.a - each.b
        assert each.low <= each.difference <= each.high
        _, groups = np.unique(one.groups, return_inverse=True)
        sums = np.bincount(groups, difference)
        peer = stats.bootstrap(
            (sums, np.bincount(groups)), lambda total, cases, axis: total.sum(axis) / cases.sum(axis),
            paired=True, method="percentile", n_resamples=20000, rng=np.random.default_rng(0),
        )  # fmt: skip
        bounds, width = peer.confidence_interval, np.ptp(peer.confidence_interval)
        assert (each.low, each.high) == pytest.approx((bounds.low, bounds.high), abs=0.1 * width)
        better = (peer.bootstrap_distribution < 0).mean()
        expected = better if each.lower_is_better else 1 - better
        assert each.p_a_better == pytest.approx(expected, abs=0.03)


def test_the_other_way_round(pair):
    first, second, truth = pair
    (there, _), (back, _) = compare(first, second, truth), compare(second, first, truth)
    for one, other in zip(there.scores, back.scores, strict=True):
        assert one.difference == -other.difference
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
        assert one.p_a_better == pytest.approx(1 - other.p_a_better)


def test_the_cases_where_they_differ_most(pair):
    first, second, truth = pair
    with open_dataset(truth) as data:
        one, other = score(first, data), score(second, data)
    cases = [case for case in compare(first, second, truth)[0].cases if case.score == "dpeaks"]
    difference = np.abs(one.columns["dpeaks"] - other.columns["dpeaks"])
    assert [abs(case.difference) for case in cases] == sorted(difference, reverse=True)[:3]
    for case in cases:
        row = one.case_ids.index(case.case_id)
        assert (case.a, case.b) == (one.columns["dpeaks"][row], other.columns["dpeaks"][row])
        assert case.group == one.groups[row]
    assert compare(first, first, truth)[0].cases == ()
    assert {score.p_a_better for score in compare(first, first, truth)[0].scores} == {0.5}


def test_cards_need_no_truth(pair, tmp_path):
    first, second, truth = pair
    with open_dataset(truth) as data:
        for path in (first, second):
            write_card(score(path, data), tmp_path / f"{path.stem}.json")
    found, _ = compare(tmp_path / "a.json", tmp_path / "b.json", None)
    assert found.scores == compare(first, second, truth)[0].scores
    assert compare(tmp_path / "a.json", second, truth)[0].cases == found.cases


@pytest.mark.parametrize(("groups", "known"), [(5, False), (6, True)])
def test_chances_need_six_groups(tmp_path, groups, known):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        write_card(scored_maps(path.stem, groups=groups), path)
    found, _ = compare(*paths, None)
    assert all((score.p_a_better is None) != known for score in found.scores)
    assert all(score.low < score.difference < score.high for score in found.scores)


def test_bounds_of_differences_are_possible_ones(tmp_path):
    """Of four groups three differ by 2, the most that correlations can, and the fourth by -2."""
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, sign in zip(paths, (1.0, -1.0), strict=True):
        columns = dict.fromkeys(COLUMNS, sign * np.array([1, 1, 1, -1]))
        write_card(scored_maps(path.stem, per_group=1, **columns), path)
    found, _ = compare(*paths, None)
    (correlation,) = (score for score in found.scores if score.key == "correlation")
    assert (correlation.difference, correlation.high) == (1, 2)
    assert -2 <= correlation.low < 0


def test_cases_that_differ_alike_come_by_their_other_scores(tmp_path):
    """DICEE differs by 1 in all but the last; WMAPE and MAE, of other sizes, tell which come first."""
    columns = {key: np.zeros(6) for key in COLUMNS}
    changes = {"dicee": [1, -1, 1, 1, -1, 0], "wmape": [0, 0, -300, 0, 100, 0]}
    changes["mae"] = [0, 0.3, 0, 0, 0.3, 0]
    for name, sign in (("a", 1), ("b", 0)):
        changed = {key: sign * np.array(values, float) for key, values in changes.items()}
        write_card(scored_maps(name, per_group=1, **columns | changed), tmp_path / f"{name}.json")
    found, _ = compare(tmp_path / "a.json", tmp_path / "b.json", None)
    cases = [(case.score, case.case_id, case.difference) for case in found.cases]
    assert cases == [
        ("wmape", "case2", -300), ("wmape", "case4", 100),
        ("dicee", "case4", -1), ("dicee", "case2", 1), ("dicee", "case1", -1),
    ]  # fmt: skip


def test_equal_answers_differ_in_no_case(stamps, submission_of, tmp_path):
    """Both methods are right everywhere, with different probabilities."""
    truth = stamps / "test-truth.h5"
    first, second = (
        submission_of(
            tmp_path / f"{name}.zip", truth, lambda labels, p=p: p * np.eye(5)[labels] + 0.2 - p / 5
        )
        for name, p in (("a", 0.9), ("b", 0.5))
    )
    assert compare(first, second, truth)[0].cases == ()


def test_a_track_without_scores_by_case_has_no_cases_that_differ(stamps, submission_of, tmp_path):
    truth, summaries = stamps / "test-truth.h5", tuple(each for each in STAMPS.scores if not each.column)
    path = submission_of(tmp_path / "a.zip", truth, lambda labels: np.full((len(labels), 5), 0.2))
    with open_dataset(truth) as data:
        scored = replace(score(path, data), track=replace(STAMPS, scores=summaries))
    assert _most_different_cases(scored, scored, 3) == []


def test_what_cannot_be_compared(pair, maps, submission_of, noisy_maps, tmp_path):
    first, _, truth = pair
    part = submission_of(tmp_path / "part.zip", truth, noisy_maps(0.1), "part", cases=slice(3))
    with pytest.raises(HarnessError, match=r"part\.zip cannot be compared: .*missing-case"):
        compare(first, part, truth)
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(HarnessError, match=r"bad\.zip cannot be compared"):
        compare(tmp_path / "bad.zip", first, truth)
    small = submission_of(tmp_path / "small.zip", maps / "test-truth.h5", noisy_maps(0.1))
    for path, place in ((first, truth), (small, maps / "test-truth.h5")):
        with open_dataset(place) as data:
            write_card(score(path, data), tmp_path / f"{path.stem}.json")
    with pytest.raises(HarnessError, match="different truth"):
        compare(tmp_path / "a.json", tmp_path / "small.json", None)


def test_answers_of_the_cases_that_differ(stamps, submission_of, tmp_path):
    truth = stamps / "test-truth.h5"

    def wrong(labels):
        predicted = labels.astype(int)
        predicted[0] = (predicted[0] + 1) % 5
        return np.eye(5)[predicted] * 0.9 + 0.02

    def right(labels):
        return np.eye(5)[labels] * 0.9 + 0.02

    paths = [submission_of(tmp_path / f"{each.__name__}.zip", truth, each) for each in (wrong, right)]
    (case,) = compare(*paths, truth)[0].cases
    with open_dataset(truth) as data:
        label = int(data.truth[0])
        assert (case.score, case.case_id) == ("accuracy", data.case_ids()[0])
    classes = data.track.classes
    assert (case.label, case.a_answer, case.b_answer) == (
        classes[label],
        classes[(label + 1) % 5],
        case.label,
    )
