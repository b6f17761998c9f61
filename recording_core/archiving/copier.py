"""Copier: copy one recording into an archive, and record the copy."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from attrs import evolve, field, frozen

from recording_core.accounts import Account, build_bug
from recording_core.archiving.found_records import read_records
from recording_core.archiving.record import (
    Record,
    build_folder,
    build_object_name,
    build_record,
    build_record_name,
    choose_best,
    compute_state,
    decode_record,
    encode_record,
)
from recording_core.download.output_file import Destination, OutputFile
from recording_core.errors import (
    NotFound,
    NotReady,
    RecordingError,
    StorageError,
    UnsupportedOperation,
)
from recording_core.model.entities import Copy, Recording
from recording_core.model.enums import FINAL, RecordingStatus
from recording_core.plugins import registry as plugins
from recording_core.provider.provider import Provider
from recording_core.storage.folder import Folder

_log = logging.getLogger("recording_core.archiving")

#: After this time an attempt is given up and starts again: its objects would soon be old enough for
#: `verify(clean=True)` of another machine to take them for garbage.
LONGEST_ATTEMPT = timedelta(hours=12)
#: A recording is tried again if its attempt lasted too long, at most this often.
_ATTEMPTS = 3


@frozen
class Outcome:
    """What became of one recording.

    `kind` is one of `copied`, `found` (an earlier run recorded a copy and did not index it), `gone`
    (the vendor has no media any more), `elsewhere` (the media is in the customer's own storage),
    `not_ready` and `failed`.
    """

    kind: str
    recording: Recording
    state: str
    record: Record | None = None
    #: the path of the record inside the archive
    path: str | None = None
    error: RecordingError | None = None


@frozen
class CopyTask:
    """Some recordings of one account, to be copied by another process. It can be pickled."""

    url: str = field(repr=False)
    account: Account
    share: float
    recordings: tuple[tuple[Recording, str], ...] = field(repr=False)


def run_task(task: CopyTask) -> list[Outcome]:
    """Copy the recordings of a task, with the credentials that this process finds."""
    with ExitStack() as stack:
        provider = stack.enter_context(task.account.connect())
        # Without a burst: each of many short tasks would begin with one.
        stack.enter_context(provider.transport.bucket.limit_to(task.share, burst=1.0))
        copier = Copier(Folder(task.url))
        return [copier.copy(provider, *each) for each in task.recordings]


class Copier:
    """Copies recordings into the archive of a folder.

    `stopped` returns whether the run was stopped: a transfer ends at its next bytes then.
    """

    def __init__(self, folder: Folder, stopped: Callable[[], bool] = bool) -> None:
        self.folder = folder
        self._stopped = stopped

    def copy(self, provider: Provider, recording: Recording, state: str) -> Outcome:
        """Copy a recording, unless a record of the same state is found. Raises nothing."""
        try:
            if _is_unready(recording):
                # The record describes it as it is when it is ready, and not as it was listed.
                recording = provider.get(recording)
                state = compute_state(recording)
                if _is_unready(recording):
                    raise NotReady(f"Recording {recording.id} is {recording.status}: try it later")
            return self._copy(provider, recording, state)
        except NotReady as error:
            return Outcome("not_ready", recording, state, error=error)
        except NotFound as error:
            return Outcome("gone", recording, state, error=error)
        except UnsupportedOperation as error:
            return Outcome("elsewhere", recording, state, error=error)
        except RecordingError as error:
            return Outcome("failed", recording, state, error=error)
        except Exception as error:  # noqa: BLE001  # a plugin's bug costs its own recording only
            _log.exception("%s: copying a recording failed", provider.name)
            bug = build_bug(provider.name, f"downloaded recording {recording.id}", error)
            return Outcome("failed", recording, state, error=bug)

    def _copy(self, provider: Provider, recording: Recording, state: str) -> Outcome:
        folder = build_folder(recording.provider, recording.account, recording.id)
        found = read_records(self.folder, folder)
        same = {name: each for name, each in found.whole.items() if each.state == state}
        best = choose_best(same)
        if best is not None:
            return Outcome("found", recording, state, same[best], f"{folder}/{best}")
        for _ in range(_ATTEMPTS):
            began = _read_clocks()
            copies = self._download(provider, recording, folder)
            if not _is_late(began):
                break
        else:
            raise StorageError(
                f"Recording {recording.id} was not copied within {LONGEST_ATTEMPT}, "
                f"{_ATTEMPTS} times. Use fewer workers"
            )
        return self._record(provider, recording, state, folder, copies)

    def _download(self, provider: Provider, recording: Recording, folder: str) -> tuple[Copy, ...]:
        with self._open_spool(folder) as directory:

            def open_file(path: Path) -> AbstractContextManager[OutputFile]:
                return self.folder.create(f"{folder}/{path.name}", stopped=self._stopped)

            destination = Destination(directory, open_file, build_object_name)
            try:
                # A host that sends bytes for ever, of which none is media, ends with the attempt.
                return provider.download(recording, destination, timeout=LONGEST_ATTEMPT)
            except RecordingError as error:
                for copy in error.copies:  # no record will name them
                    self.folder.remove(f"{folder}/{copy.path.name}")
                raise

    @contextmanager
    def _open_spool(self, folder: str) -> Iterator[Path]:
        """Open a folder on a disk for what a provider must unpack before it can be stored."""
        if self.folder.is_local:
            yield Path(self.folder.locate(folder))
            return
        with tempfile.TemporaryDirectory(prefix="recordings-") as spool:
            yield Path(spool)

    def _record(
        self,
        provider: Provider,
        recording: Recording,
        state: str,
        folder: str,
        copies: Sequence[Copy],
    ) -> Outcome:
        """Look at each object in the archive, and then write the record that names them."""
        if not copies:
            raise NotFound(f"Recording {recording.id} has no files")
        for copy in copies:
            name = f"{folder}/{copy.path.name}"
            stored = self.folder.look_at(name)
            if stored is None or stored.size != copy.size:
                has = "is missing" if stored is None else f"has {stored.size} bytes"
                raise StorageError(
                    f"{self.folder.describe(name)} was written with {copy.size} bytes, and {has}. "
                    f"Recording {recording.id} is copied again by the next run"
                )
        # Files whose links were renewed, or that only a ZIP showed.
        files = tuple(copy.file for copy in copies)
        described = recording if recording.files else evolve(recording, files=files)
        source = provider.transport.base_url
        record = build_record(described, copies, state, source, provider.clock.now())
        data = encode_record(record)
        decode_record(data)  # what no reader can read must not become a record
        path = f"{folder}/{build_record_name()}"
        with self.folder.create(path) as out:
            out.write(data)
            out.commit()
        for copy in record.copies:
            located = evolve(copy, path=self.folder.build_path(f"{folder}/{copy.path.name}"))
            plugins.notify_plugins("recording_archived", copy=located)
        return Outcome("copied", recording, state, record, path)


def _is_unready(recording: Recording) -> bool:
    return recording.status not in FINAL and recording.status is not RecordingStatus.UNKNOWN


def _read_clocks() -> tuple[float, float]:
    """Read two clocks: one does not count the time that a machine sleeps, the other may be set."""
    return time.monotonic(), time.time()


def _is_late(began: tuple[float, float]) -> bool:
    elapsed = max(now - before for now, before in zip(_read_clocks(), began, strict=True))
    return elapsed > LONGEST_ATTEMPT.total_seconds()
