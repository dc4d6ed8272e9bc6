"""This project's own code, as much of it as scoring needs, copied into the bundle: there is one scorer."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

OURS = ("baselines", "harness", "metrics", "submissions")


def copy_code(modules: list[str], folder: Path) -> None:
    """Copy these modules into a folder, with all of this project that they import, at whatever depth."""
    found: dict[str, Path] = {}
    while modules:
        name = modules.pop()
        if name.partition(".")[0] not in OURS or name in found or not (source := _source(name)):
            continue
        found[name] = source
        modules += [name.rpartition(".")[0], *_imports(source)]
        path = folder.joinpath(*name.split("."))
        path = path / source.name if source.name == "__init__.py" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


def _source(name: str) -> Path | None:
    """The file of a module; None for what is no module, such as a function that is imported from one."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _imports(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
