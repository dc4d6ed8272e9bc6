"""What every benchmark gives: a row of one table, a ratio against a peer in the same run."""

import time
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

HEAD = ("what", "against", "reach", "measured")
ROWS = pytest.StashKey[list[tuple[str, ...]]]()


def pytest_addoption(parser):
    parser.addoption("--table", type=Path, help="write the table of ratios there, too, as Markdown")


def pytest_configure(config):
    config.stash[ROWS] = []


@pytest.fixture(scope="session")
def lognormal_maps():
    """A function of a seed and a number of cases: maps of κ (cases, 128, 128), float64."""

    def make(seed, cases):
        noise = np.random.default_rng(seed).normal(size=(cases, 128, 128))
        return 0.05 * np.expm1(3 * gaussian_filter(noise, (0, 2, 2)) - 0.5)

    return make


@pytest.fixture
def row(request):
    """A function that adds a row: ``reach`` is "≥ 20" or "≤ 1.5", and the unit is part of ``what``."""

    def add(what, against, reach, measured):
        sign, limit = reach.split()
        reached = measured >= float(limit) if sign == "≥" else measured <= float(limit)
        text = f"{measured:.3g}" + ("" if reached else " (missed)")
        request.config.stash[ROWS].append((what, against, reach, text))

    return add


@pytest.fixture
def ratio(benchmark, row):
    """A function that measures two functions in turn and adds the ratio of their fastest rounds as a row.

    "≥ 20" asks for 20 times the speed of the peer, "≤ 1.5" for 1.5 times its time at most. One call of the
    peer stands for ``times`` of them.
    """

    def measure(what, against, reach, ours, theirs, rounds=5, times=1):
        seconds = []

        def peer():
            start = time.perf_counter()
            theirs()
            seconds.append(times * (time.perf_counter() - start))

        result = benchmark.pedantic(ours, setup=peer, rounds=rounds, warmup_rounds=1)
        mine, peers = benchmark.stats.stats.min, min(seconds)
        row(what, against, reach, peers / mine if reach.startswith("≥") else mine / peers)
        return result

    return measure


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    rows = [HEAD, tuple("-" * len(name) for name in HEAD), *sorted(config.stash[ROWS])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, cells, widths)) + " |" for cells in rows]
    terminalreporter.section("≥: times the peer's speed; ≤: times its time")
    terminalreporter.write_line("\n".join(lines))
    if path := config.getoption("--table"):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
