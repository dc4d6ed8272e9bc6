import json
import subprocess
import sys
from dataclasses import replace

import pytest

from harness.evaluation.board import Value
from harness.report.page import MOST_ENTRIES, bar_position, board_ids, span, write_leaderboard
from harness.tracks import STAMPS
from tests.browser.boards import HOSTILE, PUBLISHED, a_board


def value(mean, low=None, high=None):
    return Value(mean, None, low, high)


def test_the_span_reaches_over_all_intervals_but_of_rows_far_away():
    near = [value(1.0, 0.9, 1.2), value(1.1, 1.0, 1.3), value(1.2, 1.1, 1.3), value(1.3, 1.2, 1.5)]
    assert span(near) == (0.9, 1.5)
    assert span([*near, value(400.0, 300.0, 500.0)]) == (0.9, 1.5)
    assert span([]) == (0, 0)


@pytest.mark.parametrize(
    ("mean_low_high", "expected"),
    [
        ((3.0, 2.5, 4.0), {"left": 12.5, "mark": 25.0, "width": 37.5, "beyond": 0}),
        ((3.0, None, None), {"left": None, "mark": 25.0, "width": None, "beyond": 0}),
        ((9.0, 5.0, 12.0), {"left": 75.0, "mark": 100.0, "width": 25.0, "beyond": 1}),
        ((1.0, 0.5, 3.0), {"left": 0.0, "mark": 0.0, "width": 25.0, "beyond": -1}),
    ],
)
def test_bars_in_per_cent_of_the_span(mean_low_high, expected):
    assert bar_position(*mean_low_high, (2.0, 6.0)) == expected


def test_a_span_of_nothing_has_no_bars():
    assert bar_position(2.0, 2.0, 2.0, (2.0, 2.0)) is None


def test_same_boards_same_bytes_and_names_escaped(tmp_path):
    board = a_board(rows=5)
    for name in ("a", "b"):
        write_leaderboard([board], tmp_path / name, {board.rows[1].submission_sha256: "submissions/1.html"})
    page = (tmp_path / "a/index.html").read_text()
    assert page == (tmp_path / "b/index.html").read_text()
    assert HOSTILE not in page
    assert page.count('href="submissions/1.html"') == 1
    assert "http:" not in page
    assert "https:" not in page.replace(PUBLISHED, "")


def test_a_ladder_and_a_board_of_nothing(tmp_path):
    """Released scores alone: no chances, no intervals of ranks, no groups; and then nobody at all."""
    full = a_board(rows=3)
    scores = tuple(score for score in full.scores if score.ranked)
    unknown = dict.fromkeys(("std", "low", "high", "seed_std", "rank_low", "rank_high", "p_better_than_next"))
    rows = tuple(
        replace(
            row, group=None, rank_low=None, rank_high=None, p_better_than_next=None, source="ladder",
            metrics={score.key: replace(row.metrics[score.key], **unknown) for score in scores},
        )
        for row in full.rows
    )  # fmt: skip
    board = replace(full, ladder=True, kendall_tau=None, part="public", scores=scores, rows=rows)
    write_leaderboard([board], tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "released score" in page
    assert "public part" in page
    assert "P(better)" not in page
    write_leaderboard([replace(board, rows=(), cases=0, groups=0)], tmp_path)
    assert "No submission could be ranked" in (tmp_path / "index.html").read_text()


def test_a_folder_has_one_board_or_a_list_of_them(tmp_path):
    boards = [a_board(rows=3), a_board(STAMPS, rows=2)]
    write_leaderboard(boards, tmp_path / "two")
    write_leaderboard([boards[0]], tmp_path / "one")
    assert json.loads((tmp_path / "two/leaderboard.json").read_text()) == [b.to_json() for b in boards]
    assert json.loads((tmp_path / "one/leaderboard.json").read_text()) == boards[0].to_json()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["index.html", "leaderboard.json"]


@pytest.mark.parametrize("rows", [MOST_ENTRIES, MOST_ENTRIES + 20])
def test_the_matrix_shows_the_first_rows_only(tmp_path, rows):
    write_leaderboard([a_board(rows=rows)], tmp_path)
    page = (tmp_path / "index.html").read_text()
    matrix = page.partition('<table class="matrix">')[2].partition("</table>")[0]
    assert matrix.count("<tr>") == 1 + MOST_ENTRIES
    assert matrix.count("<td") == 1 + MOST_ENTRIES**2
    assert (f"the first {MOST_ENTRIES} of {rows} rows" in page) == (rows > MOST_ENTRIES)


def test_each_board_of_a_page_has_an_id():
    maps, stamps = a_board(rows=1), a_board(STAMPS, rows=1)
    assert board_ids([maps, stamps]) == ["mass-mapping", "stamps"]
    taken = replace(maps, track="mass-mapping-2")
    assert board_ids([maps, stamps, taken, maps]) == [
        "mass-mapping",
        "stamps",
        "mass-mapping-2",
        "mass-mapping-3",
    ]


@pytest.mark.slow
def test_pages_and_tables_need_no_terminal_and_pages_of_boards_no_pictures():
    modules = "harness.report.page, harness.report.export, harness.report.cells"
    code = f"import sys, {modules}; print({{'rich', 'matplotlib', 'sklearn'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    modules = "harness.report.results_page, harness.report.submission_page"
    code = f"import sys, {modules}; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
