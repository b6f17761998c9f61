"""Which sessions should have a recording and have none? And which could not be looked for?

"None" is said only where somebody could have seen one. A vendor that failed, a listing that is not
complete, recordings that do not name their session, and what a vendor cannot list at all make
`not seen` of it, which is another answer.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from recording_core.errors import ConfigurationError, RecordingError, StorageError
from recording_core.model.capabilities import Operation
from recording_core.model.entities import CommunicationSession, Recording
from recording_core.model.enums import RecordingStatus, SessionKind
from recording_core.plugins import registry as plugins
from recording_core.reporting.collect.folder import shown_url
from recording_core.reporting.collect.selection import Collection, Covered, ReportWindow

__all__ = ["Answer", "Expected", "Found", "find_missing", "read_expected"]

#: Looks for one session's recordings at its vendor. Raises `RecordingError` also where it could not
#: see all of them: that none was found would be no answer then.
Ask = Callable[[str, str, CommunicationSession], Sequence[Recording]]

#: So long may a session go on before its recording is there.
_LASTS = timedelta(days=1)
#: There is a recording, and nothing to hear in it.
_WITHOUT_MEDIA = frozenset(
    {
        RecordingStatus.FAILED,
        RecordingStatus.EMPTY,
        RecordingStatus.EXPIRED,
        RecordingStatus.DELETED,
    }
)
_COLUMNS = ("provider", "kind", "id")
_READ = (
    *("provider", "account", "recording_id", "kind", "session_id", "reference", "status"),
    "media_expires_at",
)


class Answer(StrEnum):
    """What became of a session that should have been recorded."""

    RECORDED = "recorded"
    #: each of its recordings failed, is empty, or is gone by now
    NO_MEDIA = "no media"
    #: all was seen, and there is none
    MISSING = "missing"
    #: there may be one: it could not be looked for
    NOT_SEEN = "not seen"


@frozen
class Expected:
    """A session that should have a recording; `account` None is any of its vendor's."""

    provider: str
    session: CommunicationSession
    account: str | None = None
    started_at: datetime | None = None


@frozen
class Found:
    """What became of it: its recordings as `id status`, or why there are none."""

    expected: Expected
    answer: Answer
    why: str = ""


def read_expected(path: str | os.PathLike[str]) -> tuple[Expected, ...]:
    """A CSV file with a heading: provider, kind, id, and if it likes account and started_at.

    Raises `ConfigurationError` that names the file and the line.
    """
    where = os.fspath(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            lacking = [each for each in _COLUMNS if each not in (rows.fieldnames or ())]
            if lacking:
                raise ConfigurationError(
                    f"{where} lacks the column {', '.join(lacking)}: its first line must name "
                    "provider,kind,id and may name account,started_at"
                )
            return tuple(_expected(row, f"{where}, line {rows.line_num}") for row in rows)
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{where} is no CSV in UTF-8: {type(error).__name__}") from None


def _expected(row: Mapping[str, str | None], where: str) -> Expected:
    given = {
        name: (value or "").strip()
        for name, value in row.items()
        if isinstance(name, str) and not isinstance(value, list)
    }
    try:
        plugins.provider_info(given["provider"])
        session = CommunicationSession(SessionKind(given["kind"]), given["id"])
        at = given.get("started_at")
        started_at = datetime.fromisoformat(at) if at else None
    except RecordingError as error:
        raise ConfigurationError(f"{where}: {error.message}") from None
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{where}: {error}. A kind is {', '.join(SessionKind)}, and a time reads "
            "2026-01-31T12:00Z"
        ) from None
    if started_at is not None and started_at.tzinfo is None:
        started_at = started_at.replace(tzinfo=UTC)
    return Expected(given["provider"], session, given.get("account") or None, started_at)


def find_missing(
    expected: Iterable[Expected],
    collection: Collection,
    window: ReportWindow,
    ask: Ask | None = None,
) -> Iterator[Found]:
    """What became of each. `ask` is used where listing alone cannot tell, if it is given."""
    expected = tuple(expected)
    seen = _seen(expected, collection, window.now)
    for each in expected:
        accounts = [
            one
            for one in collection.coverage
            if one.provider == each.provider and each.account in (None, one.account)
        ]
        recordings = [
            words
            for account, words in seen.recordings[_key(each.provider, each.session)]
            if each.account in (None, account)
        ]
        if recordings:
            yield _recorded(each, recordings)
        elif not accounts:
            whose = f"account {each.account!r}" if each.account else "account"
            yield Found(each, Answer.NOT_SEEN, f"no {whose} of {each.provider} was asked")
        else:
            yield _unrecorded(each, accounts, seen, window, ask)


