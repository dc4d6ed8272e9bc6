"""The scoring program in the folders of Codabench's worker, in a Python that has three packages."""

import json
import re
import subprocess
import zipfile

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.store import open_dataset
from harness.platforms.codabench.worker import main as work
from harness.platforms.kaggle import SCORES
from harness.platforms.kaggle import score as kaggle_score
from harness.tracks.registry import TRACKS
from submissions import write_submission
from tests.harness.platforms.codabench.codabench import run, unzip

pytestmark = pytest.mark.slow

TEAM = "<script>alert(1)</script>"


def predictions(track, truth):
    rng = np.random.default_rng(4)
    if track.classes:
        raw = rng.random((len(truth), 5)) + 0.8 * np.eye(5)[truth]
        return raw / raw.sum(axis=1, keepdims=True)
    return truth + rng.normal(0, 0.02, truth.shape)


@pytest.fixture(scope="module")
def submitted(truths, tmp_path_factory):
    """A submission to each track, of all cases."""
    folder = tmp_path_factory.mktemp("submitted")
    for name, (path, *_) in truths.items():
        with open_dataset(path) as data:
            made = predictions(data.track, data.truth[:])
            write_submission(folder / f"{name}.zip", name, TEAM, "a & b", data.case_ids(), [made], {})
    return {name: folder / f"{name}.zip" for name in truths}


@pytest.fixture
def score_there(bundles, bare_python, tmp_path):
    def call(track, upload, phase=0, *flags):
        return run(bundles[track], bare_python, phase, upload, tmp_path / "worker", *flags)

    return call


