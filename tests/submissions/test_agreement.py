"""What ``validate`` accepts, ``score`` scores, and the other way round."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data.store import create, open_dataset
from harness.evaluation.scoring import score, score_card
from harness.tracks.registry import TRACKS
from submissions import SubmissionError, validate
from tests.submissions.attacks import ATTACKS, HEADER, IDS
from tests.submissions.zips import Entry, a_map, make_zip, npy

RNG = np.random.default_rng(0)
MAPS = [
    npy(a_map()),
    npy(a_map().astype(">f4")),
    npy(np.full((128, 128), 65504, np.float16)),
    npy(np.zeros((128, 128), np.int64)),
    npy(np.full((128, 128), -np.inf, np.float16)),
    npy(np.full((128, 128), 0.1)),
    npy(a_map()[:64]),
    b"",
]
CELLS = [
    "0.2",
    "1",
    "0",
    "1e-320",
    "0.2005",
    "0.199",
    " 0.2 ",
    "2e-1",
    "-0",
    "nan",
    "inf",
    "-1",
    "1e308",
    "",
    "x",
    "٠",
]
FOLDERS = ["", "team/", "a/b/", "__MACOSX/team/", "../"]


def entries_of_maps(draw) -> list[Entry]:
    names = draw(st.lists(st.sampled_from([*IDS, "A", "other", ".a"]), max_size=5)) or list(IDS)
    names += [case_id for case_id in IDS if draw(st.integers(0, 9))]
    few = draw(st.integers(1, len(MAPS)))
    contents = [draw(st.sampled_from(MAPS[:few])) for _ in names]
    folder = draw(st.sampled_from(FOLDERS))
    unique = dict(zip(names, contents, strict=True)) if draw(st.integers(0, 5)) else {}
    pairs = unique.items() or zip(names, contents, strict=True)
    return [Entry(f"{folder}{name}.npy", content, draw(st.sampled_from([0, 8]))) for name, content in pairs]


def entries_of_a_table(draw) -> list[Entry]:
    few = draw(st.integers(1, len(CELLS)))
    lines = []
    for case_id in [*IDS, *draw(st.lists(st.sampled_from([*IDS, "other", ""]), max_size=1))]:
        cells = ["0.2"] * 5
        if not draw(st.integers(0, 3)):
            cells[draw(st.integers(0, 4))] = draw(st.sampled_from(CELLS[:few]))
        lines.append(",".join([case_id, *cells]) + draw(st.sampled_from(["\n", "\n", "\r\n", ",\n"])))
    header = HEADER if draw(st.integers(0, 9)) else HEADER[1:]
    return [Entry(draw(st.sampled_from(FOLDERS)) + "predictions.csv", (header + "".join(lines)).encode(), 8)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The inputs and the truth of three cases of each track, as two files, by the name of the track."""
    folder, files = tmp_path_factory.mktemp("cases"), {}
    values = {
        "epsilon": np.zeros((3, 128, 128, 3)),
        "kappa": np.stack([a_map(seed) for seed in range(3)]),
        "images": np.zeros((3, 63, 63, 3)),
        "labels": np.array([0, 1, 4]),
    }
    for track in TRACKS.values():
        files[track.name] = (folder / f"{track.name}-inputs.h5", folder / f"{track.name}-truth.h5")
        for path, column in zip(files[track.name], (track.inputs, track.truth), strict=True):
            with create(path, track, "full", {}) as writer:
                writer.append(IDS, [0, 1, 2], **{column.name: values[column.name].astype(column.dtype)})
    return files


def agree(path, files) -> bool:
    """Whether both accept the submission, after the check that they say the same of it."""
    inputs, truth = files
    with open_dataset(inputs) as data:
        report = validate(path, data.track.format, data.case_ids(), data.fingerprint)
    with open_dataset(truth) as data:
        try:
            scored = score(path, data)
        except SubmissionError as error:
            refused = error.code
        else:
            refused = None
    if refused:
        assert [fault.code for fault in report.faults] == [refused]
        return False
    assert scored.report == report
    if report.accepted:
        assert np.isfinite([value.mean for value in score_card(scored).metrics.values()]).all()
    else:
        assert scored.columns == {}
    return report.accepted


@pytest.mark.slow
@pytest.mark.parametrize("track", TRACKS)
@given(st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_validate_and_score_agree(tmp_path, files, track, data):
    made = entries_of_maps(data.draw) if track == "mass-mapping" else entries_of_a_table(data.draw)
    (tmp_path / "a.zip").write_bytes(make_zip(*made))
    agree(tmp_path / "a.zip", files[track])


@pytest.mark.parametrize("content", MAPS)
def test_they_agree_on_every_map(tmp_path, files, content):
    (tmp_path / "a.zip").write_bytes(make_zip(*(Entry(f"t/{case_id}.npy", content) for case_id in IDS)))
    assert agree(tmp_path / "a.zip", files["mass-mapping"]) == (content in MAPS[:4])


@pytest.mark.parametrize(
    "name", ["encrypted", "zip64_size_of_exabytes", "duplicate_names", "two_tables", "zip_in_a_zip"]
)
def test_they_agree_on_attacks(tmp_path, files, name):
    (tmp_path / "a.zip").write_bytes(ATTACKS[name].make())
    assert not agree(tmp_path / "a.zip", files[ATTACKS[name].track])
