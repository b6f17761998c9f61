"""Metrics: Prometheus text, of a report or others, for the textfile collector of node_exporter.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.storage.folder import read_file, write_file

if TYPE_CHECKING:
    from recording_core.listing.coverage import AccountCoverage
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
#: The labels of an account, and a value.
_LABELLED_VALUE = r'(\{provider="(?:[^"\\]|\\.)*",account="(?:[^"\\]|\\.)*"\}) (\S+)'


@frozen
class Metric:
    """A gauge: its name, its help, and labels -> value. A value of None is left out."""

    name: str
    help: str
    values: Mapping[str, Any]


def write_metrics(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report's metrics atomically, at a path or URL.

    The time of the last success of an account that failed now is taken from the file that is
    replaced. Raises `StorageError`.
    """
    write_metric_file(path, _build_metrics(report, read_earlier_values(path, _LAST_SUCCESS)))


def read_earlier_values(path: str | os.PathLike[str], name: str) -> Mapping[str, str]:
    """Read labels -> value of a metric per account, in a file that may not exist."""
    earlier = (read_file(path) or b"").decode("utf-8", "replace")
    return dict(re.findall(rf"^{re.escape(name)}{_LABELLED_VALUE}$", earlier, re.MULTILINE))


def write_metric_file(path: str | os.PathLike[str], metrics: Iterable[Metric]) -> None:
    """Write metrics atomically, at a path or URL. Raises `StorageError`."""
    lines = (line for metric in metrics for line in _format_metric(metric))
    write_file(path, "".join(f"{line}\n" for line in lines).encode())


def _build_metrics(report: Report, successes: Mapping[str, str]) -> Iterator[Metric]:
    coverage = {format_labels(each.provider, each.account): each for each in report.coverage}
    figures = {
        format_labels(row["provider"], row["account"]): row for row in report.overview.accounts
    }
    without = {format_labels(each.provider, each.account) for each in report.without_figures}
    yield Metric(
        "recordings_report_timestamp_seconds",
        "When the report was made.",
        {"": report.window.now},
    )
    yield Metric(
        _LAST_SUCCESS,
        "When the account was last listed completely.",
        {
            labels: each.listed_at if each.coverage.complete else successes.get(labels)
            for labels, each in coverage.items()
        },
    )
    for name, (words, read) in _OF_COVERAGE.items():
        yield Metric(name, words, {labels: read(each) for labels, each in coverage.items()})
    for name, (words, measure) in _OF_MEASURES.items():
        # An account that was listed and has no recordings has no row, and its counts are 0.
        empty = None if measure == "nearest_expiry" else 0
        of = {
            labels: figures[labels][measure] if labels in figures else empty
            for labels in dict.fromkeys((*coverage, *figures))
            if labels not in without
        }
        yield Metric(name, words, of)


def _format_metric(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} gauge"
    for labels, value in metric.values.items():
        if value is not None:
            yield f"{metric.name}{labels} {_format_value(value)}"


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, datetime):
        return f"{value.timestamp():.3f}"
    return value if isinstance(value, str) else str(int(value))


def format_labels(provider: str, account: str) -> str:
    """Format the labels of an account's metrics."""
    return f'{{provider="{_escape(provider)}",account="{_escape(account)}"}}'


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
