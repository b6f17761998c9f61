"""Archives on every kind of store: a disk, memory, four S3 servers and SFTP behave alike."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paramiko
import pytest
from fsspec.registry import _registry

import recording_core as rec
from recording_audian.emulator import AudianEmulator
from recording_core.archiving import verification
from recording_core.errors import ConfigurationError, StorageError
from recording_core.storage import file_systems
from recording_core.storage.file_systems import redact_file_url
from recording_core.storage.folder import Folder

#: Of the S3 servers `make test` tries one.
KINDS = (
    *("disk", "memory", "moto", "sftp"),
    *(pytest.param(kind, marks=pytest.mark.long) for kind in ("localbucket", "rclone", "nanio")),
)
REMOTE = ("localbucket", "sftp")
KEY, SECRET = "AKIA-of-the-store", "s3cr3t-of-the-store"
MIB = 1024 * 1024

OpenStore = Callable[[str], Any]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_whole_on_every_store(
    open_store: OpenStore,
    emulator: AudianEmulator,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    url = open_store(kind).url
    archive = rec.Archive(url)
    with emulator.connect() as provider:
        run = archive.copy([provider])
        assert (run.copied, run.failed, run.complete) == (4, (), True)
        second = rec.Archive(url).copy([provider], since=datetime(2000, 1, 1, tzinfo=UTC))
    assert (second.copied, second.already_there) == (0, 4)
    archived = list(archive.recordings())
    assert len(archived) == 4
    for each in archived:
        [copy] = each.copies
        with archive.open(each) as file:
            data = file.read()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (copy.size, copy.sha256)
        assert archive.get("audian", "default", each.recording.id) == each
    # Half an upload, and a file of a record that was superseded.
    folder = archived[0].record.rpartition("/")[0]
    archive.folder.write(f"{folder}/mix-{'0' * 16}.mp3", b"torn")
    verified = archive.verify(clean=True)
    assert verified.ok
    assert (verified.hashed, verified.garbage, verified.removed) == (4, 1, 0)
    # Every clock is the store's own: its garbage is older than two days now.
    monkeypatch.setattr(verification, "GARBAGE_AFTER", timedelta(days=-1))
    verified = archive.verify(clean=True)
    assert (verified.garbage, verified.removed, verified.ok) == (1, 1, True)
    verified = archive.verify()
    assert (verified.files, verified.hashed, verified.garbage) == (4, 4, 0)
    # Nothing but names of recordings, objects and the index: no probe and no half of a file.
    names = archive.folder.list_files("")
    assert all(name.startswith(("audian/default/", "index/")) for name in names)
    assert not any(name.endswith(".part") for name in names)
    assert archive.rebuild_index() == 4
    for text in (repr(archive), str(archive.folder), repr(archived), repr(run), caplog.text):
        assert SECRET not in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_clock_of_a_store_has_a_zone(open_store: OpenStore, kind: str) -> None:
    folder = Folder(open_store(kind).url)
    folder.write("a/b", b"123")
    now = datetime.now(UTC)
    read = folder.read_clock()
    assert read is not None
    assert abs(read - now) < timedelta(minutes=1)
    stored = folder.look_at("a/b")
    assert stored is not None
    assert (stored.size, stored.modified is not None) == (3, True)
    listed = folder.list_files("a")["a/b"]
    assert listed.size == 3
    assert listed.modified is not None
    assert abs(listed.modified - now) < timedelta(minutes=1)
    assert folder.list_names("a") == ["b"]
    assert (dict(folder.list_files("none")), folder.list_names("none")) == ({}, [])
    assert folder.look_at("none") is None
    assert folder.remove("a/b") is True


@pytest.mark.parametrize("kind", REMOTE)
def test_what_another_process_writes_is_seen_at_once(open_store: OpenStore, kind: str) -> None:
    url = open_store(kind).url
    folder, other = Folder(url), Folder(url)
    other.write("a/1", b"1")
    assert (folder.list_names("a"), list(folder.list_files(""))) == (["1"], ["a/1"])
    assert folder.look_at("a/2") is None
    other.write("a/2", b"22")
    assert sorted(folder.list_names("a")) == ["1", "2"]
    assert list(folder.list_files("a")) == ["a/1", "a/2"]
    stored = folder.look_at("a/2")
    assert stored is not None
    assert stored.size == 2


@pytest.mark.parametrize("kind", ["memory", "moto", "rclone", "nanio", "sftp"])
def test_a_large_object_is_sent_in_parts(open_store: OpenStore, kind: str) -> None:
    folder = Folder(open_store(kind).url)
    data = os.urandom(MIB + 1) * 11
    with folder.create("deep/down/mix.mp3") as out:
        for start in range(0, len(data), 999_999):
            out.write(data[start : start + 999_999])
        with out.open_for_reading() as file:
            assert file.read(10) == data[:10]
        # Its content is of another format than the vendor listed.
        out.destination = Path("deep/down/mix.wav")
        out.commit()
    found = {name: stored.size for name, stored in folder.list_files("").items()}
    assert found == {"deep/down/mix.wav": len(data)}
    with folder.open("deep/down/mix.wav") as file:
        assert file.read() == data


def write_whole(folder: Folder, name: str, data: bytes) -> None:
    with folder.create(name) as out:
        out.write(data)
        out.commit()


def write_torn(folder: Folder, name: str, size: int) -> None:
    with folder.create(name) as out:
        out.write(bytes(size))
        raise ZeroDivisionError


@pytest.mark.parametrize("size", [100, 11 * MIB])
@pytest.mark.parametrize("kind", ["disk", "memory", "moto", "rclone", "nanio", "sftp"])
def test_a_body_that_raises_is_not_published(open_store: OpenStore, kind: str, size: int) -> None:
    folder = Folder(open_store(kind).url)
    folder.write("x/other", b"1")
    with pytest.raises(ZeroDivisionError):
        write_torn(folder, "x/mix.mp3", size)
    assert list(folder.list_files("")) == ["x/other"]


def test_many_threads_use_one_folder(open_store: OpenStore) -> None:
    """SFTP: paramiko discards the responses that another thread waits for."""
    folder = Folder(open_store("sftp").url)
    together = threading.Barrier(6)

    def write(number: int) -> None:
        together.wait(20)
        for each in range(4):
            folder.write(f"a/b/{number % 3}/{number}-{each}", b"%d" % number)
            assert folder.read(f"a/b/{number % 3}/{number}-{each}") == b"%d" % number

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))
    assert len(folder.list_files("")) == 24


def test_a_folder_that_another_writer_created_is_used(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(open_store("sftp").url)
    create = paramiko.SFTPClient.mkdir

    def fail(self: Any, path: str, mode: int = 0o777) -> None:
        create(self, path, mode)
        raise OSError("Failure")  # as the server reports what exists

    monkeypatch.setattr(paramiko.SFTPClient, "mkdir", fail)
    folder.write("a/b/c", b"1")
    assert folder.read("a/b/c") == b"1"


def test_why_a_folder_cannot_be_created_is_reported(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(open_store("sftp").url)

    def fail(self: Any, path: str, mode: int = 0o777) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(paramiko.SFTPClient, "mkdir", fail)
    with pytest.raises(StorageError, match="a/b cannot be written: PermissionError: Permission"):
        folder.write("a/b", b"1")


def test_a_file_on_sftp_appears_whole(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written under another name: a torn record would need a person."""
    folder = Folder(open_store("sftp").url)
    folder.write("a/first", b"1")
    seen: list[list[str]] = []
    files = folder.files
    rename = files.mv

    def look_and_rename(old: str, new: str) -> None:
        seen.append(folder.list_names("a"))
        rename(old, new)

    monkeypatch.setattr(files, "mv", look_and_rename)
    folder.write("a/record-1.json", b"{}")
    [[*names]] = seen
    assert "record-1.json" not in names
    assert sorted(folder.list_names("a")) == ["first", "record-1.json"]


