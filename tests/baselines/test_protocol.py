import numpy as np
import pytest

from baselines.protocol import BaselineError, Cases, evenly_spaced, must_be, predict
from baselines.stamps.trees import MetadataTrees
from baselines.stamps.trivial import Majority


@pytest.mark.parametrize(
    ("n_cases", "most", "n_rows"), [(7, 100, 7), (100, 7, 7), (1, 5, 1), (40, 40, 40), (0, 5, 0)]
)
def test_rows_are_evenly_spaced_from_the_first_to_the_last(n_cases, most, n_rows):
    rows = evenly_spaced(n_cases, most)
    assert len(rows) == n_rows
    assert set(rows[:1]) | set(rows[-1:]) == ({0, n_cases - 1} if n_cases else set())
    assert n_rows < 2 or 0 < np.diff(rows).min() >= np.diff(rows).max() - 1


def test_chunks_are_all_cases_in_order():
    column = np.arange(10)
    chunks = list(Cases(column, -column, column).chunks(4))
    assert [len(inputs) for inputs, _ in chunks] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([truth for _, truth in chunks]), -column)


class WithMetadata:
    needs_metadata = True

    def predict(self, inputs, metadata):
        return inputs + metadata


def test_metadata_are_given_to_those_alone_that_need_them():
    assert predict(WithMetadata(), "stamps", "metadata") == "stampsmetadata"
    assert MetadataTrees.needs_metadata
    with pytest.raises(BaselineError, match="WithMetadata predicts from metadata, and these data have none"):
        predict(WithMetadata(), "stamps", None)
    majority = Majority()
    majority.shares = np.full(5, 0.2)
    for metadata in (None, "metadata"):
        assert predict(majority, np.zeros((3, 63, 63, 3)), metadata).shape == (3, 5)


def test_errors_have_one_dialect():
    assert str(must_be("size", "even", 3)) == "size must be even, got 3"
    assert str(must_be("size", "even", 3, "double it")) == "size must be even, got 3; double it"
