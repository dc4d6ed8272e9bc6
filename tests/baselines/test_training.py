import csv
import zipfile

import numpy as np
import pytest

from baselines import training as loop
from baselines.protocol import BaselineError, Training
from baselines.training import Batches, keras

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


def history(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_batches_hold_every_row_once():
    data = batches()
    assert len(data) == 5
    rows = np.concatenate([data[number][0] for number in range(5)])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(X, axis=0))
    assert len(data[4][0]) == 2


def test_order_follows_from_seed_and_epoch_alone():
    first, second = batches(), batches()
    first.begin(1)
    first.begin(4)
    second.begin(4)
    np.testing.assert_array_equal(first.rows, second.rows)
    second.begin(5)
    assert (first.rows != second.rows).any()
    assert (batches(seed=1).rows != batches(seed=2).rows).any()


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
    assert list(tmp_path.iterdir()) == [tmp_path / "history.csv"]


def test_weights_of_the_best_epoch_are_kept(tmp_path):
    # Learning the opposite of the validation's truth makes each epoch worse than the one before.
    model, record = loop.fit(linear(0.02), batches(y=-Y), batches(), 5, Training(0, tmp_path))
    losses = [float(row["val_loss"]) for row in history(tmp_path)]
    assert losses == sorted(losses)
    assert record["best_epoch"] == 1
    np.testing.assert_allclose(np.mean((model.predict_on_batch(X) - Y) ** 2), losses[0], rtol=1e-5)


@pytest.mark.parametrize("again", [7, 8])
def test_weights_are_the_seeds(tmp_path, again):
    weights = [
        loop.fit(linear(), batches(), batches(), 2, Training(seed, tmp_path))[0].get_weights()[0].tobytes()
        for seed in (7, again)
    ]
    assert (weights[0] == weights[1]) == (again == 7)


def test_divergence_is_told(tmp_path):
    with pytest.raises(BaselineError, match=r"epoch \d+: lower the learning_rate"):
        loop.fit(linear(1e12), batches(), batches(), 9, Training(0, tmp_path))


def test_large_seeds_are_taken(tmp_path):
    loop.fit(linear(), batches(seed=2**70), batches(), 1, Training(2**70, tmp_path))


def test_loaded_predicts_the_same_bytes(tmp_path):
    model = linear()()
    loop.save(model, tmp_path)
    loaded = loop.load(tmp_path, (2,), (1,))
    assert loaded.predict_on_batch(X).tobytes() == model.predict_on_batch(X).tobytes()
    with pytest.raises(BaselineError, match=r"\(3,\).*\(2,\)"):
        loop.load(tmp_path, (3,), (1,))


def test_missing_or_damaged_model_is_refused(tmp_path):
    with pytest.raises(BaselineError, match=r"model\.keras holds no model"):
        loop.load(tmp_path, (2,), (1,))
    loop.save(linear()(), tmp_path)
    path = tmp_path / "model.keras"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BaselineError, match=r"model\.keras holds no model"):
        loop.load(tmp_path, (2,), (1,))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "[]")
    with pytest.raises(BaselineError, match=r"model\.keras holds no model"):
        loop.load(tmp_path, (2,), (1,))


def test_code_in_a_model_is_refused(tmp_path):
    loop.save(keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x[:, :1])]), tmp_path)
    with pytest.raises(BaselineError, match="holds no model"):
        loop.load(tmp_path, (2,), (1,))
