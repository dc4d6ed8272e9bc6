"""The site of `make docs`: it builds without a warning, and its links lead somewhere."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import astroboard
from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page of the site links to, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 (HTMLParser names it)
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value)
            elif name in ("href", "src"):
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages of the site, by path."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-c", "docs", "-W", "--keep-going", "-q", ".", folder]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return {path: Page(path) for path in folder.rglob("*.html")}


def test_every_link_of_the_site_leads_to_a_file_and_an_anchor_there(site):
    broken = []
    for path, page in site.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = site[target].anchors if target in site else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append((path.name, link))
    assert broken == []


def test_every_page_is_in_the_side_bar(site):
    (home,) = (page for path, page in site.items() if path.name == "README.html")
    pages = [path.relative_to(ROOT) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))]
    assert {path.with_suffix(".html").as_posix() for path in pages} - set(home.links) == {"README.html"}


def test_the_reference_has_every_public_name_and_no_script_comes_from_a_network(site):
    anchors = set.union(*(page.anchors for page in site.values()))
    names = {anchor.rpartition(".")[2] for anchor in anchors}
    assert set(astroboard.__all__) <= names
    assert not [
        link
        for page in site.values()
        for link in page.links
        if link.endswith((".js", ".css")) and "//" in link
    ]
