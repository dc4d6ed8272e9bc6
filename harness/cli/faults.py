"""Errors in baselines and tracks from other packages."""

from __future__ import annotations

from importlib.metadata import entry_points
from traceback import extract_tb, format_list, walk_tb

GROUPS = ("astroboard.baselines", "astroboard.tracks")


def of_extension(error: Exception) -> str:
    """An error that arose in another package's code, or in what it called: its line there, and the way to it.

    The calls before that code are ours, and are left out. Empty if no other package took part.
    """
    entries = [entry for group in GROUPS for entry in entry_points(group=group)]
    theirs = {
        entry.module.partition(".")[0] for entry in entries if entry.dist and entry.dist.name != "astroboard"
    }
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    places = [place for place, module in enumerate(modules) if module.partition(".")[0] in theirs]
    if not places:
        return ""
    frames = extract_tb(error.__traceback__)[places[0] :]
    line = frames[places[-1] - places[0]]
    told = f"{line.filename}, line {line.lineno}, in {line.name}: {type(error).__name__}: {error}"
    way = f"\ncalls from there, the last one below:\n{''.join(format_list(frames))}" if frames[1:] else ""
    return f"{told}\n    {line.line}{way}".rstrip()
