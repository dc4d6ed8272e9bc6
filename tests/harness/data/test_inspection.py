"""What `inspect` says of a file. Whole summaries are held by tests/golden."""

import json

import pytest

from harness import schemas
from harness.data.inspection import inspect, lines
from harness.files import HarnessError
from tests.harness.data.sources.attacks import good


@pytest.mark.parametrize("schema", schemas.JSON_FILES)
def test_every_kind_of_json_file_is_known(tmp_path, schema):
    (tmp_path / "file.json").write_text(json.dumps({"schema": schema, "cases": 3}))
    kind = schema.partition("/")[0].removeprefix("astroboard-")
    assert inspect(tmp_path / "file.json") == {"kind": kind, "schema": schema, "cases": 3}


@pytest.mark.parametrize("content", ["text", "[]", '{"schema": "other/1"}'])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "file").write_text(content)
    with pytest.raises(HarnessError, match=r"must be a dataset .*, got none of these"):
        inspect(tmp_path / "file")


def test_a_summary_of_odd_values_is_shown_and_does_not_steer_the_terminal(tmp_path):
    with good(tmp_path / "odd.h5") as file:
        file["labels"][:] = [-1, 0, 0, 9]
        file.attrs["source"] = '{"by": "\\u001b[2J"}'
    summary = inspect(tmp_path / "odd.h5")
    assert summary["classes"] == {"AGN": 2, "SN": 0, "VS": 0, "asteroid": 0, "bogus": 0}
    assert all(line.isprintable() for line in lines(summary))
