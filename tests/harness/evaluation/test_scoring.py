import csv
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import h5py
import numpy as np
import pytest

import metrics
from harness.data.store import DataError, open_dataset
from harness.evaluation import scoring
from harness.evaluation.scoring import score, score_card, write_per_case
from harness.parallel import Processes
from harness.schemas import SCORE_CARD
from harness.tracks import MASS_MAPPING, STAMPS
from submissions import SubmissionError, validate


def scored(path, truth):
    with open_dataset(truth) as data:
        return score(path, data)


def test_map_scores_are_those_of_the_metrics(tmp_path, maps, submission_of, noisy_maps):
    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, noisy_maps(0.02), "Los Oscuros", "noise")
    told = []
    with open_dataset(truth) as data:
        one = score(path, data, lambda *call: told.append(call))
        kappa = data.truth[:]
    assert told == [(len(kappa), len(kappa), "cases")]
    prediction = noisy_maps(0.02)(kappa).astype(np.float16)
    for key in ("wmape", "dicee", "dpeaks", "l2_dpeaks", "mae", "wmse", "correlation"):
        np.testing.assert_allclose(one.columns[key], getattr(metrics, key)(kappa, prediction), rtol=1e-12)
    card = score_card(one)
    assert (card.SCHEMA, card.track, card.team, card.method) == (
        SCORE_CARD, "mass-mapping", "Los Oscuros", "noise"
    )  # fmt: skip
    assert card.cases == len(kappa)
    assert set(card.metrics) == {each.key for each in MASS_MAPPING.scores}
    wmape = card.metrics["wmape"]
    assert wmape.mean == pytest.approx(one.columns["wmape"].mean(), rel=1e-14)
    assert wmape.std == pytest.approx(one.columns["wmape"].std())
    json.dumps(card.to_json(), allow_nan=False)


def test_perfect_maps_score_zero(tmp_path, maps, submission_of):
    truth = maps / "test-truth.h5"
    card = score_card(scored(submission_of(tmp_path / "a.zip", truth, lambda kappa: kappa), truth))
    for key in ("wmape", "dicee", "dpeaks", "l2_dpeaks", "mae", "wmse"):
        assert card.metrics[key].mean == 0
    assert card.metrics["correlation"].mean == pytest.approx(1)


def test_cases_are_matched_by_id_not_by_order(tmp_path, maps, submission_of, noisy_maps):
    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, noisy_maps(0.02))
    shuffled = tmp_path / "b.zip"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(shuffled, "w") as target:
        names = [name for name in source.namelist() if name.endswith(".npy")]
        for name in np.random.default_rng(0).permutation(names):
            target.writestr(f"other/{name}", source.read(name))
    assert score_card(scored(path, truth)).metrics == score_card(scored(shuffled, truth)).metrics


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
    assert expected.keys() <= card.metrics.keys() == {each.key for each in STAMPS.scores}
    for key, value in expected.items():
        assert card.metrics[key].mean == pytest.approx(value, rel=1e-6), key
        assert card.metrics[key].low <= value <= card.metrics[key].high


@pytest.mark.parametrize("fault", ["missing", "nan", "shape"])
def test_what_validate_refuses_is_not_scored(tmp_path, maps, submission_of, noisy_maps, monkeypatch, fault):
    monkeypatch.setattr(scoring, "CHUNK", 4)  # the fault is in the first of two
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
    with pytest.raises(DataError, match=r"bad\.zip must be accepted to have scores, got 1 "):
        one.sums()


@pytest.fixture(scope="module")
def pools():
    """Executors of one, two and three processes, and of threads."""
    with ExitStack() as stack:
        made = [Processes(workers) for workers in (1, 2, 3)] + [ThreadPoolExecutor(3)]
        yield [stack.enter_context(one) for one in made]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 7)
    monkeypatch.setattr(scoring, "MIN_CASES_FOR_PROCESSES", 0)
    monkeypatch.setattr(scoring, "MAX_THREADS", 1)


def note(told, done, total, what):
    assert done <= total, what
    told.append(done)


