"""Row store: the collected rows in a folder, as Parquet parts and an index of the valid ones.

    FOLDER/
      index/PROVIDER/ACCOUNT/TIME-ID.json             the days that one sweep covered, and its parts
      rows/PROVIDER/ACCOUNT/DAY-TIME-ID.parquet       the rows of one day (UTC) from that sweep

Only parts that an index file names are read. The index file is written last and atomically, so a
run that is killed leaves the sweeps that it finished, and parts that are ignored. File names are
never reused, so two processes may collect into one folder.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import frozen

from recording_core.errors import ConfigurationError, MalformedPayload, StorageError
from recording_core.listing.coverage import Coverage
from recording_core.model.enums import FINAL
from recording_core.model.serialization import dumps, loads
from recording_core.reporting.collect.folder import Folder
from recording_core.reporting.collect.stable_windows import (
    INDEX_VERSION,
    Commit,
    Part,
    find_day_ranges,
    find_newest_undated,
    floor_to_day,
)
from recording_core.reporting.parquet import encode_parquet
from recording_core.reporting.row_schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

_VERSIONS = (INDEX_VERSION, SCHEMA_VERSION)
#: Superseded files stay this long, for readers that began before they were superseded.
_RETENTION = timedelta(days=7)
_WRITTEN_AT = re.compile(r"-([0-9]{8}T[0-9]{12})-[0-9a-f]{32}\.parquet$")
_UNSAFE = re.compile(r"[^a-z0-9_-]")


@frozen
class RowStore:
    """The collected rows of any number of accounts in one folder."""

    folder: Folder

    # -- reading ---------------------------------------------------------------------------------

    def read_accounts(
        self, *, skip_damaged: bool = False
    ) -> dict[tuple[str, str], tuple[Commit, ...]]:
        """Read (provider, account) -> its commits, newest first. Raises as `read_account` does."""
        found = self._read_index("index", skip_damaged)
        return {key: tuple(files.values()) for key, files in found.items()}

    def read_account(
        self, provider: str, account: str, *, skip_damaged: bool = False
    ) -> tuple[Commit, ...]:
        """Read the commits of one account, newest first.

        Raises `StorageError` for an index file that is truncated or cannot be read, and
        `ConfigurationError` for one of another version. `skip_damaged` ignores truncated files, so
        that their days are collected again.
        """
        found = self._read_index(f"index/{_build_path(provider, account)}", skip_damaged)
        return tuple(found.get((provider, account), {}).values())

    def find_damaged(self, parts: Iterable[Part]) -> tuple[str, ...]:
        """Find the parts that are missing or have another size than was written."""
        parts = tuple(parts)
        sizes = self.folder.list_sizes("rows") if parts else {}
        return tuple(each.file for each in parts if sizes.get(each.file) != each.size)

    def _read_index(
        self, below: str, skip_damaged: bool
    ) -> dict[tuple[str, str], dict[str, Commit]]:
        """Read (provider, account) -> index file -> its commit, newest first."""
        names = self.folder.list_sizes(below)
        files = self.folder.read_all(name for name in names if name.endswith(".json"))
        commits: dict[str, Commit] = {}
        for name, data in files.items():
            try:
                commits[name] = self._parse_commit(name, data)
            except StorageError:
                if not skip_damaged:
                    raise
        found: dict[tuple[str, str], dict[str, Commit]] = {}
        for name in sorted(commits, key=lambda name: (commits[name].asked_at, name), reverse=True):
            commit = commits[name]
            found.setdefault((commit.provider, commit.account), {})[name] = commit
        return dict(sorted(found.items()))

    def _parse_commit(self, name: str, data: bytes) -> Commit:
        try:
            document = json.loads(data)
            versions = document["version"], document["schema"]
            if versions == _VERSIONS:
                return loads(data, Commit)
        except (MalformedPayload, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StorageError(
                f"{self.folder.describe(name)} is not a complete index file ({error}). "
                "Delete it and collect into the folder again: its days are then collected again."
            ) from None
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
        return Part(day, name, table.num_rows, len(data), unfinished)

    def commit(self, entry: Commit) -> None:
        """Write the index file of a sweep. Its parts must have been written before."""
        path = _build_path(entry.provider, entry.account)
        self.folder.write(f"index/{path}/{_build_unique_stem()}.json", dumps(entry).encode())

    def register_account(self, provider: str, account: str, asked_at: datetime) -> None:
        """Register an account before its first sweep: the folder is not complete without it."""
        today = floor_to_day(asked_at)
        self.commit(Commit(provider, account, today, today, asked_at, Coverage()))

    def remove_superseded(self, provider: str, account: str) -> None:
        """Remove files that no report reads: superseded sweeps, and parts without a commit."""
        path = _build_path(provider, account)
        files = self._read_index(f"index/{path}", skip_damaged=True).get((provider, account), {})
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
        for name in self.folder.list_sizes(f"rows/{path}"):
            written_at = _WRITTEN_AT.search(name)
            if name not in named and written_at and written_at[1] < before:
                self.folder.remove(name)


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
