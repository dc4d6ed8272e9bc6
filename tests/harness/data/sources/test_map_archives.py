"""Maps in archives, whole and damaged."""

import io
import pickle

import numpy as np
import pytest

from harness.data.store import open_dataset
from harness.tracks import MASS_MAPPING
from tests.harness.data.conftest import npy, packed, refuses, write_tar


def test_pairs_by_name_and_turns_channels_last(tmp_path, members):
    out, result = packed(tmp_path, [write_tar(tmp_path / "1.tar.gz", members)])
    assert result.cases == 6
    with open_dataset(out) as data:
        assert (data.track, data.role, len(data)) == (MASS_MAPPING, "full", 6)
        for row, case_id in enumerate(data.case_ids()):
            epsilon = np.load(io.BytesIO(members[f"1/EPSILON/{case_id}.npy"]))
            np.testing.assert_array_equal(data.inputs[row], np.moveaxis(epsilon, 0, -1))
            np.testing.assert_array_equal(
                data.truth[row], np.load(io.BytesIO(members[f"1/KAPPA/{case_id}.npy"]))
            )
            assert data.groups()[row] == int(case_id[:5])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(np.zeros((128, 127), np.float16)), ["(128, 127)", "(128, 128)"]),
        (npy(np.zeros((128, 128), np.float64)), ["float64", "float16"]),
        (npy(np.full((128, 128), np.nan, np.float16)), ["NaN"]),
        (b"not an array", ["np.save"]),
        (npy(np.zeros((128, 128), np.float16))[:-5], ["bytes"]),
        (pickle.dumps("no array at all"), ["np.save"]),
    ],
    ids=["shape", "dtype", "nan", "text", "cut", "pickle"],
)
def test_damaged_member_is_named(tmp_path, members, content, words):
    name = "1/KAPPA/00002_00001.npy"
    archive = write_tar(tmp_path / "1.tar.gz", members | {name: content})
    refuses(tmp_path, [archive], name, "1.tar.gz", *words)


def test_object_array_is_not_unpickled(tmp_path, members):
    name = "1/EPSILON/00001_00002.npy"
    archive = write_tar(tmp_path / "1.tar", members | {name: npy(np.array([print], object))}, "w")
    refuses(tmp_path, [archive], name, "object")
