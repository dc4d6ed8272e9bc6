"""The tracks by name, their heavy parts, and a track from another package."""

import pytest

from baselines.presets import PRESETS
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS, Score, get_track, load, track_names
from harness.tracks.registry import TRACKS


def test_the_two_tracks():
    assert track_names() == ["mass-mapping", "stamps"]
    assert (get_track("mass-mapping"), get_track("stamps")) == (MASS_MAPPING, STAMPS)


def test_a_name_that_is_none():
    with pytest.raises(HarnessError, match="track must be one of mass-mapping, stamps, got 'maps'"):
        get_track("maps")


def test_a_track_of_another_package(tmp_path, monkeypatch):
    (tmp_path / "others.py").write_text(
        "from dataclasses import replace\nfrom harness.tracks import MASS_MAPPING\n"
        "TRACK = replace(MASS_MAPPING, name='galaxies', title='Galaxies')\n"
    )
    (tmp_path / "others-1.0.dist-info").mkdir()
    (tmp_path / "others-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: others\nVersion: 1.0\n"
    )
    (tmp_path / "others-1.0.dist-info" / "entry_points.txt").write_text(
        "[astroboard.tracks]\ngalaxies = others:TRACK\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert track_names() == ["galaxies", "mass-mapping", "stamps"]
    assert get_track("galaxies").title == "Galaxies"
    with pytest.raises(HarnessError, match="one of galaxies, mass-mapping, stamps"):
        get_track("maps")


@pytest.mark.parametrize("track", TRACKS.values(), ids=TRACKS)
def test_the_heavy_parts_are_where_the_track_says(track):
    assert track.sources
    for source in track.sources:
        assert callable(load(source).matches)
    assert callable(load(track.simulator))
    assert callable(load(track.splitter))
    assert callable(load(track.drawing).case_figure)
    assert all(isinstance(score, Score) for score in load(track.diagnostics))
    assert list(track.claim_cases) == list(track.demo_cases) == list(PRESETS)
