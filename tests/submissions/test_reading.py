import hashlib
import json
import os
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submissions import Code, Findings, SubmissionError, open_submission, validate, write_submission
from submissions.archive import list_folder
from submissions.formats.base import Format
from submissions.limits import MAX_MAP_BYTES
from submissions.npy import read_npy
from tests.submissions.zips import Entry, a_map, csv_rows, make_zip, npy, probabilities

IDS = ["00087_00323", "00087_00324", "00091_00001"]
MAPS = np.stack([a_map(seed) for seed in range(3)])
VALUES = probabilities(3)
TABLE = "case_id,AGN,SN,VS,asteroid,bogus\n" + csv_rows(IDS, VALUES)


@pytest.fixture
def folder(tmp_path):
    """The folder of a team, as the challenge asks for it."""
    folder = tmp_path / "files" / "Barrienlens"
    folder.mkdir(parents=True)
    for case_id, kappa in zip(IDS, MAPS, strict=True):
        np.save(folder / f"{case_id}.npy", kappa)
    return folder


@pytest.fixture
def zipped(folder, tmp_path):
    """Zip the folder, as ``zip -r`` does, from one or more levels up."""

    def zipped(levels: int = 1):
        root = folder
        for _ in range(levels):
            root = root.parent
        base = str(folder.relative_to(root)) if levels else None
        return shutil.make_archive(str(tmp_path / "my_submission"), "zip", root, base)

    return zipped


def put(path, *entries: Entry):
    path.write_bytes(make_zip(*entries))
    return path


def read(path, track="mass-mapping", case_ids=IDS, size=2):
    """The predictions and the report, after the check that chunks give the same as all at once."""
    submission = open_submission(path, track, case_ids)
    chunks = list(submission.chunks(size))
    starts = [chunk.start for chunk in chunks]
    assert starts == (list(range(0, len(case_ids), size)) if track == "mass-mapping" else [0])
    predictions, findings = zip(*(chunk.read() for chunk in chunks), strict=True)
    whole, report = submission.read()
    np.testing.assert_array_equal(np.concatenate(predictions), whole)
    assert submission.report(findings) == report == validate(path, track, case_ids)
    return whole, report


def test_zip_of_a_folder(zipped):
    maps, report = read(zipped())
    np.testing.assert_array_equal(maps, MAPS)
    assert maps.dtype == np.float16
    assert report.accepted
    assert not report.counts
    assert (report.found, report.expected) == (3, 3)
    assert (report.team, report.method) == ("Barrienlens", "unknown")
    assert open_submission(zipped(), "mass-mapping", IDS).manifest is None


@pytest.mark.parametrize("shape", [(128, 128, 1), (1, 128, 128), (1, 128, 128, 1)])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_maps_with_axes_of_length_1(zipped, folder, shape, dtype):
    np.save(folder / f"{IDS[1]}.npy", MAPS[1].astype(dtype).reshape(shape))
    maps, report = read(zipped())
    np.testing.assert_array_equal(maps, MAPS)
    assert report.accepted
    assert report.counts[Code.SQUEEZED_SHAPE] == 1


def test_values_beyond_float16_are_not_told_to_be_made_infinite(zipped, folder):
    kappa = MAPS[1].astype(np.float32)
    kappa[3, 4] = 1e6
    np.save(folder / f"{IDS[1]}.npy", kappa)
    [fault] = read(zipped())[1].faults
    assert fault.code == Code.WRONG_DTYPE
    assert fault.message == "the values must be within ±65,504, where float16 ends, got 1e+06"


def test_leading_zeros_are_forgiven_where_one_case_can_be_meant(zipped, folder):
    (folder / f"{IDS[2]}.npy").rename(folder / "91_1.npy")
    maps, report = read(zipped())
    np.testing.assert_array_equal(maps, MAPS)
    assert report.accepted
    assert report.counts == {Code.REWRITTEN_ID: 1}
    assert f"taken for {IDS[2]}" in report.warnings[0].message
    (folder / f"{IDS[2]}.npy").write_bytes(npy(MAPS[2]))
    assert read(zipped())[1].counts[Code.DUPLICATE_CASE] == 1
    both = [*IDS[:2], "0091_00001", "91_00001"]
    assert read(zipped(), case_ids=both)[1].counts[Code.MISSING_CASE] == 2


