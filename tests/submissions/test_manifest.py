import dataclasses
import json
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submissions import Code, Manifest, SubmissionError
from submissions.checks import MAX_TEXT
from submissions.manifest import MAX_BYTES, REQUIRED, SCHEMA, parse

GOOD = {"schema": SCHEMA, "track": "stamps", "team": "Équipe 7", "method": "cnn"}
DIGEST = "0123456789abcdef" * 4
TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100)


def refusal(values) -> str:
    with pytest.raises(SubmissionError) as caught:
        parse(values if isinstance(values, bytes) else json.dumps(values).encode())
    assert caught.value.code == Code.BAD_MANIFEST
    return str(caught.value)


@given(
    st.builds(
        Manifest,
        track=TEXT,
        team=TEXT,
        method=TEXT,
        dataset_fingerprint=st.none() | TEXT,
        seed=st.none() | st.integers(0, 2**63 - 1),
        versions=st.dictionaries(TEXT, TEXT, max_size=5),
        hardware=st.none() | TEXT,
        seconds=st.none() | st.floats(0, 1e11),
        files=st.dictionaries(st.text(max_size=30), st.just(DIGEST), max_size=5),
    )
)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_what_is_read(manifest):
    assert parse(manifest.to_bytes()) == manifest
    assert parse(manifest.to_bytes()).to_bytes() == manifest.to_bytes()


def test_only_track_team_and_method_are_needed():
    assert parse(json.dumps(GOOD).encode()) == Manifest("stamps", "Équipe 7", "cnn")
    assert parse(json.dumps(GOOD | {"notes": [1, 2]}).encode()) == Manifest("stamps", "Équipe 7", "cnn")


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_value(name):
    assert name in refusal({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    "text", ["", " ", "x" * 101, "a\nb", "\x1b[2J", "a\u202eb", "\ud800", " a", 7, None, ["a"]]
)
@pytest.mark.parametrize("name", ["team", "method"])
def test_names_are_one_printable_line(name, text):
    message = refusal(GOOD | {name: text})
    assert name in message
    assert message.isprintable()


@pytest.mark.parametrize(
    "values",
    [
        {"schema": "astroboard-submission/2"},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": True},
        {"seed": 2**64},
        {"seconds": -1},
        {"seconds": "1"},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 10**4000},
        {"versions": []},
        {"versions": {"numpy": 2}},
        {"versions": {"num\npy": "2"}},
        {"hardware": {"cpu": "x"}},
        {"dataset_fingerprint": 7},
        {"files": None},
        {"files": [DIGEST]},
        {"files": {"a.npy": DIGEST.upper()}},
        {"files": {"a.npy": DIGEST + "\n"}},
        {"files": {"a\x1b.npy": None}},
    ],
    ids=str,
)
def test_wrong_value(values):
    assert refusal(GOOD | values).isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b'"text"',
        b"[]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"[],[]," * 100_000 + b"[]]",
        b"1" * 5000,
        b"\xff\xfe\xff",
        b'{"schema": "\xe9"}',
    ],
    ids=lambda data: repr(data[:12]),
)
def test_no_manifest(data):
    refusal(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"1.5," * (MAX_BYTES // 4 - 1) + b"1]",
        b'{"schema": "' + SCHEMA.encode() + b'", "team": "' + b"\x7f" * (MAX_BYTES - 100) + b'"}',
        b'{"schema": "' + SCHEMA.encode() + b'", "team": "' + "🜨".encode() + b"x" * (MAX_BYTES - 100) + b'"}',
        b'{"schema": "' + SCHEMA.encode() + b'", "team": "' + b"x" * (MAX_BYTES - 100) + b'\\ud83d\\ude00"}',
    ],
    ids=["numbers", "text", "wide text", "escapes"],
)
def test_the_largest_files_fill_no_memory(data):
    tracemalloc.start()
    refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 160 << 20


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_bytes_that_changed_are_a_manifest_or_a_refusal(data):
    content = bytearray(Manifest("stamps", "t", "m", seed=3, files={"a": DIGEST}).to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        manifest = parse(bytes(content))
    except SubmissionError:
        return
    assert manifest.team.isprintable()


def test_schema_says_what_the_code_does():
    schema = json.loads((Path(__file__).parents[2] / "docs" / "manifest.schema.json").read_text())
    properties = schema["properties"]
    assert set(properties) == {"schema"} | {field.name for field in dataclasses.fields(Manifest)}
    assert set(schema["required"]) == {"schema", *REQUIRED}
    assert properties["schema"] == {"const": SCHEMA}
    assert schema["$defs"]["text"]["maxLength"] == MAX_TEXT
    text = schema["$defs"]["text"]["pattern"]
    assert all(re.search(text, good) for good in ("a", "a b", "Équipe 7"))
    assert not any(re.search(text, bad) for bad in ("", " a", "a ", "a\nb", "\x1b[2J"))
    digest = properties["files"]["additionalProperties"]["pattern"]
    assert re.search(digest, DIGEST)
    assert not re.search(digest, DIGEST.upper())
    written = json.loads(Manifest("stamps", "t", "m").to_bytes())
    assert set(written) == set(properties)
