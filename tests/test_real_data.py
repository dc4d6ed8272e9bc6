"""The whole way of the data on real input: ray-traced maps, and real alerts of the Zwicky Transient Facility.

The data are not part of the project; the tests are skipped where they are not found.
"""

import json
import pickle

import numpy as np
import pytest
from click.testing import CliRunner

from baselines.mass_mapping.kaiser_squires import shear_from_convergence
from harness.cli import main
from harness.data.simulate.noise import add_noise
from harness.data.store import create, open_dataset
from harness.tracks import MASS_MAPPING

pytestmark = pytest.mark.slow


def run(*words):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def ray_traced(folder, noise, seed=0):
    """The four tiles with 16 draws of the noise each, as a data set; a tile is a group."""
    kappa = np.load(folder / "mass_mapping" / "ktng_tiles_128.npz")["kappa"].astype(np.float32)
    shear = np.stack(shear_from_convergence(kappa), axis=-1) / (1 - kappa[..., None])
    rng = np.random.default_rng(seed)
    draws = [add_noise(shear, noise, 0.4, rng) for _ in range(16)]
    return {
        "epsilon": np.concatenate(draws).astype(np.float16),
        "kappa": np.tile(kappa, (16, 1, 1)).astype(np.float16),
        "case_id": [f"{tile:05d}_{draw:05d}" for draw in range(16) for tile in range(1, 5)],
        "group": np.tile(np.arange(1, 5), 16),
    }


@pytest.fixture(scope="module", params=["sparse", "dense"])
def tiles(request, shared_data, tmp_path_factory):
    """Settings chosen on simulated maps, results on ray-traced ones: the board of all map baselines."""
    folder = tmp_path_factory.mktemp(request.param)
    truth = folder / "tiles.h5"
    with create(truth, MASS_MAPPING, "full", {"from": "ray-traced tiles"}) as writer:
        writer.append(**ray_traced(shared_data, request.param))
    run("simulate", "mass-mapping", folder / "data.h5", "--cases", 400, "--noise", request.param)
    run("split", folder / "data.h5", folder)
    names = ("zeros", "ks93", "ks93-masked", "wiener")
    for name in names:
        run("train", name, "--data", folder, "--out", folder / name, "--preset", "smoke")
        run("submit", folder / name, "--inputs", truth, "--team", "tests", folder / f"{name}.zip")
    files = [folder / f"{name}.zip" for name in names]
    board = json.loads(run("leaderboard", *files, "--truth", truth, "--out", folder / "board", "--json"))
    assert board["cases"] == 64
    assert board["groups"] == 4
    scores = {
        row["method"]: {key: value["mean"] for key, value in row["metrics"].items()} for row in board["rows"]
    }
    return request.param, scores


def test_baselines_on_ray_traced_tiles(tiles):
    noise, scores = tiles
    assert scores["zeros"]["wmape"] == pytest.approx(1, abs=0.01)
    assert scores["zeros"]["dicee"] == 1
    if noise == "sparse":
        assert scores["ks93-masked"]["dicee"] < 0.03
        assert scores["ks93-masked"]["dpeaks"] < 15
        assert scores["ks93-masked"]["wmape"] < scores["wiener"]["wmape"]
    else:
        assert scores["wiener"]["mae"] <= scores["ks93"]["mae"]
        assert scores["wiener"]["dicee"] <= scores["ks93"]["dicee"]


def test_real_alerts_from_pickle_to_score(shared_data, tmp_path):
    source = shared_data / "stamps" / "ztf_stamps.pkl"
    run("pack", source, tmp_path / "data.h5", "--track", "stamps")
    summary = json.loads(run("inspect", tmp_path / "data.h5", "--json"))
    assert summary["cases"] == 601  # 609 alerts, 8 of them cut off by the edge of the detector
    assert sum(summary["classes"].values()) == 601
    run("split", tmp_path / "data.h5", tmp_path)
    with open_dataset(tmp_path / "train.h5") as train, open_dataset(tmp_path / "test-truth.h5") as test:
        assert not set(train.groups()) & set(test.groups())
    for name in ("majority", "cnn"):
        run("train", name, "--data", tmp_path, "--out", tmp_path / name, "--preset", "smoke")
        inputs = ("--inputs", tmp_path / "test-inputs.h5", "--team", "tests")
        run("submit", tmp_path / name, *inputs, tmp_path / f"{name}.zip")
    files = (tmp_path / "majority.zip", tmp_path / "cnn.zip")
    board = json.loads(run("leaderboard", *files, "--truth", tmp_path / "test-truth.h5", "--json"))
    scores = {row["method"]: row["metrics"] for row in board["rows"]}
    assert scores["majority"]["balanced_accuracy"]["mean"] == pytest.approx(0.2)
    assert scores["cnn"]["balanced_accuracy"]["mean"] > 0.35
    assert scores["cnn"]["accuracy"]["low"] > 0.5


def test_counts_of_real_alerts_are_those_of_the_pickle(shared_data):
    """All counts are exact, and taken from the arrays with NumPy alone."""
    source = shared_data / "stamps" / "ztf_stamps.pkl"
    content = pickle.loads(source.read_bytes())  # noqa: S301  # which is known
    square = [image.shape[0] == image.shape[1] for image in content["images"]]
    nan = [int(np.isnan(image).sum()) for image in content["images"]]
    summary = json.loads(run("inspect", source, "--json"))
    left_out = summary["left_out"]
    assert (summary["cases"], left_out["cases"]) == (sum(square), len(square) - sum(square)) == (601, 8)
    assert left_out["images"]["not_square"] == 8
    assert (
        summary["images"]["nan"] == sum(n for n, there in zip(nan, square, strict=True) if there) == 100_035
    )
    assert left_out["images"]["nan"] == 11_691
    classes = np.bincount(content["labels"], minlength=5).tolist()
    assert [summary["classes"][name] + left_out["classes"][name] for name in summary["classes"]] == classes
