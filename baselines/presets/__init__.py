"""Presets: TOML files with a table of settings for each baseline."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from baselines import PRESETS
from baselines.protocol import BaselineError, must_be

BASE = "laptop"  # of a file that names none

T = TypeVar("T")


def settings(preset: str, baseline: str) -> dict[str, Any]:
    """A baseline's settings in a preset, or in a TOML file of the user's.

    A preset has no table for a baseline without settings. A file of the user's must have one; what that
    leaves out is taken from the preset that the file names as its ``base``, by default ``laptop``.
    Raises `BaselineError` if there is no such preset or file, or if the file is faulty.
    """
    if preset in PRESETS:
        tables = read_tables(resources.files(__name__) / f"{preset}.toml")
        return table_of(tables, baseline, preset) if baseline in tables else {}
    if not Path(preset).is_file():
        nearest = "".join(f"did you mean {name}?" for name in get_close_matches(preset, PRESETS, 1))
        raise must_be("the preset", f"{', '.join(PRESETS)} or a TOML file", repr(preset), nearest)
    tables = read_tables(Path(preset))
    base = tables.pop("base", BASE)
    if base not in PRESETS:
        raise must_be(f"{preset}: base", ", ".join(PRESETS), repr(base))
    for name, value in tables.items():
        if not isinstance(value, dict):
            raise must_be(f"{preset}: {name}", f"in a table, such as [{baseline}]", f"{name} = {value!r}")
    if baseline not in tables:
        present = ", ".join(f"[{name}]" for name in tables) or "none"
        raise must_be(preset, f"a file with the table [{baseline}]", present)
    own = table_of(tables, baseline, preset)
    inherited = settings(base, baseline)
    if "loss" in own:  # the settings of another loss are not its own
        inherited.pop("loss_settings", None)
    return inherited | own


def searched(baseline: str, preset: str, path: Path | None = None) -> dict[str, Any]:
    """The search space of `tune`: for each setting a list of values, or a table with minimum and maximum.

    It is the baseline's table in the file, or in ``search.toml``. Lists are cut to the values up to those in
    the table ``[most]`` of the preset, or in the baseline's own. Raises `BaselineError` if there is no table.
    """
    source = path or resources.files(__name__) / "search.toml"
    tables = read_tables(source)
    table = table_of(tables, baseline, str(source)) if baseline in tables else {}
    own_most = table.pop("most", {})
    flat: dict[str, Any] = {}
    for key, value in table.items():
        entries = isinstance(value, dict) and "min_value" not in value
        flat |= {f"{key}.{entry}": inner for entry, inner in value.items()} if entries else {key: value}
    if not flat:
        expected = f"a file with a table [{baseline}] of the settings to search"
        came = "none" if path else f"none, and {baseline} has no search of its own"
        raise must_be(str(path or "--space"), expected, came, "docs/tuning.md has its format")
    most = _most(tables.get("most", {}), preset, f"{source}: [most]")
    most |= _most(own_most, preset, f"{source}: [{baseline}] most")
    for key in flat.keys() & most.keys():
        try:
            flat[key] = [value for value in flat[key] if value <= most[key]]
        except TypeError as error:
            expected = f"a list of numbers, since [most] has {most[key]}"
            raise must_be(f"{source}: {baseline}.{key}", expected, flat[key]) from error
    return flat


def _most(tables: Any, preset: str, where: str) -> dict[str, Any]:
    """The upper limits of a preset. Raises `BaselineError` for anything but a table of each preset's."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise must_be(where, "a table for each preset, such as laptop = { filters = 64 }", tables)
    if unknown := tables.keys() - set(PRESETS):
        raise must_be(where, f"tables of {', '.join(PRESETS)}", ", ".join(sorted(unknown)))
    return dict(tables.get(preset, {}))


def read_tables(source: Traversable | Path) -> dict[str, Any]:
    """The content of a TOML file. Raises `BaselineError` if it is not valid TOML."""
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BaselineError(f"{source} cannot be read as TOML: {error}") from error


def table_of(tables: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    """A table. ``like = "unet"`` in it takes over the entries of that table that it does not have itself.

    Raises `BaselineError` where there is no such table.
    """
    own = _table(tables, name, source)
    model = own.pop("like", None)
    return own if model is None else _table(tables, model, source) | own


def _table(tables: dict[str, Any], name: Any, source: str) -> dict[str, Any]:
    table = tables.get(name) if isinstance(name, str) else None
    if not isinstance(table, dict):
        raise must_be(f"{source}: [{name}]", "a table", repr(table))
    return dict(table)


def updated(chosen: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some values replaced; ``loss_settings.peaks`` names an entry of a setting.

    Another loss drops the settings of the one that was chosen. Raises `BaselineError` for an entry of a
    setting that is no table.
    """
    merged = dict(chosen)
    if "loss" in values and values["loss"] != chosen.get("loss", values["loss"]):
        merged.pop("loss_settings", None)
    for name, value in values.items():
        key, _, entry = name.partition(".")
        table = merged.get(key) or {}
        if entry and not isinstance(table, dict):
            raise must_be(name, "an entry of a table", f"{key} = {table!r}")
        merged[key] = {**table, entry: value} if entry else value
    return merged


def preset_text(baseline: str, chosen: Mapping[str, Any], comment: str, preset: str) -> str:
    """The text of a file with one baseline's settings, chosen from a preset or file, below a comment."""
    base = preset if preset in PRESETS else read_tables(Path(preset)).get("base", BASE)
    rows = [f"{key} = {_toml(value)}" for key, value in chosen.items()]
    name = json.dumps(baseline) if "." in baseline else baseline
    return "\n".join([f"# {comment}", f"base = {_toml(base)}", f"[{name}]", *rows, ""])


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)  # TOML writes all other values of settings as JSON does


def make(baseline: type[T], chosen: dict[str, Any], called: str = "") -> T:
    """The baseline with these settings; `BaselineError` for an unknown one, or a value of another type.

    Messages call it by the name that the user knows it by, ``called``, or else by that of its class.
    """
    called = called or baseline.__name__
    parameters = inspect.signature(baseline, eval_str=True).parameters
    for name, value in chosen.items():
        if name not in parameters:
            raise BaselineError(f"{called} has no setting {name!r}; its settings are: {_listed(parameters)}")
        if not _fits(value, parameters[name].annotation):
            raise must_be(f"{called}: {name}", _expected(parameters[name].annotation), repr(value))
    return baseline(**chosen)


NAMES = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}


def _expected(kind: Any) -> str:
    """The allowed values of a setting as text: ``one of mse, focal``, ``a number``."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    return "a table of numbers" if get_origin(kind) is dict else NAMES.get(kind, str(kind))


def _listed(parameters: Mapping[str, inspect.Parameter]) -> str:
    """Settings with their defaults."""
    defaults = {name: json.dumps(each.default, default=lambda _: {}) for name, each in parameters.items()}
    return ", ".join(f"{name} = {default}" for name, default in defaults.items()) or "none"


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
