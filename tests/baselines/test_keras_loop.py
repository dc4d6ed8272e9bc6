import csv
import errno
import gc
import random
import threading
import weakref
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from baselines import keras_loop as loop
from baselines.backend import keras
from baselines.batches import Batches
from baselines.protocol import BaselineError, Training, no_progress

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
Y = X @ np.float32([[1], [-2]])


def batches(x=X, y=Y, seed=0, shuffled=True):
    def order(rng):
        return rng.permutation(len(x)) if shuffled else np.arange(len(x))

    return Batches(lambda rows: (x[rows], y[rows]), order, batch_size=7, seed=seed)


def linear(rate=0.1):
    def build():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
        return model

    return build


def with_dropout(rate=0.01):
    """A network with all kinds of state: weights, moving averages, seeds of dropout, Adam's moments."""

    def build():
        layers = [
            keras.layers.Dense(16, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
        ]
        model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
        return model

    return build


class Stop(Exception):
    pass


def stop_after(last):
    """Progress that ends the training when that epoch is complete, and keeps what it was told."""

    def progress(done, total, text):
        progress.told.append((done, total, text))
        if done == last:
            raise Stop

    progress.told = []
    return progress


def fit_whole(folder, epochs=6, progress=no_progress):
    folder.mkdir(exist_ok=True)
    training = Training(3, folder, progress)
    return loop.fit(with_dropout(), batches(), batches(shuffled=False), epochs, training)


def stopped(folder, last):
    with pytest.raises(Stop):
        fit_whole(folder, progress=stop_after(last))


def history(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_epochs_are_shown_in_their_own_orders(tmp_path):
    shown = []

    def read(rows):
        shown.extend(rows)
        return X[rows], Y[rows]

    data = Batches(read, lambda rng: rng.permutation(30), batch_size=10, seed=0)
    expected = []
    for epoch in range(3):
        data.begin(epoch)
        expected.extend(data.rows)
    loop.fit(linear(), data, batches(), 3, Training(0, tmp_path))
    assert shown[-90:] == expected  # before these Keras looks at a few batches for their shapes


def test_converges_and_writes_a_history(tmp_path):
    model, record = loop.fit(linear(), batches(), batches(), 12, Training(0, tmp_path))
    np.testing.assert_allclose(model.get_weights()[0], [[1], [-2]], atol=0.05)
    rows = history(tmp_path)
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    losses = [float(row["val_loss"]) for row in rows]
    assert record["val_loss"] == min(losses)
    assert record["best_epoch"] == 1 + losses.index(min(losses))
    assert {path.name for path in tmp_path.iterdir()} == {"history.csv", "checkpoint.npz"}


def test_weights_of_the_best_epoch_are_kept(tmp_path):
    # Learning the opposite of the validation's truth makes each epoch worse than the one before.
    model, record = loop.fit(linear(0.02), batches(y=-Y), batches(), 5, Training(0, tmp_path))
    losses = [float(row["val_loss"]) for row in history(tmp_path)]
    assert losses == sorted(losses)
    assert (record["best_epoch"], record["kept_epoch"], record["val_loss"]) == (1, 1, losses[0])
    np.testing.assert_allclose(np.mean((model.predict_on_batch(X) - Y) ** 2), losses[0], rtol=1e-5)


@pytest.mark.parametrize("stop", [2, 5])
def test_weights_of_the_last_epoch_are_kept_where_they_are_asked_for(tmp_path, stop):
    data = batches(y=-Y), batches()
    with pytest.raises(Stop):
        loop.fit(linear(0.02), *data, 5, Training(0, tmp_path, stop_after(stop)), keep="last")
    model, record = loop.fit(linear(0.02), *data, 5, Training(0, tmp_path), keep="last")
    losses = [float(row["val_loss"]) for row in history(tmp_path)]
    assert (record["best_epoch"], record["kept_epoch"], record["val_loss"]) == (1, 5, losses[4])
    np.testing.assert_allclose(np.mean((model.predict_on_batch(X) - Y) ** 2), losses[4], rtol=1e-5)


@pytest.mark.parametrize("again", [7, 8])
def test_weights_are_the_seeds(tmp_path, again):
    """Also those of the second fit of a process, names of layers and all."""
    saved = []
    for number, seed in enumerate((7, again)):
        folder = tmp_path / str(number)
        folder.mkdir()
        model, _ = loop.fit(with_dropout(), batches(), batches(), 2, Training(seed, folder))
        model.save(folder / loop.MODEL)
        saved.append(zipfile.ZipFile(folder / loop.MODEL).read("model.weights.h5"))
    assert (saved[0] == saved[1]) == (again == 7)


def test_other_threads_that_draw_change_nothing(tmp_path):
    def saved(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        return loop.fit(with_dropout(), batches(), batches(), 2, Training(7, folder))[0].get_weights()

    alone, done = saved(1), threading.Event()

    def draw():
        while not done.is_set():
            random.random()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(draw)
        try:
            together = saved(2)
        finally:
            done.set()
    for before, after in zip(alone, together, strict=True):
        np.testing.assert_array_equal(before, after)


def test_nothing_keeps_the_cases_of_a_fit(tmp_path):
    """TensorFlow keeps graphs: many fits in a process must not add up to all of their data."""
    train, validation = batches(), batches()
    alive = [weakref.ref(each) for each in (train, validation)]
    loop.fit(linear(), train, validation, 2, Training(0, tmp_path))
    del train, validation
    gc.collect()
    assert [each() for each in alive] == [None, None]


def test_divergence_is_told(tmp_path):
    with pytest.raises(BaselineError, match=r"epoch \d+: lower the learning_rate"):
        loop.fit(linear(1e12), batches(), batches(), 9, Training(0, tmp_path))


def test_large_seeds_are_taken(tmp_path):
    loop.fit(linear(), batches(seed=2**70), batches(), 1, Training(2**70, tmp_path))


def test_loaded_predicts_the_same_bytes(tmp_path):
    model = linear()()
    model.save(tmp_path / loop.MODEL)
    loaded = loop.load(tmp_path, (2,), (1,))
    assert loaded.predict_on_batch(X).tobytes() == model.predict_on_batch(X).tobytes()
    with pytest.raises(BaselineError, match=r"\(3,\).*\(2,\)"):
        loop.load(tmp_path, (3,), (1,))


def test_missing_or_damaged_model_is_refused(tmp_path):
    with pytest.raises(BaselineError, match=r"model\.keras holds no model"):
        loop.load(tmp_path, (2,), (1,))
    linear()().save(tmp_path / loop.MODEL)
    path = tmp_path / "model.keras"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BaselineError, match=r"model\.keras holds no model"):
        loop.load(tmp_path, (2,), (1,))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "[]")
    with pytest.raises(BaselineError, match=r"model\.keras holds no model"):
        loop.load(tmp_path, (2,), (1,))


def test_code_in_a_model_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x[:, :1])]).save(tmp_path / loop.MODEL)
    with pytest.raises(BaselineError, match="holds no model"):
        loop.load(tmp_path, (2,), (1,))


