"""What is there at each vendor, what is not to be had, and why? One table for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from attrs import frozen

import recording_core as rec
from recording_core.cli.output.values import aligned, days, hours, one_line, size

__all__ = ["Summary", "summarised", "summary_lines"]


@frozen
class Summary:
    """One vendor's recordings in numbers. `timed` and `sized`: of how many they are known."""

    label: str
    recordings: int
    duration: timedelta
    timed: int
    size: int
    sized: int
    statuses: tuple[tuple[rec.RecordingStatus, int], ...]
    #: what is not to be had, and why
    missing: tuple[str, ...]


def summarised(label: str, recordings: Sequence[rec.Recording], coverage: rec.Coverage) -> Summary:
    durations = [each.duration for each in recordings if each.duration is not None]
    sizes = [each.size for each in recordings if each.size is not None]
    counts = Counter(each.status for each in recordings)
    return Summary(
        label,
        len(recordings),
        sum(durations, timedelta(0)),
        len(durations),
        sum(sizes),
        len(sizes),
        tuple((status, counts[status]) for status in rec.RecordingStatus if counts[status]),
        (*_missing(recordings), *_unseen(coverage)),
    )


#: status -> why there is no media, in words, of the recordings that are in it
REASONS: dict[rec.RecordingStatus, Callable[[Sequence[rec.Recording]], str]] = {
    rec.RecordingStatus.EXPIRED: lambda found: f"the media is kept for {_kept(found)}",
    rec.RecordingStatus.FAILED: lambda found: _errors(found),
    rec.RecordingStatus.EMPTY: lambda found: "there was nothing to record",
    rec.RecordingStatus.DELETED: lambda found: "somebody deleted them",
    rec.RecordingStatus.UNKNOWN: lambda found: "the vendor says a word that we do not know",
}


def _missing(recordings: Sequence[rec.Recording]) -> Iterator[str]:
    for status, reason in REASONS.items():
        found = [each for each in recordings if each.status is status]
        if found:
            yield f"{len(found)} {status}: {reason(found)}"
    unfinished = [each for each in recordings if each.status not in _SETTLED]
    if unfinished:
        yield f"{len(unfinished)} not there yet: still recorded or processed"
    elsewhere = [
        each
        for each in recordings
        if each.status is rec.RecordingStatus.AVAILABLE and not each.files
    ]
    if elsewhere:
        yield f"{len(elsewhere)} without a file: the media went to the customer's own storage"


_SETTLED = {*REASONS, rec.RecordingStatus.AVAILABLE}


def _unseen(coverage: rec.Coverage) -> Iterator[str]:
    if coverage.unreadable:
        yield f"{coverage.unreadable} unreadable: not what the vendor documents"
    yield from coverage.errors
    for each in coverage.not_listable:
        yield f"not listed at all: {each}"


def _kept(found: Sequence[rec.Recording]) -> str:
    """How long after its end media expires, as the recordings themselves show."""
    kept = sorted(
        each.media_expires_at - ended
        for each in found
        if each.media_expires_at and (ended := each.ended_at or each.created_at)
    )
    return days(kept[len(kept) // 2]) if kept else "a time not told"


def _errors(found: Sequence[rec.Recording]) -> str:
    counts = Counter(one_line(each.error) if each.error else "no reason told" for each in found)
    return ", ".join(words for words, _ in counts.most_common(3))


def summary_lines(summaries: Sequence[Summary], *, width: int) -> Iterator[str]:
    """The table, its heading first; below each vendor its statuses, and what is missing."""
    heading, *rows = aligned(
        [("", "recordings", "hours", "bytes"), *map(_row, summaries)], right=(1, 2, 3)
    )
    yield heading
    for summary, row in zip(summaries, rows, strict=True):
        yield row
        statuses = ", ".join(f"{count} {status}" for status, count in summary.statuses)
        below = [("status", statuses or "nothing is there")]
        below += [("" if index else "missing", why) for index, why in enumerate(summary.missing)]
        yield from aligned(below, indent=2, width=width)


def _row(summary: Summary) -> tuple[str, ...]:
    return (
        summary.label,
        f"{summary.recordings:,}",
        _known(hours(summary.duration), summary.timed, summary.recordings),
        _known(size(summary.size), summary.sized, summary.recordings),
    )


def _known(words: str, known: int, of: int) -> str:
    """`1.2 GB (of 9 of 45)`: a sum over those that the vendor tells it of."""
    if known == of:
        return words
    return f"{words} (of {known} of {of})" if known else "not told"
