"""A whole Codabench competition from a file of truth and one of inputs; ``templates`` holds its texts."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from harness.data.split import hand_out, public_cases, secret_seed
from harness.data.store import CHUNK, DataError, Dataset, create, open_dataset
from harness.evaluation.bootstrap import concatenated, group_sums
from harness.files import HarnessError, beside
from harness.platforms.codabench.worker import CASES, OVERALL, TRUTH
from harness.tracks.registry import TRACKS
from submissions import write_submission
from submissions.writing import entry

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
MAX_TITLE, MAX_IMAGE, MAX_COLUMN_TEXT = 255, 128, 36
"""What the platform's tables have room for."""
PROJECT = Path(__file__).parents[3]
CODE = ("metrics", "submissions", "harness")
NOT_NEEDED = ("__pycache__", "templates", "cli", "claims", "runs", "report", "sources", "simulate", "demo.py")
"""What no scoring imports of CODE: the upper floors of the harness, and how data sets are made."""


@dataclass(frozen=True)
class Options:
    """The organiser's settings. The public phase ends at ``end``, the private phase at ``close``.

    Without a ``seed``, which groups are public is drawn from the truth. ``metadata`` is that of `hand_out`.
    ``train`` is the training set of the participants: a data set, an address where it is, or "".
    """

    start: datetime
    end: datetime
    close: datetime
    title: str | None
    public_fraction: float
    seed: int | None
    docker_image: str
    metadata: Sequence[str] = ()
    train: str = ""

    @property
    def train_link(self) -> str:
        """Where the training data are, "" if ``train`` is a file or nothing."""
        return self.train if re.fullmatch(r"https?://[^\s<>]+", self.train) else ""