def rewritten(source, target, change):
    """A copy of a zip without manifest; ``change`` makes entries of the number, name and content of each."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for number, name in enumerate(one for one in old.namelist() if one != "manifest.json"):
            for entry in change(number, name, old.read(name)):
                new.writestr(*entry)
    return target


@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize("track", sorted(TRACKS))
def test_three_scorers_agree(track, phase, bundles, submitted, truths, score_there, tmp_path):
    part = ("public", "private")[phase]
    truth = unzip(bundles[track] / f"reference_data_{part}.zip", tmp_path / "ref") / "truth.h5"
    there = score_there(track, submitted[track], phase)
    assert (there.status, there.stderr) == (0, "")
    words = ["score", str(submitted[track]), "--truth", str(truth), "--json"]
    card = json.loads(CliRunner().invoke(main, words).stdout)
    here = {key: value["mean"] for key, value in card["metrics"].items()}
    assert there.scores == pytest.approx(here, rel=1e-13)  # sums in another order: there is no numba there
    assert list(there.scores) == [one.key for one in TRACKS[track].scores]
    for one in TRACKS[track].scores:
        assert f"<td>{there.scores[one.key]:.{one.digits}f}</td>" in there.page
    if track == "stamps":
        tables = []
        for words in ([], ["--submission", str(submitted[track])]):
            path = tmp_path / f"{len(words)}.csv"
            assert (
                CliRunner().invoke(main, ["kaggle", str(truths[track][0]), str(path), *words]).exit_code == 0
            )
            header, *rows = [line.split(",") for line in path.read_text().splitlines()]
            tables.append(dict(zip(header, zip(*rows, strict=True), strict=True)))
        solution, submission = tables
        kept = [use == part.capitalize() for use in solution["Usage"]]
        solution = {name: np.array(column)[kept] for name, column in solution.items()}
        for metric in SCORES:
            assert kaggle_score(solution, submission, "case_id", metric) == there.scores[metric]


def test_the_log_and_the_page_tell_nothing_by_case(submitted, score_there, truths):
    for track, upload in submitted.items():
        there = score_there(track, upload)
        with open_dataset(truths[track][0]) as data:
            assert f"{len(data)} of {len(data)} cases" in there.stdout
            assert not [case_id for case_id in data.case_ids() if case_id in there.stdout + there.page]
        for value in there.scores.values():
            assert str(value) not in there.stdout
        assert TEAM not in there.page
        assert "&lt;script&gt;" in there.page
        assert not re.search(r"src=|href=|https?:|url\(", there.page)
        assert "metadata" not in there.stdout + there.page


def test_zips_as_people_make_them(submitted, score_there, tmp_path):
    straight = score_there("mass-mapping", submitted["mass-mapping"]).scores

    def nest(_, name, content):
        return [(f"mine/{name}", content), (f"__MACOSX/mine/._{name}", b"\0")]

    there = score_there("mass-mapping", rewritten(submitted["mass-mapping"], tmp_path / "nested.zip", nest))
    assert there.scores == straight
    assert "__MACOSX" in there.stdout


BAD = {
    "missing": (lambda number, name, content: [(name, content)] * (number > 0), "missing-case"),
    "nan": (lambda _, name, content: [(name, content[:-2] + b"\x00\x7e")], "not-finite"),
    "cut": (lambda _, name, content: [(name, content[:-7])], "not-an-array"),
    "code": (lambda n, name, content: [(name, content), ("metadata", b"")][: 2 - (n > 0)], "for code"),
    "yaml": (lambda n, name, content: [(name, content), ("metadata.yaml", b"")][: 2 - (n > 0)], "for code"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_submission_fails_and_says_why(submitted, score_there, tmp_path, kind):
    change, message = BAD[kind]
    there = score_there("mass-mapping", rewritten(submitted["mass-mapping"], tmp_path / "bad.zip", change))
    assert (there.status, there.scores, there.stdout) == (1, None, "")
    assert message in there.stderr
    assert message in there.page
    assert "Traceback" not in there.stderr


def test_the_other_tracks_submission_fails(submitted, score_there):
    there = score_there("stamps", submitted["mass-mapping"])
    assert (there.status, there.scores) == (1, None)
    assert "wrong-track" in there.stderr


def test_private_cases_are_demanded_in_the_public_phase(bundles, submitted, score_there, tmp_path):
    """Or who leaves out cases one by one learns which are public."""
    hidden = unzip(bundles["mass-mapping"] / "reference_data_private.zip", tmp_path / "ref") / "truth.h5"
    with open_dataset(hidden) as data:
        left_out = data.case_ids()[0]

    def leave_out(_, name, content):
        return [(name, content)] * (left_out not in name)

    upload = rewritten(submitted["mass-mapping"], tmp_path / "a.zip", leave_out)
    there = score_there("mass-mapping", upload, 0)
    assert there.status == 1
    assert left_out in there.stderr


def test_a_fault_of_the_truth_is_not_told(bundles, submitted, tmp_path):
    reference = unzip(bundles["mass-mapping"] / "reference_data_public.zip", tmp_path / "input/ref")
    unzip(submitted["mass-mapping"], tmp_path / "input/res")
    (tmp_path / "output").mkdir()
    with h5py.File(reference / "truth.h5", "r+") as file:
        file["kappa"][0, 3, 5] = np.nan
    assert work([str(tmp_path / "input"), str(tmp_path / "output")]) == 2
    page = (tmp_path / "output/detailed_results.html").read_text()
    assert "please tell the organisers" in page
    assert "nan" not in page
    assert not (tmp_path / "output/scores.json").exists()


def test_scores_that_no_board_can_hold(small, tmp_path, make_bundle, bare_python):
    tiny = small("tiny.h5", [1, 2, 3], kappa=np.float16(6e-8))
    make_bundle(tiny, "--out", tmp_path / "bundle")
    with open_dataset(tiny) as data:
        made = np.full((len(data), 128, 128), 6e4)
        write_submission(tmp_path / "a.zip", "mass-mapping", "t", "m", data.case_ids(), [made], {})
    there = run(tmp_path / "bundle", bare_python, 0, tmp_path / "a.zip", tmp_path / "worker")
    assert (there.status, there.scores) == (1, None)
    assert "WMAPE is beyond 1e+10" in there.stderr


def test_an_image_without_the_packages_says_so(submitted, score_there):
    there = score_there("stamps", submitted["stamps"], 0, "-S")
    assert there.status == 1
    assert "this image lacks" in there.stderr
    assert "Traceback" not in there.stderr


def test_the_function_for_kaggle_comes_along(bundles, bare_python, tmp_path):
    program = unzip(bundles["stamps"] / "scoring_program.zip", tmp_path)
    frame = "{'id': [1, 2], 'label': ['SN', 'VS']}"
    code = f"from harness.platforms.kaggle import score; print(score({frame}, {frame}, 'id'))"
    done = subprocess.run([bare_python, "-c", code], cwd=program, capture_output=True, text=True)
    assert done.stdout == "1.0\n", done.stderr


def test_wrong_usage(capsys):
    assert work([]) == 2
    assert "usage" in capsys.readouterr().err
