"""The layers of the design, checked in the imports themselves."""

import subprocess
import sys
from pathlib import Path


def test_imports_keep_to_the_layers():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
