"""The baselines by name: of this package, and of any other that registers one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from baselines.protocol import Baseline
from harness.files import HarnessError

ENTRY_POINTS = "astroboard.baselines"


def baseline_class(name: str) -> type[Baseline]:
    """The baseline of that name, of this package or of any other that registers one."""
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return _load(entry)
    raise HarnessError(f"there is no baseline {name!r}; there are: {', '.join(sorted(_names()))}")


def all_baselines(complain: Callable[[str], Any]) -> dict[str, type[Baseline]]:
    """Every registered baseline by name; none of them imports yet what only training needs.

    One that cannot be loaded is left out, and ``complain`` hears why.
    """
    found = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            found[entry.name] = _load(entry)
        except HarnessError as error:
            complain(str(error))
    return found


def _names() -> set[str]:
    return set(entry_points(group=ENTRY_POINTS).names)


def _load(entry: EntryPoint) -> type[Baseline]:
    try:
        loaded: type[Baseline] = entry.load()
    except (ImportError, AttributeError) as error:
        raise HarnessError(f"the baseline {entry.name} ({entry.value}) cannot be loaded: {error}") from error
    return loaded
