"""The baselines by name, with those that cannot be loaded told of."""

from importlib.metadata import EntryPoint

import pytest

from baselines.mass_mapping.trivial import Zeros
from harness.files import HarnessError
from harness.runs import registry


@pytest.fixture
def installed(monkeypatch):
    """Let there be these entry points, for one test."""

    def let(*entries):
        monkeypatch.setattr(registry, "entry_points", lambda **_: entries)
        registry._entries.cache_clear()

    yield let
    registry._entries.cache_clear()


def test_a_baseline_by_its_name():
    assert registry.baseline_class("zeros") is Zeros
    with pytest.raises(HarnessError, match=r"there is no baseline 'none'; there are: .*zeros"):
        registry.baseline_class("none")


def test_a_baseline_that_cannot_be_loaded_is_left_out(installed):
    broken = EntryPoint("broken", "no_such_package:Model", registry.ENTRY_POINTS)
    installed(*registry.entry_points(group=registry.ENTRY_POINTS), broken)
    told = []
    names = registry.all_baselines(told.append).keys()
    assert "zeros" in names
    assert "broken" not in names
    assert told == [
        "the baseline broken (no_such_package:Model) cannot be loaded: No module named 'no_such_package'"
    ]


class NoMethod:
    """A class that somebody has begun to write."""

    track = "mass-mapping"

    def fit(self, train, validation, training):  # noqa: ARG002
        return {}

    save = restore = fit


def test_what_a_class_lacks_is_said_when_it_is_loaded(installed):
    begun = EntryPoint("begun", f"{__name__}:NoMethod", registry.ENTRY_POINTS)
    installed(begun)
    with pytest.raises(
        HarnessError, match=r"NoMethod\) must be a class with track, .* without summary, predict\(\);"
    ):
        registry.baseline_class("begun")
