import numpy as np
import pytest

from baselines.backend import keras
from baselines.keras_loop import fit
from baselines.learning_rate import adam, plateau_rate
from baselines.protocol import Training
from tests.baselines.test_keras_loop import Stop, Y, batches, stop_after

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("schedule", "expected"), [("constant", 0.5), ("cosine", 0.0)])
def test_learning_rate_follows_its_schedule_to_the_last_step(tmp_path, schedule, expected):
    def build():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer=adam(0.5, schedule, 3 * 5), loss="mse")
        rates.append(model.optimizer)
        return model

    rates = []
    fit(build, batches(), batches(), 3, Training(0, tmp_path))
    assert float(rates[0].learning_rate) == pytest.approx(expected, abs=1e-7)


LOSSES = [5, 4, 4, 4, 4, 3, 3.5, 3, 3.1, 3, 2, 2, 2, 2, 2, 2, 2.5]


def test_the_plateau_is_that_of_keras():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=adam(0.5, "plateau", 0))
    peer = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_delta=0)
    peer.set_model(model)
    peer.on_train_begin()
    for epoch, loss in enumerate(LOSSES):
        peer.on_epoch_end(epoch, {"val_loss": loss})
        rate = float(model.optimizer.learning_rate)
        assert plateau_rate(0.5, LOSSES[: epoch + 1]) == rate
    assert rate == 0.5 / 16


def test_the_learning_rate_falls_on_a_plateau_and_goes_on_so_after_a_stop(tmp_path):
    def build():
        layers = [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")]
        model = keras.Sequential(layers)
        model.compile(optimizer=adam(0.5, "plateau", 0, beta_1=0.5), loss="mse")
        made.append(model.optimizer)
        return model

    made = []
    data = batches(y=-Y), batches()  # what is learnt is wrong, so that the first epoch stays the best
    with pytest.raises(Stop):
        fit(build, *data, 8, Training(0, tmp_path, stop_after(5)), schedule="plateau")
    fit(build, *data, 8, Training(0, tmp_path), schedule="plateau")
    assert made[-1].beta_1 == 0.5
    history = np.genfromtxt(tmp_path / "history.csv", delimiter=",", names=True)
    rate = plateau_rate(0.5, history["val_loss"][:-1])
    assert float(made[-1].learning_rate) == rate < 0.5
