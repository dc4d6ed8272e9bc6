"""The folder that a worker makes of an upload."""

import numpy as np
import pytest

from submissions import Code, SubmissionError
from submissions.codabench import check
from submissions.formats.mass_mapping import FORMAT as MASS_MAPPING
from submissions.formats.stamps import FORMAT as STAMPS
from tests.submissions.zips import a_map, npy


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "team").mkdir()
    for name in "ab":
        (tmp_path / f"team/{name}.npy").write_bytes(npy(a_map()))
    (tmp_path / "metadata").write_text("exitCode: 0\n")
    return tmp_path


def test_the_workers_own_file_is_not_told_of(folder):
    report = check(folder, MASS_MAPPING, ["a", "b"])
    assert report.accepted
    assert (report.warnings, report.counts) == ([], {})
    (folder / "notes.txt").write_text("mine")
    report = check(folder, MASS_MAPPING, ["a", "b"])
    assert [finding.member for finding in report.warnings] == ["notes.txt"]
    assert report.counts == {Code.IGNORED_FILE: 1}


def test_the_folders_name_is_no_team(tmp_path):
    (tmp_path / "predictions.csv").write_text("case_id,AGN,SN,VS,asteroid,bogus\na,1,0,0,0,0\n")
    report = check(tmp_path, STAMPS, ["a"])
    assert report.accepted
    assert report.team == "unknown"


def test_an_upload_that_was_taken_for_code(tmp_path):
    (tmp_path / "metadata").write_text("exitCode: 0\n")
    with pytest.raises(SubmissionError, match="takes such a zip for code") as error:
        check(tmp_path, MASS_MAPPING, ["a"])
    assert error.value.code == Code.MISSING_FILE


def test_links_are_not_followed(folder, tmp_path_factory):
    secret = tmp_path_factory.mktemp("ref") / "b.npy"
    secret.write_bytes(npy(np.zeros((128, 128), np.float16)))
    (folder / "team/b.npy").unlink()
    (folder / "team/b.npy").symlink_to(secret)
    report = check(folder, MASS_MAPPING, ["a", "b"])
    assert not report.accepted
    assert Code.UNSAFE_NAME in report.counts
