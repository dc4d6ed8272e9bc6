import numpy as np

from baselines.mass_mapping.trivial import Zeros


def test_zeros_are_zeros():
    maps = Zeros().predict(np.ones((3, 16, 16, 3), np.float16))
    assert maps.shape == (3, 16, 16)
    assert maps.dtype == np.float32
    assert not maps.any()
