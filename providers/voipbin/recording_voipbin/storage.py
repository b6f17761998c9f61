"""Which files does VoIPBin's storage name of a recording? Read newest first, as far as needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from recording_core import MalformedPayload, MediaFile, PaginationError, ProviderError, Recording
from recording_voipbin import mapping
from recording_voipbin.mapping import StoredFile

__all__ = ["PAGE_SIZE", "Place", "Storage", "following"]

#: https://api.voipbin.net/openapi.json: the most that `page_size` may be
PAGE_SIZE = 100
#: So many rows of one microsecond are none of a vendor's: it makes them up, page after page.
MOST_AT_ONCE = 10 * PAGE_SIZE
#: Whatever the vendor says of storage, recordings are listed all the same.
_CANNOT_ASK = (ProviderError,)


@frozen
class Place:
    """How far a list was read: what is older than `before` comes next, and `shown` comes again."""

    before: datetime | None
    shown: frozenset[str] = frozenset()


def following(
    place: Place, rows: Sequence[Any], token: datetime | None
) -> tuple[Sequence[Any], Place | None]:
    """Those of a page's rows that the pages before had not, and the place after them; None at the
    end. Raises `PaginationError`, and `MalformedPayload` where nothing tells the place.
    """
    # The vendor's token is the time of the last row, and lists what is really older: of rows of one
    # microsecond at a page's end the rest would be lost. So one microsecond is asked for again.
    fresh = [row for row in rows if _id(row) not in place.shown]
    if not fresh:
        if len(rows) >= PAGE_SIZE:
            raise PaginationError(
                f"{len(rows)} rows share a microsecond, and page tokens are times: what comes "
                "after them cannot be asked for"
            )
        return fresh, None
    oldest = mapping.known_moment(rows[-1], "tm_create") or token
    if oldest is None:
        raise MalformedPayload("a page that does not tell where it ends", path="next_page_token")
    before = oldest + mapping.TICK
    shown = {_id(row) for row in rows if mapping.known_moment(row, "tm_create") == oldest}
    shown.add(_id(rows[-1]))  # also where its own time cannot be read
    if before == place.before:
        shown |= place.shown
    if place.before is not None and (before > place.before or len(shown) > MOST_AT_ONCE):
        raise PaginationError("the vendor does not page back in time: the list would never end")
    return fresh, Place(before, frozenset(shown) - {""})


def _id(row: Any) -> str:
    value = row.get("id") if isinstance(row, dict) else None
    return value if type(value) is str else ""


@define
class Storage:
    """The files that were stored before a moment, for one reader after another: not thread-safe.

    `read_page` reads a page of `/storage_files`. `errors` is not empty where it could not be asked;
    then nobody knows of any file.
    """

    read_page: Callable[[Place], tuple[Sequence[Any], Place | None]]
    place: Place | None
    errors: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    _known: dict[str, list[StoredFile]] = field(factory=dict)

    @property
    def failed(self) -> bool:
        return bool(self.errors)

    def read_back_to(self, moment: datetime, until_whole: Recording | None = None) -> None:
        """Read on until files are older, or one recording's are all known, or there are no more."""
        while self.place is not None and not self.failed:
            if self.place.before is not None and self.place.before <= moment:
                return
            if until_whole and mapping.is_whole(until_whole, self.files_of(until_whole) or ()):
                return
            self._read_on(self.place)

    def _read_on(self, place: Place) -> None:
        try:
            rows, self.place = self.read_page(place)
        except _CANNOT_ASK as error:
            if error.status == 401:
                raise
            why = f"HTTP {error.status}" if error.status else type(error).__name__
            self.errors = (
                f"/storage_files cannot be read ({why}): recordings that have ended are called "
                f"available {mapping.MOSTLY_STORED.seconds // 60} minutes later, and their files "
                "are not named",
            )
            return
        for row in rows:
            try:
                if type(row) is not dict:
                    raise MalformedPayload("not an object")
                stored = mapping.stored_file(row)
            except MalformedPayload as error:
                reason = f"a row of /storage_files cannot be read: {error.message}"
                self.unreadable = tuple(dict.fromkeys((*self.unreadable, reason)))
                continue
            if stored is not None:
                self._known.setdefault(stored.recording_id, []).append(stored)

    def files_of(self, seen: Recording) -> Sequence[MediaFile] | None:
        """What was read so far; None where storage could not be asked."""
        if self.failed:
            return None
        stored_by = mapping.stored_by(seen)
        return [
            each.file
            for each in self._known.get(seen.id, ())
            if stored_by is None or each.created_at is None or each.created_at < stored_by[1]
        ]

    def forget_from(self, moment: datetime) -> None:
        """Files that were stored then or later are nobody's who will still ask."""
        for recording_id, files in list(self._known.items()):
            kept = [each for each in files if each.created_at and each.created_at < moment]
            if kept:
                self._known[recording_id] = kept
            else:
                del self._known[recording_id]
