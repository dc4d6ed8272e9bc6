"""What `inspect` says of a file. Whole summaries are held by tests/golden."""

import json
import tracemalloc
import zipfile

import numpy as np
import pytest

from harness import schemas
from harness.data.inspection import inspect, lines
from harness.data.pack import pack
from harness.data.store import DataError, create
from harness.evaluation.leaderboard import make_leaderboard, rank_entries
from harness.files import HarnessError
from harness.report.page import write_leaderboard
from harness.tracks import MASS_MAPPING, STAMPS
from tests.harness.data.conftest import map_members, stamp_pickle, write_tar
from tests.harness.data.sources.attacks import good
from tests.harness.data.sources.avro import packet


@pytest.mark.parametrize("schema", schemas.JSON_FILES)
def test_every_kind_of_json_file_is_known(tmp_path, schema):
    (tmp_path / "file.json").write_text(json.dumps({"schema": schema, "cases": 3}))
    kind = schema.partition("/")[0].removeprefix("astroboard-")
    assert inspect(tmp_path / "file.json") == {"kind": kind, "schema": schema, "cases": 3}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"text", r"must be a data set .*, got a text that starts with text"),
        (b"[]", r"must be a data set .*, got a text that starts with \[\]"),
        (b'{"schema": "other/1"}', r"must have the schema .*, got 'other/1'"),
        (b"{", "holds no JSON"),
        (b"SIMPLE  =", r"must be a data set .*, got a FITS file"),
    ],
)
def test_another_file_is_refused(tmp_path, content, said):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(HarnessError, match=said):
        inspect(tmp_path / "file")


def test_a_summary_of_odd_values_is_shown_and_does_not_steer_the_terminal(tmp_path):
    with good(tmp_path / "odd.h5") as file:
        file["labels"][:] = [-1, 0, 0, 9]
        file.attrs["source"] = '{"by": "\\u001b[2J"}'
    summary = inspect(tmp_path / "odd.h5")
    assert summary["classes"] == {"AGN": 2, "SN": 0, "VS": 0, "asteroid": 0, "bogus": 0}
    assert all(line.isprintable() for line in lines(summary))


def test_counts_are_of_all_cases(tmp_path):
    """More than a chunk of them, and a NaN in the last."""
    images = np.ones((300, 63, 63, 3), np.float32)
    images[299, 5, 5, 2] = np.nan
    with create(tmp_path / "data.h5", STAMPS, "full", {}) as writer:
        ids = [f"{row}" for row in range(300)]
        writer.append(ids, range(300), images=images, labels=np.repeat([0, 3], 150).astype(np.int8))
    calls = []
    summary = inspect(tmp_path / "data.h5", lambda done, total, _: calls.append((done, total)))
    counts = summary["images"]
    assert counts["shapes"] == {"63×63×3": 300}
    assert (counts["nan"], counts["nan_by_channel"], counts["cases_with_nan"]) == (1, [0, 0, 1], 1)
    assert (counts["min"], counts["mean"], counts["std"], counts["zeros"]) == (1, 1, 0, 0)
    assert summary["classes"] == {"AGN": 150, "SN": 0, "VS": 0, "asteroid": 150, "bogus": 0}
    assert calls == [(256, 300), (300, 300)]


@pytest.mark.slow
def test_a_pickle_is_counted_and_what_packing_would_leave_out(tmp_path):
    """Of six alerts one is cut off by the edge of the detector, and another has a NaN."""
    path, content = stamp_pickle(tmp_path)
    content["images"][2][0, 0] = np.nan  # three values, in the alert that is cut off
    path, _ = stamp_pickle(tmp_path, images=content["images"])
    summary = inspect(path)
    assert (summary["kind"], summary["track"], summary["cases"]) == ("source", "stamps", 5)
    assert summary["classes"] == {"AGN": 1, "SN": 2, "VS": 0, "asteroid": 1, "bogus": 1}
    assert (summary["images"]["nan"], summary["images"]["not_square"]) == (1, 0)
    left_out = summary["left_out"]
    assert left_out["cases"] == 1
    assert "cut off by the edge of the detector, 63 by 55 pixels" in left_out["first"][0]
    assert left_out["classes"] == {"AGN": 0, "SN": 0, "VS": 1, "asteroid": 0, "bogus": 0}
    assert left_out["images"]["shapes"] == {"63×55×3": 1}
    assert (left_out["images"]["not_square"], left_out["images"]["nan"]) == (1, 3)
    assert summary["damaged"] == {"cases": 0, "first": []}
    pack(STAMPS, [path], tmp_path / "packed.h5")  # which writes down the same
    packed = inspect(tmp_path / "packed.h5")
    assert packed["images"] == summary["images"]
    assert packed["source"]["left_out_counts"] == {key: left_out[key] for key in ("classes", "images")}


