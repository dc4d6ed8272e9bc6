"""Presets: TOML files with a table of settings for each baseline."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from baselines.protocol import BaselineError, must_be

PRESETS = ("smoke", "laptop", "night", "gpu", "paper")

T = TypeVar("T")


def settings(preset: str, baseline: str) -> dict[str, Any]:
    """A baseline's settings in a preset, or in a TOML file of the user's; empty if it has no table there.

    ``like = "unet"`` in a table takes over the settings of that table, but for those that it has itself.
    Raises `BaselineError` if there is no such preset or file, or if the file is faulty.
    """
    source = resources.files(__name__) / f"{preset}.toml" if preset in PRESETS else Path(preset)
    if not source.is_file():
        raise must_be("the preset", f"{', '.join(PRESETS)} or a TOML file", repr(preset))
    try:
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BaselineError(f"{preset} cannot be read as TOML: {error}") from error
    own = _table(tables, baseline, preset) if baseline in tables else {}
    model = own.pop("like", None)
    return own if model is None else _table(tables, model, preset) | own


def _table(tables: dict[str, Any], name: Any, preset: str) -> dict[str, Any]:
    table = tables.get(name) if isinstance(name, str) else None
    if not isinstance(table, dict):
        raise must_be(f"{preset}: [{name}]", "a table", repr(table))
    return dict(table)


def preset_text(baseline: str, chosen: Mapping[str, Any], comment: str) -> str:
    """The text of a preset with one baseline's settings, below a line of comment."""
    rows = [f"{key} = {_toml(value)}" for key, value in chosen.items()]
    name = json.dumps(baseline) if "." in baseline else baseline
    return "\n".join([f"# {comment}", f"[{name}]", *rows, ""])


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)  # TOML writes all other values of settings as JSON does


def make(baseline: type[T], chosen: dict[str, Any]) -> T:
    """The baseline with these settings; `BaselineError` for an unknown one, or a value of another type."""
    parameters = inspect.signature(baseline, eval_str=True).parameters
    for name, value in chosen.items():
        if name not in parameters:
            available = ", ".join(map(str, parameters.values())) or "none"
            raise BaselineError(f"{baseline.__name__} has no setting {name!r}; its settings are: {available}")
        if not _fits(value, parameters[name].annotation):
            kind = str(parameters[name]).partition(": ")[2].partition(" = ")[0]
            raise must_be(f"{baseline.__name__}: {name}", f"of type {kind}", repr(value))
    return baseline(**chosen)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of a TOML file is of the annotated type; whole numbers are floats, too."""
    if get_origin(kind) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(kind))
    if get_origin(kind) is dict:
        name_kind, value_kind = get_args(kind)
        return isinstance(value, dict) and all(
            _fits(key, name_kind) and _fits(entry, value_kind) for key, entry in value.items()
        )
    if kind in (int, float) and isinstance(value, bool):  # a bool is an int to Python
        return False
    return isinstance(value, int | float if kind is float else kind)
