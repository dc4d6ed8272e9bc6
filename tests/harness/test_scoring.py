import csv
import json
import zipfile

import h5py
import numpy as np
import pytest

import metrics
from harness.data.store import DataError, open_dataset
from harness.scoring import SCHEMA, score, score_card, write_per_case
from harness.tracks import MASS_MAPPING, STAMPS
from submissions import SubmissionError, validate


def scored(path, truth):
    with open_dataset(truth) as data:
        return score(path, data)


def test_map_scores_are_those_of_the_metrics(tmp_path, maps, submission_of, noisy_maps):
    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, noisy_maps(0.02), "Los Oscuros", "noise")
    one = scored(path, truth)
    with open_dataset(truth) as data:
        kappa = data.truth[:]
    prediction = noisy_maps(0.02)(kappa).astype(np.float16)
    for key in ("wmape", "dicee", "dpeaks", "l2_dpeaks", "mae", "wmse", "correlation"):
        np.testing.assert_allclose(one.columns[key], getattr(metrics, key)(kappa, prediction), rtol=1e-12)
    card = score_card(one)
    assert (card["schema"], card["track"], card["team"], card["method"]) == (
        SCHEMA, "mass-mapping", "Los Oscuros", "noise"
    )  # fmt: skip
    assert card["cases"] == len(kappa)
    assert set(card["metrics"]) == {each.key for each in MASS_MAPPING.scores}
    wmape = card["metrics"]["wmape"]
    assert wmape["mean"] == pytest.approx(one.columns["wmape"].mean(), rel=1e-14)
    assert wmape["std"] == pytest.approx(one.columns["wmape"].std())
    json.dumps(card, allow_nan=False)


def test_perfect_maps_score_zero(tmp_path, maps, submission_of):
    truth = maps / "test-truth.h5"
    card = score_card(scored(submission_of(tmp_path / "a.zip", truth, lambda kappa: kappa), truth))
    for key in ("wmape", "dicee", "dpeaks", "l2_dpeaks", "mae", "wmse"):
        assert card["metrics"][key]["mean"] == 0
    assert card["metrics"]["correlation"]["mean"] == pytest.approx(1)


def test_cases_are_matched_by_id_not_by_order(tmp_path, maps, submission_of, noisy_maps):
    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, noisy_maps(0.02))
    shuffled = tmp_path / "b.zip"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(shuffled, "w") as target:
        names = [name for name in source.namelist() if name.endswith(".npy")]
        for name in np.random.default_rng(0).permutation(names):
            target.writestr(f"other/{name}", source.read(name))
    assert score_card(scored(path, truth))["metrics"] == score_card(scored(shuffled, truth))["metrics"]


def test_stamp_scores_are_those_of_the_metrics(tmp_path, stamps, submission_of):
    truth = stamps / "test-truth.h5"

    def predict(labels):
        rng = np.random.default_rng(1)
        raw = rng.random((len(labels), 5)) + 0.7 * np.eye(5)[labels]
        return raw / raw.sum(axis=1, keepdims=True)

    card = score_card(scored(submission_of(tmp_path / "a.zip", truth, predict), truth))
    with open_dataset(truth) as data:
        labels = data.truth[:]
    probabilities = predict(labels).astype(np.float32).astype(float)
    predicted = probabilities.argmax(axis=1)
    expected = {
        "accuracy": metrics.accuracy(labels, predicted),
        "sn_f1": metrics.fbeta(labels, predicted, 1, 1),
        "sn_f2": metrics.fbeta(labels, predicted, 2, 1),
        "sn_precision": metrics.precision(labels, predicted, 1),
        "sn_recall": metrics.recall(labels, predicted, 1),
        "balanced_accuracy": metrics.balanced_accuracy(labels, predicted),
        "log_loss": metrics.log_loss(labels, probabilities),
        "brier": metrics.brier(labels, probabilities),
    }
    assert expected.keys() <= card["metrics"].keys() == {each.key for each in STAMPS.scores}
    for key, value in expected.items():
        assert card["metrics"][key]["mean"] == pytest.approx(value, rel=1e-6), key
        assert card["metrics"][key]["low"] <= value <= card["metrics"][key]["high"]


@pytest.mark.parametrize("fault", ["missing", "nan", "shape"])
def test_what_validate_refuses_is_not_scored(tmp_path, maps, submission_of, noisy_maps, fault):
    truth = maps / "test-truth.h5"
    good = submission_of(tmp_path / "good.zip", truth, noisy_maps(0.02))
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        names = [name for name in source.namelist() if name.endswith(".npy")]
        for index, name in enumerate(names):
            content = source.read(name)
            if index == 1:
                if fault == "missing":
                    continue
                content = content[:-2] + b"\x00\x7e" if fault == "nan" else content[:-2]
            target.writestr(name, content)
    one = scored(bad, truth)
    with open_dataset(truth) as data:
        report = validate(bad, data.track.name, data.case_ids())
        assert validate(good, data.track.name, data.case_ids()).accepted
    assert not report.accepted
    assert one.report.to_json() == report.to_json()
    assert one.columns == {}


def test_not_a_zip(tmp_path, maps):
    path = tmp_path / "a.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(SubmissionError):
        scored(path, maps / "test-truth.h5")


def test_a_faulty_truth_is_named(tmp_path, maps, submission_of):
    truth = tmp_path / "truth.h5"
    truth.write_bytes((maps / "test-truth.h5").read_bytes())
    path = submission_of(tmp_path / "a.zip", truth, lambda kappa: kappa)
    with h5py.File(truth, "r+") as file:
        file["kappa"][1, 2, 3] = np.nan
    with pytest.raises(DataError, match=r"truth.h5.*finite"):
        scored(path, truth)


def test_per_case_file(tmp_path, maps, submission_of, noisy_maps):
    truth = maps / "test-truth.h5"
    one = scored(submission_of(tmp_path / "a.zip", truth, noisy_maps(0.02)), truth)
    write_per_case(one, tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case_id"] for row in rows] == one.case_ids
    np.testing.assert_array_equal([float(row["dicee"]) for row in rows], one.columns["dicee"])
