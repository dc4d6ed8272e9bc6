"""Settings of Sphinx for the site that `make docs` builds: README.md, docs/ and the API reference.

The folder of the sources is the one above, so that links between pages work on a forge and on the site alike.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "astroboard"
project_copyright = "the authors of astroboard, MIT licence"
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md"]
default_role = "code"  # `word` in a docstring is code, as on a page
html_theme = "furo"
html_title = project
html_copy_source = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"  # that of a class with many fields is no help: docstrings explain them
autodoc_default_options = {"exclude-members": "__init__, __new__"}
autodoc_preserve_defaults = True  # no_progress, not <function no_progress>
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Floats")}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False


def add_contents(_app: Sphinx, name: str, source: list[str]) -> None:
    """Append the side bar to the README: the headings of docs/index.md, with the pages below each."""
    if name != root_doc:
        return
    index = Path(__file__).with_name("index.md").read_text(encoding="utf-8")
    source[0] += toctree("Start", ["/README.es.md", "index.md"])
    for heading, *sections in (part.split("\n") for part in index.split("\n## ")[1:]):
        source[0] += toctree(heading, re.findall(r"^\| \[.*?\]\((.*?)\)", "\n".join(sections), re.MULTILINE))


def toctree(caption: str, pages: list[str]) -> str:
    """A hidden table of contents, in the words of MyST; ``pages`` are links as docs/index.md has them."""
    paths = (f"/docs/{page}".replace("/docs/../", "/").replace("/docs//", "/") for page in pages)
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", *paths, "```", ""])


def escape(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Keep |x| and (..., *shape) of docstrings: reStructuredText would take them for markup."""
    code_or_mark = re.compile(r"(`+.*?`+)|(?<!\\)[|*]")
    lines[:] = [code_or_mark.sub(lambda found: found[1] or f"\\{found[0]}", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", escape, priority=100)  # before numpydoc adds marks of its own