def test_order_is_that_of_the_case_ids(zipped):
    np.testing.assert_array_equal(read(zipped(), case_ids=IDS[::-1])[0], MAPS[::-1])


def test_zip_without_a_folder(zipped):
    maps, report = read(zipped(0))
    np.testing.assert_array_equal(maps, MAPS)
    assert report.accepted
    assert report.team == "my_submission"


def test_nested_folder_is_accepted_and_told(zipped):
    maps, report = read(zipped(2))
    np.testing.assert_array_equal(maps, MAPS)
    assert report.accepted
    assert report.team == "Barrienlens"
    assert [(f.code, f.member) for f in report.warnings] == [(Code.UNEXPECTED_FOLDER, "files/Barrienlens")]


def test_files_of_the_operating_system_are_ignored_and_told(zipped):
    path = zipped()
    junk = [
        "__MACOSX/Barrienlens/._00087_00323.npy",
        "__MACOSX/Barrienlens/00087_00323.npy",
        "Barrienlens/._00087_00323.npy",
        "Barrienlens/.DS_Store",
        "metadata",
        "Barrienlens/manifest.json",
    ]
    with zipfile.ZipFile(path, "a") as archive:
        for name in junk:
            archive.writestr(name, b"\0\5\26\7")
    maps, report = read(path)
    np.testing.assert_array_equal(maps, MAPS)
    assert report.accepted
    assert report.team == "Barrienlens"
    assert report.counts == {Code.IGNORED_FILE: len(junk)}
    assert [warning.member for warning in report.warnings] == junk


def test_missing_and_unknown_cases(zipped, folder):
    (folder / f"{IDS[1]}.npy").rename(folder / "other.npy")
    maps, report = read(zipped())
    assert [(f.code, f.member) for f in report.faults] == [(Code.MISSING_CASE, IDS[1])]
    assert [(f.code, f.member) for f in report.warnings] == [(Code.UNKNOWN_CASE, "Barrienlens/other.npy")]
    assert report.found == 2
    assert np.isnan(maps[1]).all()
    np.testing.assert_array_equal(maps[[0, 2]], MAPS[[0, 2]])


def test_one_case_in_two_folders_is_no_prediction(zipped):
    path = zipped()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"other/{IDS[0]}.npy", npy(MAPS[0]))
    maps, report = read(path)
    assert [(f.code, f.member) for f in report.faults] == [(Code.DUPLICATE_CASE, f"other/{IDS[0]}.npy")]
    assert np.isnan(maps[0]).all()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (npy(np.full((128, 128), np.nan, np.float16)), Code.NOT_FINITE),
        (npy(np.full((128, 128), np.inf, np.float32)), Code.NOT_FINITE),
        (npy(np.full((128, 128), np.nan)), Code.NOT_FINITE),
        (npy(np.pad([[-np.inf]], 127)[:128, :128].astype(np.float16)), Code.NOT_FINITE),
        (npy(MAPS[0][:, :127]), Code.WRONG_SHAPE),
        (npy(MAPS[0].reshape((1,) * 30 + (128, 128))), Code.WRONG_SHAPE),
        (npy(MAPS[0].astype(object)), Code.WRONG_DTYPE),
        (npy(MAPS[0].astype(np.complex128)), Code.WRONG_DTYPE),
        (npy(MAPS[0].astype(np.clongdouble)), Code.WRONG_DTYPE),
        (npy(MAPS[0].astype(np.longdouble)), Code.WRONG_DTYPE),
        (npy(np.full((128, 128), 65504, np.float32) + 20), Code.WRONG_DTYPE),
        (npy(MAPS[0] + np.float32(0.1)), Code.WRONG_DTYPE),
        (b"nothing", Code.NOT_AN_ARRAY),
        (bytes(530_000), Code.TOO_LARGE),
    ],
)
def test_one_wrong_map(zipped, folder, content, code):
    (folder / f"{IDS[1]}.npy").write_bytes(content)
    maps, report = read(zipped())
    [fault] = report.faults
    assert (fault.code, fault.member) == (code, f"Barrienlens/{IDS[1]}.npy")
    assert np.isnan(maps[1]).all()
    np.testing.assert_array_equal(maps[[0, 2]], MAPS[[0, 2]])


