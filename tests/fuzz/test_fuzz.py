import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("atheris", reason="atheris is made for Linux alone")


def test_no_input_crashes_or_hangs_a_reader(tmp_path):
    command = [sys.executable, Path(__file__).with_name("fuzz_readers.py")]
    options = ["--runs", "4000", "--seed", "7", "--keep", tmp_path]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 4000 runs" in done.stderr
    assert list(tmp_path.iterdir()) == []
