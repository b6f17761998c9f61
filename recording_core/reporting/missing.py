"""Missing: sessions that should have a recording and have none.

A session is `missing` only if its recording would have been seen. If the vendor failed, the listing
is not complete, recordings do not name their session, or the vendor cannot list them, the outcome
is `not seen`.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import frozen

from recording_core.errors import ConfigurationError, RecordingError
from recording_core.listing.coverage import AccountCoverage
from recording_core.model.capabilities import Operation
from recording_core.model.entities import CommunicationSession, Recording
from recording_core.model.enums import FINAL, RecordingStatus, SessionKind
from recording_core.plugins import registry as plugins
from recording_core.reporting.collect.collected_rows import CollectedRows
from recording_core.reporting.csv_format import parse_csv
from recording_core.reporting.window import ReportWindow
from recording_core.storage.parquet import open_parquet

#: Takes provider, account and session, and returns the recordings that the vendor lists for that
#: session. Raises `RecordingError` also if it could not see all of them, since an empty result
#: would prove nothing.
SessionLookup = Callable[[str, str, CommunicationSession], Sequence[Recording]]

#: (provider, kind, session id), or (provider, account, kind)
_Key = tuple[str, str, str]
#: (provider, kind, session id) -> (account, (recording id, status))
_Found = dict[_Key, list[tuple[str, tuple[str, str]]]]
#: The longest time from the start of a session to the creation of its recording.
_MAX_DELAY = timedelta(days=1)
#: The statuses of a recording without media.
_WITHOUT_MEDIA = FINAL - {RecordingStatus.AVAILABLE}
_COLUMNS = ("provider", "kind", "id")
_READ = ["provider", "account", "recording_id", "kind", "session_id", "reference", "status"]
_READ += ["media_expires_at"]


class SessionOutcome(StrEnum):
    """The outcome for a session that should have been recorded."""

    RECORDED = "recorded"
    #: each of its recordings failed, is empty, expired or was deleted
    NO_MEDIA = "no media"
    #: everything was seen, and it has no recording
    MISSING = "missing"
    #: it may have a recording that could not be seen
    NOT_SEEN = "not seen"


@frozen
class ExpectedSession:
    """A session that should have a recording; `account` None is any account of the provider."""

    provider: str
    session: CommunicationSession
    account: str | None = None
    started_at: datetime | None = None


@frozen
class SessionResult:
    """The outcome for one session. `reason` names its recordings as `id status`, or why not."""

    expected: ExpectedSession
    outcome: SessionOutcome
    reason: str = ""


def read_expected_sessions(path: str | os.PathLike[str]) -> tuple[ExpectedSession, ...]:
    """Read a CSV file with the columns provider, kind, id and optionally account, started_at.

    `parse_csv` states which forms a spreadsheet may give it.

    Raises `ConfigurationError` that names the file and the line.
    """
    where = os.fspath(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            names, rows = parse_csv(file)
            absent = [each for each in _COLUMNS if each not in names]
            if absent:
                raise ConfigurationError(
                    f"{where} lacks the column {', '.join(absent)}: its first line must name "
                    "provider,kind,id and may name account,started_at."
                )
            return tuple(_parse_row(row, f"{where}, line {line}") for line, row in rows)
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{where} is not CSV in UTF-8: {type(error).__name__}") from None


def _parse_row(given: Mapping[str, str], where: str) -> ExpectedSession:
    provider = given["provider"].lower()
    try:
        plugins.get_provider_info(provider)
        session = CommunicationSession(SessionKind(given["kind"].lower()), given["id"])
        at = given.get("started_at")
        started_at = datetime.fromisoformat(at) if at else None
    except RecordingError as error:
        raise ConfigurationError(f"{where}: {error.message}") from None
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{where}: {error}. A kind is one of {', '.join(SessionKind)}; a time is written as "
            "2026-01-31T12:00Z."
        ) from None
    if started_at is not None and started_at.tzinfo is None:
        started_at = started_at.replace(tzinfo=UTC)
    return ExpectedSession(provider, session, given.get("account") or None, started_at)


def find_missing(
    expected: Iterable[ExpectedSession],
    collected: CollectedRows,
    window: ReportWindow,
    look_up: SessionLookup | None = None,
) -> Iterator[SessionResult]:
    """Find the outcome for each session. `look_up` is called if the listing proves nothing."""
    expected = tuple(expected)
    found, unassigned = _index_rows(expected, collected, window.now)
    for each in expected:
        listed = (one for one in collected.coverage if one.provider == each.provider)
        accounts = [one for one in listed if each.account in (None, one.account)]
        recordings = [
            recording
            for account, recording in found[_build_key(each.provider, each.session)]
            if each.account in (None, account)
        ]
        if recordings:
            yield _build_recorded_result(each, recordings)
        else:
            yield _find_unrecorded_result(each, accounts, unassigned, window, look_up)


def _build_recorded_result(
    each: ExpectedSession, recordings: Sequence[tuple[str, str]]
) -> SessionResult:
    has_media = any(status not in _WITHOUT_MEDIA for _, status in recordings)
    outcome = SessionOutcome.RECORDED if has_media else SessionOutcome.NO_MEDIA
    return SessionResult(each, outcome, ", ".join(f"{id} {status}" for id, status in recordings))


def _find_unrecorded_result(
    each: ExpectedSession,
    accounts: Sequence[AccountCoverage],
    unassigned: Counter[_Key],
    window: ReportWindow,
    look_up: SessionLookup | None,
) -> SessionResult:
    """Decide between `missing` and `not seen` for a session without a listed recording."""
    account = f"account {each.account!r}" if each.account else "account"
    reasons = [] if accounts else [f"no {account} of {each.provider} was listed"]
    for one in accounts:
        doubt = _find_doubt(each, one, unassigned, window)
        if not doubt:
            continue
        if look_up is None:
            reasons.append(doubt)
            continue
        try:
            found = look_up(one.provider, one.account, each.session)
        except RecordingError as error:
            reasons.append(f"{doubt}; listing this session alone failed: {error}")
            continue
        if found:
            return _build_recorded_result(each, [(one.id, one.status.value) for one in found])
    if reasons:
        return SessionResult(each, SessionOutcome.NOT_SEEN, "; ".join(dict.fromkeys(reasons)))
    return SessionResult(each, SessionOutcome.MISSING)


def _find_doubt(
    each: ExpectedSession, one: AccountCoverage, unassigned: Counter[_Key], window: ReportWindow
) -> str:
    """Return why a recording may exist although none was seen; empty if none can exist."""
    kind = each.session.kind
    if not one.coverage.complete:
        return "; ".join(one.coverage.errors) or "the listing is not complete"
    if outside := _check_window(each.started_at, window):
        return outside
    if not plugins.get_provider_info(one.provider).can(Operation.LIST, kind):
        return f"recordings of a {kind} cannot be listed at {one.provider}"
    not_listable = [words for words in one.coverage.not_listable if _is_about(words, kind)]
    if not_listable:
        return "; ".join(not_listable)
    if count := unassigned[one.provider, one.account, kind.value]:
        return f"{count} recordings of a {kind} do not name their {kind}"
    return ""


def _check_window(started_at: datetime | None, window: ReportWindow) -> str:
    """Return why its recording may lie outside the report's window; empty if it cannot."""
    ends = window.until is not None and window.until < window.now
    if started_at is None:
        limited = window.since is not None or ends
        return "its start is unknown, and the window does not cover all time" if limited else ""
    if window.since is not None and started_at < window.since:
        return "it began before the window"
    if ends and window.until is not None and started_at >= window.until - _MAX_DELAY:
        return "its recording may have been made after the window"
    return ""


