"""How is a report handed on? As one self-contained page that opens from disk without a network.

The modules beside this one say what its sections hold, `page.html.jinja` where they stand, and
`page.css` how they look. Whatever a vendor or a user named loses signed queries, and is escaped by
the template.
"""

from __future__ import annotations

import functools
import re
from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Any

from recording_core.errors import ConfigurationError
from recording_core.redaction import redact_text
from recording_core.reporting import wording
from recording_core.reporting.page_comparisons import Comparisons
from recording_core.reporting.page_coverage import seen_accounts
from recording_core.reporting.page_headline import Headline
from recording_core.reporting.page_table import Figures

if TYPE_CHECKING:
    import jinja2

    from recording_core.reporting.report import Report

__all__ = ["page"]

#: Controls, marks that turn the direction of a line, and halves of a surrogate pair.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def page(report: Report) -> str:
    """The report as HTML. Raises `ConfigurationError` where the template's engine is missing."""
    css = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    style = b64encode(sha256(css.encode()).digest()).decode()
    seen = seen_accounts(report)
    return _template().render(
        css=_safe(css),
        # The style alone is allowed, by its hash: nothing else does or fetches anything.
        policy=f"default-src 'none'; style-src 'sha256-{style}'; "
        "base-uri 'none'; form-action 'none'",
        NOT_TOLD=wording.NOT_TOLD,
        seen=seen,
        top=Headline(report, seen),
        drawn=Comparisons(report, seen),
        table=Figures(report),
    )


@functools.cache
def _template() -> jinja2.Template:
    try:
        import jinja2
    except ImportError:
        raise ConfigurationError(
            "the page needs jinja2, which is not installed: pip install 'recording-core[report]'"
        ) from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recording_core.reporting", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")


def _shown(value: Any) -> Any:
    """Everything that the template writes goes through here, before it is escaped."""
    if value is None:
        return ""
    if hasattr(value, "__html__") or not isinstance(value, str):
        return value
    text = redact_text(value) if "://" in value or "=" in value else value
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  # our own style sheet
