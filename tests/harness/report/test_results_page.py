"""The page of Markdown, of a record that is made up: claims, boards, trainings and what was left out."""

import re
from dataclasses import replace

import pytest

from harness.claims.execute import score_folds
from harness.claims.plan import Run
from harness.claims.results import rank
from harness.claims.spec import select
from harness.report.results_page import results_page, write_claims, write_results
from tests.harness.report.test_claims_tables import claim, score


@pytest.fixture
def record(maps, submission_of, noisy_maps, tmp_path):
    """Two boards of two methods each, on the same maps, and one claim."""
    entries, facts = [], []
    for name in ("sparse-noise", "sparse-noise-field"):
        (spec,) = select("smoke", [name])
        chosen = [side for side in spec.sides if side.baseline in ("ks93", "ks93-masked")]
        sides, scored = [], {}
        for side in chosen:
            run = Run(tmp_path / f"{name}-{side.baseline}", maps, side.baseline, "smoke", {}, 0)
            submission_of(run.submission, maps / "test-truth.h5", noisy_maps(0.01))
            scored[run,] = score_folds((run,))
            sides.append([(run,)])
            facts.append({
                "name": run.folder.name, "baseline": side.baseline, "preset": "smoke", "seed": 0,
                "parameters": 1234, "cases": 100,
                "epochs": 8, "steps": 104, "images": 800, "seconds": 90.0, "late_gain": 0.07,
                "hardware": "a machine",
            })  # fmt: skip
        entries.append(rank(replace(spec, sides=tuple(chosen)), sides, scored))
    return {
        "schema": "astroboard-claims/1", "preset": "smoke", "seeds": 1,
        "presets": {"smoke": {"cases": {"mass-mapping": 60}, "seeds": {"mass-mapping": 1}}},
        "claims": [claim(score("dicee"))], "boards": entries,
        "left_out": [{"name": "real-stamps", "says": "Real stamps", "lacking": "no real alerts"}],
        "runs": facts, "versions": {"astroboard": "0.1.0"},
    }  # fmt: skip


def test_sections(record, tmp_path):
    page = results_page([record])
    assert re.findall("^## (.*)$", page, re.M) == [
        "The reports' claims", "Leaderboards", "Diagnostics", "Trainings", "Left out",
    ]  # fmt: skip
    assert "4 networks of 1,234 weights, 104 steps each, on 100 simulated maps." in page
    assert "took 0.1 hours (a machine)" in page
    assert "\n1 confirmed.\n" in page
    assert "| smoke | mass-mapping |  | 60 | 1 |" in page
    assert "| ks93 | sparse | smoke | 1 | 1,234 | 100 | 8 | 104 | 800 | 1.5 | 7 % |" in page
    assert "- `real-stamps` (Real stamps): no real alerts" in page
    write_results([record], tmp_path)
    assert (tmp_path / "results.md").read_text() == page


def test_reports_are_rows_of_the_board(record):
    page = results_page([record])
    row = next(line for line in page.splitlines() if "| Barrienlens, UNet, MultiFocal, all data" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "reported"
    assert cells[2:] == ["–"] * 4 + ["1.53", "0.045", "20.3", "–", "–"]  # neither MAE nor r


def test_the_inversion_is_shown_side_by_side(record):
    page = results_page([record])
    assert "an inverse crime" in page
    table = page[page.index("`ks93-masked` on each of them:") :].splitlines()[2:6]
    assert [line.split(" | ")[1] for line in table[2:]] == ["sparse", "sparse-field"]


@pytest.mark.slow
def test_html_shows_names_in_backquotes_as_code(record, tmp_path):
    write_claims(record, tmp_path)
    html = re.sub(r"<script>.*?</script>", "", (tmp_path / "claims.html").read_text(), flags=re.DOTALL)
    assert "and <code>ks93-masked</code> solves" in html
    assert "`" not in html


def test_rows_of_a_table_have_as_many_cells(record):
    tables = re.findall(r"(?:^\|.*\n)+", results_page([record]), re.M)
    assert len(tables) > 5
    assert all(
        len({line.count(" | ") for line in table.splitlines() if "---" not in line}) == 1 for table in tables
    )


def test_what_is_expected_and_has_no_result_is_listed(record):
    expected = ["a-beats-b", "sparse-noise", "real-stamps", "kernel-3-beats-2", "padding"]
    *_, last = results_page([record], expected=expected).splitlines()
    assert last.startswith("- no result: `kernel-3-beats-2`, `padding`; ")
    assert "no result" not in results_page([record], expected=expected[:3])


def test_several_records_make_one_page(record):
    sides = [side | {"runs": ["sparse-noise-ks93"]} for side in record["claims"][0]["sides"]]
    later = record | {
        "presets": {"night": {"cases": {"mass-mapping": 900, "stamps": 70}, "seeds": {"mass-mapping": 2}}},
        "claims": [claim(score("dicee"), verdict="refuted", sides=sides), claim(name="another")],
        "boards": [],
        "left_out": record["left_out"] + [{"name": "sparse-noise", "says": "Maps", "lacking": "no runs"}],
        "versions": {"astroboard": "0.2.0"},
    }
    page = results_page([record, later])
    assert "\n1 confirmed, 1 refuted.\n" in page, "the result with runs replaces the one without"
    assert sorted(page.splitlines()[8:]) == sorted(results_page([later, record]).splitlines()[8:])
    assert "astroboard 0.1.0 and 0.2.0." in page
    assert "| smoke | mass-mapping |  | 60 | 1 |\n| night | mass-mapping |  | 900 | 2 |\n" in page
    assert "| night | stamps |" not in page, "no result is of stamps"
    assert page.count("real alerts") == 1
    assert "no runs" not in page, "another record has the board"
