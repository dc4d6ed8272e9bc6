"""What the project's own JSON files may hold, as any program can have written them."""

import json

import pytest

from harness.files import HarnessError, json_text, read_json

SCHEMA = "astroboard-score/1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b'{"cases": ' + b"1" * 5000 + b"}",
        b'{"schema": "astroboard-score/1", "cases": NaN}',
        b'{"schema": "astroboard-score/1", "cases": 1e999}',
        b'{"schema": "astroboard-score/1", "schema": "astroboard-score/1"}',
        b'{"schema": "astroboard-score/1", "a": {"b": 1, "b": 2}}',
        b'{"a": ' * 100_000,
    ],
)
def test_what_is_no_json_is_told_without_a_traceback(tmp_path, content):
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(HarnessError, match=r"card\.json holds no JSON: "):
        read_json(tmp_path / "card.json", SCHEMA)


@pytest.mark.parametrize("content", ["[]", "7", "{}", '{"schema": "astroboard-run/1"}', '{"schema": ["a"]}'])
def test_another_schema_is_refused(tmp_path, content):
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(HarnessError, match=f"must have the schema '{SCHEMA}', got"):
        read_json(tmp_path / "card.json", SCHEMA)


def test_json_is_the_same_value_in_which_nothing_steers_a_terminal():
    value = {"team \x9b2J": ["\u202e", "\x1b[2J", "\U000e0041", "\ud800", "Ñandú 🜨\n"]}
    text = json_text(value)
    assert json.loads(text) == value
    assert all(line.isprintable() for line in text.split("\n"))
    assert "Ñandú 🜨" in text
