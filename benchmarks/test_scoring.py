"""`astroboard score` of 8,000 maps on two processors, and how its command starts; whole processes each."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harness.data.store import create
from harness.tracks import MASS_MAPPING
from submissions import write_submission

CASES, GROUP, CHUNK = 8000, 20, 500
ASTROBOARD = Path(sys.executable).with_name("astroboard")
UNZIP = (
    "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1]) as z:\n    for name in z.namelist(): z.read(name)"
)


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory, lognormal_maps):
    """A submission and its truth, of all the cases and of a quarter."""
    folder = tmp_path_factory.mktemp("scoring")
    for cases in (CASES, CASES // 4):
        ids = [f"{number:05d}" for number in range(cases)]
        with create(folder / f"{cases}.h5", MASS_MAPPING, "truth", {}) as writer:
            for start in range(0, cases, CHUNK):
                groups = np.arange(start, start + CHUNK) // GROUP
                writer.append(ids[start : start + CHUNK], groups, kappa=lognormal_maps(start, CHUNK))
        rng = np.random.default_rng(1)
        predictions = (
            lognormal_maps(start, CHUNK) + rng.normal(0, 0.05, (CHUNK, 128, 128))
            for start in range(0, cases, CHUNK)
        )
        write_submission(folder / f"{cases}.zip", "mass-mapping", "Team", "method", ids, predictions, {})
    return folder


def score(folder: Path, cases: int) -> None:
    run(ASTROBOARD, "score", folder / f"{cases}.zip", "--truth", folder / f"{cases}.h5")


def test_score(ratio, files):
    score(files, CASES // 4)  # what is compiled is kept
    unzip = partial(run, sys.executable, "-c", UNZIP, files / f"{CASES}.zip")
    ours = partial(score, files, CASES)
    ratio(f"score of {CASES:,} maps", "reading the zip with zipfile", "≤ 1.5", ours, unzip)


def peak(folder: Path, cases: int) -> float:
    """Megabytes of the largest process, this one's children being fresh ones."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    words = [sys.executable, "-c", code, ASTROBOARD, "score", folder / f"{cases}.zip"]
    words += ["--truth", folder / f"{cases}.h5"]
    done = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def test_memory(benchmark, row, files):
    whole, quarter = benchmark.pedantic(lambda: [peak(files, n) for n in (CASES, CASES // 4)], rounds=1)
    row(f"score of {CASES:,} maps, peak memory", "itself on a quarter of them", "≤ 1.2", whole / quarter)
    row(f"score of {CASES:,} maps, peak memory in MB", "a limit", "≤ 500", whole)


def test_start(ratio):
    libraries = partial(run, sys.executable, "-c", "import numpy, scipy, h5py, click")
    help_page = partial(run, ASTROBOARD, "score", "--help")
    what = "start of `astroboard score`, for its help"
    ratio(what, "import numpy, scipy, h5py, click", "≤ 1.3", help_page, libraries)
