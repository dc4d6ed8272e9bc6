"""The baselines by name, with those that cannot be loaded told of."""

from importlib.metadata import EntryPoint

import pytest

from baselines.mass_mapping.trivial import Zeros
from harness.files import HarnessError
from harness.runs import registry


def test_a_baseline_by_its_name():
    assert registry.baseline_class("zeros") is Zeros
    with pytest.raises(HarnessError, match=r"there is no baseline 'none'; there are: .*zeros"):
        registry.baseline_class("none")


def test_a_baseline_that_cannot_be_loaded_is_left_out(monkeypatch):
    broken = EntryPoint("broken", "no_such_package:Model", registry.ENTRY_POINTS)
    found = registry.entry_points(group=registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [*found, broken])
    told = []
    names = registry.all_baselines(told.append).keys()
    assert "zeros" in names
    assert "broken" not in names
    assert told == [
        "the baseline broken (no_such_package:Model) cannot be loaded: No module named 'no_such_package'"
    ]
