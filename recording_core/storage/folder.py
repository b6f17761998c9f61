"""Folder: files at any fsspec URL, such as a path, `memory://` or `s3://`.

Writes are atomic: on a local disk a file is written under a temporary name, synced and renamed, and
has the mode of the file that it replaces; object stores publish a whole object at once. A failure
is a `StorageError` that names the file.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from attrs import frozen

from recording_core.download.atomic_file import open_temporary_file, remove_abandoned_file
from recording_core.download.output_file import OutputFile
from recording_core.errors import ConfigurationError, RecordingError, StorageError
from recording_core.storage.file_systems import FileSystems, has_credentials, redact_file_url
from recording_core.storage.upload import StoppableFile, Upload, write_part

#: The keys of a file's time in fsspec's file systems, e.g. of S3, disk, SFTP and memory.
_TIME_KEYS = ("LastModified", "mtime", "last_modified", "updated", "modified", "created")
#: The beginning of the names of files that are written for their time.
PROBE = "probe-"
#: The bytes that are read ahead of a remote file.
_READ_SIZE = 1024 * 1024
#: Characters that make a path a glob pattern.
_GLOB_CHARACTERS = re.compile(r"[*?[]")


@frozen
class StoredFile:
    """A file in a storage: its size in bytes, and when it was written, if that is known."""

    size: int
    modified: datetime | None = None


class Folder:
    """A folder by its URL or path. Raises `ConfigurationError` if the URL cannot be opened.

    `durable=False` is for a temporary folder: writes are not synced, and fail once it was removed.
    """

    def __init__(self, url: str | os.PathLike[str], *, durable: bool = True) -> None:
        self.url = os.fspath(url)
        if not isinstance(self.url, str) or not self.url.strip():
            raise ConfigurationError("The folder must be a path or a URL.")
        self.is_durable = durable
        try:
            self._systems = FileSystems(self.url)
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # each file system has its own errors
            raise self._build_storage_error("opened", "", error) from None
        self.root = self._systems.root
        self.is_local = self._systems.is_local
        self.is_process_local = self._systems.is_process_local

    @property
    def files(self) -> Any:
        """The fsspec file system of this thread."""
        return self._systems.get()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.url, self.is_durable)

    def check_other_processes(self) -> None:
        """Raise `ConfigurationError` if no other process can be given this folder."""
        if self.is_process_local:
            raise ConfigurationError(
                f"{self} is in this process's memory, and other processes cannot write there"
            )
        if has_credentials(self.url):
            raise ConfigurationError(
                f"The URL of {self} holds credentials, which are not sent to other processes. Put "
                "them into the settings of the storage there, such as FSSPEC_SFTP"
            )

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically."""
        with self.raise_storage_errors(name, "written"):
            path = self._path(name)
            if self.is_local:
                self._check_links(name)
                self._write_local(Path(path), data)
            else:
                self._write_remote(path, data)

    @contextmanager
    def create(self, name: str, *, stopped: Callable[[], bool] = bool) -> Iterator[OutputFile]:
        """Create a file of a name that no other one has, and write it in chunks.

        It appears whole when it is committed, at `OutputFile.destination`, or not at all; what a
        remote storage keeps of an upload that failed is removed if that is possible. Writing raises
        `StorageError` after `stopped` returned true.
        """
        if self.is_local:
            self._check_links(name)
            with open_temporary_file(Path(self._path(name)), unique=True) as out:
                yield StoppableFile(out, stopped)
            return
        upload = Upload(self, Path(name))
        try:
            yield StoppableFile(upload, stopped)
        except BaseException:
            upload.discard()
            raise

    def open_upload(self, name: str, part_size: int) -> Any:
        """Open a remote file for writing in parts. Raises what the file system raises."""
        path, files = self._path(name), self.files
        if self._systems.has_folders:
            return self._open_in_folder(path)
        return files.open(path, "wb", block_size=part_size)

    def rename(self, old: str, new: str) -> None:
        """Rename a remote file to a name that no other one has."""
        with self.raise_storage_errors(old, "renamed"):
            self._rename(self._path(old), self._path(new))

    def _rename(self, old: str, new: str) -> None:
        files = self.files
        if self._systems.has_folders:
            try:
                files.mv(old, new)
            except OSError:
                if not hasattr(files, "ftp"):
                    raise
                files.ftp.rename(old, new)  # of servers that are not OpenSSH
        else:  # `mv` would expand the name as a pattern
            files.cp_file(old, new)
            files.rm_file(old)

    def _write_remote(self, path: str, data: bytes) -> None:
        files = self.files
        if not self._systems.has_folders:
            files.pipe_file(path, data)
            return
        # It would appear as it is written.
        parent, _, name = path.rpartition("/")
        part = f"{parent}/.{name}.{os.urandom(4).hex()}.part"
        try:
            with self._open_in_folder(part) as file:
                write_part(file, data)
            self._rename(part, path)
        except BaseException:
            with suppress(Exception):
                files.rm_file(part)
            raise

    def _open_in_folder(self, path: str) -> Any:
        """Open a file for writing, and create its folder if that is missing."""
        # Without a buffer, which paramiko would write when the file is collected.
        files = self.files
        with suppress(FileNotFoundError):
            return files.open(path, "wb", block_size=0)
        failure: Exception | None = None
        folders = path.split("/")
        for length in range(2, len(folders)):
            try:
                files.mkdir("/".join(folders[:length]), create_parents=False)
            except FileExistsError:
                pass
            except Exception as error:  # noqa: BLE001  # another writer may have created it
                failure = error
        try:
            return files.open(path, "wb", block_size=0)
        except FileNotFoundError:
            raise failure or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None

    def read(self, name: str) -> bytes:
        with self.raise_storage_errors(name, "read"):
            data: bytes = self.files.cat_file(self._path(name))
            return data

    def read_all(self, names: Iterable[str]) -> Mapping[str, bytes]:
        """Read several files, at once if the file system can. Missing files are left out."""
        wanted = {self._path(name): name for name in names}
        if not wanted:
            return {}
        with self.raise_storage_errors("", "read"):
            if _GLOB_CHARACTERS.search(self.root):  # `cat` would expand it as a pattern
                found = {path: self._read_if_exists(path) for path in wanted}
            else:
                found = self.files.cat(list(wanted), on_error="return")
        data: dict[str, bytes] = {}
        for path, content in found.items():
            name = wanted.get(path) or path.removeprefix(self.root).lstrip("/")
            if isinstance(content, bytes):
                data[name] = content
            elif not isinstance(content, FileNotFoundError):
                raise self._build_storage_error("read", name, content)
        return data

    def list_files(self, below: str) -> Mapping[str, StoredFile]:
        """List the files in a subfolder and below it; empty if it does not exist."""
        with self.raise_storage_errors(below, "listed"):
            if self.is_local:
                return _list_local_files(Path(self.root), below)
            found = self._find(self._path(below))
        start = len(self.root.rstrip("/")) + 1
        return {path[start:]: _read_facts(facts) for path, facts in found.items()}

    def _find(self, path: str) -> Mapping[str, Any]:
        if self._systems.has_folders:
            return dict(self._walk(path))
        parent, _, name = path.rpartition("/")
        if parent and self._systems.is_s3:
            # Else s3fs sends three requests if there is nothing, as before each first copy.
            found: Mapping[str, Any] = self.files.find(parent, prefix=f"{name}/", detail=True)
        else:
            found = self.files.find(path, detail=True)
        return found

    def _walk(self, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        # fsspec's own `find` leaves out what it cannot list.
        try:
            entries = self.files.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        for each in entries:
            if each["type"] == "directory":
                yield from self._walk(each["name"])
            else:
                yield each["name"], each

    def list_names(self, below: str) -> list[str]:
        """List the names in a subfolder itself; empty if it does not exist."""
        with self.raise_storage_errors(below, "listed"):
            try:
                if self.is_local:
                    return os.listdir(self._path(below))
                found = self.files.ls(self._path(below), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def look_at(self, name: str) -> StoredFile | None:
        """Return what the storage reports of a file; None if it does not exist."""
        with self.raise_storage_errors(name, "found"):
            try:
                if self.is_local:
                    return _read_status(os.stat(self._path(name)))
                return _read_facts(self.files.info(self._path(name)))
            except FileNotFoundError:
                return None

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a file for reading. Memory use does not depend on its size."""
        with self.raise_storage_errors(name, "read"):
            file = self.files.open(self._path(name), "rb", block_size=_READ_SIZE)
        with file:
            try:
                yield file
            except (ValueError, LookupError, TypeError):
                raise  # of the content, not of the storage
            except Exception as error:
                with self.raise_storage_errors(name, "read"):
                    raise error from None

    def _read_if_exists(self, path: str) -> bytes | FileNotFoundError:
        try:
            data: bytes = self.files.cat_file(path)
        except FileNotFoundError as error:
            return error
        return data

    def remove(self, name: str) -> bool:
        """Remove a file, and return whether it is gone; one that stays does no harm."""
        try:
            self.files.rm_file(self._path(name))
        except FileNotFoundError:  # another process removed it
            return True
        except Exception:  # noqa: BLE001  # each file system has its own errors
            return False
        return True

    def remove_abandoned_parts(self, below: str) -> None:
        """Remove the temporary files in a subfolder whose writers died."""
        if self.is_local:
            for name in self.list_files(below):
                if name.endswith(".part"):
                    remove_abandoned_file(Path(self._path(name)))

    def read_clock(self) -> datetime | None:
        """Read the storage's own time, from a file that is written for this; None without times."""
        name = f"{PROBE}{os.urandom(8).hex()}"
        self.write(name, b"The time at which this was written is being read.")
        try:
            found = self.look_at(name)
        finally:
            self.remove(name)
        return None if found is None else found.modified

    def locate(self, name: str) -> str:
        """Return a file's path on this machine, or its URL."""
        if self.is_local:
            return self._path(name)
        # From the given URL: the paths of an fsspec file system do not contain the host.
        return f"{self.url}{'' if self.url.endswith('/') else '/'}{name}"

    def build_path(self, name: str) -> Path:
        """Build a file's path on this machine, or else inside the folder, without credentials."""
        return Path(self._path(name)) if self.is_local else Path(name)

    def describe(self, name: str) -> str:
        """Return a file's address for messages, without credentials."""
        return f"{self}/{name}" if name else str(self)

    def __str__(self) -> str:
        return redact_file_url(self.url).rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def _check_links(self, name: str) -> None:
        """Raise `StorageError` if a folder between the root and a file is a link."""
        path = Path(self.root)
        for part in Path(name).parent.parts:
            path /= part
            if path.is_symlink():
                raise _build_link_error(path)

    def _write_local(self, path: Path, data: bytes) -> None:
        if not self.is_durable and not Path(self.root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "the report was interrupted")
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a pipe or a device: renaming a file onto it would destroy it
            return
        path = path.resolve()  # the target of a link, not the link
        with open_temporary_file(path, private=False) as out:
            out.write(data)
            out.commit(durable=self.is_durable)

    @contextmanager
    def raise_storage_errors(self, name: str, action: str) -> Iterator[None]:
        """Turn the errors of a file system into `StorageError`; `action` is a participle."""
        try:
            yield
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # each file system has its own errors
            self._systems.drop_connection()
            raise self._build_storage_error(action, name, error) from None

    def _build_storage_error(self, action: str, name: str, error: Exception) -> StorageError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StorageError(
            f"{self.describe(name)} cannot be {action}: {type(error).__name__}: {reason}"
        )


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write one file at a path or URL atomically. Raises `StorageError`."""
    folder, name = _open_parent(path)
    folder.write(name, data)


def read_file(path: str | os.PathLike[str]) -> bytes | None:
    """Read one file at a path or URL; None if it does not exist. Raises `StorageError`."""
    folder, name = _open_parent(path)
    return folder.read_all([name]).get(name)


def _open_parent(path: str | os.PathLike[str]) -> tuple[Folder, str]:
    parent, slash, name = os.fspath(path).replace(os.sep, "/").rpartition("/")
    return Folder(f"{parent}{slash}" or "."), name


def _list_local_files(root: Path, below: str) -> dict[str, StoredFile]:
    # fsspec's own `find` ignores folders that it may not read.
    def raise_unless_missing(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    found: dict[str, StoredFile] = {}
    for folder, folders, names in os.walk(root / below, onerror=raise_unless_missing):
        for each in folders:
            if Path(folder, each).is_symlink():  # not followed, so that its files would be missing
                raise _build_link_error(Path(folder, each))
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # another process removed it
                found[path.relative_to(root).as_posix()] = _read_status(path.stat())
    return found


def _build_link_error(path: Path) -> StorageError:
    return StorageError(
        f"{path} is a link. Links below a folder are not followed, since what is written there "
        "would be elsewhere: move the whole folder, and make a link of its root"
    )


def _read_status(status: os.stat_result) -> StoredFile:
    return StoredFile(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _read_facts(facts: Mapping[str, Any]) -> StoredFile:
    """Read the facts of an fsspec file system, each of which names the time in its own way."""
    moment = next((facts[key] for key in _TIME_KEYS if facts.get(key) is not None), None)
    if isinstance(moment, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(moment)
    if isinstance(moment, int | float):
        moment = datetime.fromtimestamp(moment, UTC)
    if not isinstance(moment, datetime):
        return StoredFile(facts.get("size") or 0)
    # A time without a zone is UTC in the file systems that have such times.
    return StoredFile(facts.get("size") or 0, moment.replace(tzinfo=moment.tzinfo or UTC))


def _reopen(url: str, durable: bool) -> Folder:
    return Folder(url, durable=durable)
