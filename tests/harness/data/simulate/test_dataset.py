"""From tasks of any simulator to a data set."""

from dataclasses import replace

import numpy as np
import pytest

from baselines.stamps.metadata import COLUMNS, column_names
from harness.data.simulate.dataset import simulate
from harness.data.simulate.stamps import METADATA
from harness.data.sources.avro_alerts import NUMBERS
from harness.data.store import DataError, open_dataset
from harness.parallel import executor
from harness.tracks import MASS_MAPPING, STAMPS

pytestmark = pytest.mark.slow

COLOURS = replace(
    MASS_MAPPING,
    simulator="tests.harness.data.simulate.test_dataset:colours",
    simulator_options={"hue": "ab", "tone": ("light", "dark")},
    simulator_defaults={"b": {"tone": "dark"}},
)


def colours(cases, seed, hue, tone):
    """A simulator of someone else's: two cases a task, of one value."""
    return render, [(f"{hue}-{tone}-", number + seed) for number in range(0, cases, 2)]


def render(task):
    hue, number = task
    return {
        "case_id": [f"{hue}{number + index}" for index in range(2)],
        "group": [hue, f"{hue}{number}"],
        "kappa": np.full((2, 128, 128), number, np.float16),
    }


def test_a_simulator_of_theirs(tmp_path):
    simulate(COLOURS, tmp_path / "out.h5", 5, seed=10, hue="b")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.case_ids() == [f"b-dark-{number}" for number in range(10, 15)]
        assert data.groups().tolist() == [0, 1, 0, 2, 0]
        assert data.truth[:, 0, 0].tolist() == [10, 10, 12, 12, 14]
        about = {"track": "mass-mapping", "cases": 5, "seed": 10, "hue": "b", "tone": "dark"}
        assert data.source == {"simulated": about}


@pytest.mark.parametrize(
    ("hue", "tone", "expected"),
    [("a", None, "light"), ("a", "dark", "dark"), ("b", None, "dark"), ("b", "light", "light")],
)
def test_a_choice_may_change_the_default_of_another_option(tmp_path, hue, tone, expected):
    chosen = {"hue": hue} | ({"tone": tone} if tone else {})
    simulate(COLOURS, tmp_path / "out.h5", 1, **chosen)
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.source["simulated"]["tone"] == expected


def test_maps_with_sparse_noise_are_like_the_challenges_by_default(tmp_path):
    for noise, spectrum in (("sparse", "challenge"), ("dense", "ray-traced")):
        simulate(MASS_MAPPING, tmp_path / f"{noise}.h5", 1, noise=noise)
        with open_dataset(tmp_path / f"{noise}.h5") as data:
            assert data.source["simulated"]["spectrum"] == spectrum


def test_what_is_asked_for_must_be_there(tmp_path):
    for track, options, words in (
        (COLOURS, {"hue": "c"}, "hue must be a, b for the track mass-mapping, got 'c'"),
        (STAMPS, {"noise": "dense"}, "noise must be left out for the track stamps, got 'dense'"),
        (replace(COLOURS, simulator=""), {}, "must have a simulator"),
    ):
        with pytest.raises(DataError, match=words):
            simulate(track, tmp_path / "out.h5", 5, **options)
    with pytest.raises(DataError, match="cases must be 1 to 1,000,000, got 0"):
        simulate(COLOURS, tmp_path / "out.h5", 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("track", [MASS_MAPPING, STAMPS], ids=lambda track: track.name)
def test_the_same_bytes_from_processes(tmp_path, track):
    simulate(track, tmp_path / "here.h5", 210, seed=1)
    with executor(2) as pool:
        simulate(track, tmp_path / "there.h5", 210, seed=1, executor=pool)
    assert (tmp_path / "here.h5").read_bytes() == (tmp_path / "there.h5").read_bytes()


def test_alerts_that_are_simulated_have_columns_that_packets_have():
    """But for the galactic latitude: the list of what packets say is the longest, the others are subsets."""
    numbers = {name for name, kind in METADATA if kind == "<f8"}
    assert numbers - set(NUMBERS) == {"glat"}
    learnt = {name.removesuffix("?") for name in column_names(COLUMNS)}
    assert learnt - set(NUMBERS) == {"isdiffpos", "galactic_latitude", "ecliptic_latitude"}