def read_each(files, case_ids):
    """As somebody else may write it: with no look at NaN."""
    values, findings = np.full((len(case_ids), 2), np.nan), Findings()
    with files.open() as content:
        for row, name in enumerate(files.names):
            try:
                values[row] = read_npy(content(name, 1000), (2,))
            except SubmissionError as error:
                findings.add(error.code, name, str(error))
    return values, findings


def read_together(files, case_ids):
    with files.open() as content:
        return read_npy(content(files.names[0], 1000), (len(case_ids), 2)).copy(), Findings()


def test_no_format_lets_values_through_that_are_not_finite(tmp_path):
    each = Format("each", "<case_id>.npy", (2,), read_each, None)
    values = [[1, 2], [np.nan, 1], [1, 2, 3], [3, -np.inf]]
    path = put(tmp_path / "a.zip", *(Entry(f"{i}.npy", npy(np.array(v))) for i, v in enumerate(values)))
    submission = open_submission(path, each, list("0123"))
    found, report = submission.read()
    np.testing.assert_array_equal(found, [[1, 2], *[[np.nan, np.nan]] * 3])
    assert [(fault.code, fault.member) for fault in report.faults] == [
        (Code.NOT_FINITE, "1.npy"), (Code.WRONG_SHAPE, "2.npy"), (Code.NOT_FINITE, "3.npy")
    ]  # fmt: skip
    assert validate(path, each, ["0"]).accepted

    together = Format("together", "all.npy", (2,), read_together, None)
    path = put(tmp_path / "b.zip", Entry("all.npy", npy(np.array([[1, 2], [np.nan, 1]]))))
    found, report = open_submission(path, together, ["a", "b"]).read()
    np.testing.assert_array_equal(found, [[1, 2], [np.nan, np.nan]])
    assert [(fault.code, fault.member) for fault in report.faults] == [(Code.NOT_FINITE, "b")]


def test_float32_that_loses_nothing_is_a_warning(zipped, folder):
    np.save(folder / f"{IDS[1]}.npy", MAPS[1].astype(np.float32))
    maps, report = read(zipped())
    assert report.accepted
    assert report.counts == {Code.CONVERTED_DTYPE: 1}
    np.testing.assert_array_equal(maps, MAPS)


@pytest.mark.parametrize("name", ["predictions.csv", "Team 7/predictions.csv"])
def test_zip_of_a_table(tmp_path, name):
    values, report = read(put(tmp_path / "our_zip.zip", Entry(name, TABLE.encode())), "stamps")
    np.testing.assert_array_equal(values.astype(np.float32), VALUES)
    assert values.dtype == np.float64
    assert report.accepted
    assert report.team == ("Team 7" if "/" in name else "our_zip")


def test_no_table(tmp_path):
    values, report = read(put(tmp_path / "a.zip", Entry("submission.csv", TABLE.encode())), "stamps")
    assert [f.code for f in report.faults] == [Code.MISSING_FILE]
    assert "got none" in report.faults[0].message
    assert np.isnan(values).all()


def test_several_tables(tmp_path):
    path = put(tmp_path / "a.zip", *(Entry(f"{x}/predictions.csv", TABLE.encode()) for x in "abc"))
    values, report = read(path, "stamps")
    assert [f.code for f in report.faults] == [Code.DUPLICATE_CASE]
    assert report.faults[0].message.endswith("got 3: a/predictions.csv, b/predictions.csv")
    assert np.isnan(values).all()


def test_table_that_cannot_be_read(tmp_path):
    values, report = read(put(tmp_path / "a.zip", Entry("predictions.csv", b"\xff\xfe")), "stamps")
    assert [f.code for f in report.faults] == [Code.BAD_ROW]
    assert np.isnan(values).all()


def test_submission_to_the_other_track(tmp_path, zipped):
    report = validate(zipped(), "stamps", IDS)
    assert Code.WRONG_TRACK in report.counts
    assert report.cause() == "this is no submission to the track stamps"
    table = put(tmp_path / "table.zip", Entry("predictions.csv", TABLE.encode()))
    assert Code.WRONG_TRACK in validate(table, "mass-mapping", IDS).counts


