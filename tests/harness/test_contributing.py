"""The recipes of CONTRIBUTING.md: a metric in a copy of the project, a baseline and a track of others."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.docs.pages import ROOT, blocks

pytestmark = pytest.mark.slow

PACKAGES = ("harness", "baselines", "submissions", "metrics")
METRIC, TWIN, LINE, BASELINE, TRACK = (
    code for language, code in blocks("CONTRIBUTING.md") if language == "python"
)
BASELINE_ENTRY, TRACK_ENTRY = (code for language, code in blocks("CONTRIBUTING.md") if language == "toml")
BRIGHTEN = """
class Brighten:
    track, summary = "denoising", "the noisy image, less its mean excess"

    def fit(self, train, validation, training):
        self.excess = sum(float((noisy - clean).sum()) for noisy, clean in train.chunks()) / (64 * len(train))
        return {"excess": self.excess}

    def predict(self, inputs):
        return inputs - np.float32(self.excess)

    def save(self, folder):
        (folder / "excess.txt").write_text(str(self.excess))

    def restore(self, folder):
        self.excess = float((folder / "excess.txt").read_text())
"""


def run(path, *words, status=0):
    """The command `astroboard` in a process of its own that finds the packages of ``path`` first."""
    command = [sys.executable, "-m", "harness.cli", *map(str, words)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(path)}, cwd=path, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done


def install(folder, module, code, project):
    """Install a package of somebody else into a folder, of a module and a pyproject.toml."""
    source = folder / f"{module}-source"
    source.mkdir()
    (source / f"{module}.py").write_text(code)
    (source / "pyproject.toml").write_text(project)
    uv = str(Path(sys.executable).with_name("uv"))
    options = ("--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", sys.executable)
    subprocess.run([uv, "pip", "install", *options, "--target", folder, source], check=True)


def test_a_metric(maps, submission_of, noisy_maps, tmp_path):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, code in (("metrics/mass_mapping.py", METRIC), ("reference.py", f"import math\n\n\n{TWIN}")):
        with (tmp_path / file).open("a") as opened:
            opened.write(f"\n\n{code}")
    with (tmp_path / "metrics/__init__.py").open("a") as opened:
        opened.write("\nfrom metrics.mass_mapping import rmse as rmse\n")
    track = tmp_path / "harness/tracks/mass_mapping.py"
    head, tail = track.read_text().split("SCORES = (\n")
    track.write_text(f"{head}SCORES = (\n    {LINE.strip()},\n{tail}")

    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, noisy_maps(0.01))
    card = json.loads(run(tmp_path, "score", path, "--truth", truth, "--json").stdout)
    assert card["metrics"]["rmse"]["mean"] == pytest.approx(0.01, rel=0.05)
    assert card["metrics"]["rmse"]["low"] < card["metrics"]["rmse"]["high"]
    code = (
        "import numpy as np, metrics, reference\n"
        "maps = np.random.default_rng(0).normal(size=(2, 3, 8, 8))\n"
        "print(*metrics.rmse(*maps), *map(reference.rmse, *maps))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    values = np.array(done.stdout.split(), float)
    np.testing.assert_allclose(values[:3], values[3:], rtol=1e-12, err_msg=done.stderr)


def test_a_baseline(maps, tmp_path):
    install(tmp_path, "mypackage", BASELINE, BASELINE_ENTRY.replace('Map"', 'Map"\nbroken = "mypackage:No"'))
    listed = run(tmp_path, "baselines", "--json")
    assert "mean-map" in {baseline["name"] for baseline in json.loads(listed.stdout)}
    assert "broken" in listed.stderr  # which is said, and keeps no other baseline from being listed
    run(tmp_path, "train", "mean-map", "--data", maps, "--out", "run")
    run(tmp_path, "submit", "run", "--inputs", maps / "test-inputs.h5", "--team", "us", "a.zip")
    card = json.loads(run(tmp_path, "score", "a.zip", "--truth", maps / "test-truth.h5", "--json").stdout)
    assert 0 < card["metrics"]["dicee"]["mean"] < 1
    module = tmp_path / "mypackage.py"
    module.write_text(BASELINE.replace("sum(0, dtype", "sum(0, 1, 2, 3, 4, 5, dtype"))
    failed = run(tmp_path, "train", "mean-map", "--data", maps, "--out", "failed", status=1).stderr
    line = next(n for n, code in enumerate(BASELINE.splitlines(), 1) if "sum(0" in code)
    assert failed.startswith(f"Error: {module}, line {line}, in <genexpr>: TypeError: ")
    assert "click" not in failed
    module.write_text(BASELINE.replace("def predict", "def foretell"))
    failed = run(tmp_path, "train", "mean-map", "--data", maps, "--out", "failed", status=1).stderr
    assert "got one without predict();" in failed
    failed = run(tmp_path, "tune", "mean-map", "--data", maps, "--out", "failed", status=1).stderr
    assert failed.startswith("Error: --space must be a file with a table [mean-map]")


def test_a_track(tmp_path):
    entry = '[project.entry-points."astroboard.baselines"]\nbrighten = "mytrack:Brighten"\n'
    install(tmp_path, "mytrack", f"{TRACK}\n\n{BRIGHTEN}", f"{TRACK_ENTRY}\n{entry}")
    run(tmp_path, "simulate", "denoising", "data.h5", "--cases", 160)
    assert json.loads(run(tmp_path, "inspect", "data.h5", "--json").stdout)["cases"] == 160
    run(tmp_path, "split", "data.h5", ".")
    run(tmp_path, "train", "brighten", "--data", ".", "--out", "run")
    for team in ("us", "them"):
        run(tmp_path, "submit", "run", "--inputs", "test-inputs.h5", "--team", team, f"{team}.zip")
    run(tmp_path, "validate", "us.zip", "--inputs", "test-inputs.h5")
    truth = ("--truth", "test-truth.h5")
    card = json.loads(run(tmp_path, "score", "us.zip", *truth, "--json").stdout)
    assert card["metrics"]["mae"]["mean"] == pytest.approx(0, abs=1e-6)
    run(tmp_path, "leaderboard", "us.zip", "them.zip", *truth, "--out", "board")
    board = json.loads((tmp_path / "board/leaderboard.json").read_text())
    assert [row["rank"] for row in board["rows"]] == [1, 1]
    assert len(list((tmp_path / "board").rglob("*.html"))) == 3
    comparison = json.loads(run(tmp_path, "compare", "us.zip", "them.zip", *truth, "--json").stdout)
    assert comparison["scores"][0]["difference"] == 0
