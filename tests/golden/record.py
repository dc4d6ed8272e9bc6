"""Run the commands on a small competition of each track, and keep what they write as text.

``python -m tests.golden.record``, from the root of the project, writes the texts anew, which the test then
expects. Do so only where an output was changed on purpose, and look at the difference before you commit it.
"""

import base64
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from harness.cli import main
from tests.golden.inputs import write_maps, write_stamps
from tests.golden.texts import array_listing, html_skeleton, json_lines, zip_listing

STORED = Path(__file__).with_name("0.1.0")
DATES = ("--start", "2026-01-01", "--end", "2026-03-01 12:00:00", "--close", "2026-03-08")
TRACKS = {"maps": "mass-mapping", "stamps": "stamps"}
ACCEPTED = {"maps": ("alpha-0", "alpha-1", "beta", "delta", "gamma"), "stamps": ("alpha", "beta")}
RANKED = {
    "maps": ("delta", "alpha-1", "beta", "alpha-0", "broken", "gamma"),
    "stamps": ("beta", "broken", "alpha"),
}
CARDED = {"maps": ("beta", "delta", "gamma"), "stamps": ("alpha",)}
"""Submissions of which the board with pages gets the cards: their pages would take longest to draw."""
BASELINES = {"maps": ("zeros", "ks93"), "stamps": ("majority",)}
PUBLIC_SEED = {"maps": 7, "stamps": 7}
"""A seed of the public part; that of the stamps leaves alerts of every class on both sides."""


class Recording:
    """The texts that were recorded so far, of commands that run on one track's files in a folder."""

    def __init__(self, track: str, folder: Path) -> None:
        self.track, self.folder = track, folder
        self.items: dict[str, str] = {}

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def keep(self, name: str, text: str) -> None:
        lines = text.replace(str(self.folder), "<folder>").rstrip().splitlines()
        self.items[f"{self.track}/{name}"] = "".join(f"{line.rstrip()}\n" for line in lines)

    def run(self, *words: str, status: int = 0) -> str:
        """Run a command, which must end with this status; returns what it printed on stdout."""
        result = CliRunner().invoke(main, list(words))
        if result.exit_code != status:
            raise AssertionError(f"{' '.join(words)}: status {result.exit_code}\n{result.output}") from (
                result.exception
            )
        return result.stdout

    def run_json(self, *words: str, status: int = 0) -> dict:
        return json.loads(self.run(*words, "--json", status=status))

    def keep_json(self, name: str, *words: str, status: int = 0) -> None:
        self.keep(name, json_lines(self.run_json(*words, status=status)))

    def keep_file(self, name: str, path: Path) -> None:
        """Keep the text of a file, of a page without its wording."""
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".html":
            text = html_skeleton(text)
        elif path.suffix == ".json":
            text = json_lines(json.loads(text))
        self.keep(name, text)

    def keep_table(self, name: str, *words: str) -> None:
        """Keep the board of a command as CSV."""
        table = self.folder / Path(name).name
        self.run(*words, "--csv", str(table))
        self.keep_file(name, table)

    def keep_inspected(self, name: str, *paths: Path) -> None:
        """Keep what `inspect` says of each file."""
        found = {path.name: self.run_json("inspect", str(path)) for path in paths}
        self.keep(name, json_lines(found))

    def gathered(self, name: str, files: Sequence[str]) -> str:
        """A new folder with copies of submissions and cards, whose seeds are those of one owner."""
        folder = self.folder / name
        folder.mkdir()
        for file in map(Path, files):
            for path in (file, file.with_suffix(".npz")) if file.suffix == ".json" else (file,):
                shutil.copy(path, folder)
        return str(folder)

    def zips(self, names: tuple[str, ...]) -> list[str]:
        return [self.path(f"{name}.zip") for name in names]

    @property
    def truth(self) -> tuple[str, str]:
        return "--truth", self.path("test-truth.h5")

    @property
    def inputs(self) -> tuple[str, str]:
        return "--inputs", self.path("test-inputs.h5")


