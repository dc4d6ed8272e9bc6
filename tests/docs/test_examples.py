"""Every command and every piece of Python of the pages, run as their reader would, on a few cases.

A page's blocks are run one after another in a folder of its own. Bash runs the shell's, with the commands of
the project executed in this process: TensorFlow is then loaded once, not with each of them.
"""

import contextlib
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.store import open_dataset
from harness.runs.tuning import search_space
from harness.tracks import MASS_MAPPING, STAMPS
from tests.docs.pages import PAGES, README, blocks, without_comments
from tests.harness.data.conftest import npy, write_tar
from tests.harness.data.sources.avro import packet

pytestmark = pytest.mark.slow

# What is made smaller. Everything else is run as it is written.
SCALED = {
    r"--cases (?!500)\d+": "--cases 20",  # the README shows what comes of 500
    r"--preset (laptop|night|gpu|paper)\b": "--preset smoke",
    r"--runs \d+ --epochs \d+": "--runs 1 --epochs 1",
    r"seed in 0 1 2": "seed in 0 1",
    r"reproduce --out": "reproduce zeros-win-wmape --out",  # one of all claims
}
DEFAULTS = {
    "simulate": {"workers": 1},
    "train": {"preset": str(Path(__file__).with_name("tiny.toml"))},
    "tune": {"preset": "smoke", "trials": 1},
    "reproduce": {"preset": "smoke", "seeds": 1},
}

# What is not run, and why.
NOT_RUN = {
    "make benchmark": "measures, which takes minutes",
    "make demo": "makes .venv; tests/harness/test_demo.py runs the demonstration",
    "make test": "is what runs this",
    "pip install '.[gpu]'": "fetches packages",
    "pip install '.[jax]'": "fetches packages",
    "python benchmarks/gpu.py --out gpu.json": "measures, which takes minutes; see test_gpu.py",
    "podman build -f docs/gpu/Containerfile -t astroboard .": "fetches an image; see test_gpu.py",
    'podman run --rm --device nvidia.com/gpu=all -v "$PWD":/data astroboard train unet --data data'
    " --out runs/unet --preset paper": "needs a GPU; see test_gpu.py",
    "sbatch train.sbatch unet": "needs a cluster; see test_gpu.py",
    "astroboard pack 1.tar.gz 2.tar.gz again.h5 --track mass-mapping --dask tcp://10.0.0.1:8786": "needs"
    " machines; see test_cluster.py",
    "pip install '.[cluster]'": "fetches packages",
    "dask scheduler": "serves until it is ended; see test_cluster.py",
    "dask worker tcp://10.0.0.1:8786 --nworkers 4 --nthreads 1": "the same",
    "export KERASTUNER_ORACLE_IP=10.0.0.1 KERASTUNER_ORACLE_PORT=8000": "needs machines; see test_tuning.py",
    "KERASTUNER_TUNER_ID=chief astroboard tune unet --data data --out search": "the same",
    "KERASTUNER_TUNER_ID=worker-1 astroboard tune unet --data data --out search-1": "the same",
}
ONLY_SHOWN = {
    "text": "is a formula, a drawing, or in the README the output of the block above, which is compared",
    "dockerfile": "fetches an image",
}