def manifest(**values) -> Entry:
    values = {"schema": "astroboard-submission/1", "track": "stamps", "team": "T", "method": "m"} | values
    return Entry("manifest.json", json.dumps(values).encode())


def with_manifest(path, entry: Entry, fingerprint=None):
    put(path / "zip.zip", Entry("predictions.csv", TABLE.encode()), entry)
    return validate(path / "zip.zip", "stamps", IDS, fingerprint)


def test_manifest_names_team_and_method(tmp_path):
    report = with_manifest(tmp_path, manifest(team="Équipe <7>"))
    assert report.accepted
    assert (report.team, report.method) == ("Équipe <7>", "m")
    submission = open_submission(tmp_path / "zip.zip", "stamps", IDS)
    assert (submission.team, submission.method) == ("Équipe <7>", "m")


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (manifest(track="mass-mapping"), Code.WRONG_TRACK),
        (manifest(team="a\nb"), Code.BAD_MANIFEST),
        (Entry("manifest.json", b"{"), Code.BAD_MANIFEST),
        (Entry("manifest.json", b"{}", size=1 << 30), Code.TOO_LARGE),
        (manifest(files={"predictions.csv": "0" * 64}), Code.WRONG_CHECKSUM),
        (manifest(files={"other.csv": hashlib.sha256(TABLE.encode()).hexdigest()}), Code.WRONG_CHECKSUM),
    ],
)
def test_manifest_with_a_fault(tmp_path, entry, code):
    report = with_manifest(tmp_path, entry)
    assert [fault.code for fault in report.faults] == [code]
    assert report.valid == (0 if code == Code.WRONG_CHECKSUM else 3)


def test_manifest_with_the_right_checksum(tmp_path):
    entry = manifest(files={"predictions.csv": hashlib.sha256(TABLE.encode()).hexdigest()})
    assert with_manifest(tmp_path, entry).accepted


@pytest.mark.parametrize(
    ("made_for", "fingerprint", "warned"),
    [("f1", "f2", True), ("f1", "f1", False), (None, "f2", False), ("f1", None, False)],
)
def test_fingerprint(tmp_path, made_for, fingerprint, warned):
    report = with_manifest(tmp_path, manifest(dataset_fingerprint=made_for), fingerprint)
    assert report.accepted
    assert (Code.WRONG_FINGERPRINT in report.counts) == warned


@pytest.mark.parametrize(
    ("case_ids", "doubt"),
    [(["0", "999999999"], True), (["0", "a"], False), (["0", "1234567890"], False)],
)
def test_fingerprint_where_ids_are_only_numbers(tmp_path, case_ids, doubt):
    path = put(tmp_path / "a.zip", manifest(dataset_fingerprint="f1"))
    (warning,) = validate(path, "stamps", case_ids, "f2").warnings
    assert ("got f1; the ids here are only numbers" in warning.message) == doubt


