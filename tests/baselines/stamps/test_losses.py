import numpy as np
import pytest

from baselines.keras_loop import keras
from baselines.stamps.losses import LOSSES
from tests.reference import stamp_losses as slow

pytestmark = pytest.mark.slow

SLOW = {
    "cross-entropy": lambda label, logits, _: slow.cross_entropy(label, logits),
    "entropy": slow.regularised_entropy,
    "entropy-as-printed": slow.entropy_as_printed,
}
LOGITS = np.random.default_rng(0).normal(0, 4, (200, 5)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 5, 200)


def by_case(loss, labels=LABELS, logits=LOGITS):
    return np.asarray(loss.call(np.asarray(labels), logits))


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("name", LOSSES)
def test_equals_the_slow_version(name, beta):
    loss = LOSSES[name](beta)
    expected = [SLOW[name](label, row.tolist(), beta) for label, row in zip(LABELS, LOGITS, strict=True)]
    np.testing.assert_allclose(by_case(loss), expected, rtol=1e-5, atol=2e-6)
    assert float(loss(LABELS, LOGITS)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_known_values():
    even, certain = np.zeros((1, 5), np.float32), np.array([[0, 90, 0, 0, 0]], np.float32)
    assert by_case(LOSSES["entropy"](0.5), [3], even)[0] == pytest.approx(0.5 * np.log(5))
    assert by_case(LOSSES["entropy"](0.5), [1], certain)[0] == 0
    assert by_case(LOSSES["entropy-as-printed"](0.5), [3], even)[0] == pytest.approx(1.5 * np.log(5))


@pytest.mark.parametrize("name", LOSSES)
def test_finite_with_its_gradient_where_probabilities_round_to_0(name):
    import tensorflow as tf

    logits = tf.constant([[0.0, 1000, 0, -1000, 5], [-1e4, 0, 0, 0, 0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = LOSSES[name](0.5).call(np.array([0, 0]), logits)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()


def test_entropy_asks_for_less_certainty():
    """The least loss is not at certainty: with β = 0.5 it is where −log p_y − 0.5 H is stationary."""
    sharper = [by_case(LOSSES["entropy"](0.5), [0], np.array([[z, 0, 0, 0, 0]]))[0] for z in (1.0, 3.0, 8.0)]
    assert sharper[1] < sharper[2]
    plain = [
        by_case(LOSSES["cross-entropy"](0.5), [0], np.array([[z, 0, 0, 0, 0]]))[0] for z in (1.0, 3.0, 8.0)
    ]
    assert plain[0] > plain[1] > plain[2]


@pytest.mark.parametrize("name", ["entropy", "entropy-as-printed"])
def test_settings_survive_a_file(name):
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(LOSSES[name](0.3)))
    np.testing.assert_array_equal(by_case(loss), by_case(LOSSES[name](0.3)))
