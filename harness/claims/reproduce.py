"""Testing claims: prepare the data, plan the runs, train what is missing, judge, and write what came out.

docs/claims.md explains the folder, the verdicts, and what is taken from the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from harness.claims.data import prepare
from harness.claims.execute import run_missing, score_folds
from harness.claims.plan import Folds, Run, Sides, plan, runs_of, versions_of
from harness.claims.results import judge, rank
from harness.claims.spec import Claim, Size, preset_size
from harness.evaluation.scoring import Scored
from harness.progress import ProgressCallback, no_progress
from harness.schemas import CLAIMS


def reproduce(
    out: Path, specs: Sequence[Claim], preset: str, size: Size | None = None,
    real: Path | None = None, progress: ProgressCallback = no_progress,
    tell: Callable[[str], Any] = lambda _: None, executor: Executor | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Test claims and fill boards; return the record. ``tell`` hears of each that is done.

    ``preset`` names the settings, or is a TOML file of them, and the ``size`` is the preset's by default.
    ``real`` is a data set of labelled alerts, which are cross-validated by object. An ``executor`` trains
    several runs at a time. The folder ``out`` gets the record as ``claims.json``, with ``claims.html`` and
    the page of the boards, anew after every claim. What it holds of earlier calls, also of one that was
    killed, is not done again.
    """
    from harness.report.claims_page import write_claims  # imports matplotlib

    out, size = out.absolute(), size or preset_size(preset)
    prepared = prepare(out, specs, size, real, progress)
    planned = plan(out, specs, prepared, preset, size.seeds)
    scored: dict[Folds, Scored] = {}
    record: dict[str, Any] = {"schema": CLAIMS, "preset": preset, "seeds": size.seeds}
    record |= {"claims": [], "boards": []}
    for spec in _completed(specs, planned, executor, progress):
        sides = planned[spec.name]
        for folds in (folds for seeds in sides for folds in seeds):
            if folds not in scored:
                scored[folds] = score_folds(folds, progress)
        if spec.expected:
            result = judge(spec, sides, scored)
            record["claims"].append(result.to_json())
            tell(f"{spec.name}: {result.verdict}")
        else:
            record["boards"].append(rank(spec, sides, scored))
            tell(f"{spec.name}: {len(spec.sides)} rows")
        record["versions"] = {
            name: of for folds in scored for name, of in versions_of(folds[0].baseline).items()
        }
        write_claims(record, out)
    return record


def _completed(
    specs: Sequence[Claim], planned: Mapping[str, Sides], executor: Executor | None,
    progress: ProgressCallback,
) -> Iterator[Claim]:  # fmt: skip
    """Train what is missing, and yield each claim as soon as all its runs are complete.

    All runs are handed to the executor at once, so that its workers go on while a claim is judged.
    """
    completed_runs = run_missing(runs_of(planned.values()), executor, progress)
    completed = set[Run]()
    for spec in specs:
        required = set(runs_of([planned[spec.name]]))
        while required - completed:
            completed.add(next(completed_runs))
        yield spec
