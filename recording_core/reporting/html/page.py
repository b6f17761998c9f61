"""Page: a report as one self-contained HTML page that opens from disk without a network.

The other modules of this package compute the content of its sections, `page.html.jinja` arranges
them, and `page.css` styles them. Text from vendors and users loses signed queries, and the template
escapes it.
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
from recording_core.reporting.html.account_coverage import find_gaps, summarize_accounts
from recording_core.reporting.html.attention import list_attention
from recording_core.reporting.html.charts import build_stacked_chart
from recording_core.reporting.html.comparisons import compare_accounts, list_statuses
from recording_core.reporting.html.headline import build_headline
from recording_core.reporting.html.status_groups import (
    STATUS_GROUPS,
    count_statuses,
    find_status_group,
)
from recording_core.reporting.html.table import MeasureTable
from recording_core.reporting.html.timeline import build_timeline
from recording_core.reporting.number_format import NOT_REPORTED

if TYPE_CHECKING:
    import jinja2

    from recording_core.reporting.report import Report

#: Control characters, marks that change the text direction, and lone surrogates.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def render_page(report: Report) -> str:
    """Render a report as HTML. Raises `ConfigurationError` if jinja2 is not installed."""
    accounts = summarize_accounts(report)
    missing = [each["label"] for each in accounts if each["state"] == "missing"]
    window = report.window
    until = min(window.until or window.now, window.now)
    gaps = find_gaps(report)
    timeline = build_timeline(report.overview, window.since, until, window.zone, gaps)
    groups = {find_status_group(status).name for _, status, _ in count_statuses(report.overview)}
    return render_template(
        "recording_core.reporting.html",
        "page.html.jinja",
        read_style_sheet(),
        NOT_REPORTED=NOT_REPORTED,
        accounts=accounts,
        top=build_headline(report, len(accounts), missing),
        attention=list_attention(report),
        timeline=timeline,
        chart=build_stacked_chart(timeline.steps) if timeline is not None else None,
        status_groups=[each for each in STATUS_GROUPS if each.name in groups],
        comparisons=compare_accounts(report, missing),
        statuses=list_statuses(report),
        table=MeasureTable(report),
    )


def read_style_sheet() -> str:
    """Read the style sheet of our pages."""
    return resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def render_template(
    package: str, template: str, css: str, *, allowed: str = "", **values: Any
) -> str:
    """Render a package's template as one page that fetches nothing and runs nothing.

    The content security policy allows the style sheet, by its hash, and the directives `allowed`.
    """
    style = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; {allowed}"
    policy += "base-uri 'none'; form-action 'none'"
    loaded = _load_template(package, template)
    from markupsafe import Markup

    safe_css = Markup(css)  # noqa: S704  # our own style sheet
    return loaded.render(css=safe_css, policy=policy, **values)


@functools.cache
def _load_template(package: str, name: str) -> jinja2.Template:
    try:
        import jinja2
    except ImportError:
        raise ConfigurationError(
            "The page needs jinja2, which is not installed: pip install 'recording-core[report]'"
        ) from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_sanitize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _sanitize(value: Any) -> Any:
    """Redact and sanitize every value that the template writes, before it is escaped."""
    if value is None:
        return ""
    if hasattr(value, "__html__") or not isinstance(value, str):
        return value
    text = redact_text(value) if "://" in value or "=" in value else value
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