def _is_about(words: str, kind: SessionKind) -> bool:
    """Whether a sentence of `not_listable` is about a kind; one that names no kind is about all."""
    named = [each for each in SessionKind if re.search(rf"\b{each}", words)]
    return not named or kind in named


def _build_key(provider: str, session: CommunicationSession) -> _Key:
    # Case-insensitive, since vendors accept a UUID in either case.
    return provider, session.kind.value, session.id.casefold()


def _index_rows(
    expected: Sequence[ExpectedSession], collected: CollectedRows, now: datetime
) -> tuple[_Found, Counter[_Key]]:
    """Find the rows of the expected sessions, and count by kind those that name no session."""
    found: _Found = {_build_key(each.provider, each.session): [] for each in expected}
    unassigned: Counter[_Key] = Counter()
    for row in _read_rows(collected):
        provider, account = row["provider"], row["account"]
        named = [row[name] for name in ("session_id", "reference") if row[name] is not None]
        kinds = [row["kind"]] if row["kind"] is not None else [each.value for each in SessionKind]
        if row["session_id"] is None:
            unassigned.update((provider, account, each) for each in kinds)
        expires = row["media_expires_at"]
        expired = row["status"] == RecordingStatus.AVAILABLE and expires and expires <= now
        status = RecordingStatus.EXPIRED.value if expired else row["status"]
        for key in {(provider, each, id.casefold()) for each in kinds for id in named}:
            if key in found:
                found[key].append((account, (row["recording_id"], status)))
    return found, unassigned


def _read_rows(collected: CollectedRows) -> Iterator[dict[str, Any]]:
    if not isinstance(collected.rows, list):
        yield from collected.rows.select(_READ).to_pylist()
        return
    for path in collected.rows:
        with open_parquet(path) as file:
            for batch in file.iter_batches(columns=_READ):
                yield from batch.to_pylist()
