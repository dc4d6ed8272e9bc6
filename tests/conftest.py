"""Fixtures shared by all tests."""

import gc
import os
import re
from pathlib import Path

import pytest
from hypothesis import settings

# New examples at every run on a developer's machine, the same ones in continuous integration.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Workers whose threads wait for each other take ten times as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # One processor for each: a command uses all of them by default, and would start processes to draw a few
    # pages, which takes longer than drawing them. Tests of several processes name a number of workers.
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {available[int(worker.removeprefix("gw")) % len(available)]})

ROOT = Path(__file__).parents[1]
SLOW_MODULE = re.compile(r"^pytestmark = .*\bmark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave modules and folders that are slow as a whole unread, where slow tests are not wanted.

    Deselecting their tests would still import them, and with them TensorFlow, which takes longer than all
    quick tests together.
    """
    if config.option.markexpr != "not slow":
        return None
    modules = [collection_path] if collection_path.match("test_*.py") else collection_path.rglob("test_*.py")
    slow = [SLOW_MODULE.search(module.read_text(encoding="utf-8")) for module in modules]
    return bool(slow and all(slow)) or None


def pytest_collection_finish() -> None:
    """Leave all that was imported out of every later search for garbage: a fourth of the CPU time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that are no part of the project: ``ASTROBOARD_DATA``, or ``shared/data`` in or beside it."""
    places = [os.environ.get("ASTROBOARD_DATA"), ROOT.parent / "shared" / "data", ROOT / "shared" / "data"]
    for place in filter(None, places):
        if Path(place).is_dir():
            return Path(place)
    pytest.skip("no real data: set ASTROBOARD_DATA to a folder with mass_mapping/ and stamps/")