def record(folder: Path) -> dict[str, str]:
    """Run everything in a folder; returns the texts by name.

    Wording is kept in ``terminal/`` and in the pages of ``bundle/``; all else is without sentences.
    """
    items: dict[str, str] = {}
    for track, write in (("maps", write_maps), ("stamps", write_stamps)):
        write(folder / track)
        recording = Recording(track, folder / track)
        for step in STEPS:
            step(recording)
        items |= recording.items
    found = CliRunner().invoke(main, ["baselines", "--json"])
    return items | {"baselines.json": json_lines(json.loads(found.stdout))}


def _validate(to: Recording) -> None:
    for name in (*ACCEPTED[to.track], "broken"):
        words = "validate", to.path(f"{name}.zip"), *to.inputs
        to.keep_json(f"validate/{name}.json", *words, status=int(name == "broken"))
    to.keep("terminal/validate.txt", to.run(*words, status=1))


def _score(to: Recording) -> None:
    for name in ACCEPTED[to.track]:
        card, table = to.folder / f"{name}.json", to.folder / f"{name}.csv"
        words = "score", to.path(f"{name}.zip"), *to.truth, "--workers", "1"
        printed = to.run_json(*words, "--out", str(card), "--per-case", str(table))
        written, arrays = json.loads(card.read_text()), card.with_suffix(".npz")
        assert printed == written
        if written["cases_sha256"] == sha256(arrays.read_bytes()).hexdigest():
            written["cases_sha256"] = "<that of the npz file>"
        to.keep(f"card/{name}.json", json_lines(written))
        if name == ACCEPTED[to.track][0]:
            to.keep(f"card/{name}.npz.txt", array_listing(arrays))
            to.keep_file(f"card/{name}.csv", table)
            to.keep("terminal/score.txt", to.run(*words))
    to.run("score", to.path("broken.zip"), *to.truth, "--workers", "1", status=1)


def _leaderboard(to: Recording) -> None:
    """A board of zips, which get pages, and of cards; and boards of either alone."""
    words = *to.truth, "--workers", "1"
    board, table = to.folder / "board", to.folder / "board.csv"
    files = "--out", str(board), *to.inputs, "--csv", str(table)
    carded = CARDED[to.track]
    ranked = to.zips(tuple(name for name in RANKED[to.track] if name not in carded))
    ranked += [to.path(f"{name}.json") for name in carded]
    to.keep("board/board.md", to.run("leaderboard", to.gathered("mixed", ranked), *words, *files,
                                        "--markdown", "--wilcoxon"))  # fmt: skip
    _keep_pages(to, "board", board)
    to.keep_file("board/board.csv", table)
    to.keep(
        "terminal/leaderboard.txt",
        to.run("leaderboard", to.gathered("ranked", to.zips(RANKED[to.track])), *words),
    )
    cards = [to.path(f"{name}.json") for name in ACCEPTED[to.track]]
    to.keep_table("board/of-cards.csv", "leaderboard", to.gathered("cards", cards))


