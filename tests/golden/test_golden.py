"""The same input gives the output of version 0.1.0, but for changes on purpose: scores, boards, pages, zips.

Nothing of the library is imported but its command line, so this holds whatever moves or is renamed within.
"""

import pytest

from tests.golden.record import STORED, record
from tests.golden.texts import difference, html_skeleton

pytestmark = pytest.mark.slow

NAMES = sorted(path.relative_to(STORED).as_posix() for path in STORED.rglob("*") if path.is_file())
AGAIN = "if it was changed on purpose: python -m tests.golden.record"


def test_same_as_stored(tmp_path):
    """One test, so that one process records, and once."""
    found = record(tmp_path)
    assert sorted(found) == NAMES, AGAIN
    lines = []
    for name in NAMES:
        differing = difference(found[name], (STORED / name).read_text(encoding="utf-8"))
        lines += [f"{name}:", *differing] if differing else []
    assert not lines, "\n".join(["", *lines, AGAIN])


@pytest.mark.parametrize(
    ("found_text", "stored_text", "same"),
    [
        ('"mean": 0.12345678901234567', '"mean": 0.12345678901234569', True),
        ('"mean": 0.123456789', '"mean": 0.123456788', False),
        ('"rank": 2', '"rank": 3', False),
        ("e3b0c44298fc1c149afbf4c8996fb924", "e3b0c44298fc1c149afbf4c8996fb925", False),
        ('"mean": 1.0', '"mean": 1', False),
        ("1.0, 2.0", "1.0, 2.0, 3.0", False),
        ("1e-17 of 0.5", "1e-17 of 0.5000000000000001", True),
        ("one 1.5", "two 1.5", False),
    ],
)
def test_comparison_of_texts(found_text, stored_text, same):
    assert (not difference(found_text, stored_text)) is same


def test_skeleton_of_a_page():
    page = '<h1 id="a" title="words">Words 0.5</h1><style>b {}</style><td>two <b>words</b></td><p>words'
    assert html_skeleton(page) == 'h1 id="a"\n  # 0.5\nstyle\ntd\n  | two\nb\n  | words\np\n'
