"""Archived rows: the rows of an archive's index, and how much of each account it covers."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from recording_core.archiving.index import FOLDER, OVERLAP, Index, RunMark
from recording_core.errors import StorageError
from recording_core.listing.coverage import AccountCoverage, merge_coverages
from recording_core.listing.page import Window
from recording_core.reporting.window import ReportWindow
from recording_core.storage.folder import Folder

if TYPE_CHECKING:
    import pyarrow as pa

_Key = tuple[str, str]
#: A run writes how far it came at most once a day, and what was in progress then is copied by the
#: next one. So an archive that runs each day is never further behind.
_DELAY = timedelta(days=2)


def is_archive(folder: Folder) -> bool:
    """Whether a folder is an archive, with an index. Raises `StorageError`."""
    return Index(folder).exists()


def read_archived_rows(
    folder: Folder, window: ReportWindow, chosen: Sequence[_Key] | None
) -> tuple[pa.Table, tuple[AccountCoverage, ...]]:
    """Read the rows of an archive, and the coverage of the chosen accounts or of all in it.

    The size of a recording is that of its copies, and one with a verified copy does not expire: it
    must neither ask for action nor count as expired later. Raises `StorageError`.
    """
    import pyarrow.compute as pc

    found = Index(folder).read_rows()
    table = found.table
    is_verified = pc.equal(table["doubts"], 0)
    expiry = pc.if_else(is_verified, None, table["media_expires_at"])
    for name, values in (("bytes", table["copied_bytes"]), ("media_expires_at", expiry)):
        number = table.schema.get_field_index(name)
        table = table.set_column(number, table.schema.field(number), values)
    counts: dict[_Key, int] = {}
    groups = table.group_by(["provider", "account"]).aggregate([([], "count_all")])
    for row in groups.to_pylist():
        counts[row["provider"], row["account"]] = row["count_all"]
    runs: defaultdict[_Key, list[RunMark]] = defaultdict(list)
    for each in found.runs:
        runs[each.provider, each.account].append(each)
    names = sorted({*counts, *runs}) if chosen is None else list(chosen)
    if chosen is not None:
        table = _select_accounts(table, names)
    damaged = [
        f"{folder.describe(f'{FOLDER}/{name}')} cannot be read, so that its recordings are left "
        f"out. Write the index again: `recordings archive rebuild-index {_quote(folder)}`"
        for name in found.damaged
    ]
    if damaged and not names:
        raise StorageError("; ".join(damaged))
    coverages = (
        _build_coverage(folder, name, runs[name], counts.get(name, 0), damaged, window)
        for name in names
    )
    return table, tuple(coverages)


def _select_accounts(table: pa.Table, names: Iterable[_Key]) -> pa.Table:
    import pyarrow as pa

    chosen = set(names)
    columns = (table[name].to_pylist() for name in ("provider", "account"))
    return table.filter(pa.array([key in chosen for key in zip(*columns, strict=True)], pa.bool_()))


@frozen
class _Reach:
    """The time from `since`, or from the beginning, to `until`, in which everything has a copy."""

    since: datetime | None
    until: datetime
    runs: tuple[RunMark, ...]


def _find_reach(runs: Iterable[RunMark]) -> _Reach | None:
    """Find how far an account was archived: by runs of all of it, or by those of all its parts."""
    last: dict[int, dict[int, RunMark]] = defaultdict(dict)
    for each in sorted(runs, key=lambda each: each.started_at):
        if each.resume_at is not None:
            number, parts = each.shard
            last[parts][number] = each
    reaches = [
        _Reach(
            max((each.listed_since for each in marks.values() if each.listed_since), default=None),
            min(each.resume_at for each in marks.values() if each.resume_at) + OVERLAP,
            tuple(marks.values()),
        )
        for parts, marks in last.items()
        if len(marks) == parts
    ]
    return max(reaches, key=lambda each: each.until, default=None)


def _build_coverage(
    folder: Folder,
    name: _Key,
    runs: Sequence[RunMark],
    rows: int,
    damaged: Sequence[str],
    window: ReportWindow,
) -> AccountCoverage:
    reach = _find_reach(runs)
    newest = max(runs, key=lambda each: each.started_at, default=None)
    errors = list(damaged)
    if newest is not None and not newest.coverage.complete:
        errors += newest.coverage.errors or ["The last run could not list everything."]
    gaps = list(_find_gaps(reach, window))
    for gap in gaps:
        errors.append(_describe_gap(folder, name, gap, reach))
    used = () if reach is None else reach.runs
    coverage = merge_coverages(each.coverage for each in used)
    times: list[Any] = [each.started_at for each in used]
    return AccountCoverage(
        *name,
        evolve(coverage, seen=rows, expected=None, errors=tuple(errors), complete=not errors),
        asked_at=min(times, default=None),
        listed_at=max(times, default=None),
        gaps=tuple(gaps),
    )


def _find_gaps(reach: _Reach | None, window: ReportWindow) -> Iterator[Window]:
    """Find the times of the window of which recordings may have no copy."""
    if reach is None:
        yield Window(window.since, window.until)
        return
    if window.since is not None and reach.since is not None and window.since < reach.since:
        yield Window(window.since, reach.since)
    if min(window.until or window.now, window.now) - reach.until > _DELAY:
        yield Window(reach.until, window.until)


def _describe_gap(folder: Folder, name: _Key, gap: Window, reach: _Reach | None) -> str:
    provider, account = name
    command = (
        f"recordings archive copy {_quote(folder)} {provider} --account {shlex.quote(account)}"
    )
    if reach is None:
        return f"No run has listed this account completely. Run `{command}`"
    if reach.since is not None and gap.until == reach.since:
        since = f"{gap.since:%Y-%m-%d}"
        return (
            f"What was created before {gap.until:%Y-%m-%d} was never listed. "
            f"Run `{command} --since {since}`"
        )
    return (
        f"What was created since {gap.since:%Y-%m-%d} may have no copy: no later run listed "
        f"everything, or some of it failed. Run `{command}`"
    )


def _quote(folder: Folder) -> str:
    return shlex.quote(str(folder))
