import json

import pytest

from submissions.strict_json import loads


def test_long_integers():
    assert loads(b"9" * 300) == 10**300 - 1


def test_plain_json_is_read_as_json_reads_it():
    value = {"a": [1, 2.5, "é", None, True], "b": {"c": -1e300}}
    assert loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding):
    with pytest.raises(ValueError, match=r"decode|Expecting"):
        loads('{"é": 1}'.encode(encoding))


def test_a_byte_order_mark_does_not_count():
    assert loads('{"é": 1}'.encode("utf-8-sig")) == {"é": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ("[NaN]", "no number"),
        ("[-Infinity]", "no number"),
        ("[1e999]", "no number"),
        ("9" * 301, "301 digits"),
        ("[" * 100_000, "nests too deeply"),
        ("{", "Expecting"),
    ],
)
def test_what_programs_read_differently_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        loads(text.encode())