def everywhere(path, truth, pools):
    """What is found by each executor, after the check that it is what is found by none."""
    with open_dataset(truth) as data:
        here = score(path, data)
        for pool in pools:
            told: list[int] = []
            there = score(path, data, partial(note, told), pool)
            chunks = [min(done, len(data)) for done in range(7, len(data) + 7, 7)]
            assert told == (chunks if data.track.format.file_per_case else [len(data)])
            assert there.report == here.report
            assert list(there.report.counts) == list(here.report.counts)
            assert there.columns.keys() == here.columns.keys()
            for name, values in here.columns.items():
                np.testing.assert_array_equal(there.columns[name], values)
            assert replace(there, columns={}, groups=None) == replace(here, columns={}, groups=None)
    return here


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_scores_do_not_depend_on_the_number_of_workers(
    tmp_path, maps, submission_of, noisy_maps, pools, kind
):
    truth = maps / "data.h5"
    path = submission_of(tmp_path / "a.zip", truth, noisy_maps(0.02))
    if kind == "folder":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path := tmp_path / "folder")
    one = everywhere(path, truth, pools)
    assert one.report.accepted
    assert len(one.columns["wmape"]) == 60


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_stamps_are_scored_alike_by_any_number_of_workers(tmp_path, stamps, submission_of, pools):
    truth = stamps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, lambda labels: np.eye(5)[labels] * 0.5 + 0.1)
    assert everywhere(path, truth, pools).report.accepted


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_faults_do_not_depend_on_the_number_of_workers(tmp_path, maps, submission_of, noisy_maps, pools):
    """More of each kind than are listed, mixed, with warnings and wrong checksums among them."""
    truth = maps / "data.h5"
    good = submission_of(tmp_path / "good.zip", truth, noisy_maps(0.02))
    changes = [
        lambda content: content,
        lambda content: content[:-2],
        lambda content: content[:-2] + b"\x00\x7e",
    ]
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(tmp_path / "bad.zip", "w") as target:
        for index, name in enumerate(source.namelist()):
            content = source.read(name)
            if name.endswith(".npy") and index % 11:
                content = changes[index * index % 3](content) if index < 30 else changes[index % 3](content)
            if index % 17:
                target.writestr(name, content)
        target.writestr("README", "")
    one = everywhere(tmp_path / "bad.zip", truth, pools)
    assert {"missing-case", "wrong-checksum", "ignored-file"} <= one.report.counts.keys()
    assert one.report.counts["wrong-checksum"] > len(one.report.faults) / 2
    bare = tmp_path / "bare.zip"
    with zipfile.ZipFile(tmp_path / "bad.zip") as source, zipfile.ZipFile(bare, "w") as target:
        for name in source.namelist():
            if name != "manifest.json":
                target.writestr(name, source.read(name))
    one = everywhere(bare, truth, pools)
    assert {"missing-case", "not-an-array", "not-finite"} <= one.report.counts.keys()
    with open_dataset(truth) as data:
        assert one.report == validate(bare, data.track.format, data.case_ids())


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_a_faulty_truth_is_named_by_workers_too(tmp_path, maps, submission_of, pools):
    truth = tmp_path / "truth.h5"
    truth.write_bytes((maps / "data.h5").read_bytes())
    path = submission_of(tmp_path / "a.zip", truth, lambda kappa: kappa)
    with h5py.File(truth, "r+") as file:
        file["kappa"][20, 2, 3] = np.nan
    with open_dataset(truth) as data, pytest.raises(DataError, match=r"truth.h5: cases from 14 on .*finite"):
        score(path, data, executor=pools[1])


def test_few_cases_need_no_process(tmp_path, maps, submission_of, noisy_maps):
    class Refusing(Processes):
        def submit(self, *_):
            raise AssertionError

    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, noisy_maps(0.02))
    with open_dataset(truth) as data, Refusing(2) as pool:
        one, other = score(path, data), score(path, data, executor=pool)
    assert one.report == other.report
    assert one.columns["wmape"].tolist() == other.columns["wmape"].tolist()


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
    assert score(tmp_path / "a.zip", truth).values() == one.values()  # by the path of the truth
    write_per_case(one, tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case_id"] for row in rows] == one.case_ids
    np.testing.assert_array_equal([float(row["dicee"]) for row in rows], one.columns["dicee"])
