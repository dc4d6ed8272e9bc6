import numpy as np
import pytest

from baselines.mass_mapping.kaiser_squires import (
    KaiserSquires,
    convergence_from_shear,
    shear_from_convergence,
)
from baselines.mass_mapping.wiener import Wiener, wiener_filter
from baselines.protocol import BaselineError, Cases
from metrics import dicee, mae


def cases(kappa: np.ndarray, noise: float) -> Cases:
    e1, e2 = shear_from_convergence(kappa)
    epsilon = np.stack([e1, e2, 0 * e1], axis=-1)
    epsilon[..., :2] += noise * np.random.default_rng(1).standard_normal((*kappa.shape, 2), dtype=np.float32)
    return Cases(epsilon, kappa, np.zeros(len(kappa), np.int32))


def test_white_signal_in_white_noise_has_a_flat_filter():
    kappa = np.random.default_rng(0).standard_normal((200, 32, 32), dtype=np.float32)
    k, ratio = wiener_filter(cases(kappa, noise=2.0))
    np.testing.assert_allclose(k[:3], [1 / 32, 2 / 32, 3 / 32])
    np.testing.assert_allclose(ratio[1:15], 1 / (1 + 2.0**2), atol=0.02)  # P / (P + N), below Nyquist


def test_without_noise_nothing_is_filtered_and_the_mean_is_learnt(training):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((20, 33, 33), dtype=np.float32)  # odd: without Nyquist frequencies
    kappa = noise - noise.mean(axis=(1, 2), keepdims=True) + 0.25
    pairs = cases(kappa, noise=0.0)
    baseline = Wiener()
    outcome = baseline.fit(pairs, pairs, training)
    assert outcome == {"mean": pytest.approx(0.25, abs=1e-6), "training_cases": 20}
    np.testing.assert_allclose(baseline.predict(pairs.inputs), kappa, atol=1e-5)


@pytest.mark.slow
def test_it_beats_tuned_smoothing_under_dense_noise(simulated, training, ray_traced):
    train, validation, test = (simulated(n, "dense", seed=seed) for n, seed in ((200, 1), (40, 2), (40, 3)))
    smoothing, wiener = KaiserSquires(), Wiener()
    for baseline in (smoothing, wiener):
        baseline.fit(train, validation, training)
    for epsilon, kappa in [(test.inputs, test.truth), ray_traced("dense")]:
        for score in (mae, dicee):
            errors = [score(kappa, baseline.predict(epsilon)).mean() for baseline in (wiener, smoothing)]
            assert errors[0] < errors[1]


def test_it_is_saved_and_restored(simulated, training, tmp_path):
    train = simulated(20, "dense", seed=1)
    baseline, restored = Wiener(), Wiener()
    with pytest.raises(BaselineError, match="must be trained"):
        restored.predict(train.inputs)
    baseline.fit(train, train, training)
    baseline.save(tmp_path)
    restored.restore(tmp_path)
    np.testing.assert_array_equal(restored.predict(train.inputs), baseline.predict(train.inputs))


def test_maps_of_another_size_are_filtered_by_the_same_wavenumbers(training):
    pairs = cases(np.random.default_rng(0).standard_normal((50, 32, 32), dtype=np.float32), noise=2.0)
    baseline = Wiener()
    baseline.fit(pairs, pairs, training)
    baseline.learnt["filter"], baseline.learnt["mean"] = [0.5] * len(baseline.learnt["filter"]), 0.0
    larger = cases(np.random.default_rng(3).standard_normal((1, 48, 40), dtype=np.float32), noise=0.0)
    e1, e2 = larger.inputs[..., 0], larger.inputs[..., 1]
    np.testing.assert_allclose(baseline.predict(larger.inputs), convergence_from_shear(e1, e2) / 2, atol=1e-6)
