"""The scoring program in the folders of Codabench's worker, in a Python that has three packages."""

import json
import re
import subprocess
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.store import open_dataset
from harness.evaluation.rounding import coarse, supported_steps, to_step
from harness.evaluation.scoring import Scored, score, score_card
from harness.platforms.codabench.worker import BINS, histograms, released
from harness.platforms.codabench.worker import main as work
from harness.platforms.kaggle import SCORES
from harness.platforms.kaggle import score as kaggle_score
from harness.tracks import MASS_MAPPING, STAMPS
from harness.tracks.registry import TRACKS
from submissions import ValidationReport, write_submission
from tests.harness.platforms.codabench.codabench import order_on_the_board, run, unzip

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
    with open_dataset(truth) as data:
        steps = supported_steps(data.track, score(submitted[track], data).sums())
    expected = {key: float(to_step(value, steps[key])) for key, value in here.items()}
    assert there.scores == pytest.approx(expected | {"overall": there.scores["overall"]}, rel=1e-9)
    assert list(there.scores) == ["overall", *(one.key for one in TRACKS[track].scores)]
    for one in TRACKS[track].scores:
        assert f"<td>{there.scores[one.key]:.{one.digits}f}</td>" in there.page
    assert there.page.count("<svg ") == (6 if track == "mass-mapping" else 2)
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
        for metric in SCORES:  # each within half its step
            there_and_here = kaggle_score(solution, submission, "case_id", metric), here[metric]
            assert there_and_here[0] == pytest.approx(there_and_here[1], abs=0.25)


def test_what_needs_no_data_never_leads(bundles, score_there, tmp_path, truths):
    """Zeros are best by WMAPE, and a map with one low pixel is good by DICEE."""
    track, (path, *_) = MASS_MAPPING, truths["mass-mapping"]
    unzip(bundles[track.name] / "starting_kit.zip", tmp_path / "kit")
    uploads = [tmp_path / "kit/sample_submission.zip"]
    one_low = np.ones((128, 128))
    one_low[0, 0] = -9
    with open_dataset(path) as data:
        targets, case_ids = data.truth[:].astype(float), data.case_ids()
    noise = np.random.default_rng(3).normal(0, 2 * targets.std(), targets.shape)
    for name, maps in {"low": np.stack([one_low] * len(targets)), "honest": targets + noise}.items():
        uploads.append(tmp_path / f"{name}.zip")
        write_submission(uploads[-1], track.name, "us", name, case_ids, [maps], {})
    for phase in (0, 1):
        scores = [score_there(track.name, upload, phase).scores for upload in uploads]
        assert scores[0]["wmape"] < scores[2]["wmape"]
        assert scores[0]["overall"] == 1
        assert order_on_the_board(bundles[track.name], scores)[0] == 2
    assert order_on_the_board(bundles[track.name], scores[:2]) == [1, 0]


def scored_stamps(labels, probabilities):
    """Stamps as if they had been scored, each an object of its own."""
    count = len(labels)
    columns = coarse(STAMPS).by_case(labels, probabilities)
    return Scored(
        Path("a.zip"), STAMPS, "a", "m", "0" * 64, ValidationReport("stamps", count), columns,
        [f"c{row}" for row in range(count)], np.arange(count), "truth",
    )  # fmt: skip


def shown_of(labels, probabilities):
    """All numbers that a submission is told."""
    scored = scored_stamps(labels, probabilities)
    constant = scored_stamps(labels, np.full(probabilities.shape, 0.2)).values()
    board, card = released(scored, score_card(scored), constant)
    return board, [vars(value) for value in card.metrics.values()], histograms(scored)


