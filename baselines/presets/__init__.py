"""Settings of the baselines for three occasions, one TOML file each with a table a baseline."""

from __future__ import annotations

import inspect
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from baselines.protocol import BaselineError

PRESETS = ("smoke", "laptop", "paper")

T = TypeVar("T")


def settings(preset: str, baseline: str) -> dict[str, Any]:
    """A baseline's settings in a preset, or in a TOML file of the user's; none if it has no table there.

    ``like = "unet"`` in a table stands for the settings of that one, but for those that follow.
    ``BaselineError`` if there is no such preset or file, or if the file is not as it must be.
    """
    source = resources.files(__name__) / f"{preset}.toml" if preset in PRESETS else Path(preset)
    if not source.is_file():
        raise BaselineError(f"no preset {preset!r}: {', '.join(PRESETS)} or a TOML file was expected")
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
        raise BaselineError(f"{preset}: a table [{name}] was expected, got {table!r}")
    return dict(table)


def make(baseline: type[T], chosen: dict[str, Any]) -> T:
    """The baseline with these settings; ``BaselineError`` for one that it has not, or of another type."""
    known = inspect.signature(baseline, eval_str=True).parameters
    for name, value in chosen.items():
        if name not in known:
            there_are = ", ".join(map(str, known.values())) or "none"
            raise BaselineError(f"{baseline.__name__} has no setting {name!r}; its settings are: {there_are}")
        if not _fits(value, known[name].annotation):
            raise BaselineError(f"{baseline.__name__}: {known[name]} was expected, got {name} = {value!r}")
    return baseline(**chosen)


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(kind))
    if get_origin(kind) is dict:
        name_kind, value_kind = get_args(kind)
        return isinstance(value, dict) and all(
            _fits(name, name_kind) and _fits(each, value_kind) for name, each in value.items()
        )
    if kind in (int, float) and isinstance(value, bool):  # which Python counts among the whole numbers
        return False
    return isinstance(value, int | float if kind is float else kind)
