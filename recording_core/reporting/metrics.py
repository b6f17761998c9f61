"""Metrics: a report as Prometheus text, for the textfile collector of node_exporter.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recording_core.reporting.collect.folder import read_file, write_file

if TYPE_CHECKING:
    from recording_core.reporting.collect.collector import AccountCoverage
    from recording_core.reporting.report import Report

_LAST_SUCCESS = "recordings_last_success_timestamp_seconds"
#: Account -> its value, for each metric that a report without figures also has.
_OF_COVERAGE: Mapping[str, tuple[str, Callable[[AccountCoverage], float]]] = {
    "recordings_complete": (
        "Whether everything that the vendor can list was listed.",
        lambda each: each.coverage.complete,
    ),
    "recordings_listed": (
        "The recordings that the vendor listed.",
        lambda each: each.coverage.seen,
    ),
    "recordings_unread_fields": (
        "The vendor's fields of which a value could not be read.",
        lambda each: len(each.coverage.unread_fields),
    ),
    "recordings_unreadable": (
        "The rows without a readable id, which are left out.",
        lambda each: len(each.coverage.unreadable),
    ),
    "recordings_not_listable": (
        "What the vendor's API cannot list at all.",
        lambda each: len(each.coverage.not_listable),
    ),
}
#: Metric -> (help, measure). Left out for an account without figures, and if a value is unknown.
_OF_MEASURES = {
    "recordings_unknown": ("The recordings whose status is not supported yet.", "unknown"),
    "recordings_unknown_words": ("The vendor's words for such statuses.", "unknown_words"),
    "recordings_failed": ("The recordings that failed.", "failed"),
    "recordings_empty": ("The recordings without content.", "empty"),
    "recordings_without_media": (
        "The available recordings without a file to download.",
        "without_media",
    ),
    "recordings_expiring": (
        "The available recordings whose media expires within the period of the report.",
        "expiring",
    ),
    "recordings_nearest_expiry_timestamp_seconds": (
        "When media of an available recording expires next.",
        "nearest_expiry",
    ),
}
_LABELS = re.compile(
    re.escape(_LAST_SUCCESS) + r'\{provider="((?:[^"\\]|\\.)*)",account="((?:[^"\\]|\\.)*)"\} (\S+)'
)


def write_metrics(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report's metrics atomically, at a path or URL.

    The time of the last success of an account that failed now is taken from the file that is
    replaced. Raises `StorageError`.
    """
    earlier = (read_file(path) or b"").decode("utf-8", "replace")
    write_file(path, "".join(f"{line}\n" for line in _format_metrics(report, earlier)).encode())


def _format_metrics(report: Report, earlier: str) -> Iterator[str]:
    coverage = {_format_labels(each.provider, each.account): each for each in report.coverage}
    figures = {
        _format_labels(row["provider"], row["account"]): row for row in report.overview.accounts
    }
    without = {_format_labels(each.provider, each.account) for each in report.without_figures}
    successes = {
        f'{{provider="{provider}",account="{account}"}}': value
        for provider, account, value in _LABELS.findall(earlier)
    }
    yield from _format_metric(
        "recordings_report_timestamp_seconds",
        "When the report was made.",
        {"": report.window.now},
    )
    yield from _format_metric(
        _LAST_SUCCESS,
        "When the account was last listed completely.",
        {
            labels: each.listed_at if each.coverage.complete else successes.get(labels)
            for labels, each in coverage.items()
        },
    )
    for name, (words, read) in _OF_COVERAGE.items():
        values = {labels: read(each) for labels, each in coverage.items()}
        yield from _format_metric(name, words, values)
    for name, (words, measure) in _OF_MEASURES.items():
        # An account that was listed and has no recordings has no row, and its counts are 0.
        empty = None if measure == "nearest_expiry" else 0
        of = {
            labels: figures[labels][measure] if labels in figures else empty
            for labels in dict.fromkeys((*coverage, *figures))
            if labels not in without
        }
        yield from _format_metric(name, words, of)


def _format_metric(name: str, words: str, values: Mapping[str, Any]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} gauge"
    for labels, value in values.items():
        if value is not None:
            yield f"{name}{labels} {_format_value(value)}"


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, datetime):
        return f"{value.timestamp():.3f}"
    return value if isinstance(value, str) else str(int(value))


def _format_labels(provider: str, account: str) -> str:
    return f'{{provider="{_escape(provider)}",account="{_escape(account)}"}}'


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
