"""The baselines by name: of this package, and of any other that registers one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from baselines.network import BACKENDS
from baselines.protocol import Baseline
from harness.extras import missing, require
from harness.files import HarnessError

ENTRY_POINTS = "astroboard.baselines"
ATTRIBUTES, METHODS = ("track", "summary"), ("fit", "predict", "save", "restore")
"""What the class of a baseline must have, as in baselines/protocol.py."""


def baseline_names() -> list[str]:
    """The names of all registered baselines, sorted."""
    return list(_entries())


def baseline_class(name: str) -> type[Baseline]:
    """The baseline of that name, ready to train and predict.

    Raises HarnessError if there is none, if it cannot be loaded, or if a package that it needs is missing.
    """
    kind = _loaded(name)
    require(name, *needed(kind))
    return kind


def needed(kind: type[Baseline]) -> list[str]:
    """The packages that a baseline imports when it is used: Keras comes with any one of its backends."""
    packages = [*getattr(kind, "packages", ())]
    if "keras" in packages and len(missing(*BACKENDS)) == len(BACKENDS):
        packages.append(BACKENDS[0])
    return packages


def _loaded(name: str) -> type[Baseline]:
    if not (entry := _entries().get(name)):
        raise HarnessError(f"there is no baseline {name!r}; there are: {', '.join(baseline_names())}")
    try:
        loaded: type[Baseline] = entry.load()
    except (ImportError, AttributeError) as error:
        raise HarnessError(f"the baseline {name} ({entry.value}) cannot be loaded: {error}") from error
    lacks = [each for each in ATTRIBUTES if not isinstance(getattr(loaded, each, None), str)]
    lacks += [f"{each}()" for each in METHODS if not callable(getattr(loaded, each, None))]
    if lacks or not isinstance(loaded, type):
        has = f"one without {', '.join(lacks)}" if lacks else f"{loaded!r}"
        raise HarnessError(
            f"the baseline {name} ({entry.value}) must be a class with {', '.join(ATTRIBUTES)}, "
            f"{', '.join(f'{each}()' for each in METHODS)}, got {has}; add what is missing to {entry.value}"
        )
    return loaded


def all_baselines(complain: Callable[[str], Any]) -> dict[str, type[Baseline]]:
    """Every registered baseline by name; none of them imports yet what only training needs.

    One that cannot be loaded is left out, and ``complain`` hears why.
    """
    found = {}
    for name in baseline_names():
        try:
            found[name] = _loaded(name)
        except HarnessError as error:
            complain(str(error))
    return found


@cache
def _entries() -> dict[str, EntryPoint]:
    """What is installed does not change while a process runs, and to look through it takes 30 ms."""
    found = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    return dict(sorted(found.items()))
