"""A board as a value and as JSON."""

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from harness.evaluation.board import Board, Cell
from harness.evaluation.leaderboard import rank_entries
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING
from tests.harness.evaluation.builders import RANKED, ranked_by, scored_maps


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_board_keeps_its_schema(count):
    teams = ["x" * 100, "A", *(f"team {index}" for index in range(count - 2))][:count]
    scored = [scored_maps(team) for team in teams]
    if count > 2:
        scored[3] = replace(scored[2], team="tie")
    board = rank_entries(MASS_MAPPING, scored, [("bad.zip", "no zip")], wilcoxon=True)
    value, empty = board.to_json(), rank_entries(MASS_MAPPING, []).to_json()
    schema = json.loads(Path("docs/leaderboard.schema.json").read_text())
    for valid in (value, [value, value], empty):
        jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(valid, allow_nan=False)))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(value | {"rows": [{}]})
    assert Board.from_json(json.loads(json.dumps(value)), "leaderboard.json") == board


def test_a_field_of_another_type_is_named_by_its_path():
    value = rank_entries(MASS_MAPPING, [scored_maps("A")]).to_json()
    value["rows"][0]["metrics"]["wmape"]["mean"] = "good"
    with pytest.raises(
        HarnessError, match=r"^board\.json: rows\[0\]\.metrics\.wmape\.mean must be a finite number"
    ):
        Board.from_json(value, "board.json")


def test_a_board_is_not_changed():
    board = rank_entries(MASS_MAPPING, [scored_maps("A")])
    for record in (board, board.rows[0], board.rows[0].metrics["wmape"], board.rows[0].seeds[0]):
        with pytest.raises(FrozenInstanceError):
            record.file = "other"


@pytest.mark.parametrize(
    ("mean", "std", "same"), [(0.5, 0.0, True), (0.0, 0.0, True), (-0.5, 4e-13, True), (0.5, 6e-13, False)]
)
def test_seeds_with_the_same_scores(mean, std, same):
    seeds = [scored_maps("A", seed=seed, owner="us") for seed in (1, 2)]
    board = rank_entries(MASS_MAPPING, seeds)
    equal, cell = (
        Cell(value, None, None, None, deviation, 1, None, None, None, None)
        for value, deviation in ((0.5, 0.0), (mean, std))
    )
    row = replace(board.rows[0], metrics={"wmape": equal, "dicee": cell})
    assert board.deterministic(row) is same
    assert not replace(board, part="public").deterministic(row)
    assert replace(board, part="private").deterministic(row) is same
    assert not board.deterministic(replace(row, seeds=row.seeds[:1]))
    assert not board.deterministic(board.rows[0])


def test_the_order_of_keys_of_a_row(tmp_path):
    """A ladder names the file and the cases first, and writes the fields of a board after them."""
    entry = ranked_by(np.random.default_rng(0).random(60))
    plain, ladder = (
        rank_entries(MASS_MAPPING, [entry], ladder=path).to_json()["rows"][0]
        for path in (None, tmp_path / "l.json")
    )
    assert list(plain)[:4] == ["file", "source", "team", "method"]
    assert list(plain["seeds"][0]) == ["file", "seed", "submission_sha256", "scores"]
    first = ["file", "submission_sha256", "cases", "groups", "truth_fingerprint", "source"]
    after = [key for key in plain if key not in (*first, "p_better")]  # a ladder compares no pairs
    assert list(ladder) == first + after
    assert list(ladder["seeds"][0])[:2] == ["file", "submission_sha256"]
    assert list(ladder["metrics"]) == list(RANKED)
