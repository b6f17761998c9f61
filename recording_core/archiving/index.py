"""Index: what an archive holds, as small Parquet files that are read before anything is listed.

    index/TIME-DIGEST.parquet   the rows of one run: the columns of a report, and `ARCHIVE_COLUMNS`

The index saves requests and decides nothing: a recording that it lacks is looked up in the archive,
and it can be rebuilt from the records. The metadata of a file states which runs wrote it, and which
files it replaces.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from recording_core.archiving.record import Record
from recording_core.errors import MalformedPayload, StorageError
from recording_core.listing.coverage import Coverage
from recording_core.listing.row_schema import load_declared_columns, rows
from recording_core.model.entities import Recording
from recording_core.model.serialization import dumps, loads
from recording_core.storage.folder import Folder
from recording_core.storage.parquet import encode_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger("recording_core.archiving")

FOLDER = "index"
#: The metadata key of `PartFacts` in a Parquet file.
_FACTS_KEY = b"recording_core.archive"
#: The columns after those of a report's rows: name -> the Arrow type's name and the meaning.
ARCHIVE_COLUMNS: Mapping[str, tuple[str, str]] = {
    "archived_at": ("time", "when the copy was recorded"),
    "record": ("text", "the path of the record; null if the vendor had no media to copy"),
    "copies": ("count", "the number of files that were copied"),
    "copied_bytes": ("bytes", "the size of these files"),
    "doubts": ("count", "the number of files that are not verified"),
    "state": ("text", "the digest of what the vendor listed"),
}
#: The parts that are read at once: remote folders answer slowly.
_READS_AT_ONCE = 8
#: Readers that began before a compaction still find the parts that it replaced.
_KEPT_AFTER_COMPACTION = timedelta(days=1)
#: The next run lists again what is younger than this when it began: vendors list late.
OVERLAP = timedelta(days=1)
#: A run compacts an index that has more parts.
MOST_PARTS = 100


@frozen
class RunMark:
    """How far a run came with one account.

    `resume_at` is the time from which the next run must list: nothing older is without a copy, back
    to `listed_since`, which is None if everything was listed. `newest_at` is the time of the newest
    recording that was listed.
    """

    provider: str
    account: str
    shard: tuple[int, ...]
    started_at: datetime
    resume_at: datetime | None
    coverage: Coverage
    listed_since: datetime | None = None
    newest_at: datetime | None = None


@frozen
class PartFacts:
    """The metadata of an index file."""

    runs: tuple[RunMark, ...] = ()
    replaces: tuple[str, ...] = ()


@frozen
class Entry:
    """A row to be written: a recording and its record, or none if it has no media."""

    recording: Recording
    state: str
    at: datetime
    path: str | None = None
    copies: int = 0
    size: int = 0
    doubts: int = 0

    @classmethod
    def from_record(cls, record: Record, path: str) -> Entry:
        """Build the row of a record at a path."""
        return cls(
            record.recording,
            record.state,
            record.made_at,
            path,
            len(record.copies),
            sum(copy.size for copy in record.copies),
            sum(not copy.verified for copy in record.copies),
        )


@define
class KnownStates:
    """What is known of one account's recordings: id -> the states that were seen.

    `uncopied` has the ids without a record, and `doubtful` those whose records all raise a doubt:
    there are few of both, so that they take little memory.
    """

    states: dict[str, str] = field(factory=dict)
    uncopied: set[str] = field(factory=set)
    doubtful: set[str] = field(factory=set)

    def add(self, recording_id: str, state: str, copies: int, doubts: int) -> None:
        known, had_copy = self.states.get(recording_id), self.has_copy(recording_id)
        if known is None:
            self.states[recording_id] = state
        elif state not in known:
            self.states[recording_id] = f"{known} {state}"
        if copies:
            self.uncopied.discard(recording_id)
            if not doubts:
                self.doubtful.discard(recording_id)
            elif not had_copy:
                self.doubtful.add(recording_id)
        elif known is None:
            self.uncopied.add(recording_id)

    def has_copy(self, recording_id: str) -> bool:
        """Whether a recording has a copy, of its current or of an earlier state."""
        return recording_id in self.states and recording_id not in self.uncopied

    def is_verified(self, recording_id: str, state: str) -> bool:
        """Whether a recording has a verified copy, and did not change after the last one."""
        return recording_id not in self.doubtful and self.is_copied(recording_id, state)

    def is_copied(self, recording_id: str, state: str) -> bool:
        """Whether a recording has a copy, and did not change after the last one."""
        return self.has_copy(recording_id) and state in self.states[recording_id]


@define
class IndexContent:
    """The content of an index: what is known per (provider, account), and the runs."""

    accounts: dict[tuple[str, str], KnownStates] = field(factory=dict)
    runs: list[RunMark] = field(factory=list)
    parts: int = 0

    def get_account(self, provider: str, account: str) -> KnownStates:
        key = provider, account
        return self.accounts.get(key) or self.accounts.setdefault(key, KnownStates())

    def find_last_run(self, provider: str, account: str, shard: tuple[int, ...]) -> RunMark | None:
        """Find the last run of an account that saw everything; None if there is none.

        The next one lists from its `resume_at`. A shard goes on from its own runs, or from those of
        the whole account.
        """
        runs = [
            each
            for each in self.runs
            if (each.provider, each.account) == (provider, account)
            and each.shard in (shard, (0, 1))
            and each.resume_at is not None
        ]
        return max(runs, key=lambda each: each.started_at, default=None)

    def find_resume_time(
        self, provider: str, account: str, shard: tuple[int, ...]
    ) -> datetime | None:
        """Find the time from which the next run of an account must list; None for everything.

        The vendor's own times count, too: the clock of the machine that ran may be days ahead.
        """
        last = self.find_last_run(provider, account, shard)
        if last is None or last.resume_at is None or last.newest_at is None:
            return None
        return min(last.resume_at, last.newest_at - OVERLAP)


@frozen
class IndexRows:
    """The newest row of each recording that has a copy, the runs, and the files left out."""

    table: pa.Table
    runs: tuple[RunMark, ...]
    damaged: tuple[str, ...]


class Index:
    """The index of the archive in a folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    # -- reading ---------------------------------------------------------------------------------

    def read(self) -> IndexContent:
        """Read what is known. Raises `StorageError` if the folder cannot be read."""
        content = IndexContent()
        # Not `record`: the paths would take more memory than all that is kept.
        columns = ["provider", "account", "recording_id", "state", "copies", "doubts"]
        for table, facts in self._read_parts(columns):
            content.parts += 1
            content.runs += facts.runs
            for batch in table.to_batches(max_chunksize=10_000):
                for provider, account, *row in zip(*batch.to_pydict().values(), strict=True):
                    content.get_account(provider, account).add(*row)
        return content

    def exists(self) -> bool:
        """Whether the folder has an index. Raises `StorageError`."""
        return any(name.endswith(".parquet") for name in self.folder.list_names(FOLDER))

    def read_rows(self) -> IndexRows:
        """Read the newest row of each recording that has a copy. Raises `StorageError`."""
        import pyarrow as pa

        tables: list[pa.Table] = []
        runs: list[RunMark] = []
        damaged: list[str] = []
        for table, facts in self._read_parts(None, damaged):
            tables.append(table)
            runs += facts.runs
        if not tables:
            return IndexRows(build_index_table([]), (), tuple(damaged))
        table = pa.concat_tables(tables, promote_options="default")
        newest: dict[tuple[str, ...], tuple[datetime, int]] = {}
        names = ("provider", "account", "recording_id", "archived_at", "record")
        columns = [table.column(name).to_pylist() for name in names]
        for number, (*key, moment, path) in enumerate(zip(*columns, strict=True)):
            if path is not None and (moment, number) > newest.get(tuple(key), (moment, -1)):
                newest[tuple(key)] = (moment, number)
        table = table.take(pa.array([number for _, number in newest.values()], pa.int64()))
        return IndexRows(table, tuple(runs), tuple(damaged))

    def _read_parts(
        self, columns: list[str] | None, damaged: list[str] | None = None
    ) -> Iterator[tuple[pa.Table, PartFacts]]:
        """Read each part that no other one replaces.

        A damaged one is logged and left out, and added to `damaged`.
        """
        damaged = [] if damaged is None else damaged
        names = [name for name in self.folder.list_names(FOLDER) if name.endswith(".parquet")]
        with ThreadPoolExecutor(_READS_AT_ONCE, thread_name_prefix="recording-index") as threads:
            found = threads.map(lambda name: self._read_facts(name), names)
            parts = {name: facts for name, facts in zip(names, found, strict=True) if facts}
            replaced = {name for facts in parts.values() for name in facts.replaces}
            damaged += (name for name in names if name not in parts and name not in replaced)
            for name, facts in parts.items():
                if name not in replaced:
                    table = self._read_table(name, columns)
                    if table is None:
                        damaged.append(name)
                    else:
                        yield table, facts

    def _read_facts(self, name: str) -> PartFacts | None:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with self.folder.open(f"{FOLDER}/{name}") as file:
                try:
                    metadata = parquet.read_metadata(file).metadata or {}
                except (pa.ArrowException, OSError) as error:
                    if getattr(error, "errno", None) is not None:
                        raise  # of the storage: those of the content have no number
                    raise ValueError(str(error)) from None
            return loads(metadata[_FACTS_KEY], PartFacts)
        except (ValueError, KeyError, MalformedPayload) as error:
            self._log_damage(name, error)
        except StorageError as error:
            self._check_absence(name, error)
        return None

    def _read_table(self, name: str, columns: list[str] | None) -> pa.Table | None:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            data = self.folder.read(f"{FOLDER}/{name}")
            if not name.endswith(f"-{_build_digest(data)}.parquet"):
                raise ValueError("it is not what was written")
            # Not `read_table`, which imports pandas if it is installed: 60 MiB.
            file = parquet.ParquetFile(pa.BufferReader(data))
            return file.read(columns, use_threads=False)
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            self._log_damage(name, error)
        except StorageError as error:
            self._check_absence(name, error)
        return None

    def _check_absence(self, name: str, error: StorageError) -> None:
        """Raise the error of a part, unless another machine has just removed it."""
        if self.folder.look_at(f"{FOLDER}/{name}") is not None:
            raise error

    def _log_damage(self, name: str, error: Exception) -> None:
        _log.warning(
            "%s cannot be read (%s): its recordings are looked up one by one. Write the index "
            "again with `recordings archive rebuild-index`",
            self.folder.describe(f"{FOLDER}/{name}"),
            type(error).__name__,
        )

    # -- writing ---------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], runs: Iterable[RunMark] = ()) -> None:
        """Write one part with these rows and runs. Raises `StorageError`."""
        self._write(build_index_table(entries), PartFacts(tuple(runs)))

    def compact(self) -> int:
        """Merge all parts into one, and return how many there were.

        The old ones are removed by the first compaction a day later.
        """
        import pyarrow as pa

        self._remove_replaced()
        names = [name for name in self.folder.list_names(FOLDER) if name.endswith(".parquet")]
        parts = list(self._read_parts(None))
        if len(parts) < 2:
            return len(parts)
        table = pa.concat_tables([table for table, _ in parts], promote_options="default")
        runs = _choose_newest(run for _, facts in parts for run in facts.runs)
        self._write(_drop_repeated_rows(table), PartFacts(runs, tuple(names)))
        return len(parts)

    def replace(self, entries: Sequence[Entry]) -> None:
        """Write an index that replaces all parts by these rows; the runs are kept.

        The next run lists everything: what lost its record may be older than what it would list.
        """
        names = [name for name in self.folder.list_names(FOLDER) if name.endswith(".parquet")]
        runs = _choose_newest(run for _, facts in self._read_parts(["state"]) for run in facts.runs)
        kept = tuple(evolve(each, newest_at=None) for each in runs)
        self._write(build_index_table(entries), PartFacts(kept, tuple(names)))

    def _write(self, table: pa.Table, facts: PartFacts) -> None:
        metadata = {**(table.schema.metadata or {}), _FACTS_KEY: dumps(facts).encode()}
        data = encode_parquet(table.replace_schema_metadata(metadata))
        stem = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{_build_digest(data)}"
        self.folder.write(f"{FOLDER}/{stem}.parquet", data)

    def _remove_replaced(self) -> None:
        """Remove the parts that were replaced a day ago, by the clock of the storage."""
        now = self.folder.read_clock()
        found = self.folder.list_files(FOLDER)
        for name, stored in found.items():
            if now is None or stored.modified is None:
                return
            if now - stored.modified > _KEPT_AFTER_COMPACTION:
                facts = self._read_facts(name.rpartition("/")[2])
                for replaced in facts.replaces if facts else ():
                    if f"{FOLDER}/{replaced}" in found:
                        self.folder.remove(f"{FOLDER}/{replaced}")


