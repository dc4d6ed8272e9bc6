"""The commands that make, pack, describe and split data."""

import json
import signal
import subprocess
import sys
import time

import pytest

from harness.data.simulate.dataset import simulate
from harness.tracks import MASS_MAPPING

pytestmark = pytest.mark.slow


def test_workers_do_not_change_the_data(run, tmp_path):
    for workers in (1, 2, 3):
        run("simulate", "mass-mapping", tmp_path / f"{workers}.h5", "--cases", 200, "--workers", workers)
    simulate(MASS_MAPPING, tmp_path / "none.h5", 200)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_inspect_knows_every_file(run, zeros, maps, stamps, tmp_path):
    run("score", zeros / "zeros.zip", "--truth", maps / "test-truth.h5", "--out", tmp_path / "card.json")
    run("leaderboard", zeros / "zeros.zip", "--truth", maps / "test-truth.h5", "--out", tmp_path / "board")
    kinds = {
        maps / "data.h5": "dataset",
        stamps / "test-truth.h5": "dataset",
        zeros / "zeros.zip": "submission",
        zeros / "run": "run",
        tmp_path / "card.json": "score",
        tmp_path / "board/leaderboard.json": "leaderboard",
    }
    for path, kind in kinds.items():
        assert json.loads(run("inspect", path, "--json").stdout)["kind"] == kind
        assert kind in run("inspect", path).stdout


def test_options_come_from_the_tracks(run, tmp_path):
    words = ("simulate", "mass-mapping", tmp_path / "a.h5", "--cases", 3)
    run(*words, "--noise", "dense", "--boundary", "field", "--spectrum", "challenge")
    source = json.loads(run("inspect", tmp_path / "a.h5", "--json").stdout)["source"]
    expected = {"noise": "dense", "boundary": "field", "spectrum": "challenge"}
    assert expected.items() <= source["simulated"].items()
    assert "is none of: sparse, dense" in run(*words, "--noise", "loud", status=2).stderr
    words = ("simulate", "stamps", tmp_path / "b.h5", "--cases", 3, "--noise", "dense")
    assert "--noise must be left out: stamps has no such option" in run(*words, status=2).stderr
    assert not (tmp_path / "b.h5").exists()


def test_wrong_files_and_wrong_usage(run, maps, tmp_path):
    run("simulate", "no-such-track", tmp_path / "a.h5", "--cases", 3, status=2)
    run("split", maps / "test-truth.h5", tmp_path / "parts", status=1)
    run("inspect", __file__, status=1)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_leaves_nothing_half_written(tmp_path, workers):
    command = [sys.executable, "-c", "from harness.cli import main; main()", "simulate", "mass-mapping"]
    out = tmp_path / "out.h5"
    process = subprocess.Popen([*command, str(out), "--cases", "100000", "--workers", workers])
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".out.h5.*.part")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
    assert not list(tmp_path.iterdir())
