"""The demonstration: the commands that lead from simulated data to a leaderboard of both tracks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.extras import advice, missing
from harness.files import HarnessError, check_new, write_text
from harness.runs.registry import all_baselines, needed
from harness.tracks import Track, get_track, track_names

QUICK = ("zeros", "ks93", "ks93-masked", "wiener", "majority", "metadata-trees", "cnn")
"""The baselines of the smoke demonstration. The other networks would take longer than all of these."""
TEST_SHARE = {"smoke": 0.4, "laptop": 0.2}  # of the clusters, else a tenth: few of them have no intervals


def run_demo(
    out: Path, preset: str, seed: int, run: Callable[[list[str]], Any], complain: Callable[[str], Any],
    force: bool = False,
) -> None:  # fmt: skip
    """Have ``run`` execute the commands of the demonstration, each a list of words, in the folder ``out``.

    The folder must be new or empty, or of the same demonstration that was interrupted: commands whose outputs
    are there are not repeated. With ``force`` a folder of any demonstration is emptied first. Raises
    HarnessError if it holds anything else. ``complain`` hears of baselines that cannot be loaded.
    """
    mark = out / ".astroboard-demo"
    note = f"A demonstration at {preset}, seed {seed}. One with --force empties this folder.\n"
    if out.exists() and not out.is_dir():
        check_new(out)
    if out.is_dir() and any(out.iterdir()):
        if not mark.is_file():
            raise HarnessError(f"{out} holds other files: name a new folder for the demonstration with --out")
        if force:
            shutil.rmtree(out)
        elif mark.read_text(encoding="utf-8") != note:
            check_new(out)
        else:
            complain(f"going on with the demonstration in {out}")
    write_text(mark, note)
    kinds = all_baselines(complain)
    lacking = {name: missing(*needed(kind)) for name, kind in kinds.items()}
    commands: list[tuple[list[Any], Path]] = []
    boards: list[list[Any]] = []
    chosen = [name for name in kinds if preset != "smoke" or name in QUICK]
    for track in (track for track in map(get_track, track_names()) if preset in track.demo_cases):
        names = [name for name in chosen if kinds[name].track == track.name]
        left_out = [name for name in names if lacking[name]]
        if left_out:
            complain(f"left out: {', '.join(left_out)}, for want of {advice(lacking[left_out[0]])}")
            names = [name for name in names if not lacking[name]]
        if names:
            folder = out / track.name
            commands += _commands(track, names, folder, preset, seed)
            submissions = [folder / "submissions" / f"{name}.zip" for name in names]
            files = ["--truth", folder / "test-truth.h5", "--inputs", folder / "test-inputs.h5"]
            boards.append(["leaderboard", *submissions, *files, "--runs", folder / "runs", "--out", out])
    for words in [words for words, output in commands if not output.exists()] + boards:
        run([str(word) for word in words])


def _commands(
    track: Track, baselines: Sequence[str], folder: Path, preset: str, seed: int
) -> Iterator[tuple[list[Any], Path]]:
    """From a simulation to a submission of each baseline, each command with its last output."""
    data, inputs, truth = (folder / name for name in ("data.h5", "test-inputs.h5", "test-truth.h5"))
    yield ["simulate", track.name, data, "--cases", track.demo_cases[preset], "--seed", seed], data
    share = ["--test-part", TEST_SHARE.get(preset, 0.1)] if "test_part" in track.shares else []
    yield ["split", data, folder, "--seed", seed, *share], truth
    for name in baselines:
        run, submission = folder / "runs" / name, folder / "submissions" / f"{name}.zip"
        yield ["train", name, "--data", folder, "--out", run, "--preset", preset, "--seed", seed], run
        yield ["submit", run, "--inputs", inputs, "--team", "astroboard", submission], submission
