"""What has been collected into a folder? Parquet parts, and an index that says which of them count.

    FOLDER/
      index/PROVIDER/ACCOUNT/TIME-ID.json             what one sweep covered, and its parts
      rows/PROVIDER/ACCOUNT/DAY-TIME-ID.parquet       the rows of one day (UTC) as that sweep saw it

Only parts that an index file names are read, and that file is written last, whole or not at all: a
run that was killed leaves what it had finished, and parts that nobody reads. No name is written
twice, so that two processes that collect into one folder do no harm.
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
from recording_core.listing.page import Window
from recording_core.model.serialization import dumps, loads
from recording_core.reporting.collect.folder import Folder
from recording_core.reporting.collect.stable_windows import (
    Commit,
    Part,
    midnight,
    newest_undated,
    stretches,
)
from recording_core.reporting.row_schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Kept", "Store"]

#: Of the index; a version that means something else by it counts on.
_VERSION = 1
#: How long what no report needs any more is left to those that began with it.
_LEFT = timedelta(days=7)
_MADE = re.compile(r"-([0-9]{8}T[0-9]{12})-[0-9a-f]{32}\.parquet$")
_FOREIGN = re.compile(r"[^a-z0-9_-]")


@frozen
class Kept:
    """One account's index: its commits, newest first, and the files that they are in."""

    provider: str
    account: str
    commits: tuple[Commit, ...]
    files: tuple[str, ...]


class Store:
    """The collected rows of any number of accounts in one folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    # -- reading ---------------------------------------------------------------------------------

    def accounts(self, *, forgiving: bool = False) -> tuple[Kept, ...]:
        """Every account whose rows are there. Raises as `kept` does."""
        return self._read("index", forgiving)

    def kept(self, provider: str, account: str, *, forgiving: bool = False) -> Kept:
        """What is there of one account, if anything is.

        Raises `StorageError` for an index file that is cut off or cannot be read, and
        `ConfigurationError` for another version's. `forgiving` passes over what is cut off: what it
        named is collected anew.
        """
        found = self._read(f"index/{_safe(provider)}/{_safe(account)}", forgiving)
        return found[0] if found else Kept(provider, account, (), ())

    def damaged(self, parts: Iterable[Part]) -> tuple[str, ...]:
        """The parts that are not there as they were written."""
        parts = tuple(parts)
        sizes = self.folder.sizes("rows") if parts else {}
        return tuple(each.file for each in parts if sizes.get(each.file) != each.size)

    def _read(self, below: str, forgiving: bool) -> tuple[Kept, ...]:
        names = [name for name in self.folder.sizes(below) if name.endswith(".json")]
        found: dict[tuple[str, str], list[tuple[Commit, str]]] = {}
        for name, data in self.folder.read_all(names).items():
            try:
                commit = self._commit(name, data)
            except StorageError:
                if not forgiving:
                    raise
            else:
                found.setdefault((commit.provider, commit.account), []).append((commit, name))
        kept: list[Kept] = []
        for (provider, account), entries in sorted(found.items()):
            entries.sort(key=lambda each: (each[0].asked_at, each[1]), reverse=True)
            commits, files = zip(*entries, strict=True)
            kept.append(Kept(provider, account, commits, files))
        return tuple(kept)

    def _commit(self, name: str, data: bytes) -> Commit:
        try:
            stated = json.loads(data)
            versions = stated["version"], stated["schema"]
        except (ValueError, KeyError, TypeError, RecursionError):
            versions = None
        if versions not in (None, (_VERSION, SCHEMA_VERSION)):
            raise ConfigurationError(
                f"{self.folder.shown(name)} is another version's: its index and rows are of "
                f"versions {versions}, and this reads {(_VERSION, SCHEMA_VERSION)}. Collect into "
                "another folder, or read this one with the recording-core that wrote it"
            )
        try:
            return loads(data, Commit)
        except MalformedPayload as error:
            raise StorageError(
                f"{self.folder.shown(name)} is no whole index file ({error.message}): delete it, "
                "and collect into the folder again; what it named is asked for anew"
            ) from None

    # -- writing ---------------------------------------------------------------------------------

    def write(
        self, provider: str, account: str, day: datetime | None, table: pa.Table, unfinished: int
    ) -> Part:
        """The rows of a day (or of none) as one file, which nobody reads before its commit."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        of = day.date().isoformat() if day else "undated"
        name = f"rows/{_safe(provider)}/{_safe(account)}/{of}-{_unique()}.parquet"
        self.folder.write(name, data)
        return Part(day, name, table.num_rows, len(data), unfinished)

    def commit(
        self,
        provider: str,
        account: str,
        window: Window,
        asked_at: datetime,
        coverage: Coverage,
        parts: Iterable[Part],
        undated: Iterable[Part] | None,
    ) -> None:
        """Make a sweep's parts count. All that it names has been written before."""
        entry = Commit(
            version=_VERSION,
            schema=SCHEMA_VERSION,
            provider=provider,
            account=account,
            since=window.since,
            until=window.until,
            asked_at=asked_at,
            coverage=coverage,
            parts=tuple(parts),
            undated=tuple(undated) if undated is not None else None,
        )
        name = f"index/{_safe(provider)}/{_safe(account)}/{_unique()}.json"
        self.folder.write(name, dumps(entry).encode())

    def ask(self, provider: str, account: str, asked_at: datetime) -> None:
        """Note that an account is asked, of which nothing is there yet: should it not answer, who
        reads the folder would take it for complete without."""
        today = midnight(asked_at)
        self.commit(provider, account, Window(today, today), asked_at, Coverage(), (), None)

    def tidy(self, provider: str, account: str) -> None:
        """Remove what no report reads any more: sweeps that newer ones cover, and lost parts."""
        kept = self.kept(provider, account, forgiving=True)
        read = {id(each.commit) for each in stretches(kept.commits)}
        undated = newest_undated(kept.commits)
        before = _stamp(datetime.now(UTC) - _LEFT)
        named: set[str] = set()
        for commit, file in zip(kept.commits, kept.files, strict=True):
            parts = {part.file for part in (*commit.parts, *(commit.undated or ()))}
            read_still = id(commit) in read or (commit.undated and commit.undated is undated)
            if not read_still and file.rpartition("/")[2] < before:
                self.folder.remove(file)  # first, so that no index names what is gone
            else:
                named |= parts
        for name in self.folder.sizes(f"rows/{_safe(provider)}/{_safe(account)}"):
            made = _MADE.search(name)
            if name not in named and made and made[1] < before:
                self.folder.remove(name)


def _unique() -> str:
    return f"{_stamp(datetime.now(UTC))}-{uuid.uuid4().hex}"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%S%f")


def _safe(name: str) -> str:
    """A name that every file system takes; different names stay different."""
    safe = _FOREIGN.sub("_", name)[:64]
    return safe if safe == name else f"{safe}-{sha256(name.encode()).hexdigest()[:16]}"
