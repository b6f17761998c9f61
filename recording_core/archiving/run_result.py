"""Run result: the request of a run, its progress, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime

from attrs import field, frozen

from recording_core.accounts import Account
from recording_core.errors import (
    RecordingError,
)
from recording_core.listing.coverage import AccountCoverage
from recording_core.provider.provider import Provider

#: The most failures that a run names.
MOST_NAMED = 10_000
#: Stands in `without_media` for recordings whose media is in the customer's own storage.
ELSEWHERE = "in your own storage"


@frozen
class Failure:
    """A recording that was not copied, and why."""

    provider: str
    account: str
    recording_id: str
    error: RecordingError

    def __str__(self) -> str:
        return f"{self.provider} {self.account} {self.recording_id}: {self.error}"


@frozen
class ArchiveRun:
    """The result of `Archive.copy`.

    Attributes:
        copied: the number of recordings that were copied
        already_there: the number that had a copy of their current state
        not_ready: the number whose media is not available yet; the next run tries them again
        failed: those that could not be copied, and why; at most ten thousand. The next run tries
            them again
        bytes: the bytes that were copied
        files: the files that were copied
        without_media: status -> the number of recordings without a copy that have no media, such as
            `failed`, `empty` or `expired`; `in your own storage` is not a status
        coverage: one entry per account: what was listed
        nearest_expiry: when the vendor removes the first of those that are not copied yet
        unverified: the number of copied recordings that have a copy with a doubt
    """

    copied: int = 0
    already_there: int = 0
    not_ready: int = 0
    failed: tuple[Failure, ...] = ()
    bytes: int = 0
    files: int = 0
    without_media: Mapping[str, int] = field(factory=dict, hash=False)
    coverage: tuple[AccountCoverage, ...] = ()
    nearest_expiry: datetime | None = None
    unverified: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything was listed, and what was ready was copied."""
        return not self.failed and all(each.coverage.complete for each in self.coverage)


@frozen
class ArchiveProgress:
    """What `on_progress` receives, in the thread that called `copy`.

    Attributes:
        kind: `copied`, `already_there`, `not_ready`, `without_media`, `failed`; `listing` while the
            list of an account is read, and `listed` when all that it names is done
        provider: the provider's name
        account: the account's name
        recording_id: the recording's id; `None` if it is about several
        count: the number of recordings that it is about
        files: the files that were copied
        bytes: the bytes that were copied
        expected: the number that the vendor's list states or had; `None` if it is not known, and
            too low while a list of several windows is read
        error: why it failed or is not ready
    """

    kind: str
    provider: str
    account: str
    recording_id: str | None = None
    count: int = 1
    files: int = 0
    bytes: int = 0
    expected: int | None = None
    error: RecordingError | None = None


@frozen
class RunRequest:
    """The arguments of `Archive.copy`, checked."""

    accounts: tuple[Account | Provider, ...]
    since: datetime | None
    until: datetime | None
    workers: int
    shard: tuple[int, int]
    executor: Executor | None
    share: float
    on_progress: Callable[[ArchiveProgress], object] | None