# What the reader of a page has before the first command: its name there, and what of the shelf it is.
GIVEN = {
    README: {
        "SUBMISSION.zip": "maps/ks93.zip",
        "OURS.zip": "maps/wiener.zip",
        "THEIRS.zip": "maps/ks93.zip",
        "test-inputs.h5": "maps/test-inputs.h5",
        "test-truth.h5": "maps/test-truth.h5",
        **{name: name for name in ("1.tar.gz", "2.tar.gz", "test_public.tar.gz")},
    },
    "docs/alerts.md": {"labelled.pkl": "stamps.pkl", "night.tar.gz": "night.tar.gz"},
    "docs/cluster.md": {name: name for name in ("1.tar.gz", "2.tar.gz")},
    "docs/gpu.md": {"data": "maps"},
    "docs/organising.md": {
        "data": "maps",
        "submissions/first/ks93.zip": "maps/ks93.zip",
        "submissions/second/wiener.zip": "maps/wiener.zip",
        "stamps": "stamps",
        "ours.zip": "majority.zip",
    },
    "docs/participant.md": {
        "SUBMISSION.zip": "public.zip",
        "test-inputs.h5": "public.h5",
        **{name: name for name in ("1.tar.gz", "2.tar.gz", "test_public.tar.gz")},
        "ALERCE_stamps_2020.pkl": "stamps.pkl",
    },
    "docs/ranking.md": {
        "a.zip": "many/ks93.zip",
        "b.zip": "many/wiener.zip",
        "c.zip": "many/zeros.zip",
        "wiener.zip": "many/wiener.zip",
        "residual/0.zip": "many/ks93.zip",
        "uploads/first/ks93.zip": "many/ks93.zip",
        "uploads/second/wiener.zip": "many/wiener.zip",
        "test-truth.h5": "many/test-truth.h5",
    },
    "docs/researcher.md": {"stamps.h5": "stamps.h5"},
    "docs/training.md": {"data": "maps"},
    "docs/tuning.md": {"data": "maps", "stamps": "stamps"},
}

SHELL = """
PATH=
python() {{ {python} "$@"; }}
astroboard() {{
    echo "${{PWD@Q}} ${{*@Q}}" >&{calls}
    read -r status <&{answers}
    printf '%s\\n' "$(<"{printed}")"
    return "$status"
}}
"""


def astroboard(words: list[str]):
    """The result of a command of the project, with the smaller defaults."""
    result = CliRunner().invoke(main, words, default_map=DEFAULTS, prog_name="astroboard")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def done(line: str) -> None:
    result = astroboard(shlex.split(line))
    assert result.exit_code == 0, f"astroboard {line}\n{result.output}"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory) -> Path:
    """A folder with what readers have: archives, data sets and submissions, all made by the project."""
    folder = tmp_path_factory.mktemp("shelf")
    with contextlib.chdir(folder):
        done("simulate mass-mapping maps.h5 --cases 40 --noise sparse")
        for parts, share in (("maps", 0.1), ("many", 0.5)):  # a ladder needs many clusters
            done(f"split maps.h5 {parts} --test-part {share}")
            for name in ("zeros", "ks93", "wiener"):
                done(f"train {name} --data {parts} --out {parts}/{name}")
                inputs = f"{parts}/test-inputs.h5"
                done(f"submit {parts}/{name} --inputs {inputs} --team {name} {parts}/{name}.zip")
        done("simulate stamps stamps.h5 --cases 300")
        done("split stamps.h5 stamps")
        done("train majority --data stamps --out majority")
        done("submit majority --inputs stamps/test-inputs.h5 --team us majority.zip")
        _archives()
        done("pack test_public.tar.gz public.h5 --track mass-mapping")
        done("submit maps/ks93 --inputs public.h5 --team us public.zip")
    return folder


def _archives() -> None:
    """Data as the organisers and the brokers hand them out."""
    with open_dataset(Path("maps.h5")) as data:
        ids, epsilon, kappa = data.case_ids(), np.moveaxis(data.inputs[:], -1, 1), data.truth[:]
    maps = {f"1/EPSILON/{name}.npy": npy(array) for name, array in zip(ids, epsilon, strict=True)}
    truth = {f"1/KAPPA/{name}.npy": npy(array) for name, array in zip(ids, kappa, strict=True)}
    for archive, cases in (("1.tar.gz", ids[:15]), ("2.tar.gz", ids[15:30])):
        chosen = (maps | truth).items()
        write_tar(Path(archive), {name: body for name, body in chosen if Path(name).stem in cases})
    write_tar(
        Path("test_public.tar.gz"),
        {f"1/EPSILON/{name}.npy": maps[f"1/EPSILON/{name}.npy"] for name in ids[30:]},
    )
    with open_dataset(Path("stamps.h5")) as data:
        alerts = {"images": list(data.inputs[:]), "labels": data.truth[:].astype(int).tolist()}
        alerts |= {} if data.metadata is None else {"metadata": data.metadata[:]}
    Path("stamps.pkl").write_bytes(pickle.dumps(alerts))
    write_tar(Path("night.tar.gz"), {f"night/{number}.avro": packet(number)[0] for number in (1, 2)})


