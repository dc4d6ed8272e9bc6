"""The competitions, each in a module of its own."""

from harness.tracks.base import ByCase as ByCase
from harness.tracks.base import Column as Column
from harness.tracks.base import Columns as Columns
from harness.tracks.base import Score as Score
from harness.tracks.base import ScoreInfo as ScoreInfo
from harness.tracks.base import Track as Track
from harness.tracks.base import load as load
from harness.tracks.mass_mapping import MASS_MAPPING as MASS_MAPPING
from harness.tracks.registry import get_track as get_track
from harness.tracks.registry import track_names as track_names
from harness.tracks.stamps import STAMPS as STAMPS