def _build_digest(data: bytes) -> str:
    """Build the part of a digest that the name of an index file contains."""
    return hashlib.sha256(data).hexdigest()[:16]


def build_index_table(entries: Sequence[Entry]) -> pa.Table:
    """Build the table of an index part: the rows of a report, and `ARCHIVE_COLUMNS`."""
    import pyarrow as pa

    from recording_core.listing.row_schema import build_arrow_types

    table = rows([each.recording for each in entries], columns=load_declared_columns()).to_arrow()
    types = build_arrow_types()
    values: dict[str, list[Any]] = {
        "archived_at": [each.at for each in entries],
        "record": [each.path for each in entries],
        "copies": [each.copies for each in entries],
        "copied_bytes": [each.size for each in entries],
        "doubts": [each.doubts for each in entries],
        "state": [each.state for each in entries],
    }
    for name, (kind, _) in ARCHIVE_COLUMNS.items():
        table = table.append_column(name, pa.array(values[name], types[kind]))
    return table


def _drop_repeated_rows(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    names = ("provider", "account", "recording_id", "state", "record")
    keys = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    first: dict[tuple[Any, ...], int] = {}
    for number, key in enumerate(keys):
        first.setdefault(key, number)
    return table.take(pa.array(list(first.values()), pa.int64()))


def _choose_newest(runs: Iterable[RunMark]) -> tuple[RunMark, ...]:
    """Choose, for each account and shard, its last run and the last one that saw everything."""
    groups: dict[tuple[Any, ...], list[RunMark]] = {}
    for each in runs:
        groups.setdefault((each.provider, each.account, each.shard), []).append(each)
    chosen: list[RunMark] = []
    for group in groups.values():
        runs = sorted(group, key=lambda each: each.started_at)
        whole = [each for each in runs if each.resume_at is not None]
        chosen += runs[-1:] if whole[-1:] == runs[-1:] else [*whole[-1:], runs[-1]]
    return tuple(chosen)
