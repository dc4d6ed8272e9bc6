"""The layers of the design, checked in the imports themselves, and the same folders in the tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTED_IN = {
    "baselines/network.py": "baselines/mass_mapping/test_unet.py",
    "harness/cli/faults.py": "harness/test_contributing.py",
    "harness/platforms/codabench/score.py": "harness/platforms/codabench/test_worker.py",
    "harness/report/alerts_page.py": "harness/runs/test_classification.py",
    "harness/report/colours.py": "harness/report/drawing/test_stamps.py",
    "harness/report/drawing/tiles.py": "harness/report/drawing/test_side_by_side.py",
    "harness/report/export.py": "harness/cli/test_scores.py",
    "submissions/formats/registry.py": "submissions/formats/test_base.py",
    "submissions/kinds.py": "submissions/test_archive.py",
    "submissions/limits.py": "submissions/test_attacks.py",
}
"""Where modules are tested that have no module of tests under their name."""


def test_imports_keep_to_the_layers():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_tests_mirror_the_packages():
    modules = {
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).with_name(f"test_{path.name}").as_posix()
        for package in ("metrics", "submissions", "baselines", "harness")
        for path in (ROOT / package).rglob("*.py")
        if not path.name.startswith("__")
    }
    assert TESTED_IN.keys() == {
        module for module, test in modules.items() if not (ROOT / "tests" / test).exists()
    }
    assert all((ROOT / "tests" / test).exists() for test in TESTED_IN.values())
