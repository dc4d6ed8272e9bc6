"""Public parts, and the Ladder: against the paper's own formula, and against an attack."""

import json
import subprocess
import sys

import numpy as np
import pytest

from harness.evaluation.ladder import standard_error_of_difference, subset_of
from harness.evaluation.leaderboard import rank_entries
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS
from tests.harness.evaluation.builders import RANKED, ranked_by, scored_stamps


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


@pytest.mark.parametrize("groups", [6, 200])
def test_the_standard_error_is_that_of_the_paper(groups):
    rng = np.random.default_rng(0)
    first, second = rng.random((2, groups))
    expected = (first - second).std(ddof=1) / np.sqrt(groups)
    sums = [ranked_by(values, per_group=1).sums() for values in (first, second)]
    assert standard_error_of_difference(MASS_MAPPING, *sums)["wmape"] == pytest.approx(expected, rel=0.05)


def kept_score(state):
    """What the ladder keeps of A's best WMAPE, with all its digits."""
    return json.loads(state.read_text())["teams"]["A"]["best"]["wmape"]["score"]


def test_a_score_is_released_only_when_it_is_better_by_more_than_the_noise(tmp_path):
    rng, state = np.random.default_rng(1), tmp_path / "new" / "deep" / "state.json"
    base, noise = rng.random(300), rng.normal(0, 0.1, 300)
    noise -= noise.mean()
    error = noise.reshape(100, 3).mean(axis=1).std(ddof=1) / 10
    first = ranked_by(base)
    assert released(climb([first], state)) == pytest.approx(0.5)  # in steps of 0.5 over the root of 100
    for gain, moves in ((0.0, False), (0.7, False), (-2.0, False), (1.4, True)):
        climb([ranked_by(base + noise - gain * error)], state)
        assert kept_score(state) == pytest.approx(base.mean() - (gain * error if moves else 0))
    climb([first], state)
    assert kept_score(state) < base.mean()
    kept = json.loads(state.read_text())
    assert len(kept["sums"]) == 1  # what was beaten is forgotten


def test_what_is_not_better_leaves_the_row_as_it_was(tmp_path):
    state, ones = tmp_path / "kept/by us/state.json", np.ones(60)
    climb([ranked_by(0.5 * ones)], state)
    for factor, method in ((0.5, "m"), (0.6, "m"), (0.4, "better")):  # the error of constant gains is 0
        board = climb([ranked_by(factor * ones, method="better")], state)
        assert board.rows[0].method == method


def test_higher_is_better_where_a_score_says_so(tmp_path):
    """Of 100 alerts 60, 30 and 90 are right, of all classes alike; in steps of 0.05."""
    labels = np.repeat(range(5), 20)
    for right, best in ((6, 0.6), (3, 0.6), (9, 0.9)):
        entry = scored_stamps(labels, np.where(np.arange(100) % 10 < right, labels, (labels + 1) % 5))
        board = rank_entries(STAMPS, [entry], ladder=tmp_path / "state.json")
        assert board.rows[0].metrics["accuracy"].mean == pytest.approx(best)


@pytest.mark.parametrize("groups", [5, 6])
def test_a_ladder_needs_six_groups(tmp_path, groups):
    entry = ranked_by(np.ones(groups), per_group=1)
    if groups < 6:
        with pytest.raises(HarnessError, match="6 groups of cases or more, got 5"):
            climb([entry], tmp_path / "state.json")
    else:
        assert climb([entry], tmp_path / "state.json").rows[0].groups == 6


def test_each_team_and_each_score_has_its_own_ladder(tmp_path):
    state, ones = tmp_path / "state.json", np.ones(60)
    climb([ranked_by(0.5 * ones), ranked_by(0.7 * ones, "B")], state, part="public")
    second = ranked_by(0.4 * ones)
    second.columns["dicee"] = 0.9 * ones
    board = climb([second], state, [("bad.zip", "no zip")], "public")
    assert (released(board), released(board, key="dicee"), released(board, "B")) == (
        0.4,
        0.5,
        0.8,
    )  # in steps of 0.2 and 0.05
    assert (board.ladder, board.part) == (True, "public")
    assert [score.key for score in board.scores] == list(RANKED)
    assert [row.rank for row in board.rows] == [1, 2]
    assert board.not_ranked[0].file == "bad.zip"
    assert "case" not in json.dumps(board.to_json()["rows"]).replace('"cases"', "")


