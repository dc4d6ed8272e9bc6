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

    ``BaselineError`` if there is no such preset or file, or if the file is not as it must be.
    """
    source = resources.files(__name__) / f"{preset}.toml" if preset in PRESETS else Path(preset)
    if not source.is_file():
        raise BaselineError(f"no preset {preset!r}: {', '.join(PRESETS)} or a TOML file was expected")
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8")).get(baseline, {})
    except (OSError, ValueError, RecursionError) as error:
        raise BaselineError(f"{preset} cannot be read as TOML: {error}") from error
    if not isinstance(table, dict):
        raise BaselineError(f"{preset}: {baseline} was expected to be a table [{baseline}], got {table!r}")
    return table


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
    if kind in (int, float) and isinstance(value, bool):  # which Python counts among the whole numbers
        return False
    return isinstance(value, int | float if kind is float else kind)
