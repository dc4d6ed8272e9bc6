import shutil
import subprocess
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submissions import Code, SubmissionError, limits, open_submission, validate, write_submission
from submissions.formats.mass_mapping import HEADER
from tests.submissions.zips import a_map, npy, probabilities

IDS = ["00087_00323", "00087_00324", "00091_00001"]
MAPS = np.stack([a_map(seed) for seed in range(3)])
FIELDS = {"dataset_fingerprint": "f1", "seed": 7, "versions": {"numpy": "2.4"}, "hardware": "2 cores"}


def write(path, chunks, track="mass-mapping", team="Team", case_ids=IDS, **fields):
    return write_submission(path, track, team, "ks93", case_ids, chunks, fields)


def test_maps_come_back(tmp_path):
    path = tmp_path / "a.zip"
    manifest = write(path, [MAPS[:2].astype(np.float32), MAPS[2:].astype(np.float64)], **FIELDS)
    submission = open_submission(path, "mass-mapping", IDS, "f1")
    maps, report = submission.read()
    np.testing.assert_array_equal(maps, MAPS)
    assert report.accepted
    assert not report.counts
    assert submission.manifest == manifest
    assert (manifest.seed, manifest.seconds) == (7, None)


def test_files_are_what_numpy_writes(tmp_path):
    write(tmp_path / "a.zip", [MAPS])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [*(f"Team/{case_id}.npy" for case_id in IDS), "manifest.json"]
        assert archive.read(f"Team/{IDS[1]}.npy") == npy(MAPS[1])
        assert archive.testzip() is None
    assert len(HEADER) % 64 == 0


@given(count=st.integers(1, 30), seed=st.integers(0, 2**32), cut=st.integers(0, 30))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_probabilities_come_back(tmp_path, count, seed, cut):
    values, case_ids = probabilities(count, seed), [f"ztf{i}" for i in range(count)]
    chunks = [chunk for chunk in (values[:cut], values[cut:]) if len(chunk)]
    write(tmp_path / "a.zip", chunks, "stamps", case_ids=case_ids)
    found, report = open_submission(tmp_path / "a.zip", "stamps", case_ids).read()
    assert report.accepted
    np.testing.assert_array_equal(found.astype(np.float32), values)
    np.testing.assert_array_equal(found.argmax(axis=1), values.argmax(axis=1))


@pytest.mark.parametrize(("track", "values"), [("mass-mapping", MAPS), ("stamps", probabilities(3))])
def test_same_predictions_same_bytes(tmp_path, track, values):
    write(tmp_path / "a.zip", [values], track, **FIELDS)
    write(tmp_path / "b.zip", [values[:1], values[1:]], track, **FIELDS)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    ("team", "folder"),
    [
        ("Barrienlens", "Barrienlens"),
        ("Équipe / 7 <b>", "quipe7b"),
        ("../../etc", "etc"),
        ("._x", "x"),
        ("__MACOSX", "MACOSX"),
        ("δ", "team"),
    ],
)
def test_folder_is_a_safe_name_and_the_manifest_has_the_true_one(tmp_path, team, folder):
    write(tmp_path / "a.zip", [MAPS], team=team)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist()[0] == f"{folder}/{IDS[0]}.npy"
    report = validate(tmp_path / "a.zip", "mass-mapping", IDS)
    assert report.accepted
    assert not report.counts
    assert report.team == team


@pytest.mark.skipif(
    shutil.which("unzip") is None or shutil.which("zip") is None, reason="needs zip and unzip"
)
def test_unpacked_and_zipped_again_by_other_programs(tmp_path):
    write(tmp_path / "a.zip", [MAPS])
    subprocess.run(["unzip", "-q", "a.zip"], cwd=tmp_path, check=True)
    subprocess.run(["zip", "-q", "-r", "b.zip", "Team"], cwd=tmp_path, check=True)
    report = validate(tmp_path / "b.zip", "mass-mapping", IDS)
    assert report.accepted
    assert not report.counts
    assert (report.team, report.method) == ("Team", "unknown")


def test_a_changed_file_is_seen(tmp_path):
    write(tmp_path / "a.zip", [MAPS])
    with zipfile.ZipFile(tmp_path / "a.zip") as old, zipfile.ZipFile(tmp_path / "b.zip", "w") as new:
        for name in old.namelist():
            new.writestr(name, npy(MAPS[0]) if name.endswith(f"{IDS[1]}.npy") else old.read(name))
    report = validate(tmp_path / "b.zip", "mass-mapping", IDS)
    assert [(f.code, f.member) for f in report.faults] == [(Code.WRONG_CHECKSUM, f"Team/{IDS[1]}.npy")]


def changed(value) -> np.ndarray:
    maps = MAPS.astype(np.float32)
    maps[1, 5, 5] = value
    return maps


