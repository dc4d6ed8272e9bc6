import numpy as np
import pytest

from baselines.stamps.networks import plain_cnn


def test_plain_cnn_has_the_published_layers():
    model = plain_cnn()
    weights = [layer.count_params() for layer in model.layers if layer.count_params()]
    assert weights == [1568, 9248, 18496, 36928, 36928, 102464, 4160, 325]
    assert model.count_params() == 210_117
    shapes = [tuple(layer.output.shape[1:]) for layer in model.layers]
    assert shapes == [
        *[(21, 21, 32)] * 2,
        (10, 10, 32),
        *[(10, 10, 64)] * 3,
        (5, 5, 64),
        (1600,),
        *[(64,)] * 2,
        (5,),
    ]


@pytest.mark.parametrize("size", [41, 63])
def test_plain_cnn_takes_larger_stamps(size):
    assert plain_cnn(size)(np.zeros((2, size, size, 3), np.float32)).shape == (2, 5)
