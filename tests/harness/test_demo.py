"""The demonstration, on fewer cases than it has by itself."""

import json

import pytest

from harness import demo
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS


@pytest.fixture
def few_cases(monkeypatch):
    monkeypatch.setitem(demo.CASES, "smoke", {MASS_MAPPING.name: 40, STAMPS.name: 150})


def test_both_tracks_to_a_page(few_cases, tmp_path, capsys):  # noqa: ARG001
    out = tmp_path / "demo"
    said = []
    demo.run_demo(out, "smoke", 0, said.append)
    boards = json.loads((out / "leaderboard.json").read_text())
    found = {board["track"]: {row["method"] for row in board["rows"]} for board in boards}
    assert found == {
        "mass-mapping": {"zeros", "ks93", "ks93-masked", "wiener"},
        "stamps": {"majority", "metadata-trees", "cnn"},
    }
    assert all(board["not_ranked"] == [] for board in boards)
    assert said[-1] == f"page: {out / 'index.html'}"
    assert len(list((out / "submissions").glob("*.html"))) == 7
    assert "ks93-masked" in (out / "index.html").read_text()
    assert "SN F2" in capsys.readouterr().out


def test_it_empties_only_a_folder_of_its_own(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(HarnessError, match="other files"):
        demo.run_demo(tmp_path, "smoke", 0, print)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
