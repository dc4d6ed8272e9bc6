import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from baselines.backend import keras
from baselines.stamps.losses import LOSSES, StampLoss, inverse_frequencies
from tests.reference import stamp_losses as slow

pytestmark = pytest.mark.slow

SETTINGS = {
    "entropy": {"beta": 0.5},
    "entropy-as-printed": {"beta": 0.5},
    "focal": {"gamma": 2.0},
    "label-smoothing": {"smoothing": 0.1},
    "class-weights": {"class_weights": [2.0, 0.5, 1.0, 1.0, 3.0]},
}
LOGITS = np.random.default_rng(0).normal(0, 4, (200, 5)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 5, 200)
SOFTMAX = np.exp(LOGITS.astype(float)) / np.exp(LOGITS.astype(float)).sum(axis=1, keepdims=True)
UNSURE = np.log(np.float32([[0.5, 0.2, 0.1, 0.1, 0.1]]))  # logits of these probabilities
SLOW = {"entropy": slow.regularised_entropy, "entropy-as-printed": slow.entropy_as_printed}
CERTAIN = np.float32([[90, 0, 0, 0, 0]])


def loss_of(name, **settings):
    return StampLoss(name, settings or SETTINGS.get(name, {}))


def by_case(loss, labels=LABELS, logits=LOGITS):
    return np.asarray(loss.call(np.asarray(labels), logits))


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("name", SLOW)
def test_equals_the_slow_version(name, beta):
    loss = loss_of(name, beta=beta)
    expected = [SLOW[name](label, row.tolist(), beta) for label, row in zip(LABELS, LOGITS, strict=True)]
    np.testing.assert_allclose(by_case(loss), expected, rtol=1e-5, atol=2e-6)
    assert float(loss(LABELS, LOGITS)) == pytest.approx(np.mean(expected), rel=1e-5)


# With p = (0.5, 0.2, 0.1, 0.1, 0.1): −log p = (0.693147, 1.609438, 2.302585, …), which sum up to 9.210340,
# and the entropy is 0.346574 + 0.321888 + 0.690776 = 1.359237.
BY_HAND = {
    "cross-entropy": (0.693147, 1.609438),
    "entropy": (0.693147 - 0.679618, 1.609438 - 0.679618),
    "entropy-as-printed": (1.039721, 2.414157),
    # e^0.5 + e^0.2 + 3 e^0.1 = 1.648721 + 1.221403 + 3.315513 = 6.185637, whose logarithm is 1.822230
    "double-softmax": (1.822230 - 0.5, 1.822230 - 0.2),
    "focal": (0.25 * 0.693147, 0.64 * 1.609438),
    # 0.92 of the true class, 0.02 of each other one
    "label-smoothing": (0.637695 + 0.170344, 1.480683 + 0.152018),
    "class-weights": (2 * 0.693147, 0.5 * 1.609438),
}


@pytest.mark.parametrize("name", LOSSES)
def test_values_by_hand(name):
    labels, logits = np.array([0, 1]), np.repeat(UNSURE, 2, axis=0)
    np.testing.assert_allclose(by_case(loss_of(name), labels, logits), BY_HAND[name], atol=2e-6)


def test_known_values():
    even = np.zeros((1, 5), np.float32)
    assert by_case(loss_of("entropy"), [3], even)[0] == pytest.approx(0.5 * np.log(5))
    assert by_case(loss_of("entropy"), [0], CERTAIN)[0] == 0
    assert by_case(loss_of("entropy-as-printed"), [3], even)[0] == pytest.approx(1.5 * np.log(5))
    assert by_case(loss_of("double-softmax"), [3], even)[0] == pytest.approx(np.log(5))
    assert by_case(loss_of("focal"), [0], CERTAIN)[0] == 0


def test_double_softmax_never_falls_below_its_bound():
    """A certain and right network gets log(e + 4) − 1; a certain and wrong one no more than 1 above that."""
    right, wrong = by_case(loss_of("double-softmax"), [0, 1], np.repeat(CERTAIN, 2, axis=0))
    assert right == pytest.approx(0.904833, abs=1e-6)
    assert wrong == pytest.approx(1.904833, abs=1e-6)
    assert np.exp(-right) == pytest.approx(0.404609, abs=1e-6)


def test_double_softmax_is_keras_loss_of_logits_on_probabilities():
    peer = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    np.testing.assert_allclose(by_case(loss_of("double-softmax")), peer(LABELS, SOFTMAX), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_is_keras_focal_loss_without_alpha(gamma):
    peer = keras.losses.categorical_focal_crossentropy(
        np.eye(5, dtype=np.float32)[LABELS], LOGITS / 2, alpha=1.0, gamma=gamma, from_logits=True
    )
    # Keras cuts probabilities to 1e-7 … 1 − 1e-7: hence the smaller logits.
    loss = loss_of("focal", gamma=gamma)
    np.testing.assert_allclose(by_case(loss, logits=LOGITS / 2), peer, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_blends_with_the_mean_over_all_classes(smoothing):
    every = np.mean([log_loss_by_case(np.full(200, label)) for label in range(5)], axis=0)
    expected = (1 - smoothing) * log_loss_by_case(LABELS) + smoothing * every
    loss = by_case(loss_of("label-smoothing", smoothing=smoothing))
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


def log_loss_by_case(labels):
    return np.array(
        [log_loss([label], [p], labels=range(5)) for label, p in zip(labels, SOFTMAX, strict=True)]
    )


def test_class_weights_are_those_of_scikit_learn():
    labels = np.repeat([0, 1, 2, 3, 4], [50, 7, 49, 25, 1])
    weights = inverse_frequencies(labels, 5)
    np.testing.assert_allclose(weights, compute_class_weight("balanced", classes=np.arange(5), y=labels))
    assert inverse_frequencies(np.array([0, 0, 0, 4]), 5) == [4 / 6, 0, 0, 0, 2]
    mean = float(loss_of("class-weights", class_weights=weights)(LABELS, LOGITS))
    peer = log_loss(LABELS, SOFTMAX, sample_weight=np.array(weights)[LABELS], normalize=False) / 200
    assert mean == pytest.approx(peer, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "settings"), [*((name, SETTINGS.get(name, {})) for name in LOSSES), ("focal", {"gamma": 0.5})]
)
def test_finite_with_its_gradient_where_probabilities_round_to_0_or_1(name, settings):
    import tensorflow as tf

    logits = tf.constant([[0.0, 1000, 0, -1000, 5], [-1e4, 0, 0, 0, 0], [90.0, 0, 0, 0, 0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = StampLoss(name, settings).call(np.array([0, 0, 0]), logits)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()


def test_entropy_asks_for_less_certainty():
    """The least loss is not at certainty: with β = 0.5 it is where −log p_y − 0.5 H is stationary."""
    sharper = [by_case(loss_of("entropy"), [0], np.array([[z, 0, 0, 0, 0]]))[0] for z in (1.0, 3.0, 8.0)]
    assert sharper[1] < sharper[2]
    plain = [by_case(loss_of("cross-entropy"), [0], np.array([[z, 0, 0, 0, 0]]))[0] for z in (1.0, 3.0, 8.0)]
    assert plain[0] > plain[1] > plain[2]


@pytest.mark.parametrize("name", LOSSES)
def test_settings_survive_a_file(name):
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss_of(name)))
    np.testing.assert_array_equal(by_case(loss), by_case(loss_of(name)))
