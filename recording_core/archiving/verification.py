"""Verification: read an archive again, compare it with its records, and remove garbage.

Garbage is what no record names, and each record that is not the best of its recording, with its
objects. It is removed if it is older than two days by the clock of the storage, unless a record of
that recording could not be read, or a file that one names is missing or changed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from attrs import define, evolve, field, frozen

from recording_core.archiving.found_records import FoundRecords, map_ahead, read_listed_records
from recording_core.archiving.index import Index, IndexContent
from recording_core.archiving.record import Record, build_folder
from recording_core.errors import StorageError
from recording_core.storage.folder import PROBE, Folder, StoredFile

#: What no record names is kept for this time: a writer may be about to name it.
GARBAGE_AFTER = timedelta(days=2)
_WORKERS = 8
_CHUNK = 1024 * 1024


@frozen
class Verification:
    """The result of `Archive.verify`. The lists are sentences, each about one recording or file.

    Attributes:
        recordings: the number of recordings with a record
        files: the number of files that the best records name
        hashed: the number of files that were read and hashed
        missing: files that a record names and the archive does not have
        changed: files of another size or SHA-256 than was recorded
        unreadable: records that cannot be read
        unverified: recordings whose copy raises a doubt
        garbage: the number of files that nothing needs
        garbage_bytes: their size
        removed: the number of files that were removed
    """

    recordings: int = 0
    files: int = 0
    hashed: int = 0
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    garbage: int = 0
    garbage_bytes: int = 0
    removed: int = 0

    @property
    def ok(self) -> bool:
        """Whether each record can be read, and names what is there."""
        return not (self.missing or self.changed or self.unreadable)


@define
class RecordingFiles:
    """The files in the folder of one recording: name -> what the storage reports of it."""

    path: str
    files: dict[str, StoredFile] = field(factory=dict)


def verify_archive(
    folder: Folder, *, sample: float = 1.0, clean: bool = False, seed: int | None = None
) -> Verification:
    """Verify an archive, as `Archive.verify` does."""
    chosen = random.Random(seed)  # a sample, not a secret
    indexed = _read_index(folder)  # before the files: a writer adds to it after them
    files = folder.list_files("")
    now = folder.read_clock() if clean else None
    total = _clean_up(folder, "", _find_temporary_files(files), now)
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="recording-verify") as threads:
        verify = partial(_verify_recording, folder, now)
        samples = ((each, chosen.random() < sample) for each in group_files(files))
        for result in map_ahead(threads, verify, samples):
            total = _add(total, result)
    return evolve(total, missing=(*total.missing, *_find_lost(indexed, files)))


def _read_index(folder: Folder) -> IndexContent:
    try:
        return Index(folder).read()
    except StorageError:
        return IndexContent()  # the records alone decide


def _find_lost(indexed: IndexContent, files: Mapping[str, StoredFile]) -> Iterator[str]:
    """Find the recordings that the index names as copied, and that have no record any more."""
    folders = {path.rpartition("/")[0] for path in files if "/record-" in path}
    for (provider, account), known in indexed.accounts.items():
        for id in known.states:
            if known.has_copy(id) and build_folder(provider, account, id) not in folders:
                yield (
                    f"Recording {id} of {provider} account {account!r} is in the index, and its "
                    "record is gone. `recordings archive rebuild-index` forgets it, and then "
                    "`archive copy --since` with a time before its creation copies it again"
                )


def group_files(files: Mapping[str, StoredFile]) -> Iterator[RecordingFiles]:
    """Group the files of an archive by the folders of recordings."""
    found: dict[str, RecordingFiles] = {}
    for path, stored in sorted(files.items()):
        parent, _, name = path.rpartition("/")
        if parent.count("/") == 3:  # PROVIDER/ACCOUNT/XX/RECORDING
            found.setdefault(parent, RecordingFiles(parent)).files[name] = stored
    yield from found.values()


def _find_temporary_files(files: Mapping[str, StoredFile]) -> dict[str, StoredFile]:
    """Find what a process that was killed left outside of the recordings' folders."""
    return {
        path: stored
        for path, stored in files.items()
        if path.count("/") < 4 and (path.endswith(".part") or path.startswith(PROBE))
    }


