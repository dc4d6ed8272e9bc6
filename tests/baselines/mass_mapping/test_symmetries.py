import numpy as np
import pytest

from baselines.mass_mapping.kaiser_squires import convergence_from_shear
from baselines.mass_mapping.symmetries import SYMMETRIES, transform_epsilon, transform_kappa

every_symmetry = pytest.mark.parametrize("symmetry", SYMMETRIES.values(), ids=SYMMETRIES)


def maps(*shape: int) -> np.ndarray:
    return np.random.default_rng(2).standard_normal(shape)


def inverted(epsilon: np.ndarray) -> np.ndarray:
    return convergence_from_shear(epsilon[..., 0], epsilon[..., 1])


@every_symmetry
@pytest.mark.parametrize("shape", [(3, 16, 16, 3), (15, 15, 3), (8, 10, 3)])
def test_inversion_commutes_with_it(symmetry, shape):
    epsilon = maps(*shape)
    expected = transform_kappa(inverted(epsilon), symmetry)
    np.testing.assert_allclose(inverted(transform_epsilon(epsilon, symmetry)), expected, atol=1e-12)


@every_symmetry
def test_wrong_signs_do_not_commute(symmetry):
    epsilon = maps(16, 16, 3)
    expected = transform_kappa(inverted(epsilon), symmetry)
    for signs in {(1, 1), (1, -1), (-1, 1), (-1, -1)} - {symmetry.signs}:
        moved = inverted(transform_epsilon(epsilon, symmetry._replace(signs=signs)))
        assert np.abs(moved - expected).max() > 0.1


def test_there_are_eight_and_they_do_what_their_names_say():
    kappa = maps(6, 6)
    expected = {
        "identity": kappa,
        "flip rows": kappa[::-1],
        "flip columns": kappa[:, ::-1],
        "rotate 180": np.rot90(kappa, 2),
        "transpose": kappa.T,
        "rotate 90": np.rot90(kappa),
        "rotate 270": np.rot90(kappa, 3),
        "transpose other diagonal": np.rot90(kappa, 2).T,
    }
    assert expected.keys() == SYMMETRIES.keys()
    for name, moved in expected.items():
        np.testing.assert_array_equal(transform_kappa(kappa, SYMMETRIES[name]), moved)


def test_two_in_a_row_are_one_of_the_eight():
    epsilon = maps(6, 6, 3)
    known = {transform_epsilon(epsilon, symmetry).tobytes() for symmetry in SYMMETRIES.values()}
    assert len(known) == 8
    for first in SYMMETRIES.values():
        for second in SYMMETRIES.values():
            assert transform_epsilon(transform_epsilon(epsilon, first), second).tobytes() in known


@every_symmetry
def test_the_error_is_moved_alone(symmetry):
    epsilon = maps(4, 6, 6, 3).astype(np.float16)
    moved = transform_epsilon(epsilon, symmetry)
    assert moved.dtype == np.float16
    np.testing.assert_array_equal(moved[..., 2], transform_kappa(epsilon[..., 2], symmetry))
