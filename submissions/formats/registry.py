"""The formats of the tracks of this package, by name. A track of another package has its own `Format`."""

from submissions.formats import mass_mapping, stamps
from submissions.formats.base import Format
from submissions.report import Code, SubmissionError, must

FORMATS = {known.track: known for known in (mass_mapping.FORMAT, stamps.FORMAT)}


def format_of(track: str | Format) -> Format:
    """The format of a track by its name, or the format itself. SubmissionError if there is no such track."""
    if isinstance(track, str) and track not in FORMATS:
        raise SubmissionError(must("the track", f"be {' or '.join(FORMATS)}", repr(track)), Code.WRONG_TRACK)
    return FORMATS[track] if isinstance(track, str) else track
