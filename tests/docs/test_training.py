"""The example of docs/training.md, run, and its figures."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs/training.md"


def test_cost_of_naive_augmentation_is_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = GUIDE.read_text()
    (simulate,) = re.findall(r"^ {4}astroboard (simulate .*)$", text, re.MULTILINE)
    main(shlex.split(simulate), standalone_mode=False)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    found = {kind: [row[-1] for row in rows if row[0] == kind] for kind in ("spin-2", "naive")}
    assert found["spin-2"] == ["+0.220"] * 8
    assert sorted(found["naive"]) == sorted(["+0.220", "-0.220"] * 2 + ["+0.003", "-0.003"] * 2)
    for number in ("+0.220", "±0.003", "−0.220"):
        assert number in text
