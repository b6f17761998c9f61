"""Folder: the files of a report at any fsspec URL, such as a path, `memory://` or `s3://`.

Writes are atomic: on a local disk a file is written under a temporary name, synced and renamed, and
has the mode of the file that it replaces; object stores publish a whole object at once. A failure
is a `StorageError` that names the file.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recording_core.download.atomic_file import open_temporary_file, remove_abandoned_file
from recording_core.errors import ConfigurationError, RecordingError, StorageError
from recording_core.redaction import redact_text

#: The user:password@ or key:secret@ part of any URL, and its query.
_PRIVATE = re.compile(r"(?<=://)[^/@]*@|\?.*")
#: Characters that make a path a glob pattern.
_GLOB_CHARACTERS = re.compile(r"[*?[]")


class Folder:
    """A folder by its URL or path. Raises `ConfigurationError` if the URL cannot be opened.

    `durable=False` is for a temporary folder: writes are not synced, and fail once it was removed.
    """

    def __init__(self, url: str | os.PathLike[str], *, durable: bool = True) -> None:
        import fsspec

        self.url = os.fspath(url)
        if not isinstance(self.url, str) or not self.url.strip():
            raise ConfigurationError("The folder of a report must be a path or a URL.")
        try:
            self.files, self.root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise ConfigurationError(
                f"{self} cannot be opened: {redact_text(str(error))}"
            ) from None
        except Exception as error:  # noqa: BLE001  # each file system has its own errors
            raise self._build_storage_error("opened", "", error) from None
        self.is_durable = durable

    @property
    def is_local(self) -> bool:
        return "file" in list_protocols(self.files)

    @property
    def is_process_local(self) -> bool:
        """Whether the folder is in this process's memory, so that no other process can use it."""
        return "memory" in list_protocols(self.files)

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically."""
        with self._raise_storage_errors(name, "written"):
            path = self._path(name)
            if self.is_local:
                self._write_local(Path(path), data)
            else:
                self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.files.pipe_file(path, data)

    def read(self, name: str) -> bytes:
        with self._raise_storage_errors(name, "read"):
            data: bytes = self.files.cat_file(self._path(name))
            return data

    def read_all(self, names: Iterable[str]) -> Mapping[str, bytes]:
        """Read several files, at once if the file system can. Missing files are left out."""
        wanted = {self._path(name): name for name in names}
        if not wanted:
            return {}
        with self._raise_storage_errors("", "read"):
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

    def list_sizes(self, below: str) -> Mapping[str, int]:
        """Return the files in a subfolder with their sizes in bytes; empty if it does not exist."""
        with self._raise_storage_errors(below, "listed"):
            if self.is_local:
                return _list_local_sizes(Path(self.root), below)
            self.files.invalidate_cache()
            found = self.files.find(self._path(below), detail=True)
        start = len(self.root.rstrip("/")) + 1
        return {path[start:]: facts.get("size") or 0 for path, facts in found.items()}

    def _read_if_exists(self, path: str) -> bytes | FileNotFoundError:
        try:
            data: bytes = self.files.cat_file(path)
        except FileNotFoundError as error:
            return error
        return data

    def remove(self, name: str) -> None:
        """Remove a file; it may be missing already, since another process may have removed it."""
        with suppress(Exception):  # a file that stays does no harm
            self.files.rm_file(self._path(name))

    def remove_abandoned_parts(self, below: str) -> None:
        """Remove the temporary files in a subfolder whose writers died."""
        if self.is_local:
            for name in self.list_sizes(below):
                if name.endswith(".part"):
                    remove_abandoned_file(Path(self._path(name)))

    def locate(self, name: str) -> str:
        """Return a file's path on this machine, or its URL."""
        if self.is_local:
            return self._path(name)
        # From the given URL: the paths of an fsspec file system do not contain the host.
        return f"{self.url}{'' if self.url.endswith('/') else '/'}{name}"

    def describe(self, name: str) -> str:
        """Return a file's address for messages, without credentials."""
        return f"{self}/{name}" if name else str(self)

    def __str__(self) -> str:
        return redact_file_url(self.url).rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

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
    def _raise_storage_errors(self, name: str, action: str) -> Iterator[None]:
        """Turn the errors of a file system into `StorageError`; `action` is a participle."""
        try:
            yield
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # each file system has its own errors
            raise self._build_storage_error(action, name, error) from None

    def _build_storage_error(self, action: str, name: str, error: Exception) -> StorageError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StorageError(
            f"{self.describe(name)} cannot be {action}: "
            f"{type(error).__name__}: {redact_text(reason)}"
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


def redact_file_url(url: str) -> str:
    """Return a file's URL or path without credentials."""
    return _PRIVATE.sub("", url) if "://" in url else url


def _list_local_sizes(root: Path, below: str) -> dict[str, int]:
    # fsspec's own `find` ignores folders that it may not read.
    def raise_unless_missing(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    found: dict[str, int] = {}
    for folder, _, names in os.walk(root / below, onerror=raise_unless_missing):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # another process removed it
                found[path.relative_to(root).as_posix()] = path.stat().st_size
    return found


def list_protocols(files: Any) -> tuple[str, ...]:
    """List the names of an fsspec file system, such as `file` and `local`."""
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
