"""The recipes of docs/gpu.md, as far as they go without a GPU and a network."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from baselines.mass_mapping.networks import unet
from baselines.mass_mapping.unet import UNet
from baselines.presets import make
from benchmarks.gpu import multiply_adds
from harness.cli import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/gpu.md").read_text()
COMPILED_QUICKLY = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
TINY = ROOT / "tests/docs/tiny.toml"
JOB = ROOT / "docs/gpu/train.sbatch"
STEPS = [
    tuple(line.split(maxsplit=1))
    for line in (ROOT / "docs/gpu/Containerfile").read_text().splitlines()
    if line and not line.startswith("#")
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def commands():
    """Every command line of the program in the job and in the guide."""
    for text in (JOB.read_text().replace("$baseline", "unet"), GUIDE):
        for line in text.splitlines():
            if found := re.match(r"(?: {4}|)(?:podman run .* )?(astroboard [a-z].*)", line):
                yield found[1]


def test_container_is_built_from_what_there_is_and_shows_its_help(tmp_path):
    assert STEPS[0][0] == "FROM"
    assert {name for name, _ in STEPS} == {"FROM", "WORKDIR", "COPY", "RUN", "ENTRYPOINT", "CMD"}
    assert f">={re.search(r'python:(3[.][0-9]+)', STEPS[0][1])[1]}" == PROJECT["requires-python"]
    for *sources, target in (words.split() for name, words in STEPS if name == "COPY"):
        for source in sources:
            into = (tmp_path / target / source) if target.endswith("/") else tmp_path / target
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, into)
    (install,) = (words for name, words in STEPS if name == "RUN")
    (extras,) = re.fullmatch(r"pip install --no-cache-dir \.\[(.*)\]", install).groups()
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "wheels"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    (entry,), arguments = (json.loads(words) for name, words in STEPS if name in ("ENTRYPOINT", "CMD"))
    module, function = PROJECT["scripts"][entry].split(":")
    code = f"from {module} import {function}; {function}({arguments})"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "wheels", env=environment, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "Usage:" in shown.stdout


def test_job_is_a_script_that_asks_for_a_gpu():
    subprocess.run(["bash", "-n", JOB], check=True)
    options = [line for line in JOB.read_text().splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --gres=gpu:1" in options
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=[\w:]+)?", line) for line in options)
    nameless = subprocess.run(["bash", JOB], capture_output=True, text=True, check=False)
    assert nameless.returncode == 1
    assert "name a baseline" in nameless.stderr


def test_every_command_parses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "runs/unet"):
        Path(folder).mkdir(parents=True)
    for file in ("data/test-inputs.h5", "unet.zip"):
        Path(file).touch()
    names = []
    for command in commands():
        _, name, *words = shlex.split(command)
        main.commands[name].make_context(name, words)
        names.append(name)
    assert (names.count("train"), names.count("submit"), names.count("validate")) == (3, 1, 1)


def test_settings_are_of_a_network():
    (table,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    unet = make(UNet, tomllib.loads(table)["unet"])
    assert (unet.precision, unet.jit) == ("mixed_bfloat16", True)


def test_the_benchmark_runs_on_processors_and_says_so(tmp_path):
    words = ["--out", tmp_path / "gpu.json", "--preset", TINY, "--batch", "2", "--seconds", "0.01"]
    command = [sys.executable, ROOT / "benchmarks/gpu.py", *words]
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT), **COMPILED_QUICKLY}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no GPU: ")
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert [(row["batch"], row["precision"]) for row in record["rows"]] == [
        (2, "float32"), (2, "mixed_bfloat16"),
    ]  # fmt: skip
    assert all(row["maps_per_second"] > 0 for row in record["rows"])
    assert {path.name for path in tmp_path.iterdir()} == {"gpu.json"}


def test_multiply_adds_are_those_counted_by_hand():
    """Of the report's network: 9 times the pixels of the smaller side, the channels in, and those out."""
    encoder = [(128, 3, 64), (64, 64, 128), (32, 128, 256), (16, 256, 512)]
    encoder += [(8, 512, 512), (4, 512, 512), (2, 512, 512), (1, 512, 512)]
    decoder = [(1, 512, 512), (2, 1024, 512), (4, 1024, 512), (8, 1024, 512)]
    decoder += [(16, 1024, 256), (32, 512, 128), (64, 256, 64), (128, 128, 1)]
    by_hand = sum(9 * side**2 * inward * outward for side, inward, outward in encoder + decoder)
    assert by_hand == 3_364_356_096
    assert multiply_adds(unet()) == by_hand
