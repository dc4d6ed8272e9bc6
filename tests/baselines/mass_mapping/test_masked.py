from itertools import islice, pairwise

import numpy as np
import pytest

from baselines.mass_mapping.kaiser_squires import (
    KaiserSquires,
    convergence_from_shear,
    shear_from_convergence,
)
from baselines.mass_mapping.masked import MaskedKaiserSquires, inversions
from metrics import dicee, dpeaks

pytestmark = pytest.mark.slow


def after(rounds: int, epsilon: np.ndarray, border: int = 0) -> np.ndarray:
    e1, e2, error = np.moveaxis(epsilon.astype(np.float32), -1, 0)
    return next(islice(inversions(e1, e2, error, border), rounds, None))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


@pytest.fixture(scope="module")
def sparse(simulated):
    return simulated(20, "sparse", seed=3)


def test_round_0_is_the_plain_inversion(sparse):
    e1, e2, _ = np.moveaxis(sparse.inputs.astype(np.float32), -1, 0)
    np.testing.assert_array_equal(after(0, sparse.inputs), convergence_from_shear(e1, e2))


def test_noisy_pixels_are_not_looked_at(sparse):
    spoilt = sparse.inputs.copy()
    spoilt[..., :2][sparse.inputs[..., 2] != 0] = 7
    np.testing.assert_array_equal(after(6, spoilt), after(6, sparse.inputs))


def test_every_round_comes_closer(sparse):
    errors = [dicee(sparse.truth, after(rounds, sparse.inputs)).mean() for rounds in (0, 1, 2, 4, 8, 16)]
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[1] < 0.15
    assert errors[-1] < 0.01


def test_the_solution_explains_the_exact_shear_up_to_a_mass_sheet():
    kappa = np.random.default_rng(4).standard_normal((2, 32, 32))
    kappa = (convergence_from_shear(*shear_from_convergence(kappa)) * 0.1).astype(np.float32)
    gamma1, gamma2 = shear_from_convergence(kappa)
    noisy = np.random.default_rng(5).random(kappa.shape) < 0.3
    epsilon = np.stack([gamma1 / (1 - kappa), gamma2 / (1 - kappa), np.zeros_like(kappa)], axis=-1)
    epsilon[noisy] = 1
    # White noise that was inverted once has lost at Nyquist what the shear does not hold.
    np.testing.assert_allclose(after(200, epsilon), kappa, atol=5e-3)


def test_a_border_makes_room_for_matter_outside_the_crop(simulated):
    field = simulated(20, "sparse", "field", seed=3)
    without, with_border = (dicee(field.truth, after(16, field.inputs, border)).mean() for border in (0, 32))
    assert with_border < 0.03 < 0.08 < without


@pytest.mark.parametrize("noisy", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("border", [0, 8])
def test_any_share_of_noisy_pixels_gives_a_map(sparse, noisy, border):
    epsilon = sparse.inputs[:4].astype(np.float32)
    epsilon[..., 2] = np.random.default_rng(0).random(epsilon.shape[:3]) < noisy
    kappa = after(24, epsilon, border)
    assert kappa.shape == (4, 128, 128)
    assert np.isfinite(kappa).all()


def test_without_exact_pixels_all_are_taken_as_such(sparse):
    exact, flagged = sparse.inputs[:2].copy(), sparse.inputs[:2].copy()
    exact[..., 2], flagged[..., 2] = 0, 1
    np.testing.assert_array_equal(after(5, flagged), after(5, exact))


def test_a_block_without_any_exact_pixel_is_filled(sparse):
    epsilon = sparse.inputs.copy()
    epsilon[:, 60:70, 60:70, 2] = 1
    assert correlation(sparse.truth, after(16, epsilon)) > 0.97


def test_an_empty_map_stays_empty():
    assert not after(10, np.zeros((2, 32, 32, 3))).any()


def test_sparse_noise_is_undone_on_unseen_maps(simulated, training, ray_traced, tmp_path):
    train, validation = simulated(40, "sparse", seed=1), simulated(20, "sparse", seed=2)
    baseline = MaskedKaiserSquires()
    outcome = baseline.fit(train, validation, training)
    assert (outcome["border"], outcome["sigma"]) == (0, 0)
    assert outcome["rounds"] >= 8
    assert outcome["mean"] == pytest.approx(train.truth.mean(dtype=np.float64), abs=1e-6)
    epsilon, kappa = ray_traced("sparse")
    predicted = baseline.predict(epsilon)
    assert predicted.mean() == pytest.approx(outcome["mean"], abs=1e-5)
    assert dicee(kappa, predicted).mean() < 0.01
    assert dpeaks(kappa, predicted).mean() < 5

    baseline.save(tmp_path)
    restored = MaskedKaiserSquires()
    restored.restore(tmp_path)
    np.testing.assert_array_equal(restored.predict(epsilon[:3]), predicted[:3])


def test_crops_of_a_field_get_a_border(simulated, training):
    train, validation = simulated(10, "sparse", "field", seed=1), simulated(10, "sparse", "field", seed=2)
    assert MaskedKaiserSquires().fit(train, validation, training)["border"] > 0


def test_under_dense_noise_it_is_no_worse_than_smoothed_inversion(simulated, training):
    train, test = (simulated(20, "dense", seed=seed) for seed in (1, 3))
    validation = simulated(60, "dense", seed=2)  # of fewer, chance chooses
    scores = []
    for baseline in (KaiserSquires(), MaskedKaiserSquires()):
        baseline.fit(train, validation, training)
        scores.append(dicee(test.truth, baseline.predict(test.inputs)).mean())
    assert scores[1] < scores[0] + 0.005