def test_an_archive_of_maps_is_counted(tmp_path):
    members = map_members() | {"1/KAPPA/00009_00001.npy": b"damaged", "1/notes.txt": b""}
    summary = inspect(write_tar(tmp_path / "1.tar.gz", members))
    assert (summary["track"], summary["cases"], summary["ignored"]) == ("mass-mapping", 6, 1)
    assert summary["epsilon"]["shapes"] == {"128×128×3": 6}
    assert summary["kappa"]["shapes"] == {"128×128": 6}
    assert summary["damaged"]["cases"] == 1
    assert "00009_00001.npy" in summary["damaged"]["first"][0]


def packing_says(path, out):
    """The error that ends the packing of maps, and what is packed and left out where damage is skipped."""
    with pytest.raises(DataError) as error:
        pack(MASS_MAPPING, [path], out)
    result = pack(MASS_MAPPING, [path], out, skip_damaged=True)
    return str(error.value), result.cases, [reason for _, reason in result.left_out]


def test_cases_that_lack_their_twin_are_damaged_as_in_packing(tmp_path):
    """Seven of ten maps of the ellipticities have their convergence."""
    members = map_members(5, 2)
    for name in [name for name in members if "KAPPA" in name][:3]:
        del members[name]
    path = write_tar(tmp_path / "1.tar", members, "w")
    error, cases, left_out = packing_says(path, tmp_path / "out.h5")
    summary = inspect(path)
    assert error == "case 00001_00001 must have epsilon and kappa, but its kappa is missing"
    assert summary["damaged"] == {"cases": 3, "first": [error]}
    assert (summary["cases"], summary["left_out"]["cases"]) == (cases, len(left_out)) == (7, 3)
    assert summary["left_out"]["first"] == left_out[:1]
    assert summary["epsilon"]["shapes"] == {"128×128×3": 10}
    assert summary["kappa"]["shapes"] == {"128×128": 7}


def test_cases_that_come_again_are_damaged_as_in_packing(tmp_path):
    members = map_members(2, 1)
    members |= {f"again/{name}": data for name, data in members.items() if "00002_" in name}
    members["1/KAPPA/00009_00001.npy"] = b"broken"
    path = write_tar(tmp_path / "1.tar", members, "w")
    error, cases, left_out = packing_says(path, tmp_path / "out.h5")
    summary = inspect(path)
    assert "again/1/EPSILON/00002_00001.npy: case 00002_00001 comes twice" in error
    assert summary["damaged"] == {"cases": 3, "first": [error]}
    assert (summary["cases"], summary["left_out"]["cases"]) == (cases, len(left_out)) == (2, 3)
    assert summary["epsilon"]["shapes"] == {"128×128×3": 2}


def test_an_archive_without_the_mark_of_its_end_is_not_damaged_as_in_packing(tmp_path, members):
    content = write_tar(tmp_path / "1.tar", members, "w").read_bytes()
    (tmp_path / "1.tar").write_bytes(content[: content.rindex(members[list(members)[-1]]) + 33_280])
    summary = inspect(tmp_path / "1.tar")
    assert (summary["cases"], summary["left_out"]["cases"], summary["damaged"]["cases"]) == (6, 1, 0)


