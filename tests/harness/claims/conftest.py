"""Claims put to the test on data that are too small to decide much."""

from pathlib import Path

import pytest

from harness.claims.reproduce import reproduce
from harness.claims.spec import Size, select

TINY = str(Path(__file__).with_name("tiny.toml"))
SIZE = Size({"mass-mapping": 40, "stamps": 160}, {"mass-mapping": 2, "stamps": 2}, folds=2)
SIZES = {TINY: SIZE}


@pytest.fixture(scope="session")
def zeros(tmp_path_factory):
    """What an undisturbed test of one claim left, and its record."""
    out = tmp_path_factory.mktemp("claims")
    return out, reproduce(out, select(TINY, ["zeros-win-wmape"]), SIZES)


@pytest.fixture(scope="session")
def runs(maps, stamps, tmp_path_factory):
    """Runs of two baselines without networks, none of which is trained yet."""
    from harness.claims.plan import Run

    folder = tmp_path_factory.mktemp("runs")
    return [
        Run(folder / f"{name}-{seed}", data, name, "smoke", {}, seed)
        for name, data in (("zeros", maps), ("majority", stamps))
        for seed in (0, 1)
    ]
