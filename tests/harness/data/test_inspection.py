"""What `inspect` says of a file. Whole summaries are held by tests/golden."""

import json

import numpy as np
import pytest

from harness import schemas
from harness.data.inspection import inspect, lines
from harness.data.pack import pack
from harness.data.store import create
from harness.files import HarnessError
from harness.tracks import STAMPS
from tests.harness.data.conftest import map_members, stamp_pickle, write_tar
from tests.harness.data.sources.attacks import good


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
