import numpy as np
import pytest

from baselines.protocol import Baseline, BaselineError, Cases, Training
from baselines.stamps.trivial import Majority


def fitted(labels, folder):
    labels = np.array(labels, np.int8)
    cases = Cases(np.empty((len(labels), 63, 63, 3), np.float32), labels, None)
    majority = Majority()
    record = majority.fit(cases, cases, Training(seed=0, folder=folder))
    return majority, record


def test_probabilities_are_the_shares(tmp_path):
    majority, record = fitted([2, 2, 0, 4, 2, 2, 0, 0], tmp_path)
    out = majority.predict(np.empty((3, 63, 63, 3), np.float32))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, [[0.375, 0, 0.5, 0, 0.125]] * 3)
    assert record == {"class_shares": [0.375, 0, 0.5, 0, 0.125]}


def test_of_equal_classes_the_first_is_predicted(tmp_path):
    majority, _ = fitted([3, 1, 3, 1], tmp_path)
    assert majority.predict(np.empty((1, 63, 63, 3)))[0].argmax() == 1


def test_restored_predicts_the_same_bytes(tmp_path):
    majority, _ = fitted([0, 1, 1, 2, 3, 4, 4], tmp_path)
    majority.save(tmp_path)
    restored = Majority()
    restored.restore(tmp_path)
    inputs = np.empty((2, 63, 63, 3))
    assert restored.predict(inputs).tobytes() == majority.predict(inputs).tobytes()


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", "[1,1,1,1,1]", "[2,-1,0,0,0]", "[NaN,0,0,0,1]"])
def test_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "shares.json").write_text(text)
    with pytest.raises(BaselineError, match=r"shares\.json"):
        Majority().restore(tmp_path)


def test_missing_file_and_untrained_are_refused(tmp_path):
    with pytest.raises(BaselineError, match=r"shares\.json"):
        Majority().restore(tmp_path)
    with pytest.raises(BaselineError, match="train"):
        Majority().predict(np.empty((1, 63, 63, 3)))


def test_is_a_baseline():
    assert isinstance(Majority(), Baseline)
    assert Majority.track == "stamps"
