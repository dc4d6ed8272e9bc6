"""Testing claims: prepare data, plan runs, train missing ones, judge, and write the results.

docs/claims.md explains the folder, the verdicts, and what is taken from the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any

from harness.claims.data import prepare, simulated_file
from harness.claims.execute import run_missing, score_folds
from harness.claims.plan import Folds, Run, Sides, plan, runs_of, versions_of
from harness.claims.results import judge, not_tested, rank
from harness.claims.spec import REAL, Claim, Size, claim_names
from harness.claims.trainings import TrainingFacts, training_facts
from harness.evaluation.scoring import Scored
from harness.files import check_own
from harness.progress import ProgressCallback, no_progress
from harness.runs.registry import baseline_class
from harness.schemas import CLAIMS

PAGES = ("claims.html", "results.md", "index.html", "leaderboard.json")
NO_ALERTS = "no real alerts; name a data set with --stamps"


def reproduce(
    out: Path, specs: Sequence[Claim], sizes: Mapping[str, Size], real: Path | None = None,
    progress: ProgressCallback = no_progress, tell: Callable[[str], Any] = lambda _: None,
    executor: Executor | None = None, train: bool = True, force: bool = False, kind: str = "png",
) -> dict[str, Any]:  # fmt: skip
    """Test claims and make leaderboards; return the record. ``tell`` receives a line for each that is done.

    ``sizes`` are those of the presets of the claims. ``real`` is a data set of labelled alerts, which are
    cross-validated by object; without one, claims about such are not tested. An ``executor`` trains several
    runs at a time. Without ``train`` nothing is trained: claims that lack a run are not tested, and boards
    are left without the rows that lack one. ``kind`` is the format of pictures.

    The folder ``out`` gets the record as ``claims.json``, with its pages, anew after every claim. What it
    holds of earlier calls, also of one that was killed, is not done again. Raises HarnessError where pages of
    the same names are there that no earlier call wrote, unless they are to be replaced: ``force``.
    """
    from harness.report.results_page import write_claims  # imports matplotlib

    pictures = (f"{spec.name}.{kind}" for spec in specs if spec.over)
    check_own(out, "claims.json", CLAIMS, (*PAGES, *pictures), force)
    for side in (side for spec in specs for side in spec.sides):
        baseline_class(side.baseline)  # before anything is simulated
    out = out.absolute()
    left_out = {spec.name: NO_ALERTS for spec in specs if spec.data == REAL and real is None}
    if not train:  # what was never simulated was not trained on: that takes no simulation to say
        left_out |= {
            spec.name: "not trained: no data were simulated" for spec in specs
            if spec.data != REAL and not simulated_file(out, spec.data, sizes[spec.preset]).is_file()
        }  # fmt: skip
    testable = [spec for spec in specs if spec.name not in left_out]
    prepared = prepare(out, testable, sizes, real, progress)
    planned = plan(out, testable, prepared, sizes)
    if not train:
        testable, planned, missing = _trained(testable, planned)
        left_out |= missing
    completed = _completed(testable, planned, executor, progress)
    scored: dict[Folds, Scored] = {}
    facts: dict[Run, TrainingFacts] = {}
    record = _new_record(sizes)
    for spec in specs:
        if spec.name in planned:
            spec = next(completed)
            sides = planned[spec.name]
            for folds in (folds for seeds in sides for folds in seeds):
                if folds not in scored:
                    scored[folds] = score_folds(folds, progress)
                    for run in folds:
                        facts[run] = training_facts(run.folder, run.start.folder if run.start else None)
            if spec.expected:
                result = judge(spec, sides, scored, facts)
                record["claims"].append(result.to_json())
                tell(f"{spec.name}: {'; '.join([result.verdict, *result.lacking])}")
            else:
                record["boards"].append(rank(spec, sides, scored))
                tell(f"{spec.name}: {len(spec.sides)} rows")
        elif spec.expected:
            record["claims"].append(not_tested(spec, left_out[spec.name]).to_json())
        if spec.name in left_out and not spec.expected:
            record["left_out"].append({"name": spec.name, "says": spec.says, "lacking": left_out[spec.name]})
        record["runs"] = [{"name": run.folder.name} | each.to_json() for run, each in facts.items()]
        record["versions"] = {
            name: of for folds in scored for name, of in versions_of(folds[0].baseline).items()
        }
        write_claims(record, out, kind, claim_names())
    return record


def _new_record(sizes: Mapping[str, Size]) -> dict[str, Any]:
    seeds = [number for size in sizes.values() for number in size.seeds.values()]
    return {
        "schema": CLAIMS,
        "preset": ", ".join(sizes),
        "seeds": min(seeds, default=0),
        "presets": {
            preset: {"cases": {**size.cases}, "seeds": {**size.seeds}, "settings": {**size.settings}}
            for preset, size in sizes.items()
        },
        "claims": [], "boards": [], "left_out": [], "runs": [], "versions": {},
    }  # fmt: skip


def _trained(
    specs: Sequence[Claim], planned: Mapping[str, Sides]
) -> tuple[list[Claim], dict[str, Sides], dict[str, str]]:
    """The claims whose runs are all trained, with their runs, and of all others what is missing.

    A board keeps the sides that are trained.
    """
    kept: list[Claim] = []
    sides_of: dict[str, Sides] = {}
    missing = {}
    for spec in specs:
        there = [all(run.folder.exists() for run in runs_of([[seeds]])) for seeds in planned[spec.name]]
        if not all(there):
            lack = [str(side) for side, trained in zip(spec.sides, there, strict=True) if not trained]
            missing[spec.name] = f"not trained: {'; '.join(lack)}"
        if all(there) or (any(there) and not spec.expected):
            sides, values = tuple(compress(spec.sides, there)), tuple(compress(spec.values, there))
            kept.append(replace(spec, sides=sides, values=values))
            sides_of[spec.name] = [*compress(planned[spec.name], there)]
    return kept, sides_of, missing


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
