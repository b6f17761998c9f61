"""Archive metrics: a run of `archive copy` as Prometheus text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import recording_core as rec
from recording_core.cli.output.archive_progress import AccountProgress
from recording_core.reporting.metrics import (
    Metric,
    format_labels,
    read_earlier_values,
    write_metric_file,
)

_LAST_SUCCESS = "recordings_archive_last_success_timestamp_seconds"
#: kind of `ArchiveProgress` -> the help of its metric
_COUNTS = {
    "copied": "The recordings that the last run copied.",
    "already_there": "The recordings that had a copy before the last run.",
    "not_ready": "The recordings whose media was not available yet.",
    "failed": "The recordings that could not be copied.",
    "without_media": "The recordings without a copy that have no media to copy.",
}


def write_archive_metrics(
    run: rec.ArchiveRun, accounts: Iterable[AccountProgress], path: str | os.PathLike[str]
) -> None:
    """Write the metrics of a run atomically, at a path or URL. Raises `StorageError`.

    The time of the last success of an account that failed now is taken from the file that is
    replaced.
    """
    found = {format_labels(each.provider, each.account): each for each in accounts}
    write_metric_file(path, _build_metrics(run, found, read_earlier_values(path, _LAST_SUCCESS)))


def _build_metrics(
    run: rec.ArchiveRun, accounts: Mapping[str, AccountProgress], successes: Mapping[str, str]
) -> Iterator[Metric]:
    now = datetime.now(UTC)
    yield Metric("recordings_archive_run_timestamp_seconds", "When the run ended.", {"": now})
    yield Metric(
        _LAST_SUCCESS,
        "When the account was last listed completely and nothing failed.",
        {
            labels: now if each.is_complete else successes.get(labels)
            for labels, each in accounts.items()
        },
    )
    yield Metric(
        "recordings_archive_complete",
        "Whether the account was listed completely and nothing failed.",
        {labels: each.is_complete for labels, each in accounts.items()},
    )
    for kind, words in _COUNTS.items():
        values = {labels: each.counts[kind] for labels, each in accounts.items()}
        yield Metric(f"recordings_archive_{kind}", words, values)
    yield Metric(
        "recordings_archive_files",
        "The files that the last run copied.",
        {labels: each.files for labels, each in accounts.items()},
    )
    yield Metric(
        "recordings_archive_bytes",
        "The bytes that the last run copied.",
        {labels: each.bytes for labels, each in accounts.items()},
    )
    yield Metric(
        "recordings_archive_nearest_expiry_timestamp_seconds",
        "When a vendor removes the first of the recordings that have no copy yet.",
        {"": run.nearest_expiry},
    )
