"""Real Dask clusters on the loopback address, for tests."""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DASK = Path(sys.executable).with_name("dask")
SECONDS = 120


@dataclass
class Cluster:
    address: str
    workers: list[subprocess.Popen]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A scheduler and workers of one thread, each a process without a nanny that would start it anew."""
    file, started = folder / "scheduler.json", []
    common = ["--scheduler-file", file, "--no-dashboard"]

    def start(*words) -> subprocess.Popen:
        with (folder / f"dask-{len(started)}.log").open("w") as log:
            process = subprocess.Popen([DASK, *words, *common], stdout=log, stderr=log, cwd=folder)
        started.append(process)
        return process

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        until(lambda: file.is_file() and file.read_text().endswith("}"))
        local = ["--host", "127.0.0.1", "--local-directory", folder / "dask"]
        alone = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--death-timeout", str(SECONDS)]
        processes = [start("worker", *local, *alone) for _ in range(workers)]
        logs = [folder / f"dask-{number}.log" for number in range(1, workers + 1)]
        until(lambda: all("Starting established connection" in log.read_text() for log in logs))
        yield Cluster(json.loads(file.read_text())["address"], processes)
    finally:
        for process in started:
            process.kill()
            process.wait()
        gc.collect()  # what the client left open is told of here, and not in a later test


def until(holds) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def write_pid(path: Path) -> None:
    path.with_suffix(".part").write_text(str(os.getpid()))
    path.with_suffix(".part").replace(path)
