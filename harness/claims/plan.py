"""The runs that claims compare. Planning trains nothing and touches no file but the presets."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from baselines import presets
from harness.claims.data import Prepared, SplitData
from harness.claims.spec import BoardSpec, Claim, Side
from harness.runs.registry import baseline_class
from harness.runs.training import versions


@dataclass(frozen=True)
class Run:
    """One training, in a folder named after everything that it depends on. ``start`` is trained before it."""

    folder: Path
    data: Path = field(compare=False)
    baseline: str = field(compare=False)
    preset: str = field(compare=False)
    settings: dict[str, Any] = field(compare=False)
    seed: int = field(compare=False)
    start: Run | None = field(default=None, compare=False)

    @property
    def submission(self) -> Path:
        return self.folder.with_suffix(".zip")


Folds = tuple[Run, ...]
"""The runs whose predictions make one test: one for each fold, or a single one."""
Sides = Sequence[Sequence[Folds]]
"""The runs of each side, from each seed."""


def plan(
    out: Path, specs: Sequence[Claim | BoardSpec], prepared: Prepared, preset: str, seeds: int
) -> dict[str, Sides]:
    """The runs of every claim and board, by its name. Equal runs of several claims are one."""

    def folds(side: Side, data: str, seed: int) -> Folds:
        start = folds(replace(side, start=""), side.start, seed)[0] if side.start else None
        return tuple(
            _run(out / "runs", side, split_data, preset, seed, start)
            for split_data in prepared[data, side.split]
        )

    return {
        spec.name: [[folds(side, spec.data, seed) for seed in range(seeds)] for side in spec.sides]
        for spec in specs
    }


def _run(folder: Path, side: Side, data: SplitData, preset: str, seed: int, start: Run | None) -> Run:
    chosen = all_settings(preset, side)
    started_from = start.folder.name if start else None
    software = versions_of(side.baseline)
    name = run_name(side.baseline, chosen, seed, data.fingerprints, software, started_from)
    return Run(folder / name, data.folder, side.baseline, preset, chosen, seed, start)


def run_name(
    baseline: str,
    settings: Mapping[str, Any],
    seed: int,
    fingerprints: Sequence[str],
    versions: Mapping[str, str],
    start: str | None = None,
) -> str:
    """The baseline and a hash of all that a run depends on, so that no run is taken for another."""
    depends_on = [baseline, settings, seed, list(fingerprints), versions, *([start] if start else [])]
    return f"{baseline}-{hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]}"


def all_settings(preset: str, side: Side) -> dict[str, Any]:
    """All settings of a side's baseline: the side's own, then the preset's, then the baseline's defaults."""
    kind = baseline_class(side.baseline)
    names = inspect.signature(kind).parameters
    shared = {name: value for name, value in presets.settings(preset, side.like).items() if name in names}
    baseline = presets.make(kind, shared | side.settings)
    return {name: getattr(baseline, name) for name in names}


@cache
def versions_of(baseline: str) -> dict[str, str]:
    """The versions of all software that the predictions of a baseline depend on."""
    return versions(presets.make(baseline_class(baseline), {}))


def runs_of(sides: Iterable[Sides]) -> list[Run]:
    """All runs, each once, and each after the run that it starts from."""
    runs = [run for seeds in sides for side in seeds for folds in side for run in folds]
    return list(dict.fromkeys(each for run in runs for each in (run.start, run) if each))
