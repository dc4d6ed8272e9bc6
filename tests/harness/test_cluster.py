"""Work on a real Dask cluster of two workers, of which one is killed half-way: nothing changes."""

from threading import Thread

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.pack import pack
from harness.data.simulate.dataset import simulate
from harness.data.store import open_dataset
from harness.evaluation.leaderboard import make_leaderboard
from harness.evaluation.scoring import score
from harness.parallel import executor
from harness.tracks import MASS_MAPPING
from tests.harness.clusters import cluster, until
from tests.harness.data.conftest import map_members, write_tar

pytestmark = pytest.mark.slow


@pytest.fixture
def dask(tmp_path):
    (tmp_path / "dask").mkdir()
    with cluster(tmp_path / "dask") as running:
        yield running


class KillAfter:
    """A report that kills a worker when some of the work is done."""

    def __init__(self, worker, cases):
        self.worker, self.cases = worker, cases

    def __call__(self, done, total, _):
        if self.cases <= done < total and self.worker.poll() is None:
            self.worker.kill()
            self.worker.wait()


def test_simulate(dask, tmp_path):
    simulate(MASS_MAPPING, tmp_path / "here.h5", 400, seed=5)
    words = ["simulate", "mass-mapping", tmp_path / "command.h5", "--cases", 400, "--seed", 5]
    result = CliRunner().invoke(main, [str(word) for word in [*words, "--dask", dask.address]])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "command.h5").read_bytes() == (tmp_path / "here.h5").read_bytes()
    with executor(dask=dask.address) as pool:
        report = KillAfter(dask.workers[0], 20)
        simulate(MASS_MAPPING, tmp_path / "there.h5", 400, seed=5, progress=report, executor=pool)
    assert dask.workers[0].poll()
    assert (tmp_path / "there.h5").read_bytes() == (tmp_path / "here.h5").read_bytes()


def test_pack(dask, tmp_path):
    sources = []
    for number in range(8):
        members = map_members(clusters=5, crops=10, seed=number)
        named = {name.replace("/000", f"/{number + 1}00"): data for name, data in members.items()}
        sources.append(write_tar(tmp_path / f"{number}.tar", named, "w"))
    pack(MASS_MAPPING, sources, tmp_path / "here.h5")

    def kill():
        until(lambda: list(tmp_path.glob(".there.h5.shards.*/?")))
        parts.extend(tmp_path.glob(".there.h5.shards.*/?"))
        dask.workers[0].kill()

    parts, killer = [], Thread(target=kill)
    killer.start()
    with executor(dask=dask.address) as pool:
        result = pack(MASS_MAPPING, sources, tmp_path / "there.h5", executor=pool)
    killer.join()
    assert len(parts) < 6
    assert result.cases == 400
    assert (tmp_path / "there.h5").read_bytes() == (tmp_path / "here.h5").read_bytes()


def test_score_and_leaderboard(dask, tmp_path, submission_of, noisy_maps, monkeypatch):
    monkeypatch.setattr("harness.evaluation.scoring.MIN_CASES_FOR_PROCESSES", 0)
    simulate(MASS_MAPPING, truth := tmp_path / "truth.h5", 600, seed=3)
    zips = [
        submission_of(tmp_path / f"{sigma}.zip", truth, noisy_maps(sigma), method=f"noise {sigma}")
        for sigma in (0.01, 0.02)
    ]
    board = make_leaderboard(zips, truth).board
    with open_dataset(truth) as data, executor(dask=dask.address) as pool:
        here = score(zips[0], data)
        there = score(zips[0], data, KillAfter(dask.workers[0], 100), pool)
        assert {k: v.tobytes() for k, v in there.columns.items()} == {
            k: v.tobytes() for k, v in here.columns.items()
        }
        assert make_leaderboard(zips, truth, executor=pool).board == board
    assert dask.workers[0].poll()
