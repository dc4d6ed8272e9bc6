"""What the tests with hostile files share: their limits, and a process in which nothing else happens."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MEGABYTES = 300
HANG = 60  # seconds: no measurement, only more than any refusal takes on a machine that does other things


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def measure(folder: Path, jobs: list[tuple[str, Path, str]]) -> dict[str, dict]:
    """What reading each file came to, by the file's name. Fails when the process died, or wrote anything."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is measured on Linux alone")
    (folder / "jobs.json").write_text(json.dumps(jobs, default=str))
    before = tree(folder)
    command = [sys.executable, "-m", "tests.measured", folder / "jobs.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"died at {lines[-1:]}: {done.stderr[-2000:]}"
    assert tree(folder) == before
    results = map(json.loads, lines)
    return {Path(result["path"]).name: result for result in results if "accepted" in result}


def check_refusal(result: dict, secret: bytes) -> None:
    """A few printable lines that give nothing away, for little memory, before anybody thinks of a hang."""
    assert all(line.isprintable() for line in result["text"].splitlines())
    assert "Traceback" not in result["text"]
    assert secret.decode() not in result["text"]
    assert len(result["text"]) < 20_000
    assert result["megabytes"] < MEGABYTES
    assert result["seconds"] < HANG
