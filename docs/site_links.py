"""Where does a page's link to a file outside docs/ lead on the site? To the repository."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """MkDocs calls this with each page: `](../README.md)` becomes the repository's address."""
    return _OUTSIDE.sub(rf"]({config.extra['repository']}/blob/main/\1)", markdown)