def test_stopped_after_the_last_epoch_is_complete(tmp_path):
    whole, record = fit_whole(tmp_path / "whole")
    stopped(tmp_path / "part", 6)
    again, again_record = fit_whole(tmp_path / "part")
    assert again_record == record
    assert again.predict_on_batch(X).tobytes() == whole.predict_on_batch(X).tobytes()


def test_every_state_is_in_the_checkpoint(tmp_path):
    # Dropout and Adam go on where they were: without their states the later epochs would differ.
    stopped(tmp_path, 2)
    model = with_dropout()()
    with np.load(tmp_path / "checkpoint.npz") as arrays:
        seeds = [i for i, variable in enumerate(model.variables) if "seed" in variable.path]
        assert len(seeds) == 1
        assert arrays[f"model {seeds[0]}"][1] == 10  # draws: five batches in each of two epochs
        assert arrays["optimizer 0"] == 10  # steps


@pytest.mark.parametrize("other", ["seed", "rate", "rows"])
def test_another_fit_starts_anew(tmp_path, other):
    stopped(tmp_path, 2)
    progress = stop_after(1)
    rows = 29 if other == "rows" else 30
    with pytest.raises(Stop):
        loop.fit(
            with_dropout(0.02 if other == "rate" else 0.01),
            batches(X[:rows], Y[:rows]),
            batches(shuffled=False),
            6,
            Training(4 if other == "seed" else 3, tmp_path, progress),
        )
    assert progress.told[0][::2] == (0, "first epoch")


