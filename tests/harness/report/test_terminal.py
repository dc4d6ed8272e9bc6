"""Tables on terminals wide and narrow, and in Markdown."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.scoring import Scored
from harness.report.export import markdown
from harness.report.terminal import board_text, data_table, tables
from harness.tracks import MASS_MAPPING, STAMPS
from submissions import ValidationReport


@pytest.fixture(scope="module")
def board():
    """Of four supernovae two are called one, and of six AGN one: precision 2/3, recall 1/2."""
    labels = np.array([1] * 4 + [0] * 6)
    called = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0])
    columns = STAMPS.by_case(labels, np.eye(5)[called])
    ids = [str(case) for case in range(10)]
    groups, report = np.array([0] * 5 + [1] * 5), ValidationReport("stamps", 10)
    scored = Scored(
        Path("a.zip"), STAMPS, "us", "ours", "0" * 64, report, columns, ids, groups, "truth", None
    )
    return rank_entries(STAMPS, [scored])


def printed(items, width=500):
    """The lines on a terminal of that width."""
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        for item in items:
            for part in tables(console, *item) if isinstance(item, tuple) else [item]:
                console.print(part)
    return capture.get().splitlines()


def shown(items, width=500):
    """What is printed, without the spaces and colours."""
    return [line.split() for line in printed(items, width) if line.strip()]


SCORES = {"accuracy ↑": "0.7000", "SN F1 ↑": "0.5714", "SN F2 ↑": "0.5263"}
FURTHER = {"SN precision ↑": "0.6667", "SN recall ↑": "0.5000"}


def test_a_board_of_stamps_has_table_3_of_the_report(board):
    title, header, _rule, row, *_ = shown(board_text(board))
    assert title[0] == "stamps:"
    assert " ".join(header).endswith(" ".join(SCORES | FURTHER))
    assert row[-5:] == list((SCORES | FURTHER).values())
    header, _rule, row = markdown(board).splitlines()
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert (cells | {"SN recall ↑": cells["SN recall ↑ |"].removesuffix(" |")}).items() >= (
        SCORES | FURTHER
    ).items()


def test_on_a_narrow_terminal_what_does_not_fit_has_a_table_of_its_own(board):
    _title, header, _rule, row, second, _again, below, *_ = shown(board_text(board), 100)
    assert " ".join(header).endswith(" ".join(SCORES))
    assert row[-3:] == list(SCORES.values())
    assert " ".join(second) == " ".join(["team method", *FURTHER])
    assert below == ["us", "ours", *FURTHER.values()]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_numbers_are_never_folded(width):
    header = ["team", "method", "rank", "mean rank", "WMAPE ↓", "DICEE ↓", "DPEAKS ↓"]
    row = ["Los Oscuros de Antofagasta y sus amigos", "ks93-masked", "2 (1–3)", "2.67",
           "1.30 [0.89, 1.83]", "0.2533 [0.2451, 0.2614]", "121 [103, 138]"]  # fmt: skip
    lines = printed([("a board", header, [row], 2)], width)
    assert max(map(len, lines)) <= width
    for number in ("2 (1–3)", "2.67", "1.30", "[0.89, 1.83]", "0.2533", "[0.2451, 0.2614]", "[103, 138]"):
        assert sum(number in line for line in lines) == 1
    assert (row[5] in "".join(lines)) == (width == 200)


def test_a_data_set_is_counted_with_what_was_left_out():
    left_out = {"images": {"not_square": 3, "nan": 20, "cases_with_nan": 2}, "classes": {"SN": 1, "bogus": 2}}
    summary = {
        "cases": 1200,
        "source": {"left_out": 3, "left_out_counts": left_out},
        "images": {"not_square": 0, "nan": 4000, "cases_with_nan": 7},
        "classes": {"AGN": 600, "SN": 600, "VS": 0, "asteroid": 0, "bogus": 0},
    }
    lines = shown([data_table("stamps.h5", STAMPS, summary)])
    assert lines[3:7] == [
        ["cases", "1,200", "3", "1,203"],
        ["not", "square", "0", "3", "3"],
        ["NaN", "values", "4,000", "20", "4,020"],
        ["with", "NaN", "values", "7", "2", "9"],
    ]
    assert ["SN", "600", "1", "601"] in lines


@pytest.mark.parametrize(
    "source", [{}, {"left_out": "x", "left_out_counts": [1]}, {"left_out_counts": {"images": 3}}]
)
def test_a_data_set_of_others_may_say_anything_of_its_source(source):
    summary = {"cases": 5, "source": source, "epsilon": {"not_square": 0, "nan": 1, "cases_with_nan": 1}}
    lines = shown([data_table("maps.h5", MASS_MAPPING, summary)])
    assert lines[3:] == [
        ["cases", "5", "0", "5"],
        ["not", "square", "0", "0", "0"],
        ["NaN", "values", "1", "0", "1"],
        ["with", "NaN", "values", "1", "0", "1"],
    ]
