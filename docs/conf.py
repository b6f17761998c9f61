"""Sphinx configuration: `make docs` builds the site from docs/. It opens from disk, offline."""

from __future__ import annotations

import re
from typing import Any

import recording_core

project = "recording-core"
release = version = recording_core.__version__
copyright = "the authors of recording-core"

repository = "https://github.com/recording-core/recording-core"

extensions = ["myst_parser"]
exclude_patterns = ["*.py"]

myst_heading_anchors = 3
highlight_language = "text"  # of blocks without a language

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


def setup(app: Any) -> None:
    app.connect("source-read", link_to_repository)