def write_bundle(truth: Path, inputs: Path | None, out: Path, options: Options) -> dict[str, Any]:
    """Write the competition to ``out``: a zip if its name ends so, else a folder. The same bytes each time.

    All cases of ``truth`` are test cases; ``inputs`` holds the same ones, and may be absent where ``truth``
    is a full data set. Returns the seed, the number of cases and groups of each phase, and the notes of
    `hand_out`. Raises HarnessError for data or options that make no competition.
    """
    if out.is_dir() or (out.suffix != ".zip" and out.exists()):
        raise HarnessError(f"{out} exists already: name a new folder, or a file that ends in .zip")
    dates = {"start": options.start, "end": options.end, "close": options.close}
    for (earlier, before), (later, after) in pairwise(dates.items()):
        if not before < after:
            raise HarnessError(
                f"the {later} must be after the {earlier}, got {_calendar(after)} for the {later} and "
                f"{_calendar(before)} for the {earlier}; choose another --{later} or --{earlier}"
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        answers = stack.enter_context(open_dataset(truth))
        questions = stack.enter_context(open_dataset(inputs or truth, answers.track))
        groups, seed = answers.groups(), secret_seed(answers) if options.seed is None else options.seed
        public = public_cases(groups, options.public_fraction, seed)
        phases = {"public": public, "private": ~public}
        _check(answers, questions, phases, options)
        folder = Path(stack.enter_context(TemporaryDirectory(dir=out.parent, prefix=".bundle."))) / "bundle"
        notes = _write(folder, answers, questions, phases, options)
        if out.suffix == ".zip":
            zip_folder(folder, out)
        else:
            folder.replace(out)
        return {"seed": seed, "notes": notes} | {
            name: {"cases": int(of_phase.sum()), "groups": len(np.unique(groups[of_phase]))}
            for name, of_phase in phases.items()
        }


def _calendar(date: datetime) -> str:
    """A date in words: ``31 January 2027``, with the time unless it is midnight."""
    month = MONTHS[date.month - 1]  # not %B, which follows the locale
    return f"{date.day} {month} {date.year}" + (f", {date:%H:%M} UTC" if date.time() != time() else "")


def zip_folder(folder: Path, out: Path) -> None:
    """Zip what a folder holds, not the folder itself: the same bytes for the same files."""
    with beside(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = entry(path.relative_to(folder).as_posix())
            info.file_size = path.stat().st_size
            info.compress_type = zipfile.ZIP_STORED if path.suffix == ".zip" else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _check(truth: Dataset, inputs: Dataset, phases: dict[str, np.ndarray], options: Options) -> None:
    track, targets, _ = truth.track, truth.truth, inputs.inputs  # which raise where there are none
    if track.name not in TRACKS:
        raise HarnessError(f"{track.name} is of another package, whose code no scoring program holds")
    if sorted(truth.case_ids()) != sorted(inputs.case_ids()):
        raise DataError(f"{inputs.path} must have the cases of {truth.path}, and no others")
    if options.train and not options.train_link:
        if not Path(options.train).is_file():
            raise HarnessError(f"--train must be a data set or an address (https://…), got {options.train!r}")
        with open_dataset(Path(options.train), track) as train:
            train.truth, train.inputs  # noqa: B018 - which raise where there are none
            if shared := set(train.case_ids()) & set(truth.case_ids()):
                raise DataError(f"{options.train} must have no test case, got {len(shared)} of them")
    title = track.title if options.title is None else options.title
    limits = [("the title", title, MAX_TITLE), ("the docker image", options.docker_image, MAX_IMAGE)]
    limits += [
        ("a title", text, MAX_COLUMN_TEXT) for score in track.scores for text in (score.key, score.title)
    ]
    for what, text, limit in limits:
        if not 0 < len(text.strip()) <= len(text) <= limit or not text.isprintable():
            raise HarnessError(
                f"{what} must have 1 to {limit} printable characters, got {len(text)}: {text!r:.300}"
            )
    if any(character.isspace() for character in options.docker_image):
        raise HarnessError(f"the docker image must be a name without spaces, got {options.docker_image!r}")
    for number, class_name in enumerate(track.classes):
        of_class = targets[:] == number
        for phase, of_phase in phases.items():
            if not (of_class & of_phase).any():
                raise DataError(
                    f"the {phase} cases must have every class, got no {class_name}; choose another seed or "
                    "public fraction"
                )


def _write(
    folder: Path, truth: Dataset, inputs: Dataset, phases: dict[str, np.ndarray], options: Options
) -> list[str]:
    from matplotlib.image import imsave

    track, program, kit = truth.track, folder / "scoring_program", folder / "starting_kit"
    for name in CODE:  # there is one scorer
        for copy in (program / name, kit / name):
            shutil.copytree(PROJECT / name, copy, ignore=shutil.ignore_patterns(*NOT_NEEDED))
    shutil.copyfile(Path(__file__).with_name("score.py"), program / "score.py")
    with create(kit / "inputs.h5", track, "inputs", {"made_by": "astroboard bundle"}) as writer:
        notes = hand_out(inputs, np.arange(len(inputs)), writer, secret_seed(truth), options.metadata)
    with open_dataset(kit / "inputs.h5") as handed_out:
        cases = {"case_ids": handed_out.case_ids(), "fingerprint": handed_out.fingerprint}
        _write_texts(folder, handed_out, options)
    constant = np.full((1, *track.format.shape), track.constant_prediction)
    write_submission(
        kit / "sample_submission.zip", track.format, "sample", "all alike", cases["case_ids"],
        (constant for _ in cases["case_ids"]), {"dataset_fingerprint": cases["fingerprint"]},
    )  # fmt: skip
    if options.train and not options.train_link:
        shutil.copyfile(options.train, kit / "train.h5")
    references = {folder / f"reference_data_{name}": of_phase for name, of_phase in phases.items()}
    for reference, of_phase in references.items():
        _copy_truth(truth, reference / TRUTH, of_phase)
        values = json.dumps(cases | {"constant": _constant_scores(reference / TRUTH)})
        (reference / CASES).write_text(values, encoding="utf-8")
    for unzipped in (program, kit, *references):
        zip_folder(unzipped, unzipped.with_suffix(".zip"))
        shutil.rmtree(unzipped)
    imsave(folder / "logo.png", _logo(), cmap="magma")
    return notes


def _constant_scores(reference: Path) -> dict[str, float]:
    """What the constant prediction scores on the cases of a file of truth, by key."""
    columns = []
    with open_dataset(reference) as data:
        track = data.track
        for chunk in data.chunks():
            alike = np.full((len(chunk["group"]), *track.format.shape), track.constant_prediction)
            columns.append(track.by_case(chunk[track.truth.name], alike))
        return group_sums(track, concatenated(columns), data.groups()).total_scores(track)


def _copy_truth(source: Dataset, path: Path, kept: np.ndarray) -> None:
    """Write the truth of the kept cases (N,) as another data set."""
    with create(path, source.track, "truth", {"made_by": "astroboard bundle"}) as writer:
        for rows in (slice(start, start + CHUNK) for start in range(0, len(source), CHUNK)):
            if kept[rows].any():
                columns = ("case_id", "group", source.track.truth.name)
                writer.append(**{name: source.columns[name][rows][kept[rows]] for name in columns})


def _write_texts(folder: Path, inputs: Dataset, options: Options) -> None:
    """Fill in the templates: pages, competition.yaml, and the texts of program and kit."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("harness.platforms.codabench"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["range"] = _range
    # YAML joins no pair of surrogates, which is how JSON may escape an emoji.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}
    for name in environment.list_templates():
        path = folder / name.removesuffix(".jinja")  # which keeps a template from being taken for Python
        path.parent.mkdir(parents=True, exist_ok=True)
        text = environment.get_template(name).render(
            track=inputs.track, options=options, title=options.title or inputs.track.title, cases=len(inputs),
            metadata=inputs.metadata is not None, overall=OVERALL,
            private_start=options.end + timedelta(seconds=1),  # a phase starts after the last one has ended
        )  # fmt: skip
        path.write_text(text, encoding="utf-8")
    script = folder / "starting_kit/starting_kit.py"
    notebook = notebook_of(script.read_text(encoding="utf-8"))
    script.with_suffix(".ipynb").write_text(notebook, encoding="utf-8")


def notebook_of(script: str) -> str:
    """A notebook of a script, whose cells begin with the lines ``# %%`` and ``# %% [markdown]``."""
    cells = []
    for number, part in enumerate(script.split("# %%")[1:]):
        head, _, body = part.partition("\n")
        lines = body.strip("\n").splitlines(keepends=True)
        cell: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []}
        if "markdown" in head:
            cell = {"cell_type": "markdown"}
            lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
        cells.append(cell | {"id": f"cell-{number}", "metadata": {}, "source": lines})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1) + "\n"


def _range(within: tuple[float, float]) -> str:
    """The values that a score can have, in words."""
    low, high = within
    return f"{low:g} or more" if high == np.inf else f"{low:g} to {high:g}"


def _logo() -> np.ndarray:
    """Three peaks of different height, (256, 256)."""
    rows, columns = np.mgrid[:256, :256]
    peaks = np.array([(90, 100, 34, 1.0), (170, 170, 24, 0.7), (70, 195, 16, 0.5)]).T[..., None, None]
    row, column, width, height = peaks
    distance = (rows - row) ** 2 + (columns - column) ** 2
    return np.asarray((height * np.exp(-distance / (2 * width**2))).sum(axis=0))
