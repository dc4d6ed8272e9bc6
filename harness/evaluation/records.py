"""Results as frozen dataclasses that are written as JSON and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from harness.files import HarnessError

JSON_NAMES = {dict: "an object", list: "a list", str: "a text", int: "an integer", float: "a finite number",
              bool: "true or false"}  # fmt: skip


class Record:
    """A result: a base class of frozen dataclasses. The fields are the keys of the JSON, in their order.

    A record that is a file of its own names its format in ``SCHEMA``, the first value of its JSON.
    """

    SCHEMA: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """The record as dictionaries, lists, texts and numbers."""
        return ({"schema": self.SCHEMA} if self.SCHEMA else {}) | _fields_to_json(self)

    @classmethod
    def from_json(cls, value: Any, name: str) -> Self:
        """The record of which `to_json` made this value; ``name`` is that of the file, for messages.

        Unknown fields are ignored. Raises HarnessError where a field is missing or of another type.
        """
        try:
            record: Self = _dataclass_from_json(cls, value, "")
        except ValueError as error:
            raise HarnessError(f"{name}: {error}") from error
        return record


def _fields_to_json(value: Any) -> dict[str, Any]:
    return {field.name: _to_json(getattr(value, field.name)) for field in fields(value)}


def _to_json(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if is_dataclass(value):
        return _fields_to_json(value)
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _from_json(kind: Any, value: Any, path: str) -> Any:
    """The value of the field at ``path``, which is of this type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # T | None
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return None if value is None else _from_json(inner, value, path)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{path} must be one of {', '.join(map(repr, arguments))}, got {value!r:.50}")
        return value
    if origin is tuple:  # tuple[T, ...]
        items = enumerate(_checked(list, value, path))
        return tuple(_from_json(arguments[0], item, f"{path}[{index}]") for index, item in items)
    if origin is Mapping:
        items = _checked(dict, value, path).items()
        return {key: _from_json(arguments[1], item, f"{path}.{key}") for key, item in items}
    return (_dataclass_from_json if is_dataclass(kind) else _checked)(kind, value, path)


def _dataclass_from_json(kind: Any, value: Any, path: str) -> Any:
    found, hints = dict(_checked(dict, value, path or "the whole")), get_type_hints(kind)
    if (schema := getattr(kind, "SCHEMA", "")) and found.pop("schema", None) != schema:
        raise ValueError(f"schema must be {schema!r}, got {value.get('schema')!r:.50}")
    for field in fields(kind):
        if field.default is MISSING and field.name not in found:
            raise ValueError(
                f"{path or 'the whole'} must have a field {field.name!r}, got {sorted(found)!r:.200}"
            )
    names = [field.name for field in fields(kind) if field.name in found]
    return kind(
        **{name: _from_json(hints[name], found[name], f"{path}.{name}".lstrip(".")) for name in names}
    )


def _checked(kind: type, value: Any, path: str) -> Any:
    accepted = (int, float) if kind is float else (kind,)
    if type(value) not in accepted or (kind is float and not isfinite(value)):
        raise ValueError(f"{path} must be {JSON_NAMES[kind]}, got {value!r:.50}")
    return value
