"""Which stamps can be used."""

import numpy as np
import pytest

from harness.data.sources.alerts import usable_alerts
from harness.data.sources.base import Cases, Problem
from harness.data.store import CHUNK


def stamp(*shape, dtype="f4"):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("image", "words", "damaged"),
    [
        (stamp(63, 55, 3), "cut off by the edge of the detector, 63 by 55 pixels", False),
        (stamp(63, 55, 3, dtype="u1"), "cut off by the edge of the detector", False),
        (stamp(21, 21, 3), "got a ndarray of float32 and shape (21, 21, 3)", False),
        (stamp(63, 63), "shape (63, 63)", True),
        (stamp(3, 3, 3), "got a ndarray of float32 and shape (3, 3, 3)", False),
        (stamp(1, 63, 3), "cut off by the edge of the detector, 1 by 63 pixels", False),
        (stamp(63, 55, 4), "shape (63, 55, 4)", True),
        (stamp(64, 63, 3), "shape (64, 63, 3)", True),
        (stamp(0, 63, 3), "shape (0, 63, 3)", True),
        (stamp(63, 63, 3, dtype="U1"), "of <U1", True),
        ("text", "got a str", True),
    ],
)
def test_what_cannot_be_used_is_described(image, words, damaged):
    (problem,) = usable_alerts([image], np.array([4]), None, ["7"], ["ZTF"])
    assert isinstance(problem, Problem)
    assert (problem.name, problem.damaged) == ("7", damaged)
    assert str(problem.error).startswith("alert 7: ")
    assert words in str(problem.error)
    assert problem.columns["labels"].tolist() == [4]
    assert problem.columns.keys() == ({"labels"} if damaged else {"labels", "images"})


def test_the_others_come_a_chunk_at_a_time_as_float32():
    count = CHUNK + 2
    images = [stamp(63, 63, 3, dtype="i2") + index for index in range(count)]
    images[1] = stamp(9, 63, 3)
    names = [str(index) for index in range(count)]
    labels, metadata = np.arange(count), np.zeros(count, [("candid", "i8")])
    first, second, third = usable_alerts(images, labels, metadata, names, names)
    assert first.name == "1"
    assert first.columns["labels"].tolist() == [1]
    assert isinstance(second, Cases)
    assert second.case_id == ["0", *names[2:CHUNK]]
    assert second.columns["images"].dtype == np.float32
    assert third.columns["images"][:, 0, 0, 0].tolist() == [CHUNK, CHUNK + 1]
    assert third.columns["labels"].tolist() == [CHUNK, CHUNK + 1]
    assert third.columns["metadata"].shape == (2,)
    (unsigned,) = usable_alerts([stamp(63, 63, 3, dtype="u2")], None, None, ["7"], ["ZTF"])
    assert unsigned.columns["images"].dtype == np.float32
