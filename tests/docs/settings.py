"""Write docs/settings.md, the settings of all baselines: ``python -m tests.docs.settings``."""

import inspect
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from baselines import presets
from harness.runs.registry import all_baselines

PAGE = Path(__file__).parents[2] / "docs/settings.md"
HEAD = """# Settings of the baselines

Set these in a TOML file (`--preset mine.toml`), or individually with `--set NAME=VALUE`.
[training.md](training.md) explains them. Most defaults are values of the reports, and the preset `paper` has
all of them. `laptop` is the preset that `astroboard train` uses unless you name another; – stands for the
default. This page is written from the code by `python -m tests.docs.settings`.
"""
COLUMNS = "| setting | values | default | `laptop` |\n|---|---|---|---|"
LIKE = ("unet", "cnn")  # whose settings most others share


def page() -> str:
    """The page, with a section for each baseline that has settings."""
    kinds = {name: kind for name, kind in all_baselines(lambda _: None).items() if rows(name, kind)}
    own = {name: kind for name, kind in kinds.items() if kind.__module__.startswith("baselines.")}
    order = sorted(own, key=lambda name: (own[name].track, name not in LIKE, name))
    return "\n".join([HEAD, *(section(name, own) for name in order)])


def section(name: str, kinds: dict[str, Any]) -> str:
    """A baseline's settings; of one that has all those of another only those that differ."""
    found, head = rows(name, kinds[name]), f"## {name}\n\n{kinds[name].summary}.\n"
    for like in LIKE:
        shared = rows(like, kinds[like])
        if name != like and shared.keys() <= found.keys():
            more = [row for setting, row in found.items() if shared.get(setting) != row]
            same = f"The settings of [{like}](#{like})"
            return "\n".join(
                [head, *([f"{same}, except for these:\n", COLUMNS, *more] if more else [f"{same}."]), ""]
            )
    return "\n".join([head, COLUMNS, *found.values(), ""])


def rows(name: str, kind: Any) -> dict[str, str]:
    """A row for each setting of a baseline."""
    laptop = presets.settings("laptop", name)
    return {
        each.name: f"| `{each.name}` | {described(each.annotation)} | {shown(default(each))} | "
        f"{shown(laptop[each.name]) if each.name in laptop else '–'} |"
        for each in inspect.signature(kind, eval_str=True).parameters.values()
    }


def default(parameter: inspect.Parameter) -> Any:
    """A default, also one that is made anew for each object."""
    value = parameter.default
    return {} if "factory" in repr(value) else value


def described(kind: Any) -> str:
    """A type in words."""
    if get_origin(kind) is Literal:
        return ", ".join(map(shown, get_args(kind)))
    names = {int: "whole number", float: "number", bool: "true, false", str: "text", dict: "table"}
    return names.get(get_origin(kind) or kind, "list")


def shown(value: Any) -> str:
    """A value as TOML writes it."""
    return f"`{json.dumps(value)}`" if value is not None else "none"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