@pytest.mark.parametrize(
    ("chunks", "code", "words"),
    [
        ([changed(np.nan)], Code.NOT_FINITE, IDS[1]),
        ([changed(-np.inf)], Code.NOT_FINITE, IDS[1]),
        ([changed(1e5)], Code.WRONG_DTYPE, IDS[1]),
        ([MAPS[:1], MAPS[1:, :64]], Code.WRONG_SHAPE, IDS[1]),
        ([MAPS[..., None]], Code.WRONG_SHAPE, IDS[0]),
        ([MAPS.astype(complex)], Code.WRONG_SHAPE, "complex"),
        ([MAPS[:2]], Code.MISSING_CASE, IDS[2]),
        ([MAPS, MAPS[:1]], Code.WRONG_SHAPE, "after all 3 cases"),
        ([MAPS[[0, 1, 2, 0]]], Code.WRONG_SHAPE, IDS[0]),
    ],
)
def test_what_no_submission_may_hold_leaves_no_file(tmp_path, chunks, code, words):
    with pytest.raises(SubmissionError, match=words) as caught:
        write(tmp_path / "a.zip", chunks)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_keeps_the_old_file(tmp_path):
    def interrupted():
        yield MAPS[:1]
        raise KeyboardInterrupt

    write(tmp_path / "a.zip", [MAPS])
    before = (tmp_path / "a.zip").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.zip", interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    assert (tmp_path / "a.zip").read_bytes() == before


@pytest.mark.parametrize("case_ids", [["a", "b", "a"], ["a", "b", "../c"], ["a", "b", ""]])
def test_case_ids(tmp_path, case_ids):
    with pytest.raises(SubmissionError, match="case id"):
        write(tmp_path / "a.zip", [MAPS], case_ids=case_ids)


def test_whole_numbers_are_written(tmp_path):
    for dtype in (np.uint8, np.int16):
        write(tmp_path / "a.zip", [np.full((3, 128, 128), 7, dtype)])
        assert (open_submission(tmp_path / "a.zip", "mass-mapping", IDS).read()[0] == 7).all()


def test_one_entry_is_left_for_the_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_ENTRIES", 3)
    write(tmp_path / "a.zip", [MAPS[:2]], case_ids=IDS[:2])
    with pytest.raises(SubmissionError, match="be fewer than 3, got 3"):
        write(tmp_path / "b.zip", [MAPS])


def test_entries_tell_nothing_of_the_time_and_the_system(tmp_path):
    write(tmp_path / "a.zip", [MAPS])
    for info in zipfile.ZipFile(tmp_path / "a.zip").infolist():
        assert (info.date_time, info.create_system) == ((1980, 1, 1, 0, 0, 0), 3)
        assert (info.external_attr, info.compress_type) == (0o644 << 16, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("limit", ["MAX_DIRECTORY_BYTES", "MAX_MANIFEST_BYTES"])
def test_nothing_is_written_that_could_not_be_read(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(limits, limit, 100)
    with pytest.raises(SubmissionError, match="at most 100, got") as caught:
        write(tmp_path / "a.zip", [MAPS])
    assert caught.value.code == Code.TOO_LARGE
    assert list(tmp_path.iterdir()) == []


def test_a_table_lacks_no_case(tmp_path):
    with pytest.raises(SubmissionError, match=f"be of all 3 cases, got none from {IDS[2]} on") as caught:
        write(tmp_path / "a.zip", [probabilities(2)], "stamps")
    assert caught.value.code == Code.MISSING_CASE


@pytest.mark.parametrize("team", ["", " ", "a\nb", "x" * 101])
def test_team(tmp_path, team):
    with pytest.raises(SubmissionError, match="team"):
        write(tmp_path / "a.zip", [MAPS], team=team)


def test_calls_that_a_user_gets_wrong(tmp_path):
    ids, maps = ["a", "b"], np.zeros((2, 128, 128), np.float32)
    write_submission(tmp_path / "array.zip", "mass-mapping", "us", "zeros", ids, maps)
    write_submission(tmp_path / "chunks.zip", "mass-mapping", "us", "zeros", ids, [maps[:1], maps[1:]], {})
    assert (tmp_path / "array.zip").read_bytes() == (tmp_path / "chunks.zip").read_bytes()
    with pytest.raises(SubmissionError, match="track must be mass-mapping or stamps, got 'mass_mapping'"):
        write_submission(tmp_path / "x.zip", "mass_mapping", "us", "zeros", ids, maps)
    with pytest.raises(SubmissionError, match=r"shape \(n, 128, 128\), got \(128, 128\); pass one array"):
        write_submission(tmp_path / "x.zip", "mass-mapping", "us", "zeros", ids, list(maps))
