"""Each file format has one name, and the published schemas say the same one."""

import json
import re
from pathlib import Path

import pytest

from harness import schemas

ROOT = Path(__file__).parents[2]
NAMES = {name: value for name, value in vars(schemas).items() if isinstance(value, str) and name.isupper()}


def test_the_names_are_different_and_have_a_version():
    assert len(set(NAMES.values())) == len(NAMES)
    for value in NAMES.values():
        assert re.fullmatch(r"astroboard-[a-z]+(-[a-z]+)*/[1-9]\d*", value)
    assert set(schemas.JSON_FILES) < set(NAMES.values())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("leaderboard", schemas.LEADERBOARD),
        ("score", schemas.SCORE_CARD),
        ("manifest", schemas.SUBMISSION),
    ],
)
def test_published_schemas(file, name):
    schema = json.loads((ROOT / f"docs/{file}.schema.json").read_text())
    described = schema["$defs"]["board"] if file == "leaderboard" else schema
    assert described["properties"]["schema"]["const"] == name


def test_published_results():
    records = [json.loads(path.read_text()) for path in (ROOT / "docs").glob("results-*.json")]
    assert {record["schema"] for record in records} == {schemas.CLAIMS}


def test_no_module_writes_a_name_a_second_time():
    found = [
        str(path.relative_to(ROOT))
        for folder in ("metrics", "submissions", "baselines", "harness")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"""["']astroboard-[a-z-]+/\d+["']""", path.read_text(encoding="utf-8"))
    ]
    assert found == ["submissions/manifest.py", "harness/schemas.py"]
