"""Sphinx configuration: `make docs` builds the site from docs/. It opens from disk, offline."""

from __future__ import annotations

import re
from typing import Any

import recording_core

project = "recording-core"
release = version = recording_core.__version__
copyright = "the authors of recording-core"

repository = "https://github.com/recording-core/recording-core"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["*.py"]
nitpicky = False  # annotations name types of the standard library, which has no page here

myst_heading_anchors = 3
highlight_language = "text"  # of blocks without a language

# Docstrings use Markdown's single backticks, and sections (`Args:`, `Attributes:`, `Raises:`).
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# A list with the label "Attributes"; the default would be "Variables", or one entry per attribute.
napoleon_custom_sections = [("Attributes", "params_style")]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"

smartquotes_action = "D"  # dashes only: a docstring may quote a string outside backticks

html_theme = "furo"
html_title = "recording-core"
html_static_path = ["assets"]
html_favicon = "assets/favicon.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "source_repository": repository,
    "source_branch": "main",
    "source_directory": "docs/",
}

_OUTSIDE = re.compile(r"\]\(\.\./([^)\s]+)\)")


def link_to_repository(app: Any, page: str, source: list[str]) -> None:
    """Replace a link to a file outside docs/ by its address in the repository."""
    source[0] = _OUTSIDE.sub(rf"]({repository}/blob/main/\1)", source[0])


#: Types and defaults that have no public name -> what the documentation shows.
_PRIVATE_NAMES = {
    r" = NOTHING\b": " = {}",  # attrs: built by a factory, which is `dict` everywhere
    r"~[\w.]+\._VendorRate \| None = _VendorRate\.VENDOR": "None = ...",
}


def simplify_signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str | None, Any]:
    """Replace types and defaults that have no public name."""
    for private, shown in _PRIVATE_NAMES.items():
        signature = re.sub(private, shown, signature) if signature else signature
    return signature, returns


def protect_colons(
    app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Add an empty comment, so that napoleon reads no type before a colon in the first line."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def setup(app: Any) -> None:
    app.connect("source-read", link_to_repository)
    app.connect("autodoc-process-signature", simplify_signature)
    app.connect("autodoc-process-docstring", protect_colons, priority=400)  # before napoleon