def _add(one: Verification, other: Verification) -> Verification:
    names = [each.name for each in Verification.__attrs_attrs__]
    return Verification(**{name: getattr(one, name) + getattr(other, name) for name in names})


def _verify_recording(
    folder: Folder, now: datetime | None, chosen: tuple[RecordingFiles, bool]
) -> Verification:
    group, is_hashed = chosen
    found = read_listed_records(folder, group.path, group.files)
    result = Verification(unreadable=tuple(found.unreadable.values()))
    needed: set[str] = set()
    if found.best is not None:
        record = found.get(found.best)
        needed = {found.best, *_list_objects(record)}
        # A superseded copy is removed only if the best one is what was recorded.
        others = len(found.whole) + len(found.broken) - 1
        is_hashed = is_hashed or (now is not None and others > 0)
        result = _verify_record(folder, found, record, is_hashed, result)
    if found.best is None or not result.ok:
        now = None
    records = dict(found.whole)
    for name, other in found.broken.items():
        if name != found.best:
            if _has_all_files_of(record, other):
                records[name] = other
            else:
                now = None  # what is left of it exists nowhere else
            lost = _verify_record(folder, found, other, False, Verification())
            result = _add(result, Verification(missing=lost.missing, changed=lost.changed))
    garbage = {name: stored for name, stored in found.files.items() if name not in needed}
    return _add(result, _clean_up(folder, f"{found.path}/", garbage, now, records))


def _has_all_files_of(best: Record, other: Record) -> bool:
    """Whether a verified copy has each file that another record names."""
    files = {copy.file.id for copy in best.copies}
    return best.verified and files.issuperset(copy.file.id for copy in other.copies)


def _clean_up(
    folder: Folder,
    path: str,
    garbage: Mapping[str, StoredFile],
    now: datetime | None,
    records: Mapping[str, Record] | None = None,
) -> Verification:
    """Count garbage, and remove what is old; nothing without a time.

    `records` are those among the files: they are removed first, because none may name what is not
    there. The objects of one that stays are no garbage yet.
    """
    old = {name for name, stored in garbage.items() if now is not None and _is_old(stored, now)}
    removed = 0
    for name, record in (records or {}).items():
        if name in old and folder.remove(f"{path}{name}"):
            removed += 1
        else:
            old.difference_update(_list_objects(record))
        old.discard(name)
    removed += sum(folder.remove(f"{path}{name}") for name in sorted(old))
    return Verification(
        garbage=len(garbage),
        garbage_bytes=sum(stored.size for stored in garbage.values()),
        removed=removed,
    )


def _list_objects(record: Record) -> list[str]:
    return [copy.path.name for copy in record.copies]


def _is_old(stored: StoredFile, now: datetime) -> bool:
    return stored.modified is not None and now - stored.modified > GARBAGE_AFTER


def _verify_record(
    folder: Folder, found: FoundRecords, record: Record, is_hashed: bool, result: Verification
) -> Verification:
    missing: list[str] = []
    changed: list[str] = []
    hashed = 0
    recording = record.recording
    whose = f"recording {recording.id} of {recording.provider} account {recording.account!r}"
    for copy in record.copies:
        name = copy.path.name
        where = f"{folder.describe(f'{found.path}/{name}')}, a file of {whose},"
        stored = found.files.get(name)
        if stored is None:
            missing.append(f"{where} is missing")
        elif stored.size != copy.size:
            changed.append(f"{where} has {stored.size} bytes and not {copy.size} as recorded")
        elif is_hashed:
            hashed += 1
            try:
                if compute_sha256(folder, f"{found.path}/{name}") != copy.sha256:
                    changed.append(f"{where} has another SHA-256 than was recorded")
            except StorageError as error:
                missing.append(str(error))
    doubts = [doubt for copy in record.copies for doubt in copy.doubts]
    unverified = () if record.verified else (f"{whose}: {'; '.join(doubts) or 'not verified'}",)
    return evolve(
        result,
        recordings=1,
        files=len(record.copies),
        hashed=hashed,
        missing=tuple(missing),
        changed=tuple(changed),
        unverified=unverified,
    )


def compute_sha256(folder: Folder, name: str) -> str:
    """Compute the SHA-256 of a file. Raises `StorageError`."""
    digest = hashlib.sha256()
    with folder.open(name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
