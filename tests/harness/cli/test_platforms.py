"""The commands for those who run a competition."""

import csv
import json
import re
import shutil
import zipfile

import pytest

pytestmark = pytest.mark.slow

DATES = ("--start", "2027-01-01", "--end", "2027-02-01", "--close", "2027-02-08")


def test_bundle(run, stamps, tmp_path):
    words = ("bundle", stamps / "data.h5", "--seed", 5, *DATES, "--out")
    summary = json.loads(run(*words, tmp_path / "a.zip", "--json").stdout)
    cases = [summary[name]["cases"] for name in ("public", "private")]
    assert all(cases)
    lines = run(*words, tmp_path / "b.zip").stdout.splitlines()
    assert [line.partition(" cases")[0] for line in lines[:2]] == [
        f"public: {cases[0]}", f"private: {cases[1]}",
    ]  # fmt: skip
    assert lines[2].startswith("seed: 5 (")
    assert lines[3] == f"bundle: {tmp_path / 'b.zip'}"
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as bundle:
        assert "competition.yaml" in bundle.namelist()


def test_dates_of_iso_8601(run, stamps, tmp_path):
    def phases(*words):
        run("bundle", stamps / "data.h5", "--out", tmp_path / "bundle", *words)
        text = (tmp_path / "bundle/competition.yaml").read_text()
        shutil.rmtree(tmp_path / "bundle")
        return re.findall(r'^  end: "(.*)"', text, re.MULTILINE)

    dates = "--start", "2027-01-01", "--close", "2027-02-08T00:00:00+01:00"
    for end in ("2027-01-31T12:30", "2027-01-31 12:30", "2027-01-31T12:30Z", "2027-01-31T09:30-03:00"):
        assert phases(*dates, "--end", end) == ["2027-01-31 12:30:00", "2027-02-07 23:00:00"]


def test_kaggle(run, stamps, tmp_path):
    words = ("kaggle", stamps / "test-truth.h5", tmp_path / "solution.csv", "--public-fraction", 0.5)
    said = run(*words, "--seed", 5).stdout
    with (tmp_path / "solution.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert said == f"{tmp_path / 'solution.csv'}: {len(rows)} rows\n"
    assert {row["Usage"] for row in rows} == {"Public", "Private"}


def test_wrong_files_and_wrong_usage(run, maps, stamps, tmp_path):
    new = tmp_path / "new"
    late = run("bundle", stamps / "data.h5", "--out", new, "--end", "9999-12-31", status=2)
    assert "would end after the year 9999" in late.stderr
    for words in (("--seed", 3), ("--public-fraction", 0.3)):
        run("kaggle", stamps / "data.h5", new, "--submission", stamps / "data.h5", *words, status=2)
    run("bundle", stamps / "test-inputs.h5", "--out", new, status=1)
    run("bundle", stamps / "data.h5", "--out", new, "--start", "tomorrow", status=2)
    run("bundle", stamps / "data.h5", "--out", new, "--public-fraction", 1, status=2)
    run("kaggle", maps / "data.h5", new, status=1)
    assert not new.exists()
