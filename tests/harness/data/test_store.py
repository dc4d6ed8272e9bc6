import h5py
import numpy as np
import pytest

from harness.data.store import INPUTS_FINGERPRINT, DataError, _common, _opened, create, open_dataset, walk
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS
from submissions import SubmissionError
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


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_wrong_with_a_data_set_is_said(tmp_path, name):
    make, words = DATASETS[name]
    (tmp_path / "truth.txt").write_bytes(SECRET)
    with h5py.File(tmp_path / "truth.h5", "w") as truth:
        truth["labels"] = np.frombuffer(SECRET, np.int8)
    make(tmp_path / "bad.h5")

    def read(path):
        list(walk(path))
        with _opened(path) as data:
            return data.case_ids()

    with pytest.raises(HarnessError) as refusal:
        read(tmp_path / "bad.h5")
    assert words in str(refusal.value)


def many_columns(file, more):
    for number in range(29 + more):
        file[f"c{number}"] = file["group"]


def many_fields(file, more):
    file["metadata"] = np.zeros(CASES, [(f"f{number}", "i1") for number in range(256 + more)])


def large_cases(file, more):
    file["metadata"] = np.zeros((CASES, 2**17 + more))


def long_source(file, more):
    file.attrs["source"] = "{" + " " * (2**20 - 2 + more) + "}"


def long_fingerprint(file, more):
    file.attrs["fingerprint"] = "x" * (100 + more)


@pytest.mark.parametrize("change", [many_columns, many_fields, large_cases, long_source, long_fingerprint])
def test_the_largest_data_sets_are_read(tmp_path, change):
    for more in (0, 1):
        with good(tmp_path / f"{more}.h5") as file:
            change(file, more)
    list(walk(tmp_path / "0.h5"))
    with pytest.raises(DataError, match=r"at most|up to 256 such fields"):
        list(walk(tmp_path / "1.h5"))


LABELS = np.zeros(2, np.int8)


def write(path, *cases):
    with create(path, STAMPS, "truth", {}) as writer:
        for some in cases:
            writer.append(**some)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"labels": np.zeros(3, np.int8)}, "column labels must have 2 values, got 3"),
        ({"labels": LABELS[:, None]}, "labels must be () a case, got (1,)"),
        (
            {"labels": LABELS, "metadata": np.zeros(2, [("b", "i4")])},
            "must have the fields ('a',), got ('b',)",
        ),
        ({"labels": LABELS}, "all 4 cases must have metadata, got 2 that do"),
    ],
)
def test_columns_that_do_not_fit_those_before(tmp_path, columns, words):
    first = {"case_id": ["a", "b"], "group": [0, 1], "labels": LABELS, "metadata": np.zeros(2, [("a", "i4")])}
    with pytest.raises(DataError) as error:
        write(tmp_path / "a.h5", first, {"case_id": ["c", "d"], "group": [2, 3]} | columns)
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_is_no_name_of_a_file_is_refused(tmp_path):
    with pytest.raises(SubmissionError, match=r"\.\./a"):
        write(tmp_path / "a.h5", {"case_id": ["../a"], "group": [0], "labels": LABELS[:1]})


def test_the_same_content_has_the_same_fingerprint_whatever_else_is_known_of_it(tmp_path):
    cases = {"case_id": ["a", "b"], "group": [0, 1], "labels": LABELS}
    kept = []
    for name, source, more in (
        ("a", {"x": 1, "y": 2}, {}),
        ("b", {"y": 2, "x": 1}, {"metadata": np.zeros(2, [("a", "i4")])}),
    ):
        with create(tmp_path / f"{name}.h5", STAMPS, "truth", source) as writer:
            writer.append(**cases, **more)
        with h5py.File(tmp_path / f"{name}.h5") as file:
            kept.append((file.attrs["fingerprint"], file.attrs["source"]))
    assert kept[0] == kept[1]


def test_columns_of_all_plain_types_come_back(tmp_path):
    metadata = np.array([(1, 2, True, b"x", 0.5)] * 2, "i2,u4,?,S3,f8")
    columns = {"labels": LABELS, "metadata": metadata, "weights": np.arange(6.0).reshape(2, 3)}
    write(tmp_path / "a.h5", {"case_id": ["a", "b"], "group": [0, 1]} | columns)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["group"]
        file["group"] = np.array([3, 4], np.uint16)
    with open_dataset(tmp_path / "a.h5") as data:
        assert data.groups().tolist() == [3, 4]
        for name, values in columns.items():
            np.testing.assert_array_equal(data.columns[name][:], values)


def test_a_column_of_a_wider_type_keeps_its_rows_and_those_that_have_none(tmp_path):
    """More rows than are copied at a time, of which some lack a value, and values of several axes."""
    narrow, wide = np.zeros(600, [("a", "i2"), ("b", "S1")]), np.zeros(2, [("a", "f4"), ("b", "S3")])
    narrow["a"], narrow["b"] = np.arange(600), b"n"
    wide["a"], wide["b"] = [0.5, 40_000], b"abc"
    ids = [f"n{number}" for number in range(600)]
    with create(tmp_path / "a.h5", STAMPS, "truth", {}) as writer:
        writer.append(["none"], [0], labels=LABELS[:1])
        weights = np.ones((600, 3), np.int8)
        writer.append(ids, range(600), labels=np.zeros(600, np.int8), metadata=narrow, weights=weights)
        writer.append(["x", "y"], [0, 1], labels=LABELS, metadata=wide, weights=np.full((2, 3), 0.5))
        before = writer.digest("metadata", 5)
        assert [writer.has("metadata", row) for row in (0, 1, 600, 601, 602, 603)] == [0, 1, 1, 1, 1, 0]
        writer.append(["z"], [2], labels=LABELS[:1], metadata=narrow[7:8], weights=weights[:1])
        assert writer.digest("metadata", 5) == before
        writer.drop([0])
    with open_dataset(tmp_path / "a.h5") as data:
        rows = dict(zip(data.case_ids(), data.metadata[:].tolist(), strict=True))
        assert data.metadata.dtype == np.dtype([("a", "f4"), ("b", "S3")])
        assert rows == {"x": (0.5, b"abc"), "y": (40_000, b"abc"), "z": (7, b"n")} | {
            name: (number, b"n") for number, name in enumerate(ids)
        }
        weights = dict(zip(data.case_ids(), data.columns["weights"][:, 2].tolist(), strict=True))
        assert weights == {"x": 0.5, "y": 0.5, "z": 1} | dict.fromkeys(ids, 1)
        assert data.truth.dtype == np.int8


