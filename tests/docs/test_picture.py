"""The README's picture shows what the demonstration makes today."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from harness.cli import main
from harness.demo import run_demo
from tests.browser.picture import HEIGHT, PICTURE, SCORES, WIDTH

pytestmark = pytest.mark.slow

METHODS = ("zeros", "ks93-masked")  # of which the board of the maps is remade; the others take minutes


def test_the_picture_shows_the_scores_of_the_demonstration(tmp_path):
    commands, runner = [], CliRunner()
    run_demo(tmp_path / "demo", "smoke", 0, commands.append, print)
    for words in commands:
        left_out = words[0] in ("train", "submit") and not any(Path(word).name in METHODS for word in words)
        if "mass-mapping" not in " ".join(words) or left_out:
            continue
        if words[0] == "leaderboard":
            words = [word for word in words if not word.endswith(".zip") or Path(word).stem in METHODS]
        result = runner.invoke(main, words)
        assert result.exit_code == 0, result.output
    board = json.loads((tmp_path / "demo/leaderboard.json").read_text())
    with Image.open(PICTURE) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        shown = json.loads(picture.text["scores"])
    for row in board["rows"]:
        means = [row["metrics"][key]["mean"] for key in SCORES]
        assert shown[row["method"]] == pytest.approx(means, rel=1e-3)
