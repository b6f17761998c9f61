"""Storage: the files of recordings, read from `/storage_files` newest first, as far as needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from attrs import define, field, frozen

from recording_core import MalformedPayload, PaginationError, ProviderError, Recording
from recording_voipbin import mapping
from recording_voipbin.mapping import StoredFile

#: https://api.voipbin.net/openapi.json: the largest `page_size`
PAGE_SIZE = 100
#: The most pages that are read for the files of one recording, so that a `get` sends at most three
#: requests, however many files the account has.
PAGES_PER_RECORDING = 2
#: The most rows with one `tm_create`. A vendor that returns more returns new rows without end.
MAX_ROWS_PER_TIME = 10 * PAGE_SIZE


@frozen
class ListPosition:
    """How far a list was read.

    Attributes:
        before: the next page has the rows that are older than this; None at the start of the list
        read_ids: ids of rows that were read already, and that the next page repeats
    """

    before: datetime | None
    read_ids: frozenset[str] = frozenset()


def find_new_rows(
    position: ListPosition, rows: Sequence[Any], token: datetime | None
) -> tuple[Sequence[Any], ListPosition | None]:
    """Find the rows of a page that were not read before, and the position after the page.

    The position is None at the end of the list. Raises `PaginationError`, and `MalformedPayload` if
    neither the token nor any row has a time.
    """
    # The vendor's token is the time of the last row, and lists strictly older rows. If a page ends
    # between rows of one microsecond, that token would skip the others of them. So the next page
    # is requested with a token one microsecond later, and repeats the rows of that microsecond.
    new = [row for row in rows if _read_id(row) not in position.read_ids]
    if not new and len(rows) < PAGE_SIZE:
        return new, None
    if not new:
        raise PaginationError(
            f"{len(rows)} rows of VoIPBin's list have the same time, to the microsecond, and its "
            "page tokens are times: the rows after them cannot be requested"
        )
    times = (mapping.read_row_time(row, "tm_create") for row in reversed(rows))
    oldest = next(times) or token or next(filter(None, times), None)
    if oldest is None:
        raise MalformedPayload(
            "Neither the last row nor `next_page_token` has a time", path="next_page_token"
        )
    before = oldest + mapping.TIME_RESOLUTION
    read_ids: set[str] = set()
    for row in reversed(rows):
        at = mapping.read_row_time(row, "tm_create")
        if at is not None and at > oldest:
            break  # the rows before it are newer, too
        read_ids.add(_read_id(row))
    is_stuck = False
    if before == position.before:
        is_stuck = read_ids <= position.read_ids  # the page shows the same rows again
        read_ids |= position.read_ids
    if position.before is not None and (
        is_stuck or before > position.before or len(read_ids) > MAX_ROWS_PER_TIME
    ):
        raise PaginationError(
            "The pages of VoIPBin's list do not go back in time: the list would never end"
        )
    return new, ListPosition(before, frozenset(read_ids))


def _check_order(rows: Sequence[Any]) -> None:
    """Raise `PaginationError` unless stored files are listed newest first: assumption 7."""
    times = [at for row in rows if (at := mapping.read_row_time(row, "tm_create")) is not None]
    if any(newer < older for newer, older in pairwise(times)):
        raise PaginationError("VoIPBin does not list stored files newest first")


def _read_id(row: Any) -> str:
    value = row.get("id") if isinstance(row, dict) else None
    # A row without an id is repeated too: without a substitute the list would never end.
    return value if type(value) is str and value else f"row {hash(repr(row))}"


@define(eq=False)
class StorageReader:
    """Reads the files that were stored before a time. Not thread-safe.

    Attributes:
        base_url: the URL of the API, for the URLs of files
        read_page: reads the page of `/storage_files` at a position
        position: the position of the next page; None at the end of the list
        has_failed: whether the list could not be read; then no file is known
        problems: a sentence for that, and one for each problem of a row that could not be read
    """

    base_url: str
    read_page: Callable[[ListPosition], tuple[Sequence[Any], ListPosition | None]]
    position: ListPosition | None
    has_failed: bool = False
    problems: list[str] = field(factory=list)
    _files: dict[str, list[StoredFile]] = field(factory=dict)
    _unread_owners: set[str] = field(factory=set)

    def read_back_to(self, moment: datetime) -> None:
        """Read files until they are older than a time."""
        while self.position is not None and not self._has_reached(moment):
            self._read_page_at(self.position)

    def read_files_of(self, recording: Recording) -> bool:
        """Read a few pages for the files of one recording.

        Returns whether all of its files were read; False if there may be more on other pages. If
        the first page ends long after the recording, the second page is that which usually has
        its files.
        """
        times = mapping.compute_storage_times(recording)
        begin = times.begin if times is not None else datetime.min.replace(tzinfo=UTC)
        is_connected = True
        for page in range(PAGES_PER_RECORDING):
            if self.position is None or self._is_complete(recording) or self._has_reached(begin):
                break
            if page and times is not None and not self._has_reached(times.soon):
                self.position, is_connected = ListPosition(times.soon), False
            self._read_page_at(self.position)
        is_read = self.position is None or self._has_reached(begin)
        return self._is_complete(recording) or (is_connected and is_read)

    def _has_reached(self, moment: datetime) -> bool:
        """Whether everything from this time to the start of the reading was read."""
        before = self.position.before if self.position is not None else None
        return before is not None and before <= moment

    def _is_complete(self, recording: Recording) -> bool:
        files = [each.file for each in self.find_files(recording) or ()]
        return len(files) >= mapping.count_legs(recording, files)

    def _read_page_at(self, position: ListPosition) -> None:
        try:
            rows, self.position = self.read_page(position)
            _check_order(rows)
        except ProviderError as error:
            # Recordings are listed even if their files cannot be read.
            if error.status == 401:
                raise
            reason = f"HTTP {error.status}" if error.status else type(error).__name__
            minutes = mapping.USUAL_STORAGE_DELAY.seconds // 60
            self.problems.append(
                f"/storage_files cannot be read ({reason}): recordings are reported as available "
                f"{minutes} minutes after their end, and their files are not listed"
            )
            rows, self.position, self.has_failed = (), None, True
        for row in rows:
            try:
                if not isinstance(row, dict):
                    raise MalformedPayload("the row is not an object")
                stored = mapping.read_stored_file(row, self.base_url)
            except MalformedPayload as error:
                problem = f"a row of /storage_files cannot be read: {error.message}"
                if problem not in self.problems:
                    self.problems.append(problem)
                owner = row.get("reference_id") if isinstance(row, dict) else None
                if isinstance(owner, str):
                    self._unread_owners.add(owner)
                continue
            if stored is not None:
                self._files.setdefault(stored.recording_id, []).append(stored)

    def has_unread_file(self, recording: Recording, found: Sequence[StoredFile]) -> bool:
        """Whether a file of the recording may have been listed, and could not be read.

        With some files, any row that could not be read may be that of the other one. Without any,
        it is probably another recording's, unless it names this one.
        """
        return recording.id in self._unread_owners or bool(found and self.problems)

    def find_files(self, recording: Recording) -> Sequence[StoredFile] | None:
        """Find the recording's files among those read so far; None if the list could not be read.

        Files that were stored after the latest time of its storage are left out.
        """
        if self.has_failed:
            return None
        times = mapping.compute_storage_times(recording)
        return [
            each
            for each in self._files.get(recording.id, ())
            if times is None or each.created_at is None or each.created_at < times.latest
        ]

    def discard_files_since(self, moment: datetime) -> None:
        """Discard the files that were stored at this time or later: no recording needs them now."""
        self._files = {
            recording_id: older
            for recording_id, files in self._files.items()
            if (older := [each for each in files if each.created_at and each.created_at < moment])
        }
