"""The bundle as Codabench's format has it, its parts, its texts and its starting kit."""

import json
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from baselines.mass_mapping.kaiser_squires import smoothed_convergence
from harness.data.store import open_dataset
from harness.platforms.codabench import competition
from harness.tracks import MASS_MAPPING
from harness.tracks.registry import TRACKS
from submissions import open_submission, validate
from tests.harness.platforms.codabench.codabench import problems, unzip
from tests.notebooks import execute

pytestmark = pytest.mark.slow

TRACK_NAMES = sorted(TRACKS)


@pytest.fixture(params=TRACK_NAMES)
def folder(request, bundles):
    return bundles[request.param]


def described(folder):
    return yaml.safe_load((folder / "competition.yaml").read_text(encoding="utf-8"))


def test_the_platform_takes_it(folder):
    assert problems(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version: 2\n", "", "version"),
        ("logo.png", "pages/terms.md", "image"),
        ('"2026-03-01 12:00:00"', "2026-03-01 12:00:00", "phase end"),
        ("2026-03-01 12:00:01", "2026-03-01 12:00:00", "phase order"),
        ("tasks: [1]", "tasks: [2]", "phase tasks"),
        ("execution_time_limit: 600", "execution_time_limit: 3600", "execution_time_limit"),
        ("    sorting: asc\n", "", "column fields"),
        ("key: mae", "key: wmape", "column keys"),
        ('title: "MAE"', f"title: {'x' * 37}", "column length"),
        ("continuumio/anaconda3", "codalab/codalab-legacy", "docker_image"),
    ],
)
def test_the_check_of_the_format_sees_what_is_wrong(bundles, tmp_path, old, new, problem):
    folder = shutil.copytree(bundles["mass-mapping"], tmp_path / "bundle")
    text = (folder / "competition.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "competition.yaml").write_text(text.replace(old, new), encoding="utf-8")
    assert problem in problems(folder)


def test_columns_are_the_scores_in_order_with_their_direction(folder):
    track = TRACKS[folder.name]
    columns = described(folder)["leaderboards"][0]["columns"]
    expected = [
        (one.key, one.title, "asc" if one.lower_is_better else "desc", one.digits) for one in track.scores
    ]
    assert [(c["key"], c["title"], c["sorting"], c["precision"]) for c in columns] == [
        ("overall", "overall", "asc", 4),
        *expected,
    ]
    assert described(folder)["leaderboards"][0]["primary_index"] == 0


def test_parts_are_whole_groups_and_make_the_truth(folder, truths, tmp_path):
    cases, groups = [], []
    for name in ("public", "private"):
        reference = unzip(folder / f"reference_data_{name}.zip", tmp_path / name)
        with (
            open_dataset(reference / "truth.h5") as part,
            open_dataset(Path(truths[folder.name][0])) as truth,
        ):
            assert part.role == "truth"
            assert part.track.inputs.name not in part.columns
            order = {case_id: row for row, case_id in enumerate(truth.case_ids())}
            rows = [order[case_id] for case_id in part.case_ids()]
            np.testing.assert_array_equal(part.truth[:], truth.truth[:][rows])
            groups.append(set(part.groups().tolist()))
            cases += part.case_ids()
    assert sorted(cases) == sorted(order)
    assert not groups[0] & groups[1]
    assert len(groups[0]) == round(0.3 * len(groups[0] | groups[1]))


def test_same_data_same_bytes_as_zip_or_folder(truths, make_bundle, bundles, tmp_path):
    track = "mass-mapping"
    for name in ("a", "b"):
        told = json.loads(make_bundle(*truths[track], "--out", tmp_path / f"{name}.zip", "--json").stdout)
    assert (told["public"], told["private"]) == ({"cases": 2, "groups": 2}, {"cases": 4, "groups": 4})
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    unzipped = unzip(tmp_path / "a.zip", tmp_path / "a")
    for path in unzipped.rglob("*.*"):
        assert path.read_bytes() == (bundles[track] / path.relative_to(unzipped)).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.zip", "b.zip"]


def test_the_seed_draws_the_public_part(truths, make_bundle, bundles, tmp_path):
    words, name = truths["mass-mapping"], "reference_data_public.zip"
    told = json.loads(make_bundle(*words, "--out", tmp_path / "other", "--seed", 5, "--json").stdout)
    assert told["seed"] == 5
    assert (tmp_path / "other" / name).read_bytes() != (bundles["mass-mapping"] / name).read_bytes()
    told = json.loads(make_bundle(*words, "--out", tmp_path / "default.zip", "--json").stdout)
    make_bundle(*words, "--out", tmp_path / "same", "--seed", told["seed"])
    assert (tmp_path / "same" / name).read_bytes() == (bundles["mass-mapping"] / name).read_bytes()


def test_no_zip_holds_its_own_folder(folder):
    for path in folder.glob("*.zip"):
        names = zipfile.ZipFile(path).namelist()
        assert path.stem not in {name.split("/")[0] for name in names}


def test_nothing_of_the_truth_is_handed_out(folder, tmp_path):
    kit = unzip(folder / "starting_kit.zip", tmp_path)
    assert [path.name for path in kit.rglob("*.h5")] == ["inputs.h5"]
    with h5py.File(kit / "inputs.h5") as file:
        assert TRACKS[folder.name].truth.name not in file
        assert file.attrs["role"] == "inputs"
    assert not list(kit.rglob("cases.json"))


def test_the_sample_submission_is_valid(folder, tmp_path):
    kit = unzip(folder / "starting_kit.zip", tmp_path)
    with open_dataset(kit / "inputs.h5") as data:
        report = validate(kit / "sample_submission.zip", data.track.format, data.case_ids(), data.fingerprint)
    assert report.accepted
    assert report.warnings == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_from_inputs_to_submission(folder, tmp_path):
    kit = unzip(folder / "starting_kit.zip", tmp_path)
    execute(kit / "starting_kit.ipynb", kit)
    with open_dataset(kit / "inputs.h5") as data:
        assert validate(kit / "submission.zip", data.track.format, data.case_ids()).accepted
    assert (kit / "case.png").read_bytes().startswith(b"\x89PNG")


def test_the_script_is_the_notebook_and_needs_no_matplotlib(folder, tmp_path, bare_python):
    """Its five lines of KS93 are the baseline's inversion, of a Gaussian of three pixels."""
    kit = unzip(folder / "starting_kit.zip", tmp_path)
    script = (kit / "starting_kit.py").read_text(encoding="utf-8")
    cells = json.loads((kit / "starting_kit.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(each in script for each in code)
    assert "{" not in "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    done = subprocess.run([bare_python, "starting_kit.py"], cwd=kit, capture_output=True, text=True)
    assert "no picture: pip install matplotlib" in done.stdout, done.stderr
    with open_dataset(kit / "inputs.h5") as data:
        made = open_submission(kit / "submission.zip", data.track.format, data.case_ids()).read()[0]
        if folder.name == "mass-mapping":
            np.testing.assert_allclose(made, smoothed_convergence(data.inputs[:], 3.0), atol=2e-4)


def test_the_kit_needs_nothing_installed(folder, tmp_path, bare_python):
    kit = unzip(folder / "starting_kit.zip", tmp_path)
    readme = (kit / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    done = subprocess.run([bare_python, "-c", code], cwd=kit, capture_output=True, text=True)
    assert done.stdout.startswith("accepted"), done.stderr


def test_the_evaluation_page_tells_each_score_once(folder):
    page = (folder / "pages/evaluation.md").read_text(encoding="utf-8")
    for one in TRACKS[folder.name].scores:
        (row,) = re.findall(rf"^\| {re.escape(one.title)} \| .*$", page, re.M)
        assert (
            f"| {'lower' if one.lower_is_better else 'higher'} | {'**yes**' if one.ranked else 'no'} |" in row
        )
        assert len(re.findall(r"(?<!\\)\|", row)) == 7  # of six columns; a bar of the text is escaped
        assert page.count(one.meaning.replace("|", r"\|")) == 1
        assert page.count(f"- **{one.title}** = `") == 1
    accuracy = (
        "| accuracy | Share of the alerts whose most probable class is the true one. | 1 | 0 to 1 | higher"
    )
    wmape = "| 0 | 0 or more | lower | **yes** |"
    assert (wmape if folder.name == "mass-mapping" else accuracy) in page


@pytest.mark.parametrize("given", ["file", "link"])
def test_training_data_are_in_the_kit_or_linked(stamps, make_bundle, tmp_path, given):
    train = stamps / "train.h5" if given == "file" else "https://example.org/train.h5"
    test = stamps / "test-truth.h5", "--inputs", stamps / "test-inputs.h5", "--seed", 1
    make_bundle(*test, "--train", train, "--out", tmp_path / "bundle")
    page = (tmp_path / "bundle/pages/data.md").read_text(encoding="utf-8")
    kit = unzip(tmp_path / "bundle/starting_kit.zip", tmp_path)
    if given == "file":
        assert (kit / "train.h5").read_bytes() == train.read_bytes()
    else:
        assert not (kit / "train.h5").exists()
    assert ("`train.h5` in the starting kit" if given == "file" else f"<{train}>") in page


def test_training_data_with_test_cases_are_refused(truths, make_bundle, tmp_path):
    truth = truths["stamps"][0]
    result = make_bundle(*truths["stamps"], "--train", truth, "--out", tmp_path / "bundle.zip", status=1)
    assert "must have no test case" in result.stderr


def test_titles_and_images_are_the_organisers(truths, make_bundle, tmp_path):
    title = 'Maps: "dark" & <light>, 2026 # {{ 1 }} 🌌'
    words = ("--title", title, "--docker-image", "us/scoring:1", "--out", tmp_path / "bundle")
    make_bundle(*truths["mass-mapping"], *words)
    values = described(tmp_path / "bundle")
    assert values["title"] == title
    assert values["docker_image"] == "us/scoring:1"
    assert problems(tmp_path / "bundle") == []


def test_what_makes_no_competition(small, maps, stamps, truths, make_bundle, tmp_path):
    out = ("--out", tmp_path / "bundle.zip")

    def refused(*words):
        return make_bundle(*words, *out, status=1).stderr

    assert "must be a file with inputs" in refused(maps / "test-truth.h5")
    assert "must have the cases of" in refused(maps / "test-truth.h5", "--inputs", maps / "data.h5")
    assert "'stamps'" in refused(maps / "test-truth.h5", "--inputs", stamps / "test-inputs.h5")
    assert "must be a file with the truth" in refused(maps / "test-inputs.h5")
    assert "HDF5" in refused(__file__)
    assert "two groups" in refused(small("one.h5", [1, 1], kappa=0.1))
    lacking = small("lacking.h5", [1, 2, 3], labels=[0, 1, 2])
    assert "must have every class" in refused(lacking)
    assert "255" in refused(*truths["mass-mapping"], "--title", "x" * 256)
    assert "the title must have" in refused(*truths["mass-mapping"], "--title", " ")
    image = ("--docker-image", "registry.example.org/group/scoring@sha256:" + "a" * 87)
    assert len(image[1]) == 129
    assert "1 to 128" in refused(*truths["mass-mapping"], *image)
    assert "without spaces" in refused(*truths["mass-mapping"], "--docker-image", "us/scoring :1")
    dates = refused(*truths["mass-mapping"], "--start", "2027-01-31", "--end", "2027-01-02T12:30")
    assert (
        "the end must be after the start, got 2 January 2027, 12:30 UTC for the end and 31 January" in dates
    )
    make_bundle(*truths["mass-mapping"], *out, "--public-fraction", 1, status=2)
    (tmp_path / "there").mkdir()
    assert (
        "exists already" in make_bundle(*truths["mass-mapping"], "--out", tmp_path / "there", status=1).stderr
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lacking.h5", "one.h5", "there"]


def test_long_columns_and_tracks_of_others_are_refused(monkeypatch, truths, make_bundle, tmp_path):
    long = replace(MASS_MAPPING, scores=(replace(MASS_MAPPING.scores[0], title="x" * 37),))
    monkeypatch.setitem(TRACKS, "mass-mapping", long)
    words = (*truths["mass-mapping"], "--out", tmp_path / "bundle")
    assert "36 printable characters" in make_bundle(*words, status=1).stderr
    monkeypatch.setattr(competition, "TRACKS", {})
    assert "another package" in make_bundle(*words, status=1).stderr
