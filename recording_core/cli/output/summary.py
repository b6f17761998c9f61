"""Summary: what each vendor has, which media is missing and why, and what was not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from attrs import frozen

import recording_core as rec
from recording_core.cli.output.output import OutputColumn, write_grid, write_table
from recording_core.reporting.number_format import format_count, format_number, format_size


@frozen
class VendorListing:
    """All recordings that one vendor lists."""

    label: str
    recordings: Sequence[rec.Recording]
    coverage: rec.Coverage


def _format_total(listing: VendorListing, values: list[int] | list[timedelta], total: str) -> str:
    """Format a total: `1.2 GB (of 9 of 45)` if the vendor reports it for 9 of 45 recordings."""
    included, recordings = len(values), len(listing.recordings)
    if included == recordings:
        return total
    return f"{total} (of {included} of {recordings})" if included else "not reported"


def _format_hours(listing: VendorListing) -> str:
    durations = [each.duration for each in listing.recordings if each.duration is not None]
    hours = sum(durations, timedelta(0)) / timedelta(hours=1)
    return _format_total(listing, durations, f"{hours:.1f} h")


def _format_size(listing: VendorListing) -> str:
    sizes = [each.size for each in listing.recordings if each.size is not None]
    return _format_total(listing, sizes, format_size(sum(sizes)))


COLUMNS: tuple[OutputColumn[VendorListing], ...] = (
    OutputColumn("", lambda each: each.label),
    OutputColumn("recordings", lambda each: len(each.recordings), format_number, right=True),
    OutputColumn("hours", _format_hours, right=True),
    OutputColumn("size", _format_size, right=True),
)


def write_summary(listings: Sequence[VendorListing], *, indent: int = 0) -> None:
    """Write one row per vendor, and below it its statuses and what is missing."""

    def write_details(listing: VendorListing) -> None:
        counts = Counter(each.status for each in listing.recordings)
        # Below, what has no file is missing.
        counts[rec.RecordingStatus.AVAILABLE] -= _count_without_file(listing.recordings)
        statuses = [f"{counts[each]} {each}" for each in rec.RecordingStatus if counts[each]]
        missing = (*_describe_missing_media(listing.recordings), *describe_gaps(listing.coverage))
        none = "none with media" if listing.recordings else "no recordings"
        rows = [("status", ", ".join(statuses) or none)]
        rows += [("" if index else "missing", why) for index, why in enumerate(missing)]
        write_grid(rows, widths=(7,), indent=indent + 2)

    write_table(listings, COLUMNS, write_details=write_details, indent=indent)


def _describe_retention(found: Sequence[rec.Recording]) -> str:
    """Describe the median time from a recording's end until its media expires."""
    days = sorted(
        (each.media_expires_at - ended) / timedelta(days=1)
        for each in found
        if each.media_expires_at and (ended := each.ended_at or each.created_at)
    )
    time = format_count(max(1, round(days[len(days) // 2])), "day") if days else "an unknown time"
    return f"the vendor keeps media for {time}"


def _describe_errors(found: Sequence[rec.Recording]) -> str:
    counts = Counter(each.error or "no reason reported" for each in found)
    return ", ".join(words for words, _ in counts.most_common(3))


#: status -> a function that describes why recordings in that status have no media
REASONS: dict[rec.RecordingStatus, Callable[[Sequence[rec.Recording]], str]] = {
    rec.RecordingStatus.EXPIRED: _describe_retention,
    rec.RecordingStatus.FAILED: _describe_errors,
    rec.RecordingStatus.EMPTY: lambda found: "there was nothing to record",
    rec.RecordingStatus.DELETED: lambda found: "deleted at the vendor",
    rec.RecordingStatus.UNKNOWN: lambda found: "the vendor sent an unknown status",
}


def _describe_missing_media(recordings: Sequence[rec.Recording]) -> Iterator[str]:
    for status, describe in REASONS.items():
        found = [each for each in recordings if each.status is status]
        if found:
            yield f"{len(found)} {status}: {describe(found)}"
    available = [each for each in recordings if each.status is rec.RecordingStatus.AVAILABLE]
    finished = len(available) + sum(each.status in REASONS for each in recordings)
    if finished < len(recordings):
        yield f"{len(recordings) - finished} not ready: still being recorded or processed"
    without_file = _count_without_file(recordings)
    if without_file:
        yield f"{without_file} available without a file: the vendor offers none to download"


def _count_without_file(recordings: Sequence[rec.Recording]) -> int:
    return sum(
        each.status is rec.RecordingStatus.AVAILABLE and not each.files for each in recordings
    )


#: How many sentences or paths of one kind are shown; `--json` has all of them.
_MOST_SHOWN = 5


def describe_gaps(coverage: rec.Coverage) -> Iterator[str]:
    """Describe what could not be read or listed."""
    if coverage.unreadable:
        yield f"{format_count(len(coverage.unreadable), 'row')} unreadable"
        yield from coverage.unreadable[:_MOST_SHOWN]
    yield from coverage.errors
    if coverage.unread_fields:
        counts = [f"{path} ({count})" for path, count in coverage.unread_fields.items()]
        more = ", ..." if len(counts) > _MOST_SHOWN else ""
        yield f"fields that could not be read: {', '.join(counts[:_MOST_SHOWN])}{more}"
    if coverage.not_listable:
        yield f"cannot be listed: {', '.join(coverage.not_listable)}"


def describe_coverage(coverage: rec.Coverage) -> str:
    """Describe coverage: `45 recordings seen in 2 pages, complete; cannot be listed: ...`."""
    seen, pages = format_count(coverage.seen, "recording"), format_count(coverage.pages, "page")
    words = f"{seen} seen in {pages}, {'complete' if coverage.complete else 'NOT complete'}"
    return "; ".join((words, *describe_gaps(coverage)))
