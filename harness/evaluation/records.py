"""Results as frozen dataclasses that are written as JSON and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from math import isfinite
from types import NoneType
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from harness.files import HarnessError

JSON_NAMES = {dict: "an object", list: "a list", str: "a text", int: "an integer", float: "a finite number",
              bool: "true or false"}  # fmt: skip


class Record:
    """A result: a base class of frozen dataclasses. The fields are the keys of the JSON, in their order.

    A record that is a file of its own names its format in ``SCHEMA``, the first value of its JSON. A field
    that has its default is left out.
    """

    SCHEMA: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """The record as dictionaries, lists, texts and numbers."""
        given = {
            field.name: getattr(self, field.name)
            for field in fields(self)  # type: ignore[arg-type]
            if field.default is MISSING or getattr(self, field.name) != field.default
        }
        return ({"schema": self.SCHEMA} if self.SCHEMA else {}) | dict(_to_json(given))

    @classmethod
    def from_json(cls, value: Any, name: str) -> Self:
        """The record of which `to_json` made this value; ``name`` is that of the file, for messages.

        Unknown fields are ignored. Raises HarnessError where a field is missing or of another type.
        """
        try:
            record: Self = _from_json(cls, value, "")
        except ValueError as error:
            raise HarnessError(f"{name}: {error}") from error
        return record


def _to_json(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if is_dataclass(value) or isinstance(value, Mapping):
        items = value if isinstance(value, Mapping) else vars(value)
        return {key: _to_json(item) for key, item in items.items()}
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _from_json(kind: Any, value: Any, path: str) -> Any:
    """The value at ``path``, of the type ``kind``. The path of the whole record is empty."""
    if NoneType in get_args(kind):  # T | None
        if value is None:
            return None
        (kind,) = (argument for argument in get_args(kind) if argument is not NoneType)
    origin, arguments, name = get_origin(kind), get_args(kind), path or "the whole"
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, arguments))}, got {value!r:.50}")
        return value
    expected = dict if is_dataclass(kind) else {tuple: list, Mapping: dict}.get(origin, kind)
    if type(value) not in ((int, float) if kind is float else (expected,)) or (
        kind is float and not isfinite(value)
    ):
        raise ValueError(f"{name} must be {JSON_NAMES[expected]}, got {value!r:.50}")
    if origin is tuple:  # tuple[T, ...]
        return tuple(_from_json(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin is Mapping:
        return {key: _from_json(arguments[1], item, f"{path}.{key}") for key, item in value.items()}
    if expected is not dict:
        return value
    schema, hints, found = getattr(kind, "SCHEMA", ""), get_type_hints(kind), {}
    if schema and value.get("schema") != schema:
        raise ValueError(f"schema must be {schema!r}, got {value.get('schema')!r:.50}")
    for field in fields(kind):
        if field.name in value:
            found[field.name] = _from_json(
                hints[field.name], value[field.name], f"{path}.{field.name}".lstrip(".")
            )
        elif field.default is MISSING:
            raise ValueError(f"{name} must have a field {field.name!r}, got {sorted(value)!r:.200}")
    return kind(**found)
