import pytest

from harness.report.page import place, span, write_page
from tests.browser.boards import HOSTILE, a_board


def value(mean, low=None, high=None):
    return {"mean": mean, "low": low, "high": high}


def test_the_span_reaches_over_all_intervals_but_of_rows_far_away():
    near = [value(1.0, 0.9, 1.2), value(1.1, 1.0, 1.3), value(1.2, 1.1, 1.3), value(1.3, 1.2, 1.5)]
    assert span(near) == (0.9, 1.5)
    assert span([*near, value(400.0, 300.0, 500.0), value(None)]) == (0.9, 1.5)
    assert span([value(None)]) == (0, 0)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (value(3.0, 2.5, 4.0), {"left": 12.5, "mark": 25.0, "width": 37.5, "beyond": 0}),
        (value(3.0), {"left": None, "mark": 25.0, "width": None, "beyond": 0}),
        (value(9.0, 5.0, 12.0), {"left": 75.0, "mark": 100.0, "width": 25.0, "beyond": 1}),
        (value(1.0, 0.5, 3.0), {"left": 0.0, "mark": 0.0, "width": 25.0, "beyond": -1}),
        (value(None), None),
    ],
)
def test_places_in_per_cent_of_the_span(score, expected):
    assert place(score, (2.0, 6.0)) == expected


def test_a_span_of_nothing_has_no_places():
    assert place(value(2.0, 2.0, 2.0), (2.0, 2.0)) is None


def test_same_boards_same_bytes_and_names_escaped(tmp_path):
    board = a_board(rows=5)
    for name in ("a.html", "b.html"):
        write_page([board], tmp_path / name, {board["rows"][1]["submission_sha256"]: "submissions/1.html"})
    page = (tmp_path / "a.html").read_text()
    assert page == (tmp_path / "b.html").read_text()
    assert HOSTILE not in page
    assert page.count('href="submissions/1.html"') == 1
    assert "http:" not in page
    assert "https:" not in page


def test_a_ladder_and_a_board_of_nothing(tmp_path):
    """Released scores alone: no chances, no intervals of ranks, no groups; and then nobody at all."""
    board = a_board(rows=3) | {"ladder": True, "kendall_tau": None, "part": "public"}
    board["scores"] = [one for one in board["scores"] if one["ranked"]]
    for row in board["rows"]:
        row |= dict.fromkeys(("group", "rank_low", "rank_high", "p_better_than_next")) | {"source": "ladder"}
        row["metrics"] = {
            one["key"]: {"mean": 0.5, "std": None, "low": None, "high": None} for one in board["scores"]
        }
    write_page([board], tmp_path / "ladder.html")
    page = (tmp_path / "ladder.html").read_text()
    assert "released score" in page
    assert "public part" in page
    assert "P(better)" not in page
    write_page([board | {"rows": [], "cases": 0, "groups": 0}], tmp_path / "empty.html")
    assert "No submission could be ranked" in (tmp_path / "empty.html").read_text()