@pytest.mark.parametrize("label", [-1, 5])
def test_labels_are_numbers_of_classes(tmp_path, label):
    write(
        tmp_path / "a.h5", {"case_id": ["a", "b"], "group": [0, 1], "labels": np.array([1, label], np.int8)}
    )
    expected = rf"a\.h5: labels must be 0 to 4, for AGN, SN, VS, asteroid, bogus, got {label} of case b"
    with open_dataset(tmp_path / "a.h5") as data, pytest.raises(DataError, match=expected):
        _ = data.truth


def test_groups_may_be_large_numbers(tmp_path):
    cases = {"case_id": ["a", "b"], "labels": LABELS}
    write(tmp_path / "a.h5", cases | {"group": np.array([-(10**12), 3])})
    with open_dataset(tmp_path / "a.h5") as data:
        assert data.groups().tolist() == [-(10**12), 3]
    with pytest.raises(DataError, match="groups must be integers of 64 bits, got 18446744073709551615"):
        write(tmp_path / "b.h5", cases | {"group": np.array([2**64 - 1, 3], np.uint64)})


@pytest.mark.parametrize("without", [2, 5000], ids=["few", "more than are reserved at a time"])
def test_rows_after_the_last_value_of_a_column(tmp_path, without):
    """Whether all have a value is told, and rows that have none fill gaps like others."""
    some = {"case_id": ["a", "b"], "group": [0, 1], "labels": LABELS, "metadata": np.ones(2, [("a", "i4")])}
    ids = [f"n{number}" for number in range(without)]
    others = {"case_id": ids, "group": range(without), "labels": np.zeros(without, np.int8)}
    with pytest.raises(DataError, match=f"all {without + 2} cases must have metadata, got 2 that do"):
        write(tmp_path / "a.h5", some, others)
    with create(tmp_path / "b.h5", STAMPS, "truth", {}) as writer:
        writer.append(**some)
        writer.append(**others)
        writer.drop([0])
        assert [writer.has("metadata", row) for row in range(3)] == [False, True, False]
        assert writer.rows[ids[-1]] == 0
        writer.drop(range(2, without + 1))
        writer.drop([0])
    with open_dataset(tmp_path / "b.h5") as data:
        assert data.case_ids() == ["b"]
        assert data.metadata[:].tolist() == [(1,)]


def test_a_data_set_has_cases_and_each_once(tmp_path):
    with pytest.raises(DataError, match="would hold no case at all"):
        write(tmp_path / "a.h5")
    case = {"case_id": ["a"], "group": [0], "labels": LABELS[:1]}
    with pytest.raises(DataError, match="case a comes twice"):
        write(tmp_path / "a.h5", case, case)


@pytest.mark.parametrize(
    ("role", "source", "expected"),
    [("truth", {INPUTS_FINGERPRINT: "f"}, "f"), ("truth", {INPUTS_FINGERPRINT: 7}, None), ("truth", {}, None),
     ("full", {INPUTS_FINGERPRINT: "f"}, "its own")],
)  # fmt: skip
def test_submissions_name_the_fingerprint_of_the_inputs(tmp_path, role, source, expected):
    with create(tmp_path / "a.h5", STAMPS, role, source) as writer:
        writer.append(["a", "b"], [0, 1], labels=LABELS)
    with open_dataset(tmp_path / "a.h5", STAMPS) as data:
        assert data.submissions_fingerprint == (data.fingerprint if expected == "its own" else expected)
    with (
        pytest.raises(DataError, match="must be of the track 'mass-mapping', got one of 'stamps'"),
        open_dataset(tmp_path / "a.h5", MASS_MAPPING),
    ):
        pass
    with pytest.raises(DataError, match="must be a dataset file"), open_dataset(tmp_path):
        pass


def test_what_the_attacks_are_made_of_is_read(tmp_path):
    good(tmp_path / "good.h5").close()
    with open_dataset(tmp_path / "good.h5") as data:
        assert len(data.case_ids()) == len(data) == CASES


def test_an_id_that_is_not_ascii_is_refused(tmp_path):
    with good(tmp_path / "bad.h5") as file:
        file["case_id"][1] = "ñ1".encode()
    with (
        _opened(tmp_path / "bad.h5") as data,
        pytest.raises(DataError, match=r"bad\.h5: a case id must be .*1'"),
    ):
        data.case_ids()


def test_a_common_type_of_metadata_is_found_field_by_field():
    """Titles and gaps of structures, which HDF5 does not keep, are no difference."""
    titled = [np.dtype([(("title", "a"), kind)]) for kind in ("f4", "f8")]
    assert _common("metadata", *titled) == np.dtype([("a", "f8")])
    gaps = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    packed = np.dtype([("a", "i1"), ("b", "f8")])
    assert _common("metadata", packed, gaps) == packed != gaps
