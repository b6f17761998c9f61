"""Where do a report's files lie? A folder at any fsspec URL: a path, memory://, s3://, and so on.

A file is there whole or not at all: on a local disk it is written beside its place, synced and
renamed, and what object stores are given becomes visible as one. What goes wrong is a
`StorageError` that names the file.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recording_core.errors import ConfigurationError, RecordingError, StorageError
from recording_core.redaction import redact_text

__all__ = ["Folder", "shown_url", "write_file"]

#: The user:password@ or key:secret@ of any URL, and its query.
_PRIVATE = re.compile(r"(?<=://)[^/@]*@|\?.*")
#: What makes a path a pattern to whoever expands it.
_MAGIC = re.compile(r"[*?[]")


class Folder:
    """A folder by its URL or path. Raises `ConfigurationError` for a URL that nothing can open.

    `durable=False` spares the syncing of what is thrown away in the end.
    """

    def __init__(self, url: str | os.PathLike[str], *, durable: bool = True) -> None:
        import fsspec

        self.url = os.fspath(url)
        if not isinstance(self.url, str) or not self.url.strip():
            raise ConfigurationError("the folder of a report must be a path or a URL")
        try:
            self.files, self.root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise ConfigurationError(
                f"{self} cannot be opened: {redact_text(str(error))}"
            ) from None
        except Exception as error:  # noqa: BLE001  # each file system has its own
            raise self._storage_error("opened", "", error) from None
        self._durable = durable

    @property
    def is_local(self) -> bool:
        return "file" in _protocols(self.files)

    @property
    def of_this_process(self) -> bool:
        """Nobody else sees it, such as another process that is to write into it."""
        return "memory" in _protocols(self.files)

    def write(self, name: str, data: bytes) -> None:
        """A new file, or none."""
        with self._naming(name, "written"):
            path = self._path(name)
            if self.is_local:
                self._write_local(Path(path), data)
            else:
                self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.files.pipe_file(path, data)

    def read(self, name: str) -> bytes:
        with self._naming(name, "read"):
            data: bytes = self.files.cat_file(self._path(name))
            return data

    def read_all(self, names: Iterable[str]) -> Mapping[str, bytes]:
        """Several at once, where the file system can; those that are gone are left out."""
        wanted = {self._path(name): name for name in names}
        if not wanted:
            return {}
        with self._naming("", "read"):
            if _MAGIC.search(self.root):  # it would be taken for a pattern
                found = {path: self._content(path) for path in wanted}
            else:
                found = self.files.cat(list(wanted), on_error="return")
        data: dict[str, bytes] = {}
        for path, content in found.items():
            name = wanted.get(path) or path.removeprefix(self.root).lstrip("/")
            if isinstance(content, bytes):
                data[name] = content
            elif not isinstance(content, FileNotFoundError):
                raise self._storage_error("read", name, content)
        return data

    def sizes(self, below: str) -> Mapping[str, int]:
        """The files beneath a name, with their bytes; empty where there is no such folder.

        Raises `StorageError` for one that is there and cannot be looked into.
        """
        with self._naming(below, "listed"):
            if self.is_local:
                return _sizes_on_disk(Path(self.root), below)
            self.files.invalidate_cache()
            found = self.files.find(self._path(below), detail=True)
        start = len(self.root.rstrip("/")) + 1
        return {path[start:]: facts.get("size") or 0 for path, facts in found.items()}

    def _content(self, path: str) -> bytes | FileNotFoundError:
        try:
            data: bytes = self.files.cat_file(path)
        except FileNotFoundError as error:
            return error
        return data

    def remove(self, name: str) -> None:
        """Gone, also where another process was faster."""
        try:
            self.files.rm_file(self._path(name))
        except Exception:  # noqa: BLE001  # it is in nobody's way
            return

    def locate(self, name: str) -> str:
        """A file's path on this machine, or its URL."""
        if self.is_local:
            return self._path(name)
        # The URL as it was given: a file system forgets the host that its paths are of.
        return f"{self.url}{'' if self.url.endswith('/') else '/'}{name}"

    def shown(self, name: str) -> str:
        """A file's name for people: no credential that its URL may hold."""
        return f"{self}/{name}" if name else str(self)

    def __str__(self) -> str:
        return shown_url(self.url).rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def _write_local(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a pipe or a device: a file in its place would destroy it
            return
        path = path.resolve()  # what a link leads to, not the link
        beside = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with beside.open("xb") as file:
                file.write(data)
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    @contextmanager
    def _naming(self, name: str, done: str) -> Iterator[None]:
        try:
            yield
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # each file system has its own
            raise self._storage_error(done, name, error) from None

    def _storage_error(self, done: str, name: str, error: Exception) -> StorageError:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StorageError(
            f"{self.shown(name)} cannot be {done}: {type(error).__name__}: {redact_text(why)}"
        )


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """One file at a path or URL, whole or not at all. Raises `StorageError`."""
    parent, slash, name = os.fspath(path).replace(os.sep, "/").rpartition("/")
    Folder(f"{parent}{slash}" or ".").write(name, data)


def shown_url(url: str) -> str:
    """A file's URL or path for people: no credential that it may hold."""
    return _PRIVATE.sub("", url) if "://" in url else url


def _sizes_on_disk(root: Path, below: str) -> dict[str, int]:
    # fsspec's own `find` passes over folders that it may not read.
    def refused(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    found: dict[str, int] = {}
    for folder, _, names in os.walk(root / below, onerror=refused):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # another process was faster
                found[path.relative_to(root).as_posix()] = path.stat().st_size
    return found


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
