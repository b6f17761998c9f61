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
from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.account_coverage import seen_accounts
from recording_core.reporting.html.comparisons import Comparisons
from recording_core.reporting.html.headline import Headline
from recording_core.reporting.html.table import Figures

if TYPE_CHECKING:
    import jinja2

    from recording_core.reporting.report import Report

__all__ = ["page", "rendered", "style_sheet"]

#: Controls, marks that turn the direction of a line, and halves of a surrogate pair.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def page(report: Report) -> str:
    """The report as HTML. Raises `ConfigurationError` where the template's engine is missing."""
    seen = seen_accounts(report)
    return rendered(
        "recording_core.reporting.html",
        "page.html.jinja",
        style_sheet(),
        NOT_TOLD=wording.NOT_TOLD,
        seen=seen,
        top=Headline(report, seen),
        drawn=Comparisons(report, seen),
        table=Figures(report),
    )


def style_sheet() -> str:
    """How our pages look."""
    return resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def rendered(package: str, template: str, css: str, *, allowed: str = "", **values: Any) -> str:
    """A package's template as one page that fetches nothing and runs nothing.

    The style alone is allowed, by its hash, and what a policy's directives `allowed` say.
    """
    style = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; {allowed}"
    policy += "base-uri 'none'; form-action 'none'"
    return _template(package, template).render(css=_safe(css), policy=policy, **values)


@functools.cache
def _template(package: str, name: str) -> jinja2.Template:
    try:
        import jinja2
    except ImportError:
        raise ConfigurationError(
            "the page needs jinja2, which is not installed: pip install 'recording-core[report]'"
        ) from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


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
