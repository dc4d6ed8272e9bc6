"""docs/results.md is the page that `astroboard reproduce --report` makes of the record beside it."""

import json

import pytest

from harness.report.results_page import results_page
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def record():
    return json.loads((DOCS / "results.json").read_text(encoding="utf-8"))


def test_the_page_is_the_records(record):
    assert (DOCS / "results.md").read_text(encoding="utf-8") == results_page(record)


def test_pictures_of_the_curves_are_there(record):
    for entry in record["boards"]:
        if entry["over"]:
            assert (DOCS / f"{entry['name']}.png").is_file()
