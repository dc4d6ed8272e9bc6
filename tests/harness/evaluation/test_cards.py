"""Score cards that are ranked later, and cards that lie."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from harness.data.store import open_dataset
from harness.evaluation.cards import CardError, read_card, write_card
from harness.evaluation.leaderboard import make_leaderboard
from harness.evaluation.scoring import score, score_card
from harness.files import HarnessError
from submissions import limits


@pytest.fixture(scope="module")
def scored(tmp_path_factory, maps, submission_of, noisy_maps):
    folder, truth = tmp_path_factory.mktemp("cards"), maps / "test-truth.h5"
    paths = [submission_of(folder / f"{team}.zip", truth, noisy_maps(size), team)
             for team, size in (("a", 0.01), ("b", 0.05))]  # fmt: skip
    with open_dataset(truth) as data:
        return [score(path, data) for path in paths]


@pytest.fixture
def card(scored, tmp_path) -> Path:
    write_card(scored[0], tmp_path / "a.json")
    return tmp_path / "a.json"


def test_a_card_holds_what_was_scored(scored, card):
    read = read_card(card)
    for name, values in scored[0].columns.items():
        np.testing.assert_array_equal(read.columns[name], values)
    assert read.case_ids == scored[0].case_ids
    np.testing.assert_array_equal(read.groups, scored[0].groups)
    assert score_card(read) == score_card(scored[0])
    written = json.loads(card.read_text())
    assert written.pop("cases_sha256") == hashlib.sha256(card.with_suffix(".npz").read_bytes()).hexdigest()
    assert written == score_card(scored[0]).to_json()


def test_a_card_keeps_its_schema_and_its_bytes(scored, card, tmp_path):
    schema = json.loads(Path("docs/score.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(card.read_text()))
    jsonschema.Draft202012Validator(schema).validate(score_card(scored[1]).to_json())
    write_card(scored[0], tmp_path / "again" / "b.json")
    for suffix in (".json", ".npz"):
        again = (tmp_path / "again" / "b.json").with_suffix(suffix)
        assert again.read_bytes() == card.with_suffix(suffix).read_bytes()


def test_stamps_have_cards_too(stamps, submission_of, tmp_path):
    path = submission_of(tmp_path / "s.zip", stamps / "test-truth.h5", lambda labels: np.eye(5)[labels])
    with open_dataset(stamps / "test-truth.h5") as data:
        one = score(path, data)
    write_card(one, tmp_path / "s.json")
    assert score_card(read_card(tmp_path / "s.json")) == score_card(one)


@pytest.mark.parametrize(
    "lie",
    [
        {"label": lambda labels: np.where(labels == 4, -1, labels)},  # which count from the end, as an index
        {"label": lambda labels: labels + 5 * (labels == 4)},
        {"predicted": lambda classes: classes.astype(float)},
    ],
)
def test_classes_of_a_card_are_numbers_of_classes(stamps, submission_of, tmp_path, lie):
    path = submission_of(tmp_path / "s.zip", stamps / "test-truth.h5", lambda labels: np.eye(5)[labels])
    with open_dataset(stamps / "test-truth.h5") as data:
        one = score(path, data)
    write_card(one, tmp_path / "s.json")
    ((name, change),) = lie.items()
    rewritten(tmp_path / "s.json", **{name: change(one.columns[name])})
    with pytest.raises(CardError, match=f"{name} must hold integers from 0 to 4, got others"):
        read_card(tmp_path / "s.json")


def test_cards_in_capitals_are_cards(scored, tmp_path):
    write_card(scored[0], tmp_path / "team" / "A.JSON")
    rows = make_leaderboard([tmp_path / "team"], None).board.rows
    assert [row.source for row in rows] == ["card"]


def test_cards_give_the_board_that_their_submissions_give(scored, maps, tmp_path):
    cards = [tmp_path / f"{one.team}.json" for one in scored]
    for one, path in zip(scored, cards, strict=True):
        write_card(one, path)
    zips, truth = [one.path for one in scored], maps / "test-truth.h5"
    expected = make_leaderboard(zips, truth).board.rows
    for files, place in ((cards, None), ([cards[0], zips[1]], truth)):
        rows = make_leaderboard(files, place).board.rows
        assert rows[0].source == "card"
        for row, same in zip(rows, expected, strict=True):
            assert row.metrics == same.metrics
            assert (row.team, row.rank) == (same.team, same.rank)
    with pytest.raises(HarnessError, match="--truth"):
        make_leaderboard(zips, None)


def rewritten(path, **columns):
    """Change the scores by case, and let the card name the new file."""
    with np.load(path.with_suffix(".npz")) as file:
        arrays = dict(file) | columns
    buffer = io.BytesIO()
    np.savez(buffer, **{name: values for name, values in arrays.items() if values is not None})
    replaced(path, buffer.getvalue())


def replaced(path, content):
    path.with_suffix(".npz").write_bytes(content)
    changed(path, cases_sha256=hashlib.sha256(content).hexdigest())


def anew(path):
    with np.load(path) as file:
        np.savez(path, **dict(file))


def changed(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def claims(path, factor):
    values = json.loads(path.read_text())["metrics"]
    changed(path, metrics={key: value | {"mean": value["mean"] * factor} for key, value in values.items()})


def bomb(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("wmape.npy", b"\0" * 10**8)
    replaced(path, buffer.getvalue())


def ids(pattern):
    """Ids in which the number of the case stands for N."""

    def make(n):
        texts = [pattern.replace("N", str(case)).encode("latin-1") for case in range(n)]
        return {"case_id": np.array(texts, "S64").view(np.uint8).reshape(n, 64)}

    return make


COLUMNS = {
    "better than it was": lambda n: {"dicee": np.zeros(n)},
    "not finite": lambda n: {"dicee": np.append(np.zeros(n - 1), np.nan)},
    "overflow": lambda n: {"dicee": np.full(n, 1e308)},
    "infinity as float32": lambda n: {"dicee": np.append(np.zeros(n - 1), np.inf).astype(np.float32)},
    "infinity of another column as float16": lambda n: {"note": np.full(n, np.inf, np.float16)},
    "too large to be squared": lambda n: {"dicee": np.append(np.zeros(n - 1), 1e200)},
    "long doubles": lambda n: {"dicee": np.zeros(n, np.longdouble)},
    "long doubles of another column": lambda n: {"note": np.ones(n, np.longdouble)},
    "objects": lambda n: {"dicee": np.array([print] * n)},
    "too short": lambda _: {"dicee": np.zeros(2)},
    "a column is missing": lambda _: {"dicee": None},
    "no groups": lambda _: {"group": None},
    "groups that are no integers": lambda n: {"group": np.zeros(n)},
    "one id for all": ids("a"),
    "ids of control characters": ids("aN\a"),
    "ids that are not ASCII": ids("aN\xff"),
}
LIES = {
    "other scores by case": lambda path: path.with_suffix(".npz").write_bytes(b"PK"),
    "the same scores by case, written anew": lambda path: anew(path.with_suffix(".npz")),
    "no scores by case": lambda path: path.with_suffix(".npz").unlink(),
    "bomb": bomb,
    "no zip": lambda path: replaced(path, b"hello"),
    "no JSON": lambda path: path.write_text("{"),
    "deep JSON": lambda path: path.write_text("[" * 100_000),
    "long number": lambda path: path.write_text("1" * 10_000),
    "metrics": lambda path: changed(path, metrics={}),
    "another schema": lambda path: changed(path, schema="astroboard-run/1"),
    "NaN": lambda path: changed(path, note=float("nan")),
    "a number beyond all floats": lambda path: changed(path, note=10**400),
    "a key twice": lambda path: path.write_text(path.read_text().replace('"seed"', '"team": "me", "seed"')),
    "large": lambda path: changed(path, note="x" * 2_000_000),
    "cases": lambda path: changed(path, cases=10**12),
    "case": lambda path: changed(path, cases=True),
    "team": lambda path: changed(path, team="\x1b[31m"),
    "no team": lambda path: changed(path, team=None),
    "track": lambda path: changed(path, track="no-such-track"),
    "seed": lambda path: changed(path, seed="1"),
    "a seed below 0": lambda path: changed(path, seed=-1),
    "a seed of 64 bits": lambda path: changed(path, seed=2**63),
    "method": lambda path: changed(path, method="\x1b[31m"),
    "fingerprint": lambda path: changed(path, truth_fingerprint="\n"),
    "no case": lambda path: changed(path, cases=0),
    "no checksum of the scores by case": lambda path: changed(path, cases_sha256=None),
    "metrics that differ by 2e-9": lambda path: claims(path, 1 + 2e-9),
    "checksum": lambda path: changed(path, submission_sha256="../../x"),
    "claims of text": lambda path: changed(
        path, metrics={key: {"mean": "0"} for key in json.loads(path.read_text())["metrics"]}
    ),
}
WORDS = {
    "better than it was": "metrics must be those of the scores by case",
    "bomb": "must be at most 1,408, got 100,000,000",
    "case": "cases must be an integer, got True",
    "cases": "cases must be 1 to 1,000,000, got 1000000000000",
    "checksum": "submission_sha256 must be 64 of 0-9 a-f, got '../../x'",
    "groups that are no integers": "group must hold integers, got float64",
    "ids of control characters": "a case id must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or",
    "no case": "cases must be 1 to 1,000,000, got 0",
    "no checksum of the scores by case": "cases_sha256 must be that of the scores by case, got none",
    "no scores by case": "a.npz must lie beside the card, got none",
    "infinity as float32": "a.npz, dicee.npy: numbers must be finite",
    "infinity of another column as float16": "a.npz, note.npy: numbers must be finite",
    "not finite": "a.npz, dicee.npy: numbers must be finite",
    "too large to be squared": "a.npz, dicee.npy: numbers must be finite and at most 1e+100, got others",
    "one id for all": "case ids must be unique, got one twice",
    "overflow": "a.npz, dicee.npy: numbers must be finite",
    "the same scores by case, written anew": "a.npz must have the SHA-256 in the card, got another",
}
"""What is said of a lie that would be noticed even if nobody looked for it."""


def test_groups_may_be_unsigned(scored, card):
    rewritten(card, group=scored[0].groups.astype(np.uint32))
    assert read_card(card).groups.tolist() == scored[0].groups.tolist()


def test_what_is_missing_is_named(card):
    changed(card, metrics={})
    with pytest.raises(CardError, match=r"can be ranked: 'wmape' is missing$"):
        read_card(card)
    changed(card, metrics=[])
    with pytest.raises(CardError, match=r"can be ranked: a\.json: metrics must be an object, got \[\]$"):
        read_card(card)


@pytest.mark.parametrize("seed", [None, 0, 2**63 - 1])
def test_the_largest_card_is_read(card, seed):
    changed(card, seed=seed)
    claims(card, 1 + 5e-10)  # as another machine may round
    card.write_text(card.read_text().ljust(1 << 20))
    assert read_card(card).seed == seed
    card.write_text(card.read_text() + " ")
    with pytest.raises(CardError, match="1,048,576 bytes at most"):
        read_card(card)
    changed(card, cases=limits.MAX_CASES)  # which it has not, but may have
    with pytest.raises(CardError, match="shape must be"):
        read_card(card)


def test_columns_of_a_card_are_limited(card):
    rewritten(card, **{f"note{index}": np.zeros(6) for index in range(limits.MAX_COLUMNS - 9)})
    read_card(card)
    rewritten(card, one_more=np.zeros(6))
    with pytest.raises(CardError, match=f"{limits.MAX_COLUMNS} columns at most"):
        read_card(card)


def lying(scored, path, lie):
    write_card(scored[0], path)
    if lie in LIES:
        LIES[lie](path)
    else:
        rewritten(path, **COLUMNS[lie](len(scored[0].case_ids)))
    return path


@pytest.mark.parametrize("lie", [*LIES, *COLUMNS])
def test_a_card_that_lies_is_refused(scored, tmp_path, lie):
    with pytest.raises(CardError, match=r"^a\.json is no score card that can be ranked: .") as refusal:
        read_card(lying(scored, tmp_path / "a.json", lie))
    assert WORDS.get(lie, "") in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.slow
def test_cards_that_lie_are_not_ranked(scored, tmp_path):
    cards = [lying(scored, tmp_path / f"{number}.json", lie) for number, lie in enumerate([*LIES, *COLUMNS])]
    write_card(scored[1], tmp_path / "good.json")
    board = make_leaderboard([tmp_path / "good.json", *cards], None).board
    assert [row.team for row in board.rows] == ["b"]
    assert [refused.file for refused in board.not_ranked] == [card.name for card in cards]
    with pytest.raises(HarnessError, match="none of the score cards"):
        make_leaderboard(cards[:1], None)


@pytest.mark.parametrize("name", ["card.npz", "card.v1", "card"])
def test_the_name_of_a_card(scored, tmp_path, name):
    with pytest.raises(HarnessError, match=r"must end in \.json"):
        write_card(scored[0], tmp_path / name)
    assert not list(tmp_path.iterdir())
