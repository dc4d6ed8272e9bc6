import numpy as np
import pytest

from baselines.mass_mapping.augmentation import augment, draw
from baselines.mass_mapping.inversion import components
from baselines.mass_mapping.kaiser_squires import convergence_from_shear
from baselines.mass_mapping.symmetries import SYMMETRIES

pytestmark = pytest.mark.slow

PLACES = np.arange(len(SYMMETRIES))


@pytest.fixture(scope="module")
def pairs():
    """Ellipticities with a Δe, and the KS93 maps of them, one case for each symmetry."""
    epsilon = np.random.default_rng(0).standard_normal((len(PLACES), 32, 32, 3), np.float32)
    e1, e2, _ = components(epsilon)
    return epsilon, convergence_from_shear(e1, e2)


def inverted(epsilon):
    e1, e2, _ = components(epsilon)
    return convergence_from_shear(e1, e2)


def test_ks93_of_turned_ellipticities_is_the_turned_map(pairs):
    epsilon, kappa = augment(*pairs, PLACES, "spin-2")
    np.testing.assert_allclose(inverted(epsilon), kappa, atol=1e-5)
    assert not any(np.allclose(kappa[place], pairs[1][place]) for place in PLACES[1:])


def test_naive_moves_the_same_maps_but_breaks_six_of_eight_pairs(pairs):
    epsilon, kappa = augment(*pairs, PLACES, "naive")
    np.testing.assert_array_equal(kappa, augment(*pairs, PLACES, "spin-2")[1])
    apart = np.abs(inverted(epsilon) - kappa).max(axis=(1, 2)) > 0.1
    assert {name for name, wrong in zip(SYMMETRIES, apart, strict=True) if not wrong} == {
        "identity",
        "rotate 180",
    }
    rotated = list(SYMMETRIES).index("rotate 90")
    assert np.corrcoef(inverted(epsilon)[rotated].ravel(), kappa[rotated].ravel())[0, 1] < -0.99


def test_scalar_maps_move_together(pairs):
    epsilon, kappa = pairs
    moved, maps = augment(epsilon, np.stack([kappa, epsilon[..., 2]], axis=1), PLACES, "spin-2")
    np.testing.assert_array_equal(maps[:, 0], augment(epsilon, kappa, PLACES, "spin-2")[1])
    np.testing.assert_array_equal(maps[:, 1], moved[..., 2])


def test_symmetries_are_drawn_alike_often_from_the_seed_alone():
    drawn = draw("spin-2", 8000, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=8)
    assert len(counts) == 8
    assert (abs(counts - 1000) < 150).all()
    np.testing.assert_array_equal(drawn, draw("naive", 8000, np.random.default_rng(0)))
    assert not draw("none", 8000, np.random.default_rng(0)).any()


def test_types_are_kept_and_the_identity_changes_nothing(pairs):
    epsilon, kappa = (each.astype(np.float16) for each in pairs)
    same_epsilon, same_kappa = augment(epsilon, kappa, 0 * PLACES, "spin-2")
    assert same_epsilon.dtype == same_kappa.dtype == np.float16
    np.testing.assert_array_equal(same_epsilon, epsilon)
    np.testing.assert_array_equal(same_kappa, kappa)
    same_epsilon[:] = same_kappa[:] = 0
    assert epsilon.any()
    assert kappa.any()
