"""Row store: the collected rows in a folder, as Parquet parts and an index of the valid ones.

    FOLDER/
      index/PROVIDER/ACCOUNT/TIME-DIGEST.json         the days that one sweep covered, and its parts
      rows/PROVIDER/ACCOUNT/DAY-TIME-ID.parquet       the rows of one day (UTC) from that sweep

Only parts that an index file names are read. The index file is written last and atomically, so a
run that is killed leaves the sweeps that it finished, and parts that are ignored. File names are
never reused, so two processes may collect into one folder. The index holds the SHA-256 of each
part, and an index file's name the beginning of its own: a changed byte is found when it is read.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import field, frozen

from recording_core.errors import ConfigurationError, MalformedPayload, StorageError
from recording_core.listing.coverage import Coverage
from recording_core.listing.row_schema import SCHEMA_VERSION
from recording_core.model.enums import FINAL
from recording_core.model.serialization import dumps, loads
from recording_core.reporting.collect.stable_windows import (
    INDEX_VERSION,
    Commit,
    Part,
    find_day_ranges,
    find_newest_undated,
    floor_to_day,
)
from recording_core.storage.folder import Folder, StoredFile
from recording_core.storage.parquet import count_rows, encode_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_VERSIONS = (INDEX_VERSION, SCHEMA_VERSION)
#: Superseded files stay this long, for readers that began before they were superseded.
_RETENTION = timedelta(days=7)
_WRITTEN_AT = re.compile(r"-([0-9]{8}T[0-9]{12})-[0-9a-f]{32}\.parquet$")
_UNSAFE = re.compile(r"[^a-z0-9_-]")
_PART_NAME = re.compile(r"[0-9a-zA-Z-]+\.parquet", re.ASCII)
#: The number of parts that are read and checked at once: remote folders answer slowly.
_CHECKS_AT_ONCE = 8


@frozen
class AccountIndex:
    """The index files of one account: their commits, newest first, and those that are damaged.

    `damaged` is name -> what is wrong with it, as the end of a sentence.
    """

    files: Mapping[str, Commit] = field(factory=dict)
    damaged: Mapping[str, str] = field(factory=dict)

    @property
    def commits(self) -> tuple[Commit, ...]:
        return tuple(self.files.values())


@frozen
class RowStore:
    """The collected rows of any number of accounts in one folder."""

    folder: Folder
    #: the files of parts that were found whole, so that each is read once
    _whole: set[str] = field(factory=set, eq=False, repr=False)

    # -- reading ---------------------------------------------------------------------------------

    def read_accounts(self) -> dict[tuple[str, str], AccountIndex]:
        """Read (provider, account) -> its index.

        Raises `StorageError` for a folder that cannot be read, and `ConfigurationError` for an
        index file of another version.
        """
        found = {}
        for folder, index in self._read_index("index").items():
            _, provider, account = folder.split("/", 2)  # escaped, if no commit has the names
            for commit in index.commits[:1]:
                provider, account = commit.provider, commit.account
            found[provider, account] = index
        return dict(sorted(found.items()))

    def read_account(self, provider: str, account: str) -> AccountIndex:
        """Read the index of one account. Raises as `read_accounts` does."""
        folder = f"index/{_build_path(provider, account)}"
        return self._read_index(folder).get(folder, AccountIndex())

    def find_damaged(self, parts: Iterable[Part]) -> dict[str, str]:
        """Find the parts that are not what was written: file -> the end of a sentence about it.

        Each part is read once per store, as its size shows only the coarsest damage.
        """
        wanted = [each for each in parts if each.file not in self._whole]
        found = self.folder.list_files("rows") if wanted else {}
        with ThreadPoolExecutor(_CHECKS_AT_ONCE) as threads:
            checks = threads.map(lambda part: self._check_part(part, found.get(part.file)), wanted)
            reasons = {part.file: reason for part, reason in zip(wanted, checks, strict=True)}
        self._whole.update(file for file, reason in reasons.items() if not reason)
        return {file: reason for file, reason in reasons.items() if reason}

    def _check_part(self, part: Part, stored: StoredFile | None) -> str:
        """Return what is wrong with a part; empty if it is whole."""
        if stored is None:
            return "is missing"
        if stored.size != part.size:
            return f"has {stored.size} bytes and not {part.size} as collected"
        if not self.folder.is_durable:
            return ""  # written by this process, into a folder that it removes
        try:
            data = self.folder.read(part.file)
        except StorageError as error:
            return f"cannot be read ({error})"
        if sha256(data).hexdigest() != part.sha256:
            return "has another SHA-256 than was collected"
        if (rows := count_rows(data)) != part.rows:
            return f"has {rows} rows and not {part.rows} as its index file states"
        return ""

    def _read_index(self, below: str) -> dict[str, AccountIndex]:
        """Read the folder of each account -> its index."""
        names = self.folder.list_files(below)
        contents = self.folder.read_all(name for name in names if name.endswith(".json"))
        found: dict[str, tuple[dict[str, Commit], dict[str, str]]] = {}
        for name, data in contents.items():
            files, damaged = found.setdefault(name.rpartition("/")[0], ({}, {}))
            commit = self._parse_commit(name, data)
            if isinstance(commit, Commit):
                files[name] = commit
            else:
                damaged[name] = commit
        return {
            folder: AccountIndex(
                dict(sorted(files.items(), key=lambda each: (each[1].asked_at, each[0]))[::-1]),
                damaged,
            )
            for folder, (files, damaged) in found.items()
        }

    def _parse_commit(self, name: str, data: bytes) -> Commit | str:
        """Parse an index file, or return what is wrong with it."""
        folder, _, file = name.removeprefix("index/").rpartition("/")
        if not file.endswith(f"-{_build_digest(data)}.json"):
            return "does not have the content that was written"
        try:
            document = json.loads(data)
            versions = document["version"], document["schema"]
            if versions == _VERSIONS:
                commit = loads(data, Commit)
                return (
                    commit
                    if _is_within(commit, folder)
                    else ("names files outside the folder of its account")
                )
        except (MalformedPayload, ValueError, KeyError, TypeError, RecursionError) as error:
            return f"is not an index file ({error})"
        raise ConfigurationError(
            f"{self.folder.describe(name)} was written by another version of recording-core: "
            f"its index and row versions are {versions}, and this version reads {_VERSIONS}. "
            "Collect into another folder, or read this one with the recording-core that wrote it."
        )

    # -- writing ---------------------------------------------------------------------------------

    def write(self, provider: str, account: str, day: datetime | None, table: pa.Table) -> Part:
        """Write the rows of one day (or the undated rows) as one part; a commit makes it valid."""
        import pyarrow as pa
        import pyarrow.compute as pc

        data = encode_parquet(table)
        date = day.date().isoformat() if day else "undated"
        name = f"rows/{_build_path(provider, account)}/{date}-{_build_unique_stem()}.parquet"
        self.folder.write(name, data)
        is_final = pc.is_in(table["status"], pa.array([each.value for each in FINAL]))
        unfinished = table.num_rows - (pc.sum(is_final).as_py() or 0)
        digest = sha256(data).hexdigest()
        return Part(day, name, table.num_rows, len(data), unfinished, digest)

    def commit(self, entry: Commit) -> None:
        """Write the index file of a sweep. Its parts must have been written before."""
        path, data = _build_path(entry.provider, entry.account), dumps(entry).encode()
        stem = f"{_format_timestamp(datetime.now(UTC))}-{_build_digest(data)}"
        self.folder.write(f"index/{path}/{stem}.json", data)

    def register_account(self, provider: str, account: str, asked_at: datetime) -> None:
        """Register an account before its first sweep: the folder is not complete without it."""
        today = floor_to_day(asked_at)
        self.commit(Commit(provider, account, today, today, asked_at, Coverage()))

    def remove_superseded(self, provider: str, account: str) -> None:
        """Remove files that no report reads: superseded sweeps, parts without a commit, and the
        temporary files of dead processes.
        """
        path = _build_path(provider, account)
        files = self.read_account(provider, account).files
        read = {id(each.commit) for each in find_day_ranges([*files.values()])}
        undated = find_newest_undated(files.values())
        before = _format_timestamp(datetime.now(UTC) - _RETENTION)
        named: set[str] = set()
        for file, commit in files.items():
            in_use = id(commit) in read or (commit.undated and commit.undated is undated)
            if not in_use and file.rpartition("/")[2] < before:
                # Before its parts, so that no index file names a missing part.
                self.folder.remove(file)
            else:
                named |= {part.file for part in (*commit.parts, *(commit.undated or ()))}
        for name in self.folder.list_files(f"rows/{path}"):
            written_at = _WRITTEN_AT.search(name)
            if name not in named and written_at and written_at[1] < before:
                self.folder.remove(name)
        for below in (f"index/{path}", f"rows/{path}"):
            self.folder.remove_abandoned_parts(below)


def _is_within(commit: Commit, folder: str) -> bool:
    """Whether a commit belongs to the account of its folder, and so do its parts."""
    path = _build_path(commit.provider, commit.account)
    start = f"rows/{path}/"
    return path == folder and all(
        part.file.startswith(start) and _PART_NAME.fullmatch(part.file.removeprefix(start))
        for part in (*commit.parts, *(commit.undated or ()))
    )


def _build_digest(data: bytes) -> str:
    """Return the part of a digest that the name of an index file contains."""
    return sha256(data).hexdigest()[:32]


def _build_path(provider: str, account: str) -> str:
    return f"{_escape(provider)}/{_escape(account)}"


def _build_unique_stem() -> str:
    return f"{_format_timestamp(datetime.now(UTC))}-{uuid.uuid4().hex}"


def _format_timestamp(time: datetime) -> str:
    return time.strftime("%Y%m%dT%H%M%S%f")


def _escape(name: str) -> str:
    """Return a name that every file system accepts; different names stay different."""
    safe = _UNSAFE.sub("_", name)[:64]
    return safe if safe == name else f"{safe}-{sha256(name.encode()).hexdigest()[:16]}"
