"""Imports of our packages despite a user's files with the same names, such as a `metrics.py`.

Python keeps one module of a name. `ours` exchanges them: within its block the names mean our packages, after
it what they mean to the user. Where nobody else has a file of these names, nothing is exchanged.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType

HOME = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 (starts sooner)
NAMES = ("metrics", "submissions", "baselines", "harness")
_hidden: dict[str, ModuleType] = {}  # our modules, while the user's have their names


def find_ours_first() -> None:
    """Make this process and its children find our packages before others with the same names."""
    if any(map(_found_elsewhere, NAMES)):
        sys.path.insert(0, HOME)


@contextmanager
def ours() -> Iterator[None]:
    """Context in which these names refer to our packages; also a decorator of functions that run in it."""
    path = [*sys.path]
    theirs = _take({name for name in NAMES if name in sys.modules and _elsewhere(sys.modules[name].__spec__)})
    sys.modules.update(_hidden)
    find_ours_first()
    try:
        yield
    finally:
        sys.path[:] = path
        _hidden.update(_take({name for name in NAMES if name in theirs or _found_elsewhere(name)}))
        sys.modules.update(theirs)


def _take(names: set[str]) -> dict[str, ModuleType]:
    """Remove the modules of these packages from those that Python knows, and return them."""
    modules = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in modules}


def _found_elsewhere(name: str) -> bool:
    return _elsewhere(PathFinder.find_spec(name))


def _elsewhere(spec: object) -> bool:
    origin = getattr(spec, "origin", None)
    return not origin or os.path.dirname(os.path.dirname(os.path.realpath(origin))) != HOME  # noqa: PTH120
