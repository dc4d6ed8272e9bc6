"""The runs that claims compare. Planning trains nothing and touches no file but the presets."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from baselines import presets
from harness.claims.data import Prepared
from harness.claims.spec import Claim, Side, Size
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
        """The zip beside the folder."""
        return self.folder.with_name(f"{self.folder.name}.zip")


Folds = tuple[Run, ...]
"""The runs whose predictions make one test: one for each fold, or a single one."""
Sides = Sequence[Sequence[Folds]]
"""The runs of each side, from each seed."""


def plan(
    out: Path, specs: Sequence[Claim], prepared: Prepared, sizes: Mapping[str, Size]
) -> dict[str, Sides]:
    """The runs of every claim and board, by its name. Equal runs of several claims are one."""

    def folds(preset: str, side: Side, data: str, seed: int) -> Folds:
        start = None
        if side.start:
            first = replace(side, baseline=side.first or side.baseline, start="", first="")
            start = folds(preset, first, side.start, seed)[0]
        settings = all_settings(preset, side, sizes[preset].settings)
        software = versions_of(side.baseline)
        origin = start.folder.name if start else None
        runs = []
        for split_data in prepared[preset, data, side.split]:
            name = run_name(side.baseline, settings, seed, split_data.fingerprints, software, origin)
            folder = out / "runs" / name
            runs.append(Run(folder, split_data.folder, side.baseline, preset, settings, seed, start))
        return tuple(runs)

    return {
        spec.name: [
            [folds(spec.preset, side, spec.data, seed)
             for seed in range(sizes[spec.preset].seeds[spec.track])]
            for side in spec.sides
        ]
        for spec in specs
    }  # fmt: skip


def run_name(
    baseline: str, settings: Mapping[str, Any], seed: int, fingerprints: Sequence[str],
    versions: Mapping[str, str], start: str | None = None,
) -> str:  # fmt: skip
    """The name of the baseline and a hash of everything that the run depends on."""
    depends_on = [baseline, settings, seed, list(fingerprints), versions, *([start] if start else [])]
    return f"{baseline}-{hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]}"


def all_settings(preset: str, side: Side, chosen: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """All settings of a side's baseline: its own, then those chosen, the preset's and the defaults."""
    kind = baseline_class(side.baseline)
    names = inspect.signature(kind).parameters
    shared = presets.updated(presets.settings(preset, side.like), chosen)
    shared = {name: value for name, value in shared.items() if name in names}
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
