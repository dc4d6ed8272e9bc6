"""The notebook of examples/, run at its smallest size."""

import json

import click
import pytest

from tests.docs.pages import ROOT
from tests.notebooks import execute

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_from_data_to_boards(tmp_path):
    notebook = execute(ROOT / "examples/astroboard.ipynb", tmp_path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    assert click.unstyle(text).count("accepted: ") == 4  # a notebook is a terminal, which has colours
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    for track, methods in (("maps", {"wiener", "unet"}), ("stamps", {"majority", "cnn"})):
        board = json.loads((tmp_path / f"astroboard-smoke/board-{track}/leaderboard.json").read_text())
        assert {row["method"] for row in board["rows"]} == methods
