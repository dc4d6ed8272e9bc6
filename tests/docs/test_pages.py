"""The pages lead where they say, name what there is, and say the same in both languages."""

import re
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path

import click
import pytest

from harness.cli import main
from tests.docs.pages import PAGES, README, ROOT, TRANSLATION, inline, tokens, without_comments

LINKING = sorted(
    {page.relative_to(ROOT).as_posix() for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))}
)
OPTIONS = {
    option
    for command in (main, *main.commands.values())
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in (*parameter.opts, *parameter.secondary_opts)
}


def anchors(page: Path) -> set[str]:
    """What a link to a heading is called, by the rule of the sites that show Markdown."""
    found = tokens(page.relative_to(ROOT).as_posix())
    headings = [inner.content for outer, inner in pairwise(found) if outer.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKING)
def test_links_lead_to_files_and_headings(page):
    for part in inline(page):
        target = part.attrs.get("href") or part.attrs.get("src") or ""
        if not target or re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.resolve().is_relative_to(ROOT)
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file.resolve()), target


@pytest.mark.parametrize("page", [*PAGES, TRANSLATION])
def test_commands_and_options_in_the_text_are_there(page):
    for code in (part.content for part in inline(page) if part.type == "code_inline"):
        if found := re.match(r"astroboard ([a-z]+)", code):
            assert found[1] in main.commands, code
        if code.startswith(("astroboard ", "--")):
            assert set(re.findall(r"(?<!\S)--[a-z-]+", code)) <= OPTIONS, code


def test_the_researchers_table_has_every_baseline():
    named = {part.content for part in inline("docs/researcher.md") if part.type == "code_inline"}
    assert {entry.name for entry in entry_points(group="astroboard.baselines")} <= named


def outline(page: str) -> list[tuple[str, ...]]:
    """All of a page that is the same in every language."""
    rows = []
    for token in tokens(page):
        if token.type in ("fence", "code_block"):
            rows.append((token.info, *without_comments(token.content)))
        elif token.type == "inline":
            parts = token.children
            links = [
                part.attrs.get("href") or part.attrs["src"]
                for part in parts
                if {"href", "src"} & part.attrs.keys()
            ]
            codes = [part.content for part in parts if part.type == "code_inline"]
            rows.append((*sorted(links), *sorted(codes)))
        else:
            rows.append((token.type, token.tag))
    return rows


def test_the_translation_has_the_same_structure_commands_and_links():
    translated = outline(TRANSLATION)
    assert translated.pop(4) == (README,)  # each links to the other below its title
    original = outline(README)
    assert original.pop(4) == (TRANSLATION,)
    assert translated == original
