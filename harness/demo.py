"""The demonstration: both tracks from simulated data to a leaderboard, step by step as a person would."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.data.simulate.dataset import simulate
from harness.data.split import Shares, split
from harness.evaluation.leaderboard import make_leaderboard
from harness.files import HarnessError, write_text
from harness.progress import progress_bar
from harness.report.page import BoardSource, write_leaderboard
from harness.report.terminal import print_board
from harness.runs.registry import all_baselines
from harness.runs.training import submit, train
from harness.tracks import MASS_MAPPING, STAMPS, Track

CASES = {
    "smoke": {MASS_MAPPING.name: 400, STAMPS.name: 2000},
    "laptop": {MASS_MAPPING.name: 4000, STAMPS.name: 12000},
    "paper": {MASS_MAPPING.name: 60000, STAMPS.name: 52244},
}
QUICK = ("zeros", "ks93", "ks93-masked", "wiener", "majority", "metadata-trees", "cnn")
"""What the smoke demonstration trains: the other networks would take longer than all of these."""
TEST_PART = {"smoke": 0.4, "laptop": 0.2, "paper": 0.1}  # of the clusters: too few have no intervals
MARK = ".astroboard-demo"
TEAM = "astroboard"


def run_demo(out: Path, preset: str, seed: int, say: Callable[[str], Any]) -> None:
    """Run all of it in the folder ``out``, which is emptied first if an earlier demonstration made it."""
    _empty(out)
    sources = [_one_track(track, out, preset, seed, say) for track in (MASS_MAPPING, STAMPS)]
    with progress_bar("pages") as progress:
        write_leaderboard(sources, out, progress)
    say("")
    for source in sources:
        print_board(source.board)
    say(f"page: {out / 'index.html'}")


def _empty(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARK).is_file():
            raise HarnessError(f"{out} holds other files: name a new folder for the demonstration with --out")
        shutil.rmtree(out)
    write_text(out / MARK, "This folder is emptied by the next demonstration in it.\n")


def _one_track(track: Track, out: Path, preset: str, seed: int, say: Callable[[str], Any]) -> BoardSource:
    """The board of a track, and what the pages of its submissions are made from."""
    folder, cases, part = out / track.name, CASES[preset][track.name], TEST_PART[preset]
    data, inputs, truth = folder / "data.h5", folder / "test-inputs.h5", folder / "test-truth.h5"
    say(f"$ astroboard simulate {track.name} {data} --cases {cases} --seed {seed}")
    with progress_bar("simulating") as progress:
        simulate(track, data, cases, seed=seed, progress=progress)
    say(f"$ astroboard split {data} {folder} --seed {seed} --test-part {part}")
    with progress_bar("splitting") as progress:
        split(data, folder, seed, Shares(test_part=part), progress)
    submissions = []
    for name, kind in all_baselines(say).items():
        if kind.track != track.name or (preset == "smoke" and name not in QUICK):
            continue
        run, submission = folder / "runs" / name, folder / "submissions" / f"{name}.zip"
        say(f"$ astroboard train {name} --data {folder} --out {run} --preset {preset} --seed {seed}")
        with progress_bar(name) as progress:
            train(name, folder, run, preset, seed, progress)
        say(f"$ astroboard submit {run} --inputs {inputs} --team {TEAM} {submission}")
        with progress_bar("predicting") as progress:
            submit(run, inputs, TEAM, submission, progress=progress)
        submissions.append(submission)
    words = f"{folder / 'submissions'}/*.zip --truth {truth} --inputs {inputs} --out {out}"
    say(f"$ astroboard leaderboard {words}")
    with progress_bar("scoring") as progress:
        board, scored = make_leaderboard(submissions, truth, progress=progress)
    histories = {path: folder / "runs" / path.stem / "history.csv" for path in submissions}
    known = {path: history for path, history in histories.items() if history.is_file()}
    return BoardSource(board, scored, truth, inputs, known)
