"""Found records: the records in the folder of a recording, and whether their files are there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import TypeVar

from attrs import frozen

from recording_core.archiving.record import Record, choose_best, decode_record, is_record_name
from recording_core.errors import MalformedPayload, StorageError
from recording_core.storage.folder import Folder, StoredFile

T = TypeVar("T")
R = TypeVar("R")


@frozen
class FoundRecords:
    """The records of one recording, by their names.

    Attributes:
        path: the folder of the recording
        files: what the folder contains: name -> what the storage reports of it
        whole: the records whose files are all there, with the recorded sizes
        broken: the records of which a file is missing or has another size
        unreadable: name -> why the record cannot be read, as a sentence
    """

    path: str
    files: Mapping[str, StoredFile]
    whole: Mapping[str, Record]
    broken: Mapping[str, Record]
    unreadable: Mapping[str, str]

    @property
    def best(self) -> str | None:
        """The name of the best record: a whole one if there is any."""
        return choose_best(self.whole) or choose_best(self.broken)

    def get(self, name: str) -> Record:
        """Return a record that can be read."""
        return self.whole.get(name) or self.broken[name]


def map_ahead(
    threads: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int = 64
) -> Iterator[R]:
    """Apply a function in threads, in order, only so far ahead that memory use stays bounded."""
    jobs: deque[Future[R]] = deque()
    for item in items:
        jobs.append(threads.submit(function, item))
        if len(jobs) > ahead:
            yield jobs.popleft().result()
    while jobs:
        yield jobs.popleft().result()


def read_records(archive: Folder, path: str) -> FoundRecords:
    """Read the records of a recording's folder. Raises `StorageError` if it cannot be listed."""
    start = len(path) + 1
    files = {name[start:]: stored for name, stored in archive.list_files(path).items()}
    return read_listed_records(archive, path, files)


def read_listed_records(
    archive: Folder, path: str, listed: Mapping[str, StoredFile]
) -> FoundRecords:
    """Read the records among the files that were listed in a recording's folder. Raises nothing.

    The result has also the files that are there and were not listed: while files are added, the
    list of a folder may have a record without the objects that were added before it.
    """
    files = dict(listed)
    whole: dict[str, Record] = {}
    broken: dict[str, Record] = {}
    unreadable: dict[str, str] = {}
    for name in sorted(listed):
        if not is_record_name(name):
            continue
        try:
            record = decode_record(archive.read(f"{path}/{name}"))
        except MalformedPayload as error:
            where = archive.describe(f"{path}/{name}")
            unreadable[name] = f"{where} cannot be read: {error.message}"
        except StorageError as error:
            unreadable[name] = str(error)
        else:
            for copy in record.copies:
                if copy.path.name not in files:
                    with suppress(StorageError):
                        stored = archive.look_at(f"{path}/{copy.path.name}")
                        files |= {} if stored is None else {copy.path.name: stored}
            (whole if _is_whole(record, files) else broken)[name] = record
    return FoundRecords(path, files, whole, broken, unreadable)


def _is_whole(record: Record, files: Mapping[str, StoredFile]) -> bool:
    found = [files.get(copy.path.name) for copy in record.copies]
    sizes = [None if each is None else each.size for each in found]
    return sizes == [copy.size for copy in record.copies]
