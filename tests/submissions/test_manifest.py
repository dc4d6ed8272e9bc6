import dataclasses
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from submissions import Code, Manifest, SubmissionError
from submissions.limits import MAX_LINK, MAX_TEXT
from submissions.limits import MAX_MANIFEST_BYTES as MAX_BYTES
from submissions.manifest import REQUIRED, SCHEMA, parse
from submissions.report import TEXT

GOOD = {"schema": SCHEMA, "track": "stamps", "team": "Équipe 7", "method": "cnn"}
DIGEST = "0123456789abcdef" * 4
LINE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100)
ODD_TEXT = st.text(
    st.sampled_from("a \n\t\r\0\x7f\x85\xa0é\u2028\u202e\u200b\ufeff\U000e0041\U0001f600"), max_size=3
)


def refusal(values) -> str:
    with pytest.raises(SubmissionError) as caught:
        parse(values if isinstance(values, bytes) else json.dumps(values).encode())
    assert caught.value.code == Code.BAD_MANIFEST
    return str(caught.value)


@pytest.mark.slow
@given(
    st.builds(
        Manifest,
        track=LINE,
        team=LINE,
        method=LINE,
        dataset_fingerprint=st.none() | LINE,
        seed=st.none() | st.integers(0, 2**63 - 1),
        versions=st.dictionaries(LINE, LINE, max_size=5),
        hardware=st.lists(LINE, max_size=3),
        seconds=st.none() | st.floats(0, 1e11),
        files=st.dictionaries(st.text(max_size=30), st.just(DIGEST), max_size=5),
        link=st.none() | st.just("https://example.org:8080/a?b=c"),
        training_data=st.none() | LINE,
        parameters=st.none() | st.integers(0, 2**63 - 1),
        training_seconds=st.none() | st.floats(0, 1e11),
    )
)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_what_is_read(manifest):
    assert parse(manifest.to_bytes()) == manifest
    assert parse(manifest.to_bytes()).to_bytes() == manifest.to_bytes()


def test_only_track_team_and_method_are_needed():
    assert parse(json.dumps(GOOD).encode()) == Manifest("stamps", "Équipe 7", "cnn")
    assert parse(json.dumps(GOOD | {"notes": [1, 2]}).encode()) == Manifest("stamps", "Équipe 7", "cnn")


def test_hardware_of_older_manifests_is_a_text_or_null():
    assert parse(json.dumps(GOOD | {"hardware": "2 cores"}).encode()).hardware == ["2 cores"]
    assert parse(json.dumps(GOOD | {"hardware": None}).encode()).hardware == []


def test_facts_are_optional_and_leave_no_trace_where_there_are_none():
    facts = {
        "link": "https://arxiv.org/abs/2401.00001?v=1#page-2",
        "training_data": "782430db", "parameters": 588_000,
        "training_seconds": 61.5,
    }  # fmt: skip
    known = parse(json.dumps(GOOD | facts).encode())
    assert {name: getattr(known, name) for name in facts} == facts
    assert parse(known.to_bytes()) == known
    assert not set(facts) & set(json.loads(Manifest("stamps", "us", "cnn").to_bytes()))
    longest = "https://example.org/" + 280 * "x"
    assert parse(json.dumps(GOOD | {"link": longest}).encode()).link == longest


@pytest.mark.parametrize(
    "values",
    [{"seed": 0}, {"seed": 2**63 - 1}, {"seed": 7.0}, {"seconds": 0}, {"seconds": 999999999999.9},
     {"hardware": ["x" * 100] * 64}, {"parameters": 0}, {"team": "x" * 100}, {"training_seconds": 0.0},
     {"link": "https://a"}, {"link": "https://a:12345/"}],
    ids=str,
)  # fmt: skip
def test_right_value(values):
    (name, value), found = *values.items(), parse(json.dumps(GOOD | values).encode())
    assert getattr(found, name) == value


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ([], f'an object with "schema": "{SCHEMA}"'),
        (GOOD | {"seed": -1}, "2^63 - 1, got -1"),
        (GOOD | {"seed": [1]}, "2^63 - 1, got list"),
        (GOOD | {"link": "http://a"}, "characters, got http://a"),
    ],
)
def test_what_came_is_named_by_its_value_or_its_type(values, end):
    assert refusal(values).endswith(end)


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
        {"seconds": 1e12},
        {"seed": 2**63},
        {"link": "https://a:123456/"},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 10**4000},
        {"notes": float("inf")},
        {"versions": []},
        {"versions": {"numpy": 2}},
        {"versions": {"num\npy": "2"}},
        {"hardware": {"cpu": "x"}},
        {"hardware": ["x" * 101]},
        {"hardware": ["x"] * 65},
        {"hardware": [7]},
        {"hardware": 7},
        {"dataset_fingerprint": 7},
        {"link": "http://example.org"},
        {"link": "javascript:alert(1)"},
        {"link": "https://"},
        {"link": "https://example.org/a b"},
        {"link": 'https://example.org/"><script>'},
        {"link": "https://user:word@example.org"},
        {"link": "https://example.org/\u202e"},
        {"link": "https://example.org\n"},
        {"link": "https://example.org/" + 281 * "x"},
        {"link": 7},
        {"training_data": "a\nb"},
        {"parameters": -1},
        {"parameters": 1.5},
        {"parameters": "many"},
        {"training_seconds": -1},
        {"training_seconds": float("inf")},
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


