"""The pages of the project: their blocks of code, their links, and what they mention in passing."""

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
README, TRANSLATION = "README.md", "README.es.md"
PAGES = [README, *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]
"""Those whose examples are run; the translation has the same ones, which test_pages.py sees to."""


def tokens(page: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8"))


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of code; one that names no language is for the shell."""
    found = (token for token in tokens(page) if token.type in ("fence", "code_block"))
    return [(token.info.strip() or "sh", token.content) for token in found]


def without_comments(code: str) -> list[str]:
    """The lines that do something."""
    lines = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in code.splitlines())
    return [line for line in lines if line]


def inline(page: str) -> list[Token]:
    """Links, images and code within the text."""
    return [part for token in tokens(page) for part in token.children or []]
