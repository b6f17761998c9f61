"""Expiry: what vendors will remove soon, and the archive has no verified copy of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from attrs import frozen

from recording_core.accounts import Account, get_account_key, open_connection
from recording_core.archiving.index import Index
from recording_core.archiving.lister import is_fetchable
from recording_core.archiving.record import compute_state
from recording_core.errors import RecordingError
from recording_core.listing.coverage import Coverage
from recording_core.model.entities import Recording
from recording_core.provider.provider import Provider
from recording_core.storage.folder import Folder

_LATEST = datetime.max.replace(tzinfo=UTC)


@frozen
class ExpiringRecordings:
    """What one account's vendor will remove, what was listed, and the error that ended the list.

    `doubtful` are the ids of those that have a copy of their current state, which is not verified.
    """

    account: Account | Provider
    recordings: tuple[Recording, ...]
    coverage: Coverage
    doubtful: frozenset[str]
    error: RecordingError | None = None


def find_expiring(
    folder: Folder, accounts: Iterable[Account | Provider], within: timedelta
) -> Iterator[ExpiringRecordings]:
    """List each account completely. An account that fails stops no other one.

    Raises `StorageError` if the archive's index cannot be read.
    """
    content = Index(folder).read()
    for account in accounts:
        known = content.get_account(*get_account_key(account))
        found: list[Recording] = []
        listing = None
        error: RecordingError | None = None
        try:
            with open_connection(account) as provider:
                now = provider.clock.now()
                listing = provider.list()
                found += (
                    each
                    for each in listing
                    if each.media_expires_at is not None
                    and now < each.media_expires_at <= now + within
                    and not known.is_verified(each.id, compute_state(each))
                    and is_fetchable(each, provider)
                )
        except RecordingError as raised:
            error = raised
        yield ExpiringRecordings(
            account,
            tuple(sort_by_expiry(found)),
            listing.coverage if listing is not None else Coverage(),
            frozenset(each.id for each in found if known.is_copied(each.id, compute_state(each))),
            error,
        )


def sort_by_expiry(recordings: Iterable[Recording]) -> list[Recording]:
    """Sort recordings by the time at which their vendor removes them."""
    return sorted(recordings, key=lambda each: each.media_expires_at or _LATEST)
