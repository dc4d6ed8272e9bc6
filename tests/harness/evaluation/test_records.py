from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from harness.evaluation.records import Record
from harness.files import HarnessError


@dataclass(frozen=True)
class Inner(Record):
    value: float
    low: float | None


@dataclass(frozen=True)
class Outer(Record):
    SCHEMA = "test/1"

    name: str
    count: int
    right: bool
    kind: Literal["a", "b"] | None
    inner: tuple[Inner, ...]
    by_key: Mapping[str, Inner]
    note: str = ""


OUTER = Outer("x", 1, True, "a", (Inner(0.5, None),), {"k": Inner(1, 0.25)}, "y")
JSON = {
    "schema": "test/1", "name": "x", "count": 1, "right": True, "kind": "a",
    "inner": [{"value": 0.5, "low": None}], "by_key": {"k": {"value": 1, "low": 0.25}}, "note": "y",
}  # fmt: skip


def test_there_and_back():
    assert OUTER.to_json() == JSON
    assert list(OUTER.to_json()) == list(JSON)
    assert Outer.from_json(JSON, "file") == OUTER
    assert Outer.from_json({key: JSON[key] for key in JSON if key != "note"}, "file").note == ""
    assert Outer.from_json(JSON | {"kind": None, "later": 1}, "file").kind is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "test/2"}, r"schema must be 'test/1', got 'test/2'"),
        ({"name": None}, "name must be a text, got None"),
        ({"count": True}, "count must be an integer, got True"),
        ({"right": 1}, "right must be true or false, got 1"),
        ({"kind": "c"}, "kind must be one of 'a', 'b', got 'c'"),
        ({"inner": {}}, r"inner must be a list, got \{\}"),
        (
            {"inner": [{"value": float("nan"), "low": 1}]},
            r"inner\[0\].value must be a finite number",
        ),
        ({"by_key": {"k": {"value": 1}}}, r"by_key.k must have a field 'low', got \['value'\]"),
        ({"by_key": []}, r"by_key must be an object, got \[\]"),
    ],
)
def test_a_value_of_another_type_is_named(change, message):
    with pytest.raises(HarnessError, match=f"file: {message}"):
        Outer.from_json(JSON | change, "file")


def test_what_is_no_object():
    with pytest.raises(HarnessError, match=r"file: the whole must be an object, got \[\]"):
        Outer.from_json([], "file")