def _keep_pages(to: Recording, name: str, folder: Path) -> None:
    """Keep the names of all files of a board, its JSON, its page and the first page of a submission."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    to.keep(f"{name}/files.txt", "".join(f"{path.relative_to(folder).as_posix()}\n" for path in paths))
    pages = [path for path in paths if path.parent != folder]
    for path in [path for path in paths if path.parent == folder] + pages[:1]:
        shown = path.relative_to(folder).as_posix()
        to.keep_file(f"{name}/{shown}{'.txt' if path.suffix == '.html' else ''}", path)


def _public_and_private(to: Recording) -> None:
    words = "leaderboard", to.path("ranked"), *to.truth, "--workers", "1"
    words += "--public-fraction", "0.5"
    seed = "--seed", str(PUBLIC_SEED[to.track])
    if to.track == "maps":
        public = to.folder / "public"
        to.run(*words, *seed, "--out", str(public))
        _keep_pages(to, "public", public)
    else:
        to.keep_json("public/leaderboard.json", *words, *seed)
    to.keep_table("public/final.csv", *words, *seed, "--final")
    to.keep_table("public/secret-seed.csv", *words)


def _ladder(to: Recording) -> None:
    state = to.folder / "ladder.json"
    words = *to.truth, "--workers", "1", "--ladder", str(state)
    first, *others = RANKED[to.track]
    to.keep_json("ladder/first.json", "leaderboard", to.path(f"{first}.zip"), *words)
    to.keep_json("ladder/second.json", "leaderboard", *to.zips(tuple(others)), *words)
    to.keep("ladder/state.json", json_lines(_readable(json.loads(state.read_text()))))


def _readable(state: dict) -> dict:
    """The state of a ladder with the sums as totals, and names in place of their digests."""
    names = {digest: f"sums {number}" for number, digest in enumerate(_in_order_of_use(state))}
    sums = {names[digest]: _totals(text) for digest, text in state["sums"].items()}
    for team in state["teams"].values():
        for best in team["best"].values():
            best["sums"] = names[best["sums"]]
    return state | {"sums": {name: sums[name] for name in sorted(sums)}}


def _in_order_of_use(state: dict) -> list[str]:
    used = [best["sums"] for team in state["teams"].values() for best in team["best"].values()]
    return list(dict.fromkeys(used))


def _totals(text: str) -> list[float]:
    """How many packed numbers there are, their sum, and that of their squares."""
    values = np.frombuffer(zlib.decompress(base64.b64decode(text)))
    return [len(values), float(values.sum()), float((values**2).sum())]


def _compare(to: Recording) -> None:
    """Two cards on all cases; two zips, with pictures, on the few test cases of the split."""
    first, second = ACCEPTED[to.track][0], "beta"
    out = to.folder / "comparison"
    cards = to.path(f"{first}.json"), to.path(f"{second}.json")
    to.keep_json("compare/cards.json", "compare", *cards)
    to.keep("terminal/compare.txt", to.run("compare", *cards))
    truth = "--truth", to.path("split/test-truth.h5")
    words = "compare", *to.zips((first, second)), *truth, "--workers", "1"
    to.run(*words, "--out", str(out), "--data", to.path("data.h5"))
    to.keep_file("compare/zips.json", out / "comparison.json")
    to.keep("compare/files.txt", "".join(f"{path.name}\n" for path in sorted(out.iterdir())))


def _inspect(to: Recording) -> None:
    to.keep_inspected("inspect/datasets.json", *sorted(to.folder.glob("*.h5")))
    to.keep_inspected("inspect/submissions.json", *sorted(to.folder.glob("*.zip")))
    card = to.folder / f"{ACCEPTED[to.track][0]}.json"
    results = {"leaderboard": to.folder / "board/leaderboard.json", "score": card}
    for kind, path in (results | {"comparison": to.folder / "comparison/comparison.json"}).items():
        written = json.loads(path.read_text(encoding="utf-8"))
        assert to.run_json("inspect", str(path)) == {"kind": kind} | written
    to.keep("terminal/inspect.txt", to.run("inspect", to.path("data.h5")))


def _split(to: Recording) -> None:
    folder = to.folder / "split"
    to.keep_json("split/summary.json", "split", to.path("data.h5"), str(folder), "--seed", "5")
    to.keep_inspected("split/files.json", *sorted(folder.glob("*.h5")))


def _pack(to: Recording) -> None:
    """Pack a source that holds a fault, which is left out; maps from a folder and from an archive."""
    source = to.folder / ("sources" if to.track == "maps" else "alerts.pkl")
    sources = {"packed": source}
    if to.track == "maps":
        sources["packed-archive"] = source.with_suffix(".tar.gz")
        with tarfile.open(sources["packed-archive"], "w:gz", compresslevel=1) as archive:
            archive.add(source, "1")
    lines = []
    for name, path in sources.items():
        words = "pack", str(path), to.path(f"{name}.h5"), "--track", TRACKS[to.track]
        lines.append(to.run(*words, "--skip-damaged", "--workers", "1"))
    to.keep("pack/printed.txt", "".join(lines))
    to.keep_inspected("pack/files.json", *(to.folder / f"{name}.h5" for name in sources))


def _baselines(to: Recording) -> None:
    """Train baselines that need no network; what learns from transforms is kept to three digits."""
    for name in BASELINES[to.track]:
        run, out = to.folder / name, to.folder / f"{name}-submission.zip"
        to.run(
            "train", name, "--data", to.path("split"), "--out", str(run), "--preset", "smoke", "--seed", "4"
        )
        test = "--inputs", to.path("split/test-inputs.h5")
        to.run("submit", str(run), *test, "--team", "Ñandú & co", str(out))
        trained = json.loads((run / "run.json").read_text())
        files = "".join(f"{path.relative_to(run)}\n" for path in sorted(run.rglob("*")))
        to.keep(f"train/{name}.files.txt", files)
        truth = "--truth", to.path("split/test-truth.h5")
        card = to.run_json("score", str(out), *truth, "--workers", "1")
        card["submission_sha256"] = "<that of the zip>"
        kept = {"run": trained, "card": card}
        to.keep(f"train/{name}.json", json_lines(_rounded(kept) if name == "ks93" else kept))
        if name != "ks93":
            to.keep(f"train/{name}.zip.txt", zip_listing(out))
    if to.track == "stamps":
        words = "classify", to.path("alerts.pkl"), "--model", to.path("majority")
        to.keep_json("train/classified.json", *words)


def _rounded(value: object) -> object:
    """A value of JSON with its floats rounded to three digits."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _kaggle(to: Recording) -> None:
    if to.track != "stamps":
        return
    solution, predictions = to.folder / "solution.csv", to.folder / "predictions.csv"
    seed = "--public-fraction", "0.5", "--seed", "1"
    to.run("kaggle", to.path("data.h5"), str(solution), *seed)
    to.run("kaggle", to.path("data.h5"), str(predictions), "--submission", to.path("beta.zip"))
    to.keep_file("kaggle/solution.csv", solution)
    to.keep_file("kaggle/predictions.csv", predictions)


