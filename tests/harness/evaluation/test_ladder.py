"""Public parts, and the Ladder: against the paper's own formula, and against an attack."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from harness.evaluation.ladder import climb, part_of, step
from harness.evaluation.scoring import Scored
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING
from submissions import ValidationReport

KEYS = ("wmape", "dicee", "dpeaks")


def made(name, values, team="A", per_group=3):
    """A submission whose ranked scores by case are these values."""
    cases = len(values)
    columns = {one.key: np.ones(cases) for one in MASS_MAPPING.scores} | dict.fromkeys(KEYS, values)
    return Scored(
        Path(f"{name}.zip"), MASS_MAPPING, team, "m", f"{zlib.crc32(name.encode()):064x}",
        ValidationReport("mass-mapping", cases), columns, [f"case{index}" for index in range(cases)],
        np.arange(cases) // per_group, "truth",
    )  # fmt: skip


def released(board, team="A", key="wmape"):
    return next(row for row in board["rows"] if row["team"] == team)["metrics"][key]["mean"]


def test_a_part_holds_whole_groups_and_the_other_the_rest():
    one = made("a", np.random.default_rng(0).random(300))
    public, private = (part_of(one, 0.3, 12345, final) for final in (False, True))
    assert len(np.unique(public.groups)) == 30
    assert not set(public.groups) & set(private.groups)
    assert sorted(public.case_ids + private.case_ids) == sorted(one.case_ids)
    index = [one.case_ids.index(case) for case in public.case_ids]
    np.testing.assert_array_equal(public.columns["wmape"], one.columns["wmape"][index])
    assert part_of(made("b", np.ones(300)), 0.3, 12345, False).case_ids == public.case_ids
    assert part_of(one, 0.3, 12346, False).case_ids != public.case_ids
    assert len(np.unique(part_of(one, 1e-9, 1, False).groups)) == 1
    assert len(np.unique(part_of(one, 0.9999, 1, True).groups)) == 1
    with pytest.raises(HarnessError, match="two groups"):
        part_of(made("c", np.ones(3)), 0.5, 1, False)


def test_the_step_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 200))
    expected = (first - second).std(ddof=1) / np.sqrt(200)
    found = step(MASS_MAPPING, made("a", first, per_group=1).sums(), made("b", second, per_group=1).sums())[0]
    assert found == pytest.approx(expected, rel=0.05)


def test_a_score_is_released_only_when_it_is_better_by_more_than_the_noise(tmp_path):
    rng, state = np.random.default_rng(1), tmp_path / "state.json"
    base, noise = rng.random(300), rng.normal(0, 0.1, 300)
    noise -= noise.mean()
    error = noise.reshape(100, 3).mean(axis=1).std(ddof=1) / 10
    first = made("first", base)
    assert released(climb(MASS_MAPPING, [first], [], state, None)) == round(base.mean(), 4)
    for gain, moves in ((0.0, False), (0.7, False), (-2.0, False), (1.4, True)):
        board = climb(MASS_MAPPING, [made(f"gain {gain}", base + noise - gain * error)], [], state, None)
        assert released(board) == round(base.mean() - (gain * error if moves else 0), 4)
    assert released(climb(MASS_MAPPING, [first], [], state, None)) < round(base.mean(), 4)
    kept = json.loads(state.read_text())
    assert len(kept["sums"]) == 1  # what was beaten is forgotten


def test_each_team_and_each_score_has_its_own_ladder(tmp_path):
    state, ones = tmp_path / "state.json", np.ones(60)
    climb(MASS_MAPPING, [made("a", 0.5 * ones), made("b", 0.7 * ones, "B")], [], state, "public")
    second = made("a2", 0.4 * ones)
    second.columns["dicee"] = 0.9 * ones
    board = climb(MASS_MAPPING, [second], [("bad.zip", "no zip")], state, "public")
    assert (released(board), released(board, key="dicee"), released(board, "B")) == (0.4, 0.5, 0.7)
    assert (board["ladder"], board["part"]) == (True, "public")
    assert [one["key"] for one in board["scores"]] == list(KEYS)
    assert [row["rank"] for row in board["rows"]] == [1, 2]
    assert board["not_ranked"][0]["file"] == "bad.zip"
    assert "case" not in json.dumps(board["rows"]).replace('"cases"', "")


def test_the_attack_of_the_paper_gains_little(tmp_path):
    """Guesses that helped by chance are combined: a plain board shows a gain that is not there."""
    rng, state = np.random.default_rng(2), tmp_path / "state.json"
    truth = rng.integers(0, 2, 120)

    def errors(guess):
        return (guess != truth).astype(float)

    start = made("start", errors(rng.integers(0, 2, 120)), per_group=1)
    best = released(climb(MASS_MAPPING, [start], [], state, None))
    helped = []
    for number in range(30):
        guess = rng.integers(0, 2, 120)
        board = climb(MASS_MAPPING, [made(f"{number}", errors(guess), per_group=1)], [], state, None)
        if errors(guess).mean() < 0.5:  # what a plain board would have told
            helped.append(guess)
    assert released(board) > best - 0.15
    combined = np.mean(helped, axis=0) > 0.5
    assert errors(combined).mean() < 0.4  # the gain that a plain board would have shown


def test_a_state_of_other_cases_or_a_damaged_one(tmp_path):
    state, one = tmp_path / "state.json", made("a", np.random.default_rng(0).random(60))
    climb(MASS_MAPPING, [one], [], state, None)
    before = state.read_bytes()
    with pytest.raises(HarnessError, match="another public part"):
        climb(MASS_MAPPING, [part_of(one, 0.5, 1, False)], [], state, "public")
    with pytest.raises(HarnessError, match="groups of cases"):
        climb(MASS_MAPPING, [made("a", np.ones(9))], [], tmp_path / "few.json", None)
    assert state.read_bytes() == before
    kept = json.loads(before)
    state.write_text(json.dumps(kept | {"sums": dict.fromkeys(kept["sums"], "AAAA")}))
    with pytest.raises(HarnessError, match="damaged"):
        climb(MASS_MAPPING, [one], [], state, None)
    for damage in ({"sums": {}}, {"teams": []}, {"teams": {"A": {"best": []}}}):
        state.write_text(json.dumps(kept | damage))
        with pytest.raises(HarnessError, match="damaged"):
            climb(MASS_MAPPING, [one], [], state, None)
    with pytest.raises(HarnessError, match="begins with"):
        climb(MASS_MAPPING, [], [], tmp_path / "new.json", None)
    state.write_bytes(before)
    assert released(climb(MASS_MAPPING, [], [], state, None)) == round(one.columns["wmape"].mean(), 4)
