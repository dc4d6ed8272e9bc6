"""The scoring function as Kaggle calls it, and the tables that go with it."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

import metrics
from harness.cli import main
from harness.data.store import open_dataset
from harness.platforms.kaggle import CLASSES, SCORES, ParticipantVisibleError, score

SOLUTION = {"id": [1, 2, 3, 4], "label": ["SN", "AGN", "SN", "bogus"], "Usage": ["Public"] * 4}
SUBMISSION = {"id": [4, 3, 2, 1], "label": ["bogus", "VS", "AGN", "SN"]}


@pytest.fixture
def run():
    def call(*words, status=0):
        result = CliRunner().invoke(main, ["kaggle", *map(str, words)])
        assert result.exit_code == status, result.output
        return result

    return call


def table(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def many(table, times=1000):
    """The same rows many times, under other ids."""
    ids = [10 * row + index for index in range(times) for row in (10**5 * one for one in table["id"])]
    return {name: column * times for name, column in table.items()} | {"id": ids}


def test_scores_known_without_running_the_code():
    solution, submission = many(SOLUTION), many(SUBMISSION)
    known = {
        "accuracy": 0.75, "sn_f1": 2 / 3, "sn_f2": 5 / 9, "balanced_accuracy": (1 + 0.5 + 1) / 3,
    }  # fmt: skip
    for metric, expected in known.items():
        shown = score(solution, submission, "id", metric)
        assert shown == pytest.approx(expected, abs=0.005)  # of 4,000 rows: half a step of 0.01
        assert shown == round(shown, 3)
    assert set(SCORES) == set(known)


def test_rows_are_not_counted():
    """Each wrong row lowered the exact score: by which amount told how many rows are public."""
    labels = np.random.default_rng(0).choice(CLASSES, 400).tolist()
    solution = {"id": list(range(400)), "label": labels}
    for metric in SCORES:
        shown = []
        for wrong in range(40, 100):
            guesses = ["VS" if row < wrong else label for row, label in enumerate(labels)]
            shown.append(score(solution, {"id": solution["id"], "label": guesses}, "id", metric))
        assert 3 < len(set(shown)) < 20


def test_what_tells_nothing_does_not_lead():
    rng = np.random.default_rng(1)
    labels = rng.choice(CLASSES, 500).tolist()
    solution = {"id": list(range(500)), "label": labels}
    honest = [label if right else "bogus" for label, right in zip(labels, rng.random(500) < 0.7, strict=True)]
    alone = ["SN" if row == labels.index("SN") else "bogus" for row in range(500)]
    for metric in SCORES:
        ours = score(solution, solution | {"label": honest}, "id", metric)
        for guess in ([name] * 500 for name in CLASSES):
            assert score(solution, solution | {"label": guess}, "id", metric) < ours
        assert score(solution, solution | {"label": alone}, "id", metric) < ours


def test_the_signature_is_what_kaggle_asks_for():
    assert score.__annotations__["row_id_column_name"] is str
    assert score.__annotations__["return"] is float
    assert set(score.__annotations__) >= {"solution", "submission"}
    assert all(type(score(SOLUTION, SUBMISSION, "id", metric)) is float for metric in SCORES)


def test_numbers_stand_for_classes_and_other_ids_do_not_count():
    numbers = {
        "id": [9, 4, 3, 2, 1],
        "prediction": [0, *(CLASSES.index(name) for name in SUBMISSION["label"])],
    }
    assert score(SOLUTION, numbers, "id", "sn_f1") == score(SOLUTION, SUBMISSION, "id", "sn_f1")


def test_frames_of_pandas():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frames = pandas.DataFrame(SOLUTION), pandas.DataFrame(SUBMISSION)
    for metric in SCORES:
        assert score(*frames, "id", metric) == score(SOLUTION, SUBMISSION, "id", metric)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": [4, 3, 2, 2]}, "id 2 comes twice"),
        ({"id": [4, 3, 2, 7]}, "1 ids have no row, the first of them 1"),
        (
            {"label": ["bogus", "VS", "AGN", "nova"]},
            "id 1 must have one of AGN, SN, VS, asteroid, bogus, got 'nova'",
        ),
        ({"label": ["bogus", "VS", "AGN", float("nan")]}, "got 'nan'"),
        ({"AGN": [0.1] * 4}, "the columns must be id and one of classes, got id, label, AGN"),
        ({"id": None}, "the columns must be id"),
    ],
)
def test_faults_of_a_submission_are_told_to_its_author(change, message):
    submission = {name: column for name, column in (SUBMISSION | change).items() if column is not None}
    with pytest.raises(ParticipantVisibleError, match=message):
        score(SOLUTION, submission, "id")


def test_faults_of_the_organisers_are_not_told_to_participants():
    with pytest.raises(ValueError, match="comes twice"):
        score(SOLUTION | {"id": [1, 1, 3, 4]}, SUBMISSION, "id")
    with pytest.raises(ValueError, match="metric must be one of"):
        score(SOLUTION, SUBMISSION, "id", "log_loss")


def test_the_solution_is_parted_by_object(run, stamps, tmp_path):
    run(stamps / "data.h5", tmp_path / "solution.csv")
    solution = table(tmp_path / "solution.csv")
    with open_dataset(stamps / "data.h5") as data:
        assert solution["case_id"] == data.case_ids()
        assert solution["label"] == [CLASSES[label] for label in data.truth[:]]
        objects = data.groups()
    public = np.array(solution["Usage"]) == "Public"
    assert set(solution["Usage"]) == {"Public", "Private"}
    assert not set(objects[public]) & set(objects[~public])
    assert len(set(objects[public])) == round(0.3 * len(set(objects)))


def test_a_submission_becomes_the_most_probable_classes(run, stamps, tmp_path, submission_of):
    truth = stamps / "test-truth.h5"
    made = np.random.default_rng(3).dirichlet(np.ones(5), 1000)
    path = submission_of(tmp_path / "a.zip", truth, lambda labels: made[: len(labels)])
    run(stamps / "test-inputs.h5", tmp_path / "a.csv", "--submission", path)
    run(truth, tmp_path / "solution.csv")
    assert list(table(tmp_path / "a.csv")) == ["case_id", "label"]
    with open_dataset(truth) as data:
        expected = metrics.accuracy(data.truth[:], made[: len(data)].argmax(axis=1))
    shown = score(table(tmp_path / "solution.csv"), table(tmp_path / "a.csv"), "case_id")
    assert shown == pytest.approx(expected, abs=0.025)  # 74 rows: a standard error of 0.04


def test_what_cannot_become_a_table(run, maps, stamps, tmp_path, submission_of):
    part = submission_of(
        tmp_path / "a.zip", stamps / "test-truth.h5", lambda t: np.eye(5)[t], cases=slice(1, None)
    )
    words = ("--submission", part)
    assert "missing-case" in run(stamps / "test-inputs.h5", tmp_path / "a.csv", *words, status=1).stderr
    assert "'mass-mapping'" in run(maps / "data.h5", tmp_path / "a.csv", status=1).stderr
    assert "the truth" in run(stamps / "test-inputs.h5", tmp_path / "a.csv", status=1).stderr
    assert not (tmp_path / "a.csv").exists()
