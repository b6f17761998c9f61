"""Archive: the verified copies of many accounts' recordings, in a folder or at any fsspec URL.

A record alone makes a copy exist, and nothing is ever overwritten: see `record.py`. So a torn
upload, a killed process or two machines at once leave garbage, and never a wrong copy.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import BinaryIO

from attrs import evolve

from recording_core.accounts import (
    Account,
    get_account_key,
    resolve_accounts,
)
from recording_core.archiving.expiry import find_expiring, sort_by_expiry
from recording_core.archiving.found_records import (
    FoundRecords,
    map_ahead,
    read_listed_records,
    read_records,
)
from recording_core.archiving.index import Entry, Index
from recording_core.archiving.record import ArchivedRecording, build_folder
from recording_core.archiving.run import copy_accounts
from recording_core.archiving.run_result import ArchiveProgress, ArchiveRun, RunRequest
from recording_core.archiving.verification import Verification, group_files, verify_archive
from recording_core.errors import ConfigurationError
from recording_core.model.entities import Recording
from recording_core.provider import validation
from recording_core.provider.provider import Provider
from recording_core.storage.folder import Folder

_log = logging.getLogger("recording_core.archiving")

#: Records that are read at once.
_READS_AT_ONCE = 8


class Archive:
    """The archive in a folder or at an fsspec URL, such as `s3://bucket/recordings`.

    It needs `recording-core[archive]`, and for a URL the fsspec package of its storage, whose own
    settings and environment variables apply. Nothing is created before the first copy.

    Raises `ConfigurationError` if a package is missing or the URL cannot be opened.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        for package in ("fsspec", "pyarrow"):
            if importlib.util.find_spec(package) is None:
                raise ConfigurationError(
                    f"An archive needs {package}, which is not installed: pip install "
                    "'recording-core[archive]'"
                )
        self.folder = Folder(os.path.expanduser(os.fspath(url)))
        if self.folder.is_local and os.path.isfile(self.folder.root):
            raise ConfigurationError(f"{self.folder} is a file: an archive needs a folder")
        self._index = Index(self.folder)

    def copy(
        self,
        providers: Iterable[Account | Provider] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        workers: int = 8,
        shard: tuple[int, int] = (0, 1),
        executor: Executor | None = None,
        share: float = 1.0,
        on_progress: Callable[[ArchiveProgress], object] | None = None,
    ) -> ArchiveRun:
        """Copy every recording that is new or changed, check it, and record it.

        Changed are a status, a duration, and the ids and sizes of files. A recording that cannot be
        copied is named in `ArchiveRun.failed` and stops no other one; the next run tries it again.

        Args:
            providers: accounts or connected providers; without it all configured accounts
            since: an aware datetime; without it the run goes on from the beginning of the last
                complete one of the account, less a day. It lists everything if there is none, or if
                that time is not before `until`
            until: an aware datetime, exclusive
            workers: the copies that are made at once
            shard: `(number, parts)`: copies one part of all recordings, by a hash of their ids, and
                lists at that part of each account's rate, for several machines
            executor: any `concurrent.futures.Executor`, such as that of a Dask cluster, whose
                workers find the same credentials and storage; needs accounts, and a URL without
                credentials. `workers` is then the number of tasks at once, of 16 recordings each
            share: the part of each account's rate that is used, above 0 and at most 1
            on_progress: called with an `ArchiveProgress`, in the caller's thread

        Returns:
            What was copied, what was not and why, and what was listed.

        Raises:
            ValueError: an argument is outside its bounds, or `since` is after `until`
            ConfigurationError: no account is configured or can be used, two accounts have one name,
                or the archive holds another account's recordings under that name (if there are
                several accounts, the error of one is in its `coverage`)
            StorageError: the archive cannot be read, or stored nothing several times in a row
        """
        request = RunRequest(
            resolve_accounts(providers, "providers", "this archive", executor),
            validation.check_time(since, "since"),
            validation.check_time(until, "until"),
            _check_workers(workers),
            _check_shard(shard),
            executor,
            _check_share(share),
            on_progress,
        )
        if request.since and request.until and request.since > request.until:
            raise ValueError("since must not be after until")
        if executor is not None:
            self.folder.check_other_processes()
        return copy_accounts(self.folder, request)

    def verify(self, *, sample: float = 1.0, clean: bool = False) -> Verification:
        """Compare each file of the archive with its record: its presence, size and SHA-256.

        Args:
            sample: the part of the recordings whose files are read and hashed, from 0 to 1. The
                presence and size of every file are checked
            clean: remove what no record needs and is older than two days, by the storage's clock

        Raises `StorageError` if the archive cannot be listed.
        """
        if not 0 <= sample <= 1:
            raise ValueError("sample must be between 0 and 1")
        return verify_archive(self.folder, sample=sample, clean=clean)

    def recordings(self) -> Iterator[ArchivedRecording]:
        """Read every recording of the archive, from the records. Raises `StorageError`.

        A recording whose records cannot be read is left out: `verify` names it.
        """
        for found in self._read_all_records():
            if found.best is not None:
                yield self._describe(found, found.best)

    def get(self, provider: str, account: str, recording_id: str) -> ArchivedRecording | None:
        """Read the best copy of a recording; `None` if the archive has none.

        Raises `StorageError` if the folder cannot be read.
        """
        found = read_records(self.folder, build_folder(provider, account, recording_id))
        return None if found.best is None else self._describe(found, found.best)

    def open(self, archived: ArchivedRecording, file: int = 0) -> AbstractContextManager[BinaryIO]:
        """Open one of a recording's copies, by its position in `copies`, for reading."""
        parent = archived.record.rpartition("/")[0]
        return self.folder.open(f"{parent}/{archived.copies[file].path.name}")

    def expiring(
        self, providers: Iterable[Account | Provider] | None = None, *, within: timedelta
    ) -> list[Recording]:
        """List what its vendor will remove within a time, and the archive has no verified copy of.

        Lists each account completely, and logs a warning if a list has gaps. The result is ordered
        by the time of the removal.

        Raises `ProviderError` if an account cannot be listed, and `StorageError`.
        """
        limit = validation.check_duration(within, "within")
        if limit is None:
            raise TypeError("within must be a timedelta")
        accounts = resolve_accounts(providers, "providers", "this archive")
        recordings: list[Recording] = []
        for found in find_expiring(self.folder, accounts, limit):
            if found.error is not None:
                raise found.error
            if not found.coverage.complete:
                name = " account ".join(get_account_key(found.account))
                _log.warning(
                    "The list of %s is not complete, and more may expire: %s",
                    name,
                    "; ".join(found.coverage.errors) or "some of its rows cannot be read",
                )
            recordings += found.recordings
        return sort_by_expiry(recordings)

    def compact(self) -> int:
        """Merge the index's files into one, and return how many there were.

        The old ones are kept for a day, for readers that began before. Raises `StorageError`.
        """
        return self._index.compact()

    def rebuild_index(self) -> int:
        """Write the index again from the records whose files are there; return how many there are.

        The next run copies the other recordings again, if their vendor still has them.
        """
        entries = [
            Entry.from_record(record, f"{found.path}/{name}")
            for found in self._read_all_records()
            for name, record in found.whole.items()
        ]
        self._index.replace(entries)
        return len(entries)

    def __repr__(self) -> str:
        return f"<Archive {self.folder}>"

    def _read_all_records(self) -> Iterator[FoundRecords]:
        """Read the records of each recording, several at once."""
        groups = group_files(self.folder.list_files(""))
        with ThreadPoolExecutor(_READS_AT_ONCE, thread_name_prefix="recording-read") as threads:
            yield from map_ahead(
                threads,
                lambda group: read_listed_records(self.folder, group.path, group.files),
                groups,
            )

    def _describe(self, found: FoundRecords, name: str) -> ArchivedRecording:
        record = found.get(name)
        root = self.folder.build_path("")
        copies = tuple(
            evolve(copy, path=root / found.path / copy.path.name) for copy in record.copies
        )
        path = f"{found.path}/{name}"
        return ArchivedRecording(record.recording, copies, record.made_at, path, record.state)


# -- arguments ------------------------------------------------------------------------------------


def _check_workers(workers: int) -> int:
    if type(workers) is not int or workers < 1:
        raise ValueError("workers must be a number of at least 1")
    return workers


def _check_shard(shard: tuple[int, int]) -> tuple[int, int]:
    number, parts = shard
    if type(number) is not int or type(parts) is not int or not 0 <= number < parts:
        raise ValueError("shard must be (number, parts) with 0 <= number < parts")
    return number, parts


def _check_share(share: float) -> float:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ValueError("share must be above 0 and at most 1")
    return float(share)