@pytest.mark.parametrize(
    ("notes", "count", "limit", "what"),
    [
        (lambda n: "[" + ",".join("1" * (n - 3)) + "]", 210_000, 210_000, "values"),  # others have 4 commas
        (lambda n: "[" + ",".join(["[]"] * (n - 2)) + "]", 64, 64, "objects and lists"),
        (lambda _: '"é"', 1 << 20, 1_048_576, "bytes"),
    ],
    ids=["values", "containers", "wide"],
)
def test_as_many_values_as_are_allowed(notes, count, limit, what):
    def data(count):
        text = json.dumps(GOOD | {"team": "us"}, ensure_ascii=False)[:-1] + f', "notes": {notes(count)}' + "}"
        return text.encode().ljust(count if what == "bytes" else 0)

    assert parse(data(count)).team == "us"
    assert f"at most {limit:,} {what}" in refusal(data(count + 1))


@pytest.mark.slow
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


SCHEMA_FILE = json.loads((Path(__file__).parents[2] / "docs" / "manifest.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA_FILE)


def test_schema_has_the_fields_and_the_limits_of_the_code():
    Draft202012Validator.check_schema(SCHEMA_FILE)
    properties = SCHEMA_FILE["properties"]
    assert set(properties) == {"schema"} | {field.name for field in dataclasses.fields(Manifest)}
    assert set(SCHEMA_FILE["required"]) == {"schema", *REQUIRED}
    assert properties["schema"] == {"const": SCHEMA}
    text = SCHEMA_FILE["$defs"]["text"]
    assert (text["maxLength"], text["pattern"]) == (MAX_TEXT, TEXT)
    assert properties["link"]["maxLength"] == MAX_LINK


def valid(data: bytes) -> bool:
    try:
        parse(data)
    except SubmissionError:
        return False
    return True


ANY_TEXT = st.text(max_size=5) | st.text(st.characters(codec=None), min_size=99, max_size=101) | ODD_TEXT
NUMBERS = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([2**63 - 1, 2**63, 1e12, 7.0, -0.0, True])
)
TEXTS = st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2)
DIGESTS = st.dictionaries(
    ANY_TEXT, st.sampled_from([DIGEST, DIGEST.upper(), DIGEST + "\n", DIGEST[1:], 7]), max_size=2
)
VALUES = st.none() | ANY_TEXT | NUMBERS | TEXTS | DIGESTS | st.lists(NUMBERS, max_size=2)
LINKS = [
    "https://a.b/c?d#e",
    "https://a/" + "x" * 290,
    "https://a/" + "x" * 291,
    "https://a.b\n",
    "https://a:b",
    "ftp://a",
]
FIELDS = {
    "schema": st.sampled_from([SCHEMA, "astroboard-submission/2", None]),
    "track": ANY_TEXT,
    "team": ANY_TEXT,
    "method": VALUES,
    "dataset_fingerprint": st.none() | ANY_TEXT,
    "seed": NUMBERS,
    "versions": TEXTS | VALUES,
    "hardware": VALUES | st.lists(ANY_TEXT, max_size=2),
    "seconds": NUMBERS | VALUES,
    "link": st.sampled_from(LINKS) | VALUES,
    "training_data": st.none() | ANY_TEXT,
    "parameters": NUMBERS,
    "training_seconds": NUMBERS | VALUES,
    "files": DIGESTS | VALUES,
    "notes": VALUES,
}
CHANGES = st.fixed_dictionaries({}, optional=FIELDS)


@pytest.mark.slow
@given(CHANGES, st.sets(st.sampled_from(sorted(GOOD)), max_size=1))
@settings(max_examples=300, deadline=None)
def test_schema_and_reader_agree(changes, left_out):
    data = json.dumps({key: value for key, value in (GOOD | changes).items() if key not in left_out}).encode()
    assert valid(data) == VALIDATOR.is_valid(json.loads(data))


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
@given(st.data())
@settings(max_examples=50, deadline=None)
def test_schema_and_reader_agree_on_one_value(name, data):
    text = json.dumps(GOOD | {name: data.draw(FIELDS[name])}).encode()
    assert valid(text) == VALIDATOR.is_valid(json.loads(text))


def test_what_is_written_follows_the_schema():
    manifest = Manifest(
        "stamps", "Équipe 7", "m", "f", 7, {"numpy": "2"}, ["2 cores"], 1.5, {"a.npy": DIGEST}
    )
    for written in (manifest, Manifest("stamps", "t", "m")):
        VALIDATOR.validate(json.loads(written.to_bytes()))
