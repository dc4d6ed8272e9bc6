import csv
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from baselines.protocol import Baseline, BaselineError, Cases, Training, predict
from baselines.stamps.cnn import (
    Alerce,
    MetadataCNN,
    PlainCNN,
    RotationInvariantCNN,
    RotationInvariantEntropyCNN,
)

pytestmark = pytest.mark.slow

SHAPES = {0: (1, 1), 1: (4, 1), 2: (1, 4), 3: (3, 3), 4: (0, 0)}  # blobs that a network can tell apart


def easy_cases(counts, seed):
    """A set in which the class is the extent of the blob in the middle, and class 4 has none."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(5), counts))
    images = rng.normal(0, 0.1, (len(labels), 63, 63, 3)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        high, wide = SHAPES[label]
        image[31 - high : 31 + high, 31 - wide : 31 + wide] += 1
    images[::9, 25:30, 25:30, 1] = np.nan
    images[3::17, 30, 30, 1] = 3.4e38
    metadata = np.zeros(len(labels), [(name, "f8") for name in ("magpsf", "fwhm", "ndethist")])
    metadata["magpsf"], metadata["fwhm"] = rng.normal(18, 1, (2, len(labels)))
    metadata["magpsf"][::5], metadata["fwhm"][::7] = -999, np.nan
    return Cases(images, labels.astype(np.int8), np.arange(len(labels)), metadata)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    cnn = PlainCNN(epochs=3, batch_size=16, sampling="balanced", keep="best")
    told = []
    training = Training(3, folder, lambda done, total, text: told.append((done, total, text)))
    record = cnn.fit(easy_cases([40, 15, 30, 20, 30], 0), easy_cases([8] * 5, 1), training)
    return cnn, record, folder, told


def test_is_a_baseline():
    assert isinstance(PlainCNN(), Baseline)
    assert PlainCNN.track == "stamps"


def test_learns_what_can_be_seen(trained):
    cnn, record, _, _ = trained
    test = easy_cases([20] * 5, 2)
    out = cnn.predict(test.inputs)
    assert (out.argmax(axis=1) == test.truth).mean() > 0.9
    assert record["weights"] == 210_117
    assert record["cases_an_epoch"] == 5 * 40
    json.dumps(record, allow_nan=False)


def test_predictions_are_probabilities(trained):
    cnn = trained[0]
    inputs = easy_cases([20] * 5, 2).inputs
    inputs[0], inputs[1] = np.nan, 3.4e38
    out = cnn.predict(inputs)
    assert out.shape == (100, 5)
    assert out.dtype == np.float32
    assert out.min() >= 0
    np.testing.assert_allclose(out.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(cnn.predict(inputs[90:]), out[90:], atol=1e-5)


def test_tells_how_far_it_is(trained):
    told = trained[3]
    done = [each for each, _, _ in told]
    assert done == sorted(done)
    assert {0, 1, 2, 3} <= set(done)  # an epoch that takes long is told of in between
    assert {total for _, total, _ in told} == {3}
    assert "val_loss" in told[-1][2]


def test_restored_predicts_the_same_bytes(trained, tmp_path):
    cnn = trained[0]
    cnn.save(tmp_path)
    restored = PlainCNN(epochs=3, batch_size=16)
    restored.restore(tmp_path)
    inputs = easy_cases([3] * 5, 2).inputs
    assert restored.predict(inputs).tobytes() == cnn.predict(inputs).tobytes()
    with pytest.raises(BaselineError, match="settings that it was trained with"):
        PlainCNN(size=41).restore(tmp_path)


SCRIPT = """
import runpy, sys
from pathlib import Path
from baselines.protocol import Training
from baselines.stamps.cnn import PlainCNN
easy_cases = runpy.run_path(sys.argv[1])["easy_cases"]
assert not {"keras", "tensorflow"} & set(sys.modules), "a listing must not import these"
cnn = PlainCNN(epochs=2, batch_size=8)
cnn.fit(easy_cases([9, 5, 3, 2, 1], 0), easy_cases([2] * 5, 1), Training(5, Path(sys.argv[2])))
sys.stdout.buffer.write(cnn.predict(easy_cases([2] * 5, 1).inputs).tobytes())
"""


def test_same_seed_gives_the_same_bytes_from_a_file_and_in_a_fresh_and_quiet_process(tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "KERAS_"))}
    command = [sys.executable, "-c", SCRIPT, __file__, str(tmp_path)]
    fresh = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert fresh.stderr == b""
    train, validation = easy_cases([9, 5, 3, 2, 1], 0), easy_cases([2] * 5, 1)
    cnn = PlainCNN(epochs=2, batch_size=8)
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["images"], file["labels"] = train.inputs, train.truth
        cnn.fit(Cases(file["images"], file["labels"], train.group), validation, Training(5, tmp_path))
    assert cnn.predict(validation.inputs).tobytes() == fresh.stdout


class Killed(BaseException):
    """What no code catches, as a signal would be."""


def killed_after_the_first_epoch(done, *_):
    if done == 1:
        raise Killed


SETTINGS = {
    RotationInvariantEntropyCNN: {"sampling": "middle", "schedule": "cosine"},
    MetadataCNN: {"columns": "magpsf fwhm"},
    Alerce: {"learning_rate": 1e-3},
}


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda kind: kind.__name__)
def variant(request, tmp_path_factory):
    """A baseline that was trained, the folder of its run, and its model saved."""
    folder = tmp_path_factory.mktemp("variant")
    cnn = request.param(epochs=2, batch_size=16, **SETTINGS[request.param])
    cnn.fit(easy_cases([9, 5, 6, 7, 8], 0), easy_cases([4] * 5, 1), Training(3, folder))
    (folder / "model").mkdir()
    cnn.save(folder / "model")
    return cnn, folder


TEST = easy_cases([3] * 5, 2)


def test_variants_are_invariant_baselines(variant):
    cnn, _ = variant
    out = predict(cnn, TEST.inputs, TEST.metadata)
    assert isinstance(cnn, Baseline)
    assert (out.shape, out.dtype) == ((15, 5), np.float32)
    np.testing.assert_allclose(out.sum(axis=1), 1, atol=1e-6)
    for turns in (1, 2, 3):
        turned = predict(cnn, np.rot90(TEST.inputs, turns, axes=(1, 2)), TEST.metadata)
        np.testing.assert_allclose(turned, out, atol=1e-6)


def test_variants_that_were_killed_and_resumed_end_in_the_same_bytes(variant, tmp_path):
    cnn, folder = variant
    train, validation = easy_cases([9, 5, 6, 7, 8], 0), easy_cases([4] * 5, 1)
    with pytest.raises(Killed):
        replace(cnn).fit(train, validation, Training(3, tmp_path, killed_after_the_first_epoch))
    resumed, told = replace(cnn), []
    resumed.fit(train, validation, Training(3, tmp_path, lambda *words: told.append(words[-1])))
    assert told[0] == "resuming after epoch 1"
    outputs = [predict(each, TEST.inputs, TEST.metadata).tobytes() for each in (cnn, resumed)]
    assert outputs[0] == outputs[1]
    with (folder / "history.csv").open() as file:
        assert {"val_accuracy", "val_sn_f1", "val_sn_f2", "val_balanced_accuracy"} <= set(
            next(csv.reader(file))
        )


@pytest.mark.parametrize("variant", [RotationInvariantEntropyCNN], indirect=True)
def test_a_cosine_ends_with_the_last_step(variant):
    cnn, _ = variant
    assert float(cnn.model.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)


def test_variants_restored_predict_the_same_bytes(variant):
    cnn, folder = variant
    restored = replace(cnn)
    restored.restore(folder / "model")
    outputs = [predict(each, TEST.inputs, TEST.metadata).tobytes() for each in (cnn, restored)]
    assert outputs[0] == outputs[1]
    with pytest.raises(BaselineError, match="settings that it was trained with"):
        replace(cnn, size=41).restore(folder / "model")


RESTORE = """
import runpy, sys
from pathlib import Path
from baselines.stamps.cnn import MetadataCNN
cases = runpy.run_path(sys.argv[1])["easy_cases"]([3] * 5, 2)
cnn = MetadataCNN(columns="magpsf fwhm")
cnn.restore(Path(sys.argv[2]))
sys.stdout.buffer.write(cnn.predict(cases.inputs, cases.metadata).tobytes())
"""


@pytest.mark.parametrize("variant", [MetadataCNN], indirect=True)
def test_restored_in_a_fresh_process(variant):
    cnn, folder = variant
    command = [sys.executable, "-c", RESTORE, __file__, str(folder / "model")]
    fresh = subprocess.run(command, capture_output=True, check=True)
    assert fresh.stdout == cnn.predict(TEST.inputs, TEST.metadata).tobytes()


def test_metadata_are_asked_for(tmp_path):
    cases = easy_cases([2] * 5, 0)
    without = Cases(cases.inputs, cases.truth, cases.group)
    with pytest.raises(BaselineError, match="no metadata"):
        MetadataCNN(epochs=1).fit(without, cases, Training(0, tmp_path))
    with pytest.raises(BaselineError, match="no column 'sigmapsf'"):
        MetadataCNN(epochs=1).fit(cases, cases, Training(0, tmp_path))
    with pytest.raises(BaselineError, match="ndethist gives the class away"):
        MetadataCNN(columns="magpsf ndethist")


def test_defaults_are_the_published_ones():
    assert (RotationInvariantCNN().epochs, RotationInvariantCNN().loss) == (22, "cross-entropy")
    assert (RotationInvariantEntropyCNN().epochs, RotationInvariantEntropyCNN().loss) == (26, "entropy")
    for kind in (RotationInvariantCNN, RotationInvariantEntropyCNN, MetadataCNN):
        assert (kind().batch_size, kind().sampling, kind().keep) == (1460, "balanced-once", "last")
    alerce = Alerce()
    assert (alerce.learning_rate, alerce.batch_size, alerce.beta, alerce.dropout) == (1e-4, 32, 0.5, 0.5)
    assert (alerce.sampling, alerce.keep) == ("balanced", "best")


def test_sampling_and_size_are_followed(tmp_path):
    train, validation = easy_cases([9, 5, 3, 2, 1], 0), easy_cases([1] * 5, 1)
    cnn = PlainCNN(epochs=1, sampling="unchanged", size=41)
    record = cnn.fit(train, validation, Training(0, tmp_path))
    assert record["cases_an_epoch"] == 20
    assert cnn.predict(validation.inputs).shape == (5, 5)


def test_settings_reach_the_network_the_cases_and_the_loss(tmp_path):
    train, validation = easy_cases([9, 5, 3, 2, 1], 0), easy_cases([2] * 5, 1)
    chosen = {"depth": 1, "filters": 4, "nan": "channel", "loss": "focal", "gamma": 3.0}
    cnn = MetadataCNN(columns="magpsf fwhm", epochs=1, **chosen)
    record = cnn.fit(train, validation, Training(0, tmp_path))
    # 4·4·3·4 + 4, 3·3·4·4 + 4, batch normalisation of two, 10·10·4 + 2 inputs of the first dense layer
    assert record["weights"] == 196 + 148 + 8 + 403 * 64 + 4160 + 325
    p = cnn.predict(validation.inputs, validation.metadata)[np.arange(10), validation.truth].astype(float)
    assert record["val_loss"] == pytest.approx(np.mean((1 - p) ** 3 * -np.log(p)), rel=1e-4)
    whole = validation.inputs.copy()
    whole[::9, :, :, 1] = np.nan  # of which some pixels are missing
    np.testing.assert_array_equal(
        cnn.predict(whole, validation.metadata)[::9], cnn.predict(validation.inputs, validation.metadata)[::9]
    )


@pytest.mark.parametrize(
    ("loss", "of_case"),
    [
        ("double-softmax", lambda p, label: np.log(np.exp(p).sum()) - p[label]),
        ("label-smoothing", lambda p, label: -0.6 * np.log(p[label]) - 0.08 * np.log(p).sum()),
    ],
)
def test_losses_are_the_same_where_a_network_is_trained(tmp_path, loss, of_case):
    train, validation = easy_cases([9, 5, 3, 2, 1], 0), easy_cases([2] * 5, 1)
    cnn = PlainCNN(epochs=1, depth=1, filters=4, batch_size=8, loss=loss, smoothing=0.4)
    record = cnn.fit(train, validation, Training(0, tmp_path))
    p = cnn.predict(validation.inputs).astype(float)
    expected = np.mean([of_case(*case) for case in zip(p, validation.truth, strict=True)])
    assert record["val_loss"] == pytest.approx(expected, rel=1e-4)


def test_class_weights_are_those_of_the_training_set(tmp_path):
    train, validation = easy_cases([8, 4, 4, 2, 2], 0), easy_cases([2] * 5, 1)
    cnn = PlainCNN(epochs=1, depth=1, filters=4, loss="class-weights", sampling="unchanged")
    record = cnn.fit(train, validation, Training(0, tmp_path))
    p = cnn.predict(validation.inputs)[np.arange(10), validation.truth].astype(float)
    weights = np.array([0.5, 1, 1, 2, 2])[validation.truth]  # 20 cases, 4 a class on average
    assert record["val_loss"] == pytest.approx(np.mean(weights * -np.log(p)), rel=1e-4)
    with pytest.raises(
        BaselineError, match="sampling must be unchanged with the loss class-weights, got mid"
    ):
        PlainCNN(loss="class-weights", sampling="middle")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"epochs": 0}, {"batch_size": -1}, {"learning_rate": float("nan")}),
        *({"dropout": 1.0}, {"dropout": -0.1}, {"beta": float("inf")}, {"beta": -1.0}, {"patience": -1}),
        *({"smoothing": 1.0}, {"gamma": -1.0}, {"filters": 0}, {"depth": 0}, {"depth": 5}),
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(BaselineError, match=next(iter(wrong))):
        PlainCNN(**wrong)


def test_untrained_and_empty_are_refused(tmp_path):
    cases = easy_cases([1] * 5, 0)
    none = Cases(cases.inputs[:0], cases.truth[:0], cases.group[:0])
    with pytest.raises(BaselineError, match="must be trained"):
        PlainCNN().predict(cases.inputs)
    for train, validation in ((none, cases), (cases, none)):
        with pytest.raises(BaselineError, match="1 or more, got 0"):
            PlainCNN(epochs=1).fit(train, validation, Training(0, tmp_path))


def test_beats_the_majority_on_real_alerts(shared_data, tmp_path):
    alerts = pickle.loads((shared_data / "stamps" / "ztf_stamps.pkl").read_bytes())  # noqa: S301
    square = [row for row, image in enumerate(alerts["images"]) if image.shape == (63, 63, 3)]
    images = np.stack([alerts["images"][row] for row in square])
    labels = np.asarray(alerts["labels"])[square].astype(np.int8)
    _, objects = np.unique(alerts["metadata"]["objectId"][square], return_inverse=True)
    part = objects % 4
    train, validation, test = (
        Cases(images[where], labels[where], objects[where]) for where in (part < 2, part == 2, part == 3)
    )
    cnn = PlainCNN(epochs=8, batch_size=32, keep="best")
    cnn.fit(train, validation, Training(0, tmp_path))
    hit = cnn.predict(test.inputs).argmax(axis=1) == test.truth
    assert hit.mean() > 0.6  # the largest class has 0.51 of these
