"""The tracks by name: ours, and those that other packages register."""

from __future__ import annotations

from importlib.metadata import entry_points

from harness.files import HarnessError
from harness.tracks.base import Track
from harness.tracks.mass_mapping import MASS_MAPPING
from harness.tracks.stamps import STAMPS

TRACKS = {track.name: track for track in (MASS_MAPPING, STAMPS)}
ENTRY_POINTS = "astroboard.tracks"


def track_names() -> list[str]:
    """The names of all tracks, in alphabetical order."""
    return sorted(TRACKS.keys() | entry_points(group=ENTRY_POINTS).names)


def get_track(name: str) -> Track:
    """The track of that name: one of these two, or one that a package adds; HarnessError if there is none."""
    if name in TRACKS:
        return TRACKS[name]
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        track: Track = entry.load()
        return track
    raise HarnessError(f"track must be one of {', '.join(track_names())}, got {name!r}")
