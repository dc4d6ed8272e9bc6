import h5py
import numpy as np
import pytest

from harness.data.store import open_dataset
from tests.harness.data.sources.attacks import CASES, DATASETS, SECRET, good
from tests.hostile import check_refusal, measure


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "truth.txt").write_bytes(SECRET)
    with h5py.File(folder / "truth.h5", "w") as truth:
        truth["labels"] = np.frombuffer(SECRET, np.int8)
    for name, (make, _) in DATASETS.items():
        make(folder / f"{name}.h5")
    return measure(folder, [("dataset", folder / f"{name}.h5", "") for name in DATASETS])


@pytest.mark.slow
@pytest.mark.parametrize("name", DATASETS)
def test_data_set_is_refused(found, name):
    result = found[f"{name}.h5"]
    check_refusal(result, SECRET)
    assert result["accepted"] is False, result["text"]
    assert DATASETS[name][1] in result["text"]


def test_what_the_attacks_are_made_of_is_read(tmp_path):
    good(tmp_path / "good.h5").close()
    with open_dataset(tmp_path / "good.h5") as data:
        assert len(data.case_ids()) == len(data) == CASES
