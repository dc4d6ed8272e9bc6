import numpy as np
import pytest

from baselines.batches import Batches
from baselines.protocol import BaselineError
from tests.baselines.test_keras_loop import X, batches

pytestmark = pytest.mark.slow


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


def test_devices_share_batches_of_as_many_cases_or_more():
    data = batches()
    data.share(7)
    assert len(data.rows) == 28
    with pytest.raises(BaselineError, match="batch_size must be a multiple of the 2 devices, got 7"):
        data.share(2)
    few = Batches(lambda rows: (X[rows], X[rows]), lambda _: np.arange(5), batch_size=8, seed=0)
    with pytest.raises(BaselineError, match="number of cases must be 8 or more, one for each device, got 5"):
        few.share(8)
