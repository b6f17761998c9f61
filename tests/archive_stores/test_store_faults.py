"""Faults of an S3 store: at each request in turn, none leads to a record of what is not there."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import localbucket
import pytest
import s3fs

import recording_core as rec
from recording_audian.emulator import AudianEmulator
from recording_core.archiving.copier import Copier
from recording_core.archiving.record import compute_state, decode_record, is_record_name
from recording_core.errors import StorageError
from recording_core.storage.folder import Folder

MIB = 1024 * 1024
PART = 5 * MIB
BUCKET = "archive"
#: What happens at one request: HTTP 503; a reset before it is handled; a reset in place of its
#: response; a success that stores nothing; and one that stores a half.
FAULTS = ("503", "reset", "response lost", "write lost", "write cut")
MARKED_FAULTS = (
    *("503", "response lost"),
    *(
        pytest.param(fault, marks=pytest.mark.long)
        for fault in ("reset", "write lost", "write cut")
    ),
)


class FaultyHandler(localbucket.S3Handler):  # type: ignore[misc]
    """A store that fails once, and refuses parts of different sizes, as Cloudflare's R2 does."""

    store: FaultyStore

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _dispatch(self, action: Callable[[str, str], None]) -> None:
        fault = self.store.count(f"{self.command} {self.path}")
        if fault == "503":
            self._read_body()
            error = localbucket.S3Error(HTTPStatus.SERVICE_UNAVAILABLE, "Unavailable", "busy")
            self._send_error(error)
        elif fault == "reset":
            self._reset()
        elif fault == "timeout":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(self, "wfile", io.BytesIO())
                super()._dispatch(action)
            busy = localbucket.S3Error(HTTPStatus.GATEWAY_TIMEOUT, "Timeout", "still busy")
            self._send_error(busy)
        elif fault == "response lost":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(self, "wfile", io.BytesIO())
                super()._dispatch(action)
            self._reset()
        else:
            super()._dispatch(action)
            if fault is not None and self.command in ("PUT", "POST"):
                self._damage(fault)

    def _damage(self, fault: str) -> None:
        bucket, _, key = self.path.partition("?")[0].lstrip("/").partition("/")
        path = self._object_path(bucket, key)
        if path.is_file():
            if fault == "write lost":
                path.unlink()
            else:
                os.truncate(path, path.stat().st_size // 2)

    def _reset(self) -> None:
        self.close_connection = True
        # Without waiting for unsent bytes: the client receives RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _store_part(self, bucket: str, key: str, write: Any) -> str:
        etag: str = super()._store_part(bucket, key, write)
        self.store.parts.append(int(self.headers["Content-Length"]))
        return etag


class FaultyStore:
    """The store and its plan: `fault` happens at the request of number `at`, from 1."""

    def __init__(self, data: Path) -> None:
        self.data = data
        (data / BUCKET).mkdir(parents=True)
        self.plan("", 0)
        handler = type("Handler", (FaultyHandler,), {"store": self, "data_root": data})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def plan(self, fault: str, at: int) -> None:
        self._fault, self._at = fault, at
        self.requests: list[str] = []
        #: the sizes of the parts of uploads
        self.parts: list[int] = []
        self._lock = threading.Lock()

    def count(self, request: str) -> str | None:
        with self._lock:
            self.requests.append(request)
            return self._fault if len(self.requests) == self._at else None

    def list_unfinished_uploads(self) -> list[Path]:
        return list((self.data / localbucket.UPLOADS_DIR).glob("*"))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    store = FaultyStore(tmp_path / "store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    yield store
    store.close()


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault is one of the attempt that we see: s3fs repeats nothing."""
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)


def check_records(root: Path) -> int:
    """Check that each record names what is there, whole; return the number of records."""
    names = [path for path in root.rglob("*") if is_record_name(path.name)]
    for path in names:
        for copy in decode_record(path.read_bytes()).copies:
            data = path.with_name(copy.path.name).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (copy.size, copy.sha256)
    return len(names)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.usefixtures("one_attempt")
def test_a_fault_at_any_request_loses_nothing(store: FaultyStore, fault: str) -> None:
    url, root = f"s3://{BUCKET}/any", store.data / BUCKET / "any"
    archive = rec.Archive(url)
    copier = Copier(archive.folder)
    failures: list[str] = []
    with AudianEmulator(recordings=1) as emulator, emulator.connect() as provider:
        [recording] = provider.list()
        state = compute_state(recording)
        number, is_over = 0, False
        while not is_over:
            number += 1
            shutil.rmtree(root, ignore_errors=True)
            store.plan(fault, number)
            outcome = copier.copy(provider, recording, state)
            is_over = len(store.requests) < number
            found = check_records(root)
            if outcome.kind == "copied":
                assert found == 1
            else:
                assert isinstance(outcome.error, StorageError)
                failures.append(store.requests[number - 1].partition("/")[0])
                store.plan("", 0)
                assert copier.copy(provider, recording, state).kind == ("copied", "found")[found]
                assert check_records(root) == 1
            store.plan("", 0)
            verified = archive.verify()
            assert (verified.recordings, verified.files, verified.ok) == (1, 1, True)
    # Each request was the one that failed. The client of S3 repeats what was reset.
    assert number >= 6
    if fault == "503":
        assert len(failures) == number - 1
    if fault.startswith("write"):
        assert failures == ["PUT ", "PUT "]


@pytest.mark.parametrize("fault", MARKED_FAULTS)
@pytest.mark.usefixtures("one_attempt")
def test_a_fault_in_a_large_upload_leaves_no_parts(store: FaultyStore, fault: str) -> None:
    data = os.urandom(MIB) * 11
    folder, path = Folder(f"s3://{BUCKET}/any"), store.data / BUCKET / "any" / "mix.mp3"
    number, is_over = 0, False
    while not is_over:
        number += 1
        store.plan(fault, number)
        error: StorageError | None = None
        try:
            with folder.create("mix.mp3") as out:
                for start in range(0, len(data), 700_001):
                    out.write(data[start : start + 700_001])
                out.commit()
        except StorageError as raised:
            error = raised
        is_over = len(store.requests) < number
        if error is None:
            assert path.read_bytes() == data
            path.unlink()
        else:
            assert "any/mix.mp3" in str(error)
            assert not path.exists()
        # Unless it is not known that one began: its id was in the response.
        began = [index for index, each in enumerate(store.requests, 1) if each.endswith("?uploads")]
        if fault != "response lost" or number not in began:
            assert store.list_unfinished_uploads() == []
        for each in store.list_unfinished_uploads():
            shutil.rmtree(each)
    assert number > 6
    assert store.parts == [PART, PART, MIB]


@pytest.mark.usefixtures("one_attempt")
def test_an_upload_that_was_completed_without_a_response_is_kept(store: FaultyStore) -> None:
    folder = Folder(f"s3://{BUCKET}/slow")
    # The requests: begin, three parts, complete.
    store.plan("timeout", 5)
    with folder.create("mix.mp3") as out:
        out.write(bytes(11 * MIB))
        out.commit()
    assert store.requests[4].startswith("POST /archive/slow/mix.mp3?uploadId=")
    stored = folder.look_at("mix.mp3")
    assert stored is not None
    assert stored.size == 11 * MIB


def test_an_empty_folder_costs_one_request(store: FaultyStore) -> None:
    folder = Folder(f"s3://{BUCKET}")
    folder.write("a/b/c", b"1")
    store.plan("", 0)
    assert dict(folder.list_files("a/x")) == {}
    assert len(store.requests) == 1
    assert list(folder.list_files("a/b")) == list(folder.list_files("")) == ["a/b/c"]


@pytest.mark.parametrize("fault", ["503", "reset"])
def test_a_single_fault_is_repeated_by_the_client_of_the_store(
    store: FaultyStore, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    folder = Folder(f"s3://{BUCKET}/repeated")
    folder.list_names("")
    store.plan(fault, 1)
    folder.write("a", b"1")
    assert folder.read("a") == b"1"


def test_a_run_reports_what_the_store_did_not_keep(
    store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store confirms each media object, and has none of them."""
    monkeypatch.setattr(
        FaultyStore, "count", lambda _, request: "write lost" if "/mix-" in request else None
    )
    archive = rec.Archive(f"s3://{BUCKET}/lossy")
    with AudianEmulator(recordings=2) as emulator, emulator.connect() as provider:
        run = archive.copy([provider])
    assert (run.copied, len(run.failed), run.complete) == (0, 2, False)
    for failure in run.failed:
        assert "s3://archive/lossy/audian/default/" in str(failure)
        assert "the storage does not have it" in str(failure)
    assert list(archive.recordings()) == []