@pytest.mark.slow
def test_what_is_left_out_is_counted_and_not_kept(tmp_path):
    stamps = list(np.zeros((500, 63, 55, 3), np.float32))
    path, _ = stamp_pickle(tmp_path, images=stamps, labels=np.zeros(500, int), metadata=None)
    tracemalloc.start()
    summary = inspect(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert summary["left_out"]["images"]["shapes"] == {"63×55×3": 500}
    assert peak < sum(stamp.nbytes for stamp in stamps) / 4


def a_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_zip_is_a_source_or_a_submission(tmp_path, members):
    """Maps of the truth alone are stored as predictions are, and so is what has a manifest."""
    inputs = {f"test/{name[-15:]}": data for name, data in members.items() if "EPSILON" in name}
    twins = inspect(a_zip(tmp_path / "twins.zip", dict(reversed(members.items()))))
    assert (twins["kind"], twins["track"], twins["cases"]) == ("source", "mass-mapping", 6)
    alone = inspect(a_zip(tmp_path / "inputs.zip", inputs))
    assert (alone["kind"], alone["cases"], alone["damaged"]["cases"]) == ("source", 6, 0)
    alerts = {"1.avro": packet(1)[0], "2.avro": packet(2, shape=(63, 55))[0]}
    night = inspect(a_zip(tmp_path / "alerts.zip", alerts))
    assert (night["kind"], night["track"], night["cases"]) == ("source", "stamps", 1)
    cut = inspect(a_zip(tmp_path / "cut.zip", {"2.avro": alerts["2.avro"]}))
    assert (cut["kind"], cut["cases"], cut["left_out"]["cases"]) == ("source", 0, 1)
    predictions = {f"team/{name[-15:]}": data for name, data in members.items() if "KAPPA" in name}
    for name, files in {
        "maps": predictions,
        "table": {"predictions.csv": b"case_id,AGN,SN,VS,asteroid,bogus\n"},
        "nothing": {},
        "one of another shape": predictions | dict([[min(predictions), inputs[min(inputs)]]]),
    }.items():
        summary = inspect(a_zip(tmp_path / f"{name}.zip", files))
        assert (summary["kind"], summary["files"]) == ("submission", len(files))


def test_a_submission_with_a_manifest_is_not_read_as_a_source(tmp_path, maps, submission_of, noisy_maps):
    path = submission_of(tmp_path / "a.zip", maps / "test-truth.h5", noisy_maps(0))
    told = []
    summary = inspect(path, lambda *call: told.append(call))
    assert (summary["kind"], summary["manifest"]["team"], told) == ("submission", "Team", [])


def test_the_leaderboard_of_both_tracks_is_known(tmp_path, maps, submission_of, noisy_maps):
    truth = maps / "test-truth.h5"
    board = make_leaderboard([submission_of(tmp_path / "a.zip", truth, noisy_maps(0.1))], truth).board
    boards = [board, rank_entries(STAMPS, [])]
    write_leaderboard(boards, tmp_path)
    summary = inspect(tmp_path / "leaderboard.json")
    assert summary == {"kind": "leaderboard", "boards": json.loads(json.dumps([b.to_json() for b in boards]))}
    assert lines(summary) == [
        "kind: leaderboard",
        "boards: 2 entries",
        f"  mass-mapping: 1 rows, {board.cases} cases",
        "  stamps: 0 rows, 0 cases",
    ]
    for text in ('[{"schema": "astroboard-leaderboard/1"}, 1]', '[{"schema": "other/1"}]', "[{"):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(HarnessError, match="must be a data set"):
            inspect(tmp_path / "other.json")


def test_a_folder_of_nothing_is_refused(tmp_path):
    with pytest.raises(HarnessError, match="must be a run that has finished or a folder that can be packed"):
        inspect(tmp_path)


def test_verdicts_of_claims_are_listed(tmp_path):
    claims = [
        {"name": "a-beats-b", "verdict": "confirmed", "lacking": []},
        {"name": "b-beats-c", "verdict": "not tested", "lacking": ["A: 2 epochs, needs 4 or more", "B: r"]},
    ]
    record = {"schema": "astroboard-claims/1", "claims": claims, "runs": [{"name": "x"}]}
    (tmp_path / "claims.json").write_text(json.dumps(record))
    assert lines(inspect(tmp_path / "claims.json"))[2:] == [
        "claims: 2 entries",
        "  a-beats-b: confirmed",
        "  b-beats-c: not tested; A: 2 epochs, needs 4 or more; B: r",
        "runs: 1 entries",
    ]
