"""The demonstration: both tracks from simulated data to a leaderboard, step by step as a person would."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.data.simulate.dataset import simulate
from harness.data.split import split
from harness.experiment import all_baselines, submit, train
from harness.files import HarnessError, write_text
from harness.progress import progress
from harness.ranking import board_of, write_board
from harness.report.terminal import print_board
from harness.tracks import MASS_MAPPING, STAMPS, Track

CASES = {
    "smoke": {MASS_MAPPING.name: 400, STAMPS.name: 2000},
    "laptop": {MASS_MAPPING.name: 4000, STAMPS.name: 12000},
    "paper": {MASS_MAPPING.name: 60000, STAMPS.name: 52244},
}
QUICK = ("zeros", "ks93", "ks93-masked", "wiener", "majority", "cnn")
"""What the smoke demonstration trains: the other networks would take longer than all of these."""
MARK = ".astroboard-demo"
TEAM = "astroboard"


def run_demo(out: Path, preset: str, seed: int, say: Callable[[str], Any]) -> None:
    """Run all of it in the folder ``out``, which is emptied first if an earlier demonstration made it."""
    _empty(out)
    boards = [_one_track(track, out / track.name, preset, seed, say) for track in (MASS_MAPPING, STAMPS)]
    write_board(boards, out)
    say("")
    for board in boards:
        print_board(board)
    say(f"page: {out / 'index.html'}")


def _empty(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARK).is_file():
            raise HarnessError(f"{out} holds other files: name a new folder for the demonstration with --out")
        shutil.rmtree(out)
    write_text(out / MARK, "This folder is emptied by the next demonstration in it.\n")


def _one_track(
    track: Track, folder: Path, preset: str, seed: int, say: Callable[[str], Any]
) -> dict[str, Any]:
    cases = CASES[preset][track.name]
    data, inputs, truth = folder / "data.h5", folder / "test-inputs.h5", folder / "test-truth.h5"
    say(f"$ astroboard simulate {track.name} {data} --cases {cases} --seed {seed}")
    with progress("simulating") as report:
        simulate(track, data, cases, seed=seed, report=report)
    say(f"$ astroboard split {data} {folder} --seed {seed}")
    with progress("splitting") as report:
        split(data, folder, seed, report=report)
    submissions = []
    for name, kind in all_baselines(say).items():
        if kind.track != track.name or (preset == "smoke" and name not in QUICK):
            continue
        run, submission = folder / "runs" / name, folder / "submissions" / f"{name}.zip"
        say(f"$ astroboard train {name} --data {folder} --out {run} --preset {preset} --seed {seed}")
        with progress(name) as report:
            train(name, folder, run, preset, seed, report)
        say(f"$ astroboard submit {run} --inputs {inputs} --team {TEAM} {submission}")
        with progress("predicting") as report:
            submit(run, inputs, TEAM, submission, report=report)
        submissions.append(submission)
    say(f"$ astroboard leaderboard {folder / 'submissions'}/*.zip --truth {truth} --out {folder}")
    with progress("scoring") as report:
        board = board_of(submissions, truth, report)
    write_board([board], folder)
    return board