@pytest.mark.parametrize("base", ["uniform", "guess"])
def test_probabilities_are_no_channel(base):
    """Digits far behind the point told which cases are public and the class of each."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 5, 300)
    plain = np.full((300, 5), 0.2) if base == "uniform" else rng.dirichlet(np.ones(5), 300)
    plain[:, 0] += 1e-3 * (base == "uniform")  # so that no class is the most probable by chance
    plain /= plain.sum(axis=1, keepdims=True)
    straight = shown_of(labels, plain)
    for size in (2e-12, 1e-9, 1e-6):
        moved = plain.copy()
        for place in range(11):
            change = size * 6.0 ** min(place, 6) * np.arange(-2, 3)
            moved[place] = np.clip(moved[place] + change, 1e-9, None)
            moved[place] /= moved[place].sum()
        if not (moved.argmax(axis=1) != plain.argmax(axis=1)).any():
            assert shown_of(labels, moved)[0] == straight[0]
    for case in range(20):
        one = plain.copy()
        one[case] = (1 - 1e-6) * one[case] + 0.2e-6
        assert shown_of(labels, one) == straight


def test_what_changes_no_third_digit_changes_no_number_at_all():
    """Not even where a score is next to the edge of two steps."""
    rng = np.random.default_rng(8)
    labels, plain = rng.integers(0, 5, 300), rng.multinomial(1000, np.full(5, 0.2), 300) / 1000
    straight = shown_of(labels, plain)
    for size in (2e-12, 1e-9, 1e-7, 1e-5, 4e-4):
        moved = plain + size * rng.uniform(-1, 1, plain.shape)
        assert np.abs(moved - plain).max() > size / 2
        assert shown_of(labels, moved) == straight


def test_the_steps_are_those_of_the_phase_not_of_the_submission():
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 5, 300)
    steps = []
    for share in (0.0, 0.3, 0.6, 0.9, 0.99):
        probabilities = 0.9 * rng.dirichlet(np.ones(5), 300) + 0.02
        right = rng.random(300) < share
        probabilities[right] = 0.02 + 0.9 * np.eye(5)[labels[right]]
        steps.append(supported_steps(STAMPS, scored_stamps(labels, probabilities).sums()))
    for key in ("accuracy", "balanced_accuracy", "object_accuracy", "log_loss", "brier"):
        assert len({of_one[key] for of_one in steps}) == 1
    assert steps[0]["accuracy"] == 0.02  # a quarter over the root of 300 is 0.0144
    assert steps[0]["log_loss"] == 0.1  # 1 over the root of 300 is 0.0577


def test_a_single_supernova_is_not_told_by_precision_or_recall():
    labels = np.random.default_rng(6).integers(0, 5, 300)
    shown = set()
    for case in range(40):
        probabilities = np.tile([0.6, 0.0, 0.2, 0.1, 0.1], (300, 1))
        probabilities[case] = [0.1, 0.6, 0.1, 0.1, 0.1]
        board = shown_of(labels, probabilities)[0]
        shown.add(tuple(board[key] for key in ("sn_precision", "sn_recall", "sn_f1", "sn_f2")))
    assert len(shown) == 1


def test_a_histogram_of_the_cases():
    """300 cases of Brier 0.005, or 60 of them of 1.125; 0.5 over the root of 300 makes steps of 5 %."""
    labels = np.zeros(300, np.int64)
    right, wrong = [0.95, 0.05, 0.0, 0.0, 0.0], [0.25, 0.75, 0.0, 0.0, 0.0]
    probabilities = np.tile(right, (300, 1))
    probabilities[:60] = wrong
    shares = histograms(scored_stamps(labels, probabilities))
    assert shares.keys() == {"log_loss", "brier"}
    assert shares["brier"] == [0.8, *[0] * 8, 0.2, *[0] * (BINS - 10)]
    probabilities[60] = wrong
    assert histograms(scored_stamps(labels, probabilities)) == shares
    probabilities[:] = [0.0, 1.0, 0.0, 0.0, 0.0]
    assert histograms(scored_stamps(labels, probabilities))["log_loss"] == [*[0] * (BINS - 3), 1, 0, 0]


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