def _recorded(each: Expected, recordings: Sequence[tuple[str, str]]) -> Found:
    media = any(status not in _WITHOUT_MEDIA for _, status in recordings)
    words = ", ".join(f"{its_id} {status}" for its_id, status in recordings)
    return Found(each, Answer.RECORDED if media else Answer.NO_MEDIA, words)


def _unrecorded(
    each: Expected,
    accounts: Sequence[Covered],
    seen: _Seen,
    window: ReportWindow,
    ask: Ask | None,
) -> Found:
    """None was seen: because there is none, or because nobody could have seen it?"""
    whys: list[str] = []
    for one in accounts:
        doubt = _doubt(each, one, seen, window)
        if not doubt:
            continue
        if ask is None:
            whys.append(doubt)
            continue
        try:
            found = ask(one.provider, one.account, each.session)
        except RecordingError as error:
            whys.append(f"{doubt}; asked for it alone: {error}")
            continue
        if found:
            return _recorded(each, [(one.id, one.status.value) for one in found])
    if whys:
        return Found(each, Answer.NOT_SEEN, "; ".join(dict.fromkeys(whys)))
    return Found(each, Answer.MISSING)


def _doubt(each: Expected, one: Covered, seen: _Seen, window: ReportWindow) -> str:
    """Why a recording may be there although none was seen; empty where none can be."""
    kind = each.session.kind
    if not one.coverage.complete:
        return "; ".join(one.coverage.errors) or "the listing is not complete"
    unsure = _outside(each.started_at, window)
    if unsure:
        return unsure
    if not plugins.provider_info(one.provider).can(Operation.LIST, kind):
        return f"recordings of a {kind} cannot be listed there"
    blind = [words for words in one.coverage.not_listable if _is_about(words, kind)]
    if blind:
        return "; ".join(blind)
    nameless = seen.nameless[one.provider, one.account, kind.value]
    if nameless:
        return f"{nameless} recordings of a {kind} do not say of which"
    return ""


def _outside(started_at: datetime | None, window: ReportWindow) -> str:
    """Why its recording may lie outside of the time that was looked at; empty where it cannot."""
    ends = window.until is not None and window.until < window.now
    if started_at is None:
        limited = window.since is not None or ends
        return "nobody says when it began, and not all time was looked at" if limited else ""
    if window.since is not None and started_at < window.since:
        return "it began before the time that was looked at"
    if ends and window.until is not None and started_at >= window.until - _LASTS:
        return "its recording may have been made after the time that was looked at"
    return ""


def _is_about(words: str, kind: SessionKind) -> bool:
    """What a vendor cannot list is said in words; those that name no kind are about each."""
    named = [each for each in SessionKind if re.search(rf"\b{each}", words)]
    return not named or kind in named


_Key = tuple[str, str, str]


@define
class _Seen:
    """The recordings of the expected sessions, and how many name no session."""

    #: (provider, kind, id) -> (account, (recording, status))
    recordings: dict[_Key, list[tuple[str, tuple[str, str]]]] = field(
        factory=lambda: defaultdict(list)
    )
    nameless: Counter[_Key] = field(factory=Counter)


def _key(provider: str, session: CommunicationSession) -> _Key:
    # Ids are compared as vendors do, who take a UUID in either case.
    return provider, session.kind.value, session.id.casefold()


def _seen(expected: Sequence[Expected], collection: Collection, now: datetime) -> _Seen:
    """One pass over the rows; only those of expected sessions are kept."""
    wanted = {_key(each.provider, each.session) for each in expected}
    seen = _Seen()
    for row in _rows(collection):
        provider, kind = row["provider"], row["kind"]
        named = [row[name] for name in ("session_id", "reference") if row[name] is not None]
        kinds = [kind] if kind is not None else [each.value for each in SessionKind]
        if row["session_id"] is None:
            seen.nameless.update((provider, row["account"], each) for each in kinds)
        expires = row["media_expires_at"]
        gone = row["status"] == RecordingStatus.AVAILABLE and expires and expires <= now
        status = RecordingStatus.EXPIRED.value if gone else row["status"]
        for key in {(provider, each, its_id.casefold()) for each in kinds for its_id in named}:
            if key in wanted:
                seen.recordings[key].append((row["account"], (row["recording_id"], status)))
    return seen


def _rows(collection: Collection) -> Iterator[dict[str, Any]]:
    import fsspec
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(collection.rows, list):
        return
    for path in collection.rows:
        try:
            with fsspec.open(path, "rb") as file:
                for batch in pq.ParquetFile(file).iter_batches(columns=list(_READ)):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise StorageError(
                f"{shown_url(path)} cannot be read as Parquet ({type(error).__name__}): take it "
                "out of the folder, and collect into that again"
            ) from error