@pytest.mark.slow
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
    team = kept["teams"]["A"]
    damaged = [{key: value for key, value in team.items() if key != name} for name in ("method", "file")]
    damaged += [team | {"best": {}}, team | {"best": team["best"] | {"wmape": {"sums": "a"}}}]
    damaged += [team | {"best": team["best"] | {"wmape": team["best"]["wmape"] | {"score": "0.1"}}}]
    damages = [{"teams": {"A": each}} for each in damaged]
    for damage in ({"sums": {}}, {"teams": []}, {"teams": {"A": {"best": []}}}, *damages):
        state.write_text(json.dumps(kept | damage))
        with pytest.raises(HarnessError, match="damaged"):
            climb([entry], state)
    for name in ("groups", "cases", "truth_fingerprint"):
        state.write_text(json.dumps({key: value for key, value in kept.items() if key != name}))
        with pytest.raises(HarnessError, match="damaged"):
            climb([], state)
    with pytest.raises(HarnessError, match="must begin with"):
        climb([], tmp_path / "new.json")
    state.write_text(json.dumps(kept | {"teams": {}, "sums": {}}))
    assert climb([], state).rows == ()
    state.write_bytes(before)
    assert released(climb([], state)) == pytest.approx(0.6)
    del kept["teams"]["A"]["best"]["wmape"]["step"]  # as 0.1.0 kept it
    state.write_text(json.dumps(kept))
    assert released(climb([], state)) == round(entry.columns["wmape"].mean(), 4)


def test_look_alike_names_have_one_ladder(tmp_path):
    """Each name more would be a release more of the exact score."""
    state, rng = tmp_path / "state.json", np.random.default_rng(0)
    scores = rng.random(300)
    first = released(climb([ranked_by(scores, "Alice")], state), "Alice")
    names = [
        "alice",
        "\u0410lice",
        "Alice\ufe00",
        "Al\u0301ice",
        "A1ice",
        "Ali\u3164ce",
        "Alice\u2800",
        "A-lice",
    ]
    for name in names:
        board = climb([ranked_by(scores + 1e-3 * rng.random(300), name)], state)
        assert [(row.team, row.metrics["wmape"].mean) for row in board.rows] == [("Alice", first)]
    assert len(climb([ranked_by(scores, "Bob")], state).rows) == 2


def test_folders_of_the_organiser_say_whose_ladder_it_is(tmp_path):
    """What the manifests call the teams does not count: neither a rival's name, nor many names."""
    state, scores = tmp_path / "state.json", np.random.default_rng(0).random(300)
    climb([ranked_by(scores, "Alice", owner="alice"), ranked_by(2 * scores, "Bob", owner="bob")], state)
    for name in ("Alice", "Bob2", "Bob3"):
        board = climb([ranked_by(1.5 * scores, name, owner="bob")], state)
        assert [row.team for row in board.rows] == ["alice", "bob"]
    assert (released(board, "alice"), released(board, "bob")) == (0.55, 0.8)  # 0.5403 and 0.8104
    before = state.read_bytes()
    with pytest.raises(HarnessError, match="as folders do; name a new file"):
        climb([ranked_by(scores, "alice")], state)
    with pytest.raises(HarnessError, match="got both"):
        climb([ranked_by(scores, "alice"), ranked_by(scores, owner="bob")], state)
    assert state.read_bytes() == before
    assert len(climb([], state).rows) == 2


def test_a_state_of_version_0_1_0_is_of_teams_as_manifests_name_them(tmp_path):
    state, scores = tmp_path / "state.json", np.random.default_rng(0).random(300)
    climb([ranked_by(scores)], state)
    kept = json.loads(state.read_text())
    del kept["teams_are"]
    state.write_text(json.dumps(kept))
    assert len(climb([ranked_by(scores, "B")], state).rows) == 2


CLIMB = """
import sys
from pathlib import Path
import numpy as np
from harness.evaluation.ladder import release_scores
from harness.tracks import MASS_MAPPING
from tests.harness.evaluation.builders import ranked_by
entry = ranked_by(np.random.default_rng(int(sys.argv[1])).random(60), f"Team {sys.argv[1]}")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(4):
    release_scores(MASS_MAPPING, [entry], Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_processes_that_release_at_once_lose_nothing(tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "state.json")
    files = [tmp_path / ("link.json" if number % 2 else "state.json") for number in range(4)]
    climbers = [
        subprocess.Popen([sys.executable, "-c", CLIMB, str(number), str(file)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number, file in enumerate(files)
    ]  # fmt: skip
    for climber in climbers:
        assert climber.stdout.readline() == "ready\n"
    for climber in climbers:
        climber.stdin.write("go\n")
        climber.stdin.flush()
    for climber in climbers:
        climber.communicate()
        assert climber.returncode == 0
    assert set(json.loads(files[0].read_text())["teams"]) == {f"Team {number}" for number in range(4)}
    assert (tmp_path / "link.json").is_symlink()