def run_shell(code: str, folder: Path) -> str:
    """Run it in bash, which has nothing but itself, Python and the project; returns what is printed last."""
    text = "\n".join(line for line in without_comments(code) if line.strip() not in NOT_RUN)
    for old, new in SCALED.items():
        text = re.sub(old, new, text)
    script, printed, log = (folder.with_name(name) for name in ("script", "printed", "log"))
    (calls, to_us), (from_us, answers) = os.pipe(), os.pipe()
    prelude = SHELL.format(python=shlex.quote(sys.executable), calls=to_us, answers=from_us, printed=printed)
    script.write_text(prelude + text)
    last = ""
    with (
        log.open("w") as file,
        subprocess.Popen(
            ["bash", "-euo", "pipefail", script],
            pass_fds=(to_us, from_us),
            stdout=file,
            stderr=file,
        ) as bash,
        os.fdopen(calls) as lines,
        os.fdopen(answers, "wb", buffering=0) as back,
        contextlib.suppress(BrokenPipeError),  # bash has gone, and its status tells why
    ):
        os.close(to_us)
        os.close(from_us)
        for line in lines:
            where, *words = shlex.split(line)
            with contextlib.chdir(where):
                result = astroboard(words)
            last = f"astroboard {shlex.join(words)}\n{result.output}"
            printed.write_text(result.stdout)
            back.write(f"{result.exit_code}\n".encode())
    assert bash.returncode == 0, f"bash: {bash.returncode}\n{log.read_text()}\nthe last command: {last}"
    return printed.read_text() if last else ""


def known(shelf: Path) -> dict[str, np.ndarray]:
    """What the pieces of Python speak of without making it."""
    with open_dataset(shelf / "maps/test-truth.h5") as data:
        kappa = data.truth[:].astype(np.float32)
    return {"kappa": kappa, "prediction": np.roll(kappa, 1, axis=-1)}


@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning:keras_tuner")
@pytest.mark.parametrize("page", PAGES)
def test_everything_on_the_page_runs(page, shelf, tmp_path, monkeypatch):
    folder = tmp_path / "reader"
    folder.mkdir()
    for name, source in GIVEN.get(page, {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (shelf / source).is_dir() else shutil.copy
        copy(shelf / source, folder / name)
    monkeypatch.chdir(folder)
    for track, cases in ((MASS_MAPPING, 20), (STAMPS, 80)):
        monkeypatch.setitem(track.claim_cases, "smoke", cases)
    names, output = known(shelf), ""
    for language, text in blocks(page):
        if language == "sh":
            output = run_shell(text, folder)
        elif language == "text" and page == README:
            assert [line.rstrip() for line in output.strip().splitlines()] == text.splitlines()
        elif language == "python":
            exec(compile(text, page, "exec"), names)
        elif language == "toml":
            tomllib.loads(text)
            Path("mine.toml").write_text(text)
        else:
            assert language in ONLY_SHOWN, f"{page}: nobody knows how to run {language}"


def test_the_search_space_of_the_page_is_one(tmp_path):
    (space,) = (text for language, text in blocks("docs/tuning.md") if language == "toml")
    (tmp_path / "mine.toml").write_text(space)
    assert len(search_space("unet", "laptop", tmp_path / "mine.toml").space) == 4


def test_what_is_excepted_or_scaled_is_still_there():
    shown = [block for page in PAGES for block in blocks(page)]
    lines = [line.strip() for language, text in shown if language == "sh" for line in without_comments(text)]
    assert NOT_RUN.keys() <= set(lines)
    assert ONLY_SHOWN.keys() <= {language for language, _ in shown}
    for old in SCALED:
        assert any(re.search(old, line) for line in lines), old


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in GIVEN.items() for name in names])
def test_what_a_reader_is_given_is_what_the_page_speaks_of(page, name):
    top = name.split("/")[0]
    assert any(top in text or (name.endswith(".zip") and "*.zip" in text) for _, text in blocks(page))


@pytest.mark.parametrize("code", ["astroboard score", "unheard-of", "astroboard inspect none.h5\ntrue"])
def test_a_command_that_fails_is_seen(code, tmp_path):
    with pytest.raises(AssertionError):
        run_shell(code, tmp_path / "reader")
