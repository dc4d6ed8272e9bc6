import os
import pickle

import numpy as np
import pytest

from harness.data.sources import safe_pickle as pickles
from harness.data.store import DataError
from tests.harness.data.sources.attacks import OBJECT, PICKLES, SECRET, array, text
from tests.hostile import check_refusal, measure


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_come_back(tmp_path, protocol):
    value = {
        "images": [np.ones((2, 3), np.float32), np.asfortranarray(np.zeros((3, 2)))],
        "objects": np.array([np.arange(2), "text", None], object),
        "table": np.asfortranarray(np.array([[1, "a"], [2.5, None], [np.float32(3), "c"]], object)),
        "empty": [np.zeros((0, 3), np.float16), np.array(["", "ñ"]), np.array(7)],
        "structured": np.array([(1, b"x"), (2, b"yz")], [("a", "i8"), ("b", "S4")]),
        "with gaps": np.array([(1, 2), (3, 4)], np.dtype([("a", "i1"), ("b", "i8")], align=True)),
        "scalars": (np.float32(1.5), np.int64(3), 2, b"bytes", {"nested": [1.0]}),
    }
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    loaded = pickles.load(path)
    assert [type(one) for one in loaded["objects"]] == [np.ndarray, str, type(None)]
    for content in (loaded, value):
        content["objects"], content["table"] = content["objects"].tolist(), content["table"].tolist()
    np.testing.assert_equal(loaded, value)


def test_fields_out_of_order_and_with_gaps_come_back(tmp_path):
    table = np.zeros(2, {"names": ["a", "b"], "formats": [">i4", "U1"], "offsets": [8, 0], "itemsize": 24})
    table["a"], table["b"] = [1, -2], ["\U0010ffff", "ñ"]
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(table))
    loaded = pickles.load(tmp_path / "data.pkl")
    assert loaded.tolist() == [(1, "\U0010ffff"), (-2, "ñ")]
    assert loaded.dtype == table.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_and_not_run(tmp_path, protocol):
    path, made = tmp_path / "data.pkl", tmp_path / "made"
    path.write_bytes(pickle.dumps({"images": [Runs(made)]}, protocol))
    with pytest.raises(DataError, match="mkdir"):
        pickles.load(path)
    assert not made.exists()


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps([1] * 100)[:-20], b"\x80\x04\x95" + b"\xff" * 8]
)
def test_damaged_pickle(tmp_path, content):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no pickle that can be read"):
        pickles.load(path)


@pytest.mark.parametrize("value", [np.float64, float])
@pytest.mark.parametrize("row", [list, lambda values: dict(enumerate(values))])
def test_what_may_be_in_a_pickle_grows_with_it(tmp_path, monkeypatch, value, row):
    """The whole challenge is 52,244 alerts of 23 values each, in whatever containers."""
    monkeypatch.setattr(pickles, "MAX_PICKLE_READS", 1000)
    monkeypatch.setattr(pickles, "MAX_PICKLE_OBJECTS", 1000)
    alerts = {
        "images": [np.zeros((63, 63, 3), np.float32) for _ in range(50)],
        "metadata": [row([value(i + 23 * n) for i in range(23)]) for n in range(50)],
    }
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(alerts))
    assert pickles.load(path)["metadata"] == alerts["metadata"]
    path.write_bytes(pickle.dumps(alerts | {"images": []}))
    with pytest.raises(DataError, match=r"more than the 1,[0-9]{3} (steps|objects) allowed"):
        pickles.load(path)


@pytest.mark.parametrize(("steps", "accepted"), [(8, True), (7, False)])
def test_readings_are_counted(tmp_path, monkeypatch, steps, accepted):
    """Two for the protocol, one for each of six other signs."""
    monkeypatch.setattr(pickles, "MAX_PICKLE_READS", steps)
    judged(tmp_path, b"\x80\x04(]]]t.", accepted, f"more than the {steps} steps")


@pytest.mark.parametrize(("count", "accepted"), [(8, True), (9, False)])
def test_containers_are_counted(tmp_path, monkeypatch, count, accepted):
    """A mark, so many lists, and a tuple of them; ten are allowed."""
    monkeypatch.setattr(pickles, "MAX_PICKLE_OBJECTS", 10)
    judged(tmp_path, b"(" + b"]" * count + b"t.", accepted, "more than the 10 objects")


@pytest.mark.parametrize(("count", "accepted"), [(7, True), (8, False)])
def test_steps_are_counted(tmp_path, monkeypatch, count, accepted):
    """A mark, so many values, a tuple of them, and the end; ten are allowed."""
    monkeypatch.setattr(pickles, "MAX_PICKLE_READS", 10)
    judged(tmp_path, b"(" + b"N" * count + b"t.", accepted, "more than the 10 steps")


@pytest.mark.parametrize(("length", "accepted"), [(84, True), (85, False)])
def test_bytes_are_counted_wherever_they_are_named_again(tmp_path, monkeypatch, length, accepted):
    """Four times the 105 bytes of the file are 420, as many as five times the text has; None has no bytes."""
    monkeypatch.setattr(pickles, "MAX_PICKLE_BYTES", 0)
    content = text("x" * length) + b"\x94(" + b"h\0" * 5 + b"N2t."
    judged(tmp_path, content, accepted, "more than 4 times")


@pytest.mark.parametrize(("length", "accepted"), [(100, True), (1000, False)])
def test_an_array_of_objects_has_bytes_of_its_own(tmp_path, monkeypatch, length, accepted):
    """Eight for each value of a list, which may be in many places."""
    monkeypatch.setattr(pickles, "MAX_PICKLE_BYTES", 0)
    shape = b"M" + length.to_bytes(2, "little") + b"\x85"
    content = b"(](" + b"N" * length + b"e\x94" + array(OBJECT, shape, b"h\0") + b"t."
    judged(tmp_path, content, accepted, "more than 4 times")


def judged(tmp_path, content, accepted, words):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    if accepted:
        pickles.load(path)
    else:
        with pytest.raises(DataError, match=words):
            pickles.load(path)


@pytest.mark.parametrize(("allowed", "accepted"), [(401, True), (400, False)])
def test_values_of_a_list_in_many_places_are_counted_in_each(tmp_path, monkeypatch, allowed, accepted):
    """A tuple of twenty lists of eighteen values: with the containers 1 + 20 + 20 * 18 + 20."""
    monkeypatch.setattr(pickles, "MAX_PICKLE_READS", allowed)
    content = b"(](" + b"N" * 18 + b"e\x94" + b"h\0" * 19 + b"t."
    assert len(content) < pickles.PICKLE_BYTES_A_READ  # which are none more
    judged(tmp_path, content, accepted, "more than 400 values where it repeats some")


@pytest.mark.parametrize("name", [name for name, (data, _) in PICKLES.items() if len(data) < 10_000])
def test_small_pickle_is_refused_or_accepted(tmp_path, name):
    """Quick, within this process; what they do to it is measured below."""
    data, words = PICKLES[name]
    judged(tmp_path, data, words == "accepted", words)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacks")
    for name, (data, _) in PICKLES.items():
        (folder / f"{name}.pkl").write_bytes(data)
    return measure(folder, [("pickled", folder / f"{name}.pkl", "") for name in PICKLES])


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKLES)
def test_pickle_is_refused_or_does_no_harm(found, name):
    result, words = found[f"{name}.pkl"], PICKLES[name][1]
    check_refusal(result, SECRET)
    assert result["accepted"] is (words == "accepted"), result["text"]
    assert words in result["text"] or result["accepted"]
