"""What is kept of outputs, as text, and how two such texts are compared."""

import difflib
import hashlib
import json
import math
import re
import zipfile
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

WORDING = {"alt", "aria-label", "content", "data-name", "title"}
"""Attributes of HTML that are for people to read."""
PICTURE = {"height", "width"}
CELLS = {"bdi", "td"}
"""Elements whose text comes from data, but for those in a list of reasons."""
VOID = {"br", "hr", "img", "input", "link", "meta"}
DIFFERS = {"folder", "hardware", "meaning", "seconds", "summary", "title"}
"""Keys of JSON whose values differ between runs or machines, or are for people to read."""
SENTENCES = {"message", "notes", "reason", "refused"}
"""Keys of JSON with sentences, or lists of them, of which only the numbers are kept."""
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.]*\w)")
FLOAT = re.compile(r"[.eE]")
VERSION = version("astroboard")
LINE = 120
RELATIVE, ABSOLUTE = 1e-9, 1e-15


def without_machine(value: Any) -> Any:
    """A value of JSON with placeholders for what differs between machines, and floats of 12 digits."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, list):
        return [without_machine(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _placeholder(key, one) for key, one in value.items()}


def _placeholder(key: str, value: Any) -> Any:
    if key == "versions" and isinstance(value, dict):
        return dict.fromkeys(value, "<version>")
    if key in DIFFERS and not isinstance(value, dict):
        return f"<{key}>"
    if key in SENTENCES:
        return [_numbers(one) for one in value] if isinstance(value, list) else _numbers(value)
    return without_machine(value)


def _numbers(text: str) -> str:
    """The words of a sentence that hold a digit, but for the version."""
    words = [word.strip(".,;:()[]") for word in text.split()]
    return " ".join(word for word in words if re.search(r"\d", word) and word != VERSION)


def json_lines(value: Any) -> str:
    """JSON, its keys in the order in which they came; what fits on a line is on one."""
    return _indented(without_machine(value), "") + "\n"


def _indented(value: Any, indent: str) -> str:
    """JSON of a value that may begin anywhere on a line."""
    whole = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(whole) <= LINE:
        return whole
    inner = indent + " "
    keys = [f"{json.dumps(key, ensure_ascii=False)}: " for key in value] if isinstance(value, dict) else None
    values = value.values() if isinstance(value, dict) else value
    parts = [_indented(one, inner) for one in values]
    if keys is not None:
        parts = [key + part for key, part in zip(keys, parts, strict=True)]
    first, last = "{}" if keys is not None else "[]"
    return f"{first}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{last}"


class _Skeleton(HTMLParser):
    """A line for each start tag and its attributes; then the text of a cell, or the numbers of other text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.open: list[str] = []
        self.hidden = 0  # how many of the open elements there were when one began that is not shown

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.hidden:
            left_out = WORDING | (PICTURE if tag == "img" else set())
            kept = [f'{name}="{_short(value or "")}"' for name, value in attrs if name not in left_out]
            self.lines.append(" ".join([tag, *kept]))
        if tag not in VOID:
            self.open.append(tag)
            decoration = tag == "svg" and ("class", "sky") in attrs
            if not self.hidden and (tag in ("script", "style") or decoration):
                self.hidden = len(self.open)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self.open and self.open.pop() != tag:
            pass
        if len(self.open) < self.hidden:
            self.hidden = 0

    def handle_data(self, data: str) -> None:
        if self.hidden or not data.strip():
            return
        if CELLS.intersection(self.open) and "li" not in self.open:
            self.lines.append("  | " + " ".join(data.split()))
        elif numbers := _numbers(data):
            self.lines.append("  # " + numbers)


def _short(value: str) -> str:
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,<picture>", value)


def html_skeleton(text: str) -> str:
    """Tags, attributes, the text of cells and the numbers of other text; without sentences and pictures."""
    parser = _Skeleton()
    parser.feed(text)
    parser.close()
    return "\n".join(parser.lines) + "\n"


def zip_listing(path: Path) -> str:
    """Name, size, compression, permissions, date and SHA-256 of the content of each file in a zip."""
    lines = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            data = archive.read(info)
            if info.filename == "manifest.json":
                shown = json_lines(json.loads(data)).rstrip()
            else:
                shown = hashlib.sha256(data).hexdigest()
            date = "-".join(map(str, info.date_time))
            lines.append(f"{info.filename} {info.compress_type} {info.external_attr:o} {date} {shown}")
    return "\n".join(lines) + "\n"


def array_listing(path: Path) -> str:
    """The arrays of an npz file: name, type, shape, first, last and sum; texts stand as bytes."""
    lines = []
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            values = arrays[name]
            ends = [_text(row) if values.dtype == np.uint8 else str(row.item()) for row in values[[0, -1]]]
            lines.append(f"{name} {values.dtype} {values.shape} {ends[0]} {ends[1]} {values.sum().item()}")
    return "\n".join(lines) + "\n"


def _text(row: np.ndarray) -> str:
    return bytes(row).rstrip(b"\0").decode("ascii")


def difference(found: str, stored: str) -> list[str]:
    """The lines in which two texts differ, as a unified diff; empty where they agree.

    Numbers with a decimal point or an exponent agree to a relative 1e-9; all else must be equal.
    """
    lines, expected = found.splitlines(), stored.splitlines()
    if len(lines) == len(expected):
        pairs = zip(lines, expected, strict=True)
        lines = [theirs if _agree(ours, theirs) else ours for ours, theirs in pairs]
    return list(difflib.unified_diff(expected, lines, "stored", "found", lineterm="", n=1))


def _agree(first: str, second: str) -> bool:
    if first == second:
        return True
    numbers = NUMBER.findall(first), NUMBER.findall(second)
    return (
        NUMBER.split(first) == NUMBER.split(second)
        and len(numbers[0]) == len(numbers[1])
        and all(map(_equal, *numbers))
    )


def _equal(first: str, second: str) -> bool:
    if not (FLOAT.search(first) and FLOAT.search(second)):
        return first == second
    return math.isclose(float(first), float(second), rel_tol=RELATIVE, abs_tol=ABSOLUTE)