def _bundle(to: Recording) -> None:
    """A competition in a folder, and what its scoring program makes of a submission."""
    out = to.folder / "bundle"
    words = "bundle", to.path("test-truth.h5"), *to.inputs, "--out", str(out), "--title", "A “golden” one"
    seed = "--public-fraction", "0.5", "--seed", str(PUBLIC_SEED[to.track])
    to.keep_json("bundle/summary.json", *words, *DATES, *seed)
    names = "".join(f"{path.relative_to(out).as_posix()}\n" for path in sorted(out.rglob("*")))
    to.keep("bundle/files.txt", names)
    for path in (out / "competition.yaml", *sorted((out / "pages").iterdir())):
        to.keep_file(f"bundle/{path.name}", path)
    for path in sorted(out.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path.with_suffix(""))
    kit, program = out / "starting_kit", out / "scoring_program"
    kit_texts = [kit / "README.md", kit / "starting_kit.ipynb"] if to.track == "maps" else []
    for path in (*kit_texts, program / "metadata.yaml"):
        to.keep_file(f"bundle/{path.name}", path)
    to.keep("bundle/sample_submission.zip.txt", zip_listing(kit / "sample_submission.zip"))
    references = [out / f"reference_data_{part}" for part in ("public", "private")]
    for path in references:
        to.keep_inspected(f"bundle/{path.name}.json", *sorted(path.glob("*.h5")))
        to.keep(f"bundle/{path.name}.files.txt", "".join(f"{one.name}\n" for one in sorted(path.iterdir())))
    to.keep_inspected("bundle/inputs.json", kit / "inputs.h5")
    _run_program(to, program, references[1])


def _run_program(to: Recording, program: Path, reference: Path) -> None:
    """Score a submission as the platform does: in folders, with the code of the bundle, without numba."""
    (program / "numba.py").write_text("raise ImportError\n")
    place = to.folder / "worker"
    shutil.copytree(reference, place / "input/ref")
    (place / "output").mkdir()
    with zipfile.ZipFile(to.path(f"{ACCEPTED[to.track][0]}.zip")) as archive:
        archive.extractall(place / "input/res")
    words = [sys.executable, str(program / "score.py"), str(place / "input"), str(place / "output")]
    subprocess.run(words, check=True, capture_output=True, cwd=program)
    to.keep_file("bundle/scores.json", place / "output/scores.json")
    to.keep_file("bundle/detailed_results.html.txt", place / "output/detailed_results.html")


STEPS: tuple[Callable[[Recording], None], ...] = (
    _validate,
    _score,
    _leaderboard,
    _public_and_private,
    _ladder,
    _split,
    _compare,
    _inspect,
    _pack,
    _baselines,
    _kaggle,
    _bundle,
)


def _write(folder: Path) -> None:
    """Replace the stored texts by those of the library as it is."""
    with tempfile.TemporaryDirectory() as temporary:
        items = record(Path(temporary))
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in items.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{folder}: {len(items)} texts")


if __name__ == "__main__":
    _write(STORED)