def test_damaged_checkpoint_is_told(tmp_path):
    stopped(tmp_path, 2)
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(BaselineError, match=r"checkpoint\.npz cannot be resumed from, remove it"):
        fit_whole(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the disk that is always full")
@pytest.mark.parametrize("name", ["checkpoint.npz", "history.csv"])
def test_full_disk_leaves_the_last_checkpoint(tmp_path, name):
    def fill(done, *_):
        if done == 2:
            (tmp_path / f".{name}.part").symlink_to("/dev/full")

    with pytest.raises(OSError, match=f"No space left on device: make room.*{name}") as caught:
        fit_whole(tmp_path, progress=fill)
    assert caught.value.errno == errno.ENOSPC
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.npz", "history.csv"}
    stopped(tmp_path, 2)  # which is told at once, as two epochs are done


@pytest.mark.parametrize(("patience", "epochs"), [(0, 7), (1, 2), (3, 4)])
def test_patience_ends_early_with_the_best_weights(tmp_path, patience, epochs):
    # Each epoch is worse than the one before, as what is learnt is the opposite of the validation's truth.
    data = batches(y=-Y), batches()
    model, record = loop.fit(linear(0.02), *data, 7, Training(0, tmp_path), patience=patience)
    assert record["epochs"] == len(history(tmp_path)) == epochs
    assert record["best_epoch"] == 1
    loss = float(history(tmp_path)[0]["val_loss"])
    np.testing.assert_allclose(np.mean((model.predict_on_batch(X) - Y) ** 2), loss, rtol=1e-5)


def test_patience_survives_a_stop(tmp_path):
    data = batches(y=-Y), batches()
    with pytest.raises(Stop):
        loop.fit(linear(0.02), *data, 7, Training(0, tmp_path, stop_after(4)), patience=3)
    _, record = loop.fit(linear(0.02), *data, 7, Training(0, tmp_path), patience=3)
    assert record["epochs"] == 4


def test_a_fault_of_the_reading_is_told_as_it_is(tmp_path):
    def read(rows):
        if 29 in rows and counted.append(0) is None and len(counted) > 2:
            raise BaselineError("case 29 is not finite")
        return X[rows], Y[rows]

    counted = []
    data = Batches(read, lambda rng: rng.permutation(30), batch_size=10, seed=0)
    with pytest.raises(BaselineError, match=r"^case 29 is not finite$"):
        loop.fit(linear(), data, batches(), 9, Training(0, tmp_path))


def test_other_data_of_the_same_size_start_anew(tmp_path):
    first = fit_whole(tmp_path)[1]
    told = []
    training = Training(3, tmp_path, lambda *progress: told.append(progress[-1]))
    loop.fit(with_dropout(), batches(), batches(shuffled=False), 6, training)
    loop.fit(with_dropout(), batches(y=2 * Y), batches(shuffled=False), 6, training)
    assert told[:2] == ["resuming after epoch 6", "first epoch"]
    assert first["epochs"] == 6


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_resumes_to_the_same_bytes(tmp_path, precision):
    def fit(name, progress=no_progress):
        (tmp_path / name).mkdir(exist_ok=True)
        training = Training(3, tmp_path / name, progress)
        data = batches(), batches(shuffled=False)
        return loop.fit(with_dropout(), *data, 4, training, precision=precision)[0]

    whole = fit("whole")
    assert {layer.compute_dtype for layer in whole.layers} == {precision.removeprefix("mixed_")}
    assert {str(weights.dtype) for weights in whole.get_weights()} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    with pytest.raises(Stop):
        fit("part", stop_after(2))
    told = []
    part = fit("part", lambda *progress: told.append(progress[-1]))
    assert told[0] == "resuming after epoch 2"
    assert all(np.array_equal(a, b) for a, b in zip(part.get_weights(), whole.get_weights(), strict=True))


def test_compiled_by_xla_learns_the_same(tmp_path):
    weights = []
    for jit in (False, True):
        data = batches(), batches(shuffled=False)
        model, record = loop.fit(linear(), *data, 2, Training(3, tmp_path), jit=jit)
        weights.append(model.get_weights()[0])
        assert record["val_loss"] < 0.5
    np.testing.assert_allclose(*weights, atol=1e-4)


def test_scores_are_means_over_the_validation_cases(tmp_path):
    def scores(truth, predictions):
        return {"mae": np.abs(truth - predictions).mean(), "cases": len(truth)}

    told = []
    training = Training(0, tmp_path, tell=told.append)
    model, record = loop.fit(linear(), batches(), batches(), 3, training, scores=scores)
    rows = history(tmp_path)
    assert list(rows[0]) == ["epoch", "seconds", "loss", "val_loss", "val_mae", "val_cases"]
    best = rows[record["best_epoch"] - 1]
    np.testing.assert_allclose(
        float(best["val_mae"]), np.abs(model.predict_on_batch(X) - Y).mean(), rtol=1e-5
    )
    np.testing.assert_allclose(float(best["val_cases"]), (4 * 7 * 7 + 2 * 2) / 30)
    assert record["val_mae"] == float(best["val_mae"])
    assert f"val_mae {float(rows[2]['val_mae']):.4g}" in told[-1]