def test_sha256_is_that_of_the_file(tmp_path):
    path = put(tmp_path / "a.zip", Entry("predictions.csv", TABLE.encode()))
    submission = open_submission(path, "stamps", IDS)
    assert submission.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_no_zip_is_not_opened(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(SubmissionError, match="must be a zip"):
        open_submission(tmp_path / "a.zip", "stamps", IDS)


def test_folder_is_read_as_the_zip_of_it(zipped, folder):
    maps, report = read(folder.parent)
    np.testing.assert_array_equal(maps, read(zipped())[0])
    assert report.accepted
    assert not report.counts
    assert (report.team, report.found) == ("Barrienlens", 3)
    submission = open_submission(folder.parent, "mass-mapping", IDS)
    before = submission.sha256()
    np.save(folder / f"{IDS[0]}.npy", MAPS[1])
    assert submission.sha256() != before


def test_files_of_folders_come_in_the_order_of_their_names(tmp_path):
    names = [f"{number * 7 % 20:02d}/{file}.txt" for number in range(20) for file in "ba"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_folder(tmp_path).names == sorted(names)


def test_folder_with_a_link_to_the_truth(folder):
    (folder.parent.parent / "truth.npy").write_bytes(npy(MAPS[0]))
    (folder / f"{IDS[0]}.npy").unlink()
    (folder / f"{IDS[0]}.npy").symlink_to(folder.parent.parent / "truth.npy")
    (folder.parent / "linked").symlink_to(folder)
    maps, report = read(folder.parent)
    assert {(f.code, f.member) for f in report.faults} == {
        (Code.UNSAFE_NAME, f"Barrienlens/{IDS[0]}.npy"),
        (Code.UNSAFE_NAME, "linked"),
    }
    assert np.isnan(maps[0]).all()


def test_folder_with_a_pipe_and_a_huge_file(folder):
    (folder / f"{IDS[0]}.npy").unlink()
    os.mkfifo(folder / f"{IDS[0]}.npy")
    (folder / f"{IDS[1]}.npy").write_bytes(bytes(MAX_MAP_BYTES + 1))
    report = read(folder.parent)[1]
    assert report.counts[Code.UNSAFE_NAME] == report.counts[Code.TOO_LARGE] == 1


def test_folder_against_its_manifest(folder):
    digests = {
        path.relative_to(folder.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
    }
    for number, case_id in enumerate(IDS, start=1):
        digests[f"{folder.name}/{case_id}.npy"] = "0" * 64
        text = manifest(track="mass-mapping", files=digests).data
        (folder.parent / "manifest.json").write_bytes(text)
        maps, report = read(folder.parent)
        assert report.counts == {Code.WRONG_CHECKSUM: number}
        assert np.isnan(maps).all(axis=(1, 2)).tolist() == [row < number for row in range(3)]
        assert report.valid == np.isfinite(maps).all(axis=(1, 2)).sum() == 3 - number


@pytest.fixture(scope="module")
def whole_zips(tmp_path_factory):
    """A small submission to each track, with a manifest, as bytes."""
    path = tmp_path_factory.mktemp("whole") / "a.zip"
    content = {}
    for track, predictions in (("mass-mapping", np.zeros_like(MAPS)), ("stamps", VALUES)):
        write_submission(path, track, "Team", "m", IDS, [predictions], {})
        content[track] = path.read_bytes()
    return content


@pytest.mark.slow
@pytest.mark.parametrize("track", ["mass-mapping", "stamps"])
@given(data=st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_zip_whose_bytes_changed_is_read_or_refused(tmp_path, whole_zips, track, data):
    content = bytearray(whole_zips[track])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) : data.draw(st.integers(0, len(content)))]
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    report = validate(path, track, IDS)
    assert all(line.isprintable() for line in report.lines())
    try:
        predictions, read_report = read(path, track)
    except SubmissionError:
        assert not report.accepted
        return
    assert read_report == report
    assert not report.accepted or (np.isfinite(predictions).all() and report.found == 3)


def test_a_wrong_checksum_hides_no_other_fault(tmp_path):
    wrong = [MAPS[0], np.full((128, 128), np.nan, np.float16), np.zeros((64, 64), np.float16)]
    files = [Entry(f"us/{case_id}.npy", npy(values)) for case_id, values in zip(IDS, wrong, strict=True)]
    checksums = {file.name: "0" * 64 for file in files[1:]} | {
        files[0].name: hashlib.sha256(files[0].data).hexdigest()
    }
    described = {"schema": "astroboard-submission/1", "track": "mass-mapping", "team": "us", "method": "m"}
    entry = Entry("manifest.json", json.dumps(described | {"files": checksums}).encode())
    report = validate(put(tmp_path / "a.zip", *files, entry), "mass-mapping", IDS)
    found = {(fault.code, fault.member) for fault in report.faults}
    assert found == {
        (Code.WRONG_CHECKSUM, files[1].name), (Code.WRONG_CHECKSUM, files[2].name),
        (Code.NOT_FINITE, files[1].name), (Code.WRONG_SHAPE, files[2].name),
    }  # fmt: skip
    assert (report.found, report.valid) == (3, 1)
    table = TABLE.replace(IDS[1], "unknown")
    entries = [Entry("predictions.csv", table.encode()), manifest(files={"predictions.csv": "0" * 64})]
    report = validate(put(tmp_path / "b.zip", *entries), "stamps", IDS)
    assert report.counts.keys() == {Code.WRONG_CHECKSUM, Code.MISSING_CASE, Code.UNKNOWN_CASE}
