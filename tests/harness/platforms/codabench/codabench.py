"""What Codabench does with a bundle, as far as its format and its worker's folders go."""

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

SCORE_KEYS = {"index", "title", "key", "sorting", "precision"}


def problems(folder: Path) -> list[str]:
    """What the platform would refuse in an unzipped bundle, or would silently take for something else."""
    found = []

    def expect(holds, what):
        if not holds:
            found.append(what)

    text = (folder / "competition.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    expect(values.get("version") == 2, "version")
    expect(isinstance(values.get("title"), str) and 0 < len(values["title"]) <= 255, "title")
    expect((folder / values["image"]).read_bytes().startswith(b"\x89PNG\r\n"), "image")
    image = values.get("docker_image", "legacy")
    expect("legacy" not in image and 0 < len(image.strip()) <= 128, "docker_image")
    expect(values.get("enable_detailed_results") is True, "enable_detailed_results")
    for page in [{"title": "terms", "file": values["terms"]}, *values["pages"]]:
        content = folder / page["file"]
        expect(content.is_file() and len(content.read_text(encoding="utf-8").strip()) > 100, "pages")
        expect(len(page["title"]) <= 36, "page title")

    tasks = {task["index"]: task for task in values["tasks"]}
    expect(len(tasks) == len(values["tasks"]) == 2, "tasks")
    for task in tasks.values():
        expect(isinstance(task.get("name"), str) and len(task["name"]) <= 36, "task name")
        for kind in ("scoring_program", "reference_data"):
            expect(zipfile.is_zipfile(folder / task.get(kind, "")), f"task {kind}")
    names = zipfile.ZipFile(folder / tasks[0]["scoring_program"]).namelist()
    expect({"metadata.yaml", "score.py"} <= set(names), "scoring program")

    end = datetime.min
    expect([phase["index"] for phase in values["phases"]] == [0, 1], "phase index")
    for phase in values["phases"]:
        times = []
        for name in ("start", "end"):
            expect(
                isinstance(phase[name], str), f"phase {name}"
            )  # YAML's own timestamps lose the time of day
            times.append(datetime.fromisoformat(str(phase[name])))
        expect(end < times[0] < times[1], "phase order")
        end = times[1]
        expect(phase["tasks"] and set(phase["tasks"]) <= set(tasks), "phase tasks")
        for limit in ("max_submissions", "max_submissions_per_day"):
            expect(isinstance(phase.get(limit), int) and phase[limit] > 0, limit)
        expect(0 < phase.get("execution_time_limit", 0) <= 600, "execution_time_limit")
        expect(zipfile.is_zipfile(folder / phase["starting_kit"]), "starting_kit")
    expect([phase["tasks"] for phase in values["phases"]] == [[0], [1]], "a task a phase")
    expect(values["phases"][0].get("auto_migrate_to_this_phase", False) is False, "migration to the first")

    (board,) = values["leaderboards"]
    expect(len(board["title"]) <= 36 and len(board["key"]) <= 36, "leaderboard")
    expect(
        board["submission_rule"] in ("Force_Best", "Force_Last", "Add", "Add_And_Delete"), "submission_rule"
    )
    keys = [column["key"] for column in board["columns"]]
    expect(len(set(keys)) == len(keys), "column keys")
    for index, column in enumerate(board["columns"]):
        expect(column.keys() >= SCORE_KEYS, "column fields")
        expect(column.get("index") == index, "column index")
        expect(max(len(column["key"]), len(column["title"])) <= 36, "column length")
        expect(column.get("sorting") in ("asc", "desc"), "column sorting")
        expect(isinstance(column.get("precision"), int), "column precision")
    return found


def order_on_the_board(folder: Path, scores: list[dict[str, float]]) -> list[int]:
    """The indices of submissions as the platform orders them; of one person, it shows the first (Force_Best).

    By the primary column (by its index, 0 if not said), then by the other columns by their index; what was
    sent first wins a tie. Columns that sort "desc" are best at their highest.
    """
    (board,) = yaml.safe_load((folder / "competition.yaml").read_text(encoding="utf-8"))["leaderboards"]
    primary = board.get("primary_index", 0)
    columns = sorted(board["columns"], key=lambda column: (column["index"] != primary, column["index"]))

    def place(index):
        signs = [-1 if column["sorting"] == "desc" else 1 for column in columns]
        values = [scores[index][column["key"]] for column in columns]
        return [sign * value for sign, value in zip(signs, values, strict=True)], index

    return sorted(range(len(scores)), key=place)


@dataclass
class Run:
    """How a submission fared: its scores are None if it failed."""

    status: int
    stdout: str
    stderr: str
    page: str
    scores: dict[str, float] | None


def run(folder: Path, python: Path, phase: int, upload: Path, place: Path, *flags: str) -> Run:
    """Send an upload through the folders of the worker, in ``place``, with ``python`` for the image."""
    values = yaml.safe_load((folder / "competition.yaml").read_text(encoding="utf-8"))
    task = values["tasks"][values["phases"][phase]["tasks"][0]]
    shutil.rmtree(place, ignore_errors=True)

    code, result = place / "prediction/program", place / "prediction/output"
    unzip(upload, code)
    if any((code / name).exists() for name in ("metadata", "metadata.yaml")):
        result.mkdir()
    else:
        shutil.copytree(code, result)
    (result / "metadata").write_text("elapsedTime: 0.1\nexitCode: null\n", encoding="utf-8")
    prediction = shutil.make_archive(str(place / "prediction_result"), "zip", result)

    app = place / "app"
    unzip(folder / task["scoring_program"], app / "program")
    unzip(folder / task["reference_data"], app / "input/ref")
    unzip(Path(prediction), app / "input/res")
    (app / "output").mkdir()
    metadata = yaml.safe_load((app / "program/metadata.yaml").read_text(encoding="utf-8"))
    name, *words = metadata["command"].split()
    assert name == "python3"
    done = subprocess.run(
        [python, *flags, *(word.replace("/app/", f"{app}/") for word in words)],
        cwd=app / "program",
        env={"PYTHONUNBUFFERED": "1", "PATH": os.defpath, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert not (app / "output/metadata").exists()
    page, scores = app / "output/detailed_results.html", app / "output/scores.json"
    return Run(
        done.returncode,
        done.stdout,
        done.stderr,
        page.read_text(encoding="utf-8") if page.exists() else "",
        json.loads(scores.read_text(encoding="utf-8")) if scores.exists() else None,
    )


def unzip(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder
