"""`import astroboard` and the command, beside files of a user that are called like our packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import astroboard
import metrics
from harness.data.store import open_dataset
from submissions import write_submission
from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from pathlib import Path
FIRST
import numpy as np
from astroboard import HarnessError, open_dataset, score, split, submit, train, wmape, write_submission
assert not {name.split('.')[0] for name in sys.modules} & {'keras', 'tensorflow', 'galsim', 'matplotlib'}
with open_dataset('test-inputs.h5') as data:
    ids, shape = data.case_ids(), data.inputs.shape
write_submission('mine.zip', 'mass-mapping', 'us', 'zeros', ids, np.zeros(shape[:3]))
import metrics, submissions
assert metrics.mine == submissions.mine == 'mine'
scored = score('mine.zip', 'test-truth.h5')
assert scored.values()['dicee'] == 1, scored.values()  # no pixel of zeros is above the threshold
record = train('ks93', '.', 'run')
assert record['baseline'] == 'ks93'
assert submit(['run'], 'test-inputs.h5', 'us', 'ks93.zip')['method'] == 'ks93'
assert split('data.h5', 'again')['train']['cases']
try:
    score('ks93.zip', 'again/train.h5').values()
except HarnessError as error:
    assert 'missing-case' in str(error)
else:
    raise AssertionError('scores of a submission that was refused')
from metrics import mine
assert mine == 'mine'
print('done')
"""


@pytest.fixture
def folder(tmp_path, maps):
    """A participant's folder: the data, and modules that are called like ours."""
    for file in maps.glob("*.h5"):
        (tmp_path / file.name).symlink_to(file)
    for name in ("metrics", "submissions", "baselines", "random", "statistics"):
        (tmp_path / f"{name}.py").write_text("mine = 'mine'\n")
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness/__init__.py").write_text("mine = 'mine'\n")
    return tmp_path


def python(folder, *words, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, env=os.environ | environment, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("first", ["", "import metrics", "import harness, baselines"])
def test_a_script_beside_modules_of_our_names(folder, first):
    for name in ("random", "statistics"):  # which hide those of Python from every script
        (folder / f"{name}.py").unlink()
    (folder / "script.py").write_text(SCRIPT.replace("FIRST", first))
    cache = {"XDG_CACHE_HOME": str(folder / "cache")}  # so that the data are opened in a child first
    assert python(folder, "script.py", **cache) == "done\n"


@pytest.mark.parametrize("path", ["", "."])
def test_the_command_beside_modules_of_our_names(folder, path):
    with open_dataset(folder / "test-truth.h5") as data:
        write_submission(folder / "own.zip", "mass-mapping", "us", "truth", data.case_ids(),
                         data.truth[:])  # fmt: skip
    if path:  # then nobody can find Python's own
        for name in ("random", "statistics"):
            (folder / f"{name}.py").unlink()
    environment = {"PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    words = ("-m", "astroboard", "leaderboard", "own.zip", "--truth", "test-truth.h5", "--workers", 2)
    assert "own.zip" not in python(folder, *words, **environment)
    command = Path(sys.executable).with_name("astroboard")
    assert python(folder, command, "validate", "own.zip", "--inputs", "test-inputs.h5", **environment)
    simulated = python(folder, command, "simulate", "mass-mapping", "d.h5", "--cases", 80, "--workers", 2,
                       **environment)  # fmt: skip
    assert simulated == "d.h5: 80 cases of mass-mapping\n"


def test_the_names_that_it_has():
    assert astroboard.wmape is metrics.wmape
    assert set(metrics.__all__) < set(dir(astroboard))
    lines = (ROOT / "astroboard/__init__.py").read_text().splitlines()
    for_editors = {line.split()[-1] for line in lines if line.startswith("    from") and " as " in line}
    assert set(dir(astroboard)) == for_editors | set(metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'wmpae'"):
        _ = astroboard.wmpae
    for name in dir(astroboard):
        assert getattr(astroboard, name).__doc__