def test_a_server_without_the_extension_of_openssh_renames(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, old: str, new: str) -> None:
        raise OSError("Operation unsupported")

    monkeypatch.setattr(paramiko.SFTPClient, "posix_rename", fail)
    folder = Folder(open_store("sftp").url)
    folder.write("a/record-1.json", b"{}")
    assert folder.list_names("a") == ["record-1.json"]


def test_connections_are_made_one_after_the_other(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SSH server refuses some of ten that begin at once."""
    folder = Folder(open_store("sftp").url)
    connect = paramiko.SSHClient.connect
    connecting, most = 0, 0

    def count(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal connecting, most
        connecting += 1
        most = max(most, connecting)
        connect(self, *args, **kwargs)
        connecting -= 1

    monkeypatch.setattr(paramiko.SSHClient, "connect", count)
    together = threading.Barrier(4)

    def look(_: int) -> None:
        together.wait(20)
        folder.look_at("none")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(look, range(4)))
    assert most == 1


def test_a_record_that_could_not_be_removed_keeps_its_objects(
    emulator: AudianEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may let a program write and not remove."""
    archive = rec.Archive(tmp_path)
    with emulator.connect() as provider:
        archive.copy([provider])
    archived = next(archive.recordings())
    folder, _, name = archived.record.rpartition("/")
    record, old = archive.folder.read(archived.record), archived.copies[0].path.name
    new = f"mix-{'f' * 16}{archived.copies[0].path.suffix}"
    archive.folder.write(f"{folder}/{new}", archived.copies[0].path.read_bytes())
    archive.folder.write(
        f"{folder}/record-{'f' * 16}.json", record.replace(old.encode(), new.encode())
    )
    before = set(archive.folder.list_files(folder))
    assert len(before) == 4
    monkeypatch.setattr(verification, "GARBAGE_AFTER", timedelta(days=-1))
    remove = Folder.remove
    monkeypatch.setattr(
        Folder, "remove", lambda self, path: "record-" not in path and remove(self, path)
    )
    verified = archive.verify(clean=True)
    assert (verified.garbage, verified.removed) == (2, 0)
    assert set(archive.folder.list_files(folder)) == before
    monkeypatch.setattr(Folder, "remove", remove)
    assert archive.verify(clean=True).removed == 2
    assert set(archive.folder.list_files(folder)) == {f"{folder}/{name}", f"{folder}/{old}"}


def test_a_folder_that_cannot_be_listed_is_not_empty(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsspec's own `find` leaves out what it cannot list."""
    folder = Folder(open_store("sftp").url)
    folder.write("a/b/c", b"1")
    listing = type(folder.files).ls

    def fail(self: Any, path: str, detail: bool = False) -> Any:
        if path.endswith("/b"):
            raise OSError("Socket is closed")
        return listing(self, path, detail=detail)

    monkeypatch.setattr(type(folder.files), "ls", fail)
    with pytest.raises(StorageError, match="cannot be listed: OSError: Socket is closed"):
        folder.list_files("")


def test_a_server_that_does_not_respond_is_an_error(
    open_store: OpenStore, servers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_systems, "TIMEOUT", 0.5)
    folder = Folder(open_store("sftp").url)
    folder.write("a", b"1")
    servers.processes["sftp"].send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StorageError, match="a cannot be read: TimeoutError"):
            folder.read("a")
    finally:
        servers.processes["sftp"].send_signal(signal.SIGCONT)
    assert folder.read("a") == b"1"


@pytest.mark.parametrize("size", [200_000, 6 * MIB])
def test_an_error_of_the_server_is_not_lost_in_a_pipeline(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """paramiko itself reads no response to what was written before a file is closed."""
    folder = Folder(open_store("sftp").url)
    folder.write("a/b", b"1")
    send, read = paramiko.SFTPClient._async_request, paramiko.SFTPClient._read_response
    writes: list[int] = []

    def record(self: Any, fileobj: Any, kind: int, *args: Any) -> int:
        number: int = send(self, fileobj, kind, *args)
        writes.extend([number] if kind == paramiko.sftp.CMD_WRITE else [])
        return number

    def fail(self: Any, waitfor: int | None = None) -> Any:
        response = read(self, waitfor)
        if waitfor in writes[2:3]:
            raise OSError("No space left on device")
        return response

    monkeypatch.setattr(paramiko.SFTPClient, "_async_request", record)
    monkeypatch.setattr(paramiko.SFTPClient, "_read_response", fail)
    with pytest.raises(StorageError, match="No space left"):
        write_whole(folder, "a/mix.mp3", bytes(size))
    assert list(folder.list_files("")) == ["a/b"]


def test_a_broken_connection_is_replaced(open_store: OpenStore) -> None:
    folder = Folder(open_store("sftp").url)
    folder.write("a", b"1")
    folder.files.client.close()
    with pytest.raises(StorageError, match="a cannot be read"):
        folder.read("a")
    assert folder.read("a") == b"1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("kind", REMOTE)
def test_a_forked_child_connects_on_its_own(open_store: OpenStore, kind: str) -> None:
    folder = Folder(open_store(kind).url)
    folder.write("parent", b"1")
    child = os.fork()
    if child == 0:  # pragma: no cover  # coverage does not follow forks
        status = 1
        try:
            folder.write("child", folder.read("parent"))
            status = 0
        except BaseException:  # noqa: BLE001  # of a child that ends here
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert folder.read("child") == b"1"
    folder.write("parent-again", b"2")
    assert sorted(folder.list_names("")) == ["child", "parent", "parent-again"]


# -- what is wrong with a store -------------------------------------------------------------------


def test_a_wrong_bucket_is_an_error_and_is_not_created(
    open_store: OpenStore, emulator: AudianEmulator
) -> None:
    open_store("localbucket")
    archive = rec.Archive("s3://archvie/calls")
    with emulator.connect() as provider:
        run = archive.copy([provider])
    [coverage] = run.coverage
    assert isinstance(coverage.error, StorageError)
    assert "s3://archvie/calls/audian/default/account-" in str(coverage.error)
    assert "bucket does not exist" in str(coverage.error)
    assert (run.copied, run.complete) == (0, False)
    assert not [each for each in emulator.journal if each.port == "media"]
    with pytest.raises(StorageError, match="s3://archvie/calls cannot be listed"):
        archive.verify()


def test_a_wrong_key_is_an_error_that_names_the_store(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = open_store("rclone").url
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng-of-the-store")
    with pytest.raises(StorageError) as caught:
        Folder(url).list_files("")
    assert str(caught.value).startswith(f"{url} cannot be listed: PermissionError: ")
    assert "wr0ng-of" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_wrong_password_is_an_error_without_it(open_store: OpenStore) -> None:
    url = open_store("sftp").url.replace(SECRET, "wr0ng@of-the-store")
    with pytest.raises(StorageError) as caught:
        Folder(url)
    assert str(caught.value) == (
        f"{url.replace(f'{KEY}:wr0ng@of-the-store@', '')} cannot be opened: "
        "AuthenticationException: Authentication failed."
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://user:pa@ss@host:22/a/b", "sftp://host:22/a/b"),
        ("sftp://user:pa/ss@host/a", "sftp://host/a"),
        ("sftp://user@host/a", "sftp://host/a"),
        ("sftp://host:22/a@b", "sftp://host:22/a@b"),
        ("s3://bucket/team@home", "s3://bucket/team@home"),
        ("s3://bucket/a?X-Amz-Signature=1", "s3://bucket/a"),
        ("/home/me@host/a?b", "/home/me@host/a?b"),
    ],
)
def test_the_text_of_a_url_has_no_credentials(url: str, shown: str) -> None:
    assert redact_file_url(url) == shown


def test_a_password_that_breaks_the_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="FSSPEC_SFTP") as caught:
        Folder("sftp://user:s3c/ret@host/a")
    assert "s3c" not in str(caught.value)
    assert "ret@" not in str(caught.value)


@pytest.mark.parametrize(("url", "package"), [("s3://b/a", "s3fs"), ("sftp://h/a", "paramiko")])
def test_a_missing_package_is_named(
    url: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s3fs", "fsspec.implementations.sftp"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(_registry, url.partition(":")[0], raising=False)
    with pytest.raises(ConfigurationError, match=f"needs a package: .*{package}"):
        rec.Archive(url)


def test_an_old_s3fs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 2025.7 it published the beginning of a file whose writing failed."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2025.5.1")
    with pytest.raises(ConfigurationError, match=r"s3fs 2025\.5\.1 .*'s3fs>=2025\.7'"):
        Folder("s3://archive")


# -- memory ---------------------------------------------------------------------------------------

_UPLOAD = """
import resource, sys
from recording_core.storage.folder import Folder
folder = Folder(sys.argv[1])
chunk = bytes(256 * 1024)
def upload(name, mebibytes):
    with folder.create(name) as out:
        for _ in range(4 * mebibytes):
            out.write(chunk)
        out.commit()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = upload("small", 1)
print((upload("large", int(sys.argv[2])) - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage has other units elsewhere")
@pytest.mark.parametrize("kind", REMOTE)
@pytest.mark.parametrize(
    "mebibytes", [64, pytest.param(1024, marks=(pytest.mark.long, pytest.mark.timeout(600)))]
)
def test_memory_does_not_grow_with_the_file(
    open_store: OpenStore, kind: str, mebibytes: int
) -> None:
    url = open_store(kind).url
    done = subprocess.run(
        (sys.executable, "-c", _UPLOAD, url, str(mebibytes)),
        capture_output=True, text=True, timeout=550, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60
