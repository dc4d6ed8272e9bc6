"""What the project's own JSON files may hold, as any program can have written them."""

import pytest

from harness.files import HarnessError, read_json

SCHEMA = "astroboard-score/1"


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"cases": ' + b"1" * 5000 + b"}"]
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
