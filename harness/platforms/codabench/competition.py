"""A whole Codabench competition from a file of truth and one of inputs; ``templates`` holds its texts."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import metrics
from harness.data.split import public_cases, secret_seed
from harness.data.store import CHUNK, DataError, Dataset, create, open_dataset
from harness.files import HarnessError, beside
from harness.platforms.codabench.program import copy_code
from harness.platforms.codabench.worker import CASES, TRUTH
from harness.tracks.registry import TRACKS
from submissions import write_submission
from submissions.writing import entry

MAX_TITLE, MAX_COLUMN_TEXT = 255, 36


@dataclass(frozen=True)
class Plan:
    """What an organiser decides. Public phase: ``start`` to ``end``, then the private one to ``close``."""

    start: datetime
    end: datetime
    close: datetime
    title: str | None
    public_fraction: float
    seed: int | None
    docker_image: str


def bundle(truth: Path, inputs: Path | None, out: Path, plan: Plan) -> dict[str, Any]:
    """Write the competition to ``out``: a zip if its name ends so, else a folder. The same bytes each time.

    All cases of ``truth`` are test cases; ``inputs`` holds the same ones, and may be absent where ``truth``
    is a full data set. Without a seed the truth draws the public part. Returns the seed, and the number of
    cases and groups of each part. Raises HarnessError for data or a plan that make no competition.
    """
    if out.suffix != ".zip" and out.exists():
        raise HarnessError(f"{out} exists already: name a new folder, or a file that ends in .zip")
    if not plan.start < plan.end < plan.close:
        raise HarnessError(f"expected start < end < close, got {plan.start}, {plan.end} and {plan.close}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        answers = stack.enter_context(open_dataset(truth))
        questions = stack.enter_context(open_dataset(inputs or truth, answers.track))
        groups, seed = answers.groups(), secret_seed(answers) if plan.seed is None else plan.seed
        public = public_cases(groups, plan.public_fraction, seed)
        parts = {"public": public, "private": ~public}
        _check(answers, questions, parts, plan)
        folder = Path(stack.enter_context(TemporaryDirectory(dir=out.parent, prefix=".bundle."))) / "bundle"
        _write(folder, answers, questions, parts, plan)
        if out.suffix == ".zip":
            zip_folder(folder, out)
        else:
            folder.replace(out)
        return {"seed": seed} | {
            name: {"cases": int(part.sum()), "groups": len(np.unique(groups[part]))}
            for name, part in parts.items()
        }


def zip_folder(folder: Path, out: Path) -> None:
    """Zip what a folder holds, not the folder itself: the same bytes for the same files."""
    with beside(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = entry(path.relative_to(folder).as_posix())
            info.file_size = path.stat().st_size
            info.compress_type = zipfile.ZIP_STORED if path.suffix == ".zip" else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _check(truth: Dataset, inputs: Dataset, parts: dict[str, np.ndarray], plan: Plan) -> None:
    track, values, _ = truth.track, truth.truth, inputs.inputs  # which raise where there are none
    if track.name not in TRACKS:
        raise HarnessError(f"{track.name} is of another package, whose code no scoring program holds")
    if sorted(truth.case_ids()) != sorted(inputs.case_ids()):
        raise DataError(f"{inputs.path} does not hold the inputs of the cases of {truth.path}, and no others")
    limits = [(plan.title or track.title, MAX_TITLE)]
    limits += [(text, MAX_COLUMN_TEXT) for one in track.scores for text in (one.key, one.title)]
    for text, limit in limits:
        if len(text) > limit or not text.isprintable():
            raise HarnessError(f"expected {limit} printable characters at most, got the title {text!r}")
    for name, part in parts.items() if track.classes else ():
        for absent in set(range(len(track.classes))) - set(values[:][part].tolist()):
            message = f"no {track.classes[absent]} among the {name} cases"
            raise DataError(f"{message}: choose another seed or public fraction")


def _write(folder: Path, truth: Dataset, inputs: Dataset, parts: dict[str, np.ndarray], plan: Plan) -> None:
    from matplotlib.image import imsave

    program, kit = folder / "scoring_program", folder / "starting_kit"
    _write_texts(folder, inputs, plan)
    copy_code(["harness.platforms.codabench.score", "harness.platforms.kaggle"], program)
    (program / "harness/platforms/codabench/score.py").replace(program / "score.py")
    shutil.copyfile(
        Path(__file__).with_name("details.html"), program / "harness/platforms/codabench/details.html"
    )
    copy_code(["harness.evaluation.scoring"], kit)

    track = truth.track
    _copy(inputs, kit / "inputs.h5", "inputs", ["metadata", track.inputs.name], np.ones(len(inputs), bool))
    with open_dataset(kit / "inputs.h5") as handed_out:
        cases = {"case_ids": handed_out.case_ids(), "fingerprint": handed_out.fingerprint}
    alike = np.full((1, *track.format.shape), 1 / len(track.classes) if track.classes else 0.0)
    write_submission(
        kit / "sample_submission.zip", track.format, "sample", "all alike", cases["case_ids"],
        (alike for _ in cases["case_ids"]), {"dataset_fingerprint": cases["fingerprint"]},
    )  # fmt: skip
    references = {folder / f"reference_data_{name}": part for name, part in parts.items()}
    for reference, part in references.items():
        _copy(truth, reference / TRUTH, "truth", [track.truth.name], part)
        (reference / CASES).write_text(json.dumps(cases), encoding="utf-8")
    for one in (program, kit, *references):
        zip_folder(one, one.with_suffix(".zip"))
        shutil.rmtree(one)
    imsave(folder / "logo.png", _logo(), cmap="magma")


def _copy(source: Dataset, path: Path, role: str, columns: list[str], kept: np.ndarray) -> None:
    columns = [name for name in ("case_id", "group", *columns) if name in source.columns]
    with create(path, source.track, role, {"made_by": "astroboard bundle"}) as writer:
        for rows in (slice(start, start + CHUNK) for start in range(0, len(source), CHUNK)):
            if kept[rows].any():
                writer.append(**{name: source.columns[name][rows][kept[rows]] for name in columns})


def _write_texts(folder: Path, inputs: Dataset, plan: Plan) -> None:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("harness.platforms.codabench"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    for name in environment.list_templates():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = environment.get_template(name).render(
            track=inputs.track, plan=plan, title=plan.title or inputs.track.title, cases=len(inputs),
            metadata=inputs.metadata is not None,
            private_start=plan.end + timedelta(seconds=1),  # a phase starts after the last one has ended
            definition=definition,
        )  # fmt: skip
        path.write_text(text, encoding="utf-8")


def definition(name: str) -> str:
    """The definition in the docstring of a function of ``metrics``, and its defaults; "" if there is none."""
    found = getattr(metrics, f"{name}_by_case", None) or getattr(metrics, name, None)
    if not found:
        return ""
    text = re.split(r"\n\w.*\n---", inspect.getdoc(found) or "")[0].replace(" [1]_", "").strip()
    given = [one for one in inspect.signature(found).parameters.values() if one.default is not one.empty]
    return text + "\n\n" * bool(given) + ", ".join(f"{one.name} = {one.default}" for one in given)


def _logo() -> np.ndarray:
    """Three peaks of different height, (256, 256)."""
    rows, columns = np.mgrid[:256, :256]
    peaks = np.array([(90, 100, 34, 1.0), (170, 170, 24, 0.7), (70, 195, 16, 0.5)]).T[..., None, None]
    row, column, width, height = peaks
    distance = (rows - row) ** 2 + (columns - column) ** 2
    return np.asarray((height * np.exp(-distance / (2 * width**2))).sum(axis=0))
