"""docs/results.md is the page that `astroboard reproduce --report` makes of the records beside it."""

import json

import pytest

from harness.claims.spec import claim_names
from harness.report.results_page import joined, results_page
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def records():
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("results-*.json"))]


def test_the_page_is_that_of_all_records(records):
    assert records
    assert (DOCS / "results.md").read_text(encoding="utf-8") == results_page(records, expected=claim_names())


def test_pictures_of_the_curves_are_there(records):
    for entry in joined(records)["boards"]:
        if entry["over"]:
            assert (DOCS / f"{entry['name']}.png").is_file()
