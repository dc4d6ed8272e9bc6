"""The command `reproduce` as a user calls it."""

import json
import shutil

import pytest
from click.testing import CliRunner

from harness.claims.spec import KINDS, select
from harness.cli import main
from harness.tracks import MASS_MAPPING
from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow


def run(*words):
    return CliRunner().invoke(main, ["reproduce", *map(str, words)])


@pytest.fixture
def few_maps(monkeypatch):
    monkeypatch.setitem(MASS_MAPPING.claim_cases, "smoke", 20)


def test_tables_of_what_was_found(few_maps, tmp_path):  # noqa: ARG001
    words = ("zeros-win-wmape", "--preset", "smoke", "--seeds", 1, "--out", tmp_path)
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "zeros-win-wmape: not tested; B: " in result.stderr
    assert "zeros-win-wmape: not tested: B: " in result.stdout
    assert result.stdout.endswith(f"pages: {tmp_path / 'claims.html'}, {tmp_path / 'results.md'}\n")
    assert json.loads(run(*words, "--json").stdout) == json.loads((tmp_path / "claims.json").read_text())
    assert run(*words, "--no-training", "--json").stdout == (tmp_path / "claims.json").read_text()
    page = (tmp_path / "results.md").read_text()
    assert run(*words, "--markdown").stdout == page
    (tmp_path / "results.md").unlink()
    assert run("--report", tmp_path / "claims.json").exit_code == 0
    assert (tmp_path / "results.md").read_text() == page
    other = shutil.copytree(tmp_path, tmp_path / "other") / "claims.json"
    assert run("--report", other, "--report", tmp_path / "claims.json").exit_code == 0
    assert (other.parent / "results.md").read_text() == page, "equal results are shown once"


@pytest.mark.parametrize("lost", ["claims", "versions", "sides"])
def test_a_record_that_is_damaged_is_named(lost, tmp_path):
    record = json.loads((ROOT / "docs/results-night.json").read_text())
    if lost == "sides":
        for side in next(claim["sides"] for claim in record["claims"] if claim["scores"]):
            del side["scores"]["mae"]
    else:
        del record[lost]
    (tmp_path / "claims.json").write_text(json.dumps(record))
    result = run("--report", tmp_path / "claims.json")
    assert result.exit_code == 1, result.output
    assert f"{tmp_path / 'claims.json'} must be a record" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["claims.json"]


def test_list():
    listed = json.loads(run("--list", "--json").stdout)
    assert [claim["name"] for claim in listed] == [spec.name for spec in select(None, KINDS, real=True)]
    assert list(listed[0]) == ["name", "kind", "standing", "track", "preset", "says", "source"]
    assert "zeros-win-wmape" in run("zeros-win-wmape", "--list").stdout


def test_wrong_usage(tmp_path):
    result = run("earth-is-flat", "--out", tmp_path / "new")
    assert result.exit_code == 2
    assert "no claim 'earth-is-flat'; there are: claim, experiment" in result.output
    for words in (("--list", "--markdown"), ("--markdown", "--json"), ("--preset", "other")):
        assert run(*words).exit_code == 2
    assert not (tmp_path / "new").exists()


def test_a_claim_about_real_alerts_needs_some(tmp_path):
    result = run("real-stamps", "--out", tmp_path / "new")
    assert result.exit_code == 1
    assert "--stamps" in result.stderr
    assert not (tmp_path / "new").exists()
