"""The figures in docs/results.md are those of the record that `astroboard reproduce` wrote beside it."""

import json

import pytest

from harness.report.claims_page import markdown
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def record():
    return json.loads((DOCS / "results.json").read_text(encoding="utf-8"))


def test_every_table_is_the_records(record):
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    lines = [line for line in markdown(record).splitlines() if line.strip("|-: ")]
    assert len(lines) > 50
    assert [line for line in lines if line not in page] == []


def test_every_verdict_is_told(record):
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    assert record["preset"] == "laptop"
    for claim in record["claims"]:
        assert f"| {claim['name']} | {claim['verdict'].upper()} |" in page


def test_pictures_of_the_curves_are_there(record):
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    for one in record["boards"]:
        if one["over"]:
            assert f"({one['name']}.png)" in page
            assert (DOCS / f"{one['name']}.png").is_file()
