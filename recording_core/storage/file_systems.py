"""File systems: the fsspec file system of a URL, opened once per process, or once per thread.

A connection, such as that of SFTP, is used by one thread: paramiko discards the responses that
another thread waits for.
"""

from __future__ import annotations

import os
import re
import threading
from importlib import metadata
from typing import Any

from recording_core.errors import ConfigurationError
from recording_core.forks import ForkSafeLock

#: Seconds without a response after which SFTP fails; other file systems have their own limit.
TIMEOUT = 60.0
#: What stands before the host in any URL, such as user:password@, also with a slash in it.
_USER = re.compile(r"(?<=://)(?:[^/]*@|[^/@]*:(?!\d+/)[^@]*@)")
_QUERY = re.compile(r"\?.*")
#: A URL that lacks a slash would be a folder here. A single letter is a drive of Windows.
_ONE_SLASH = re.compile(r"([a-z][a-z0-9+]+):/(?!/)", re.IGNORECASE)
#: The oldest version of a package that stores what it reports as stored, and nothing cut.
_OLDEST = {"s3fs": (2025, 7)}


class FileSystems:
    """The fsspec file systems of one URL.

    A forked child process opens its own: s3fs refuses that of its parent, and a connection cannot
    be shared. Raises `ConfigurationError` if the URL or its package cannot be used, and what the
    file system raises if it cannot connect.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._threads = threading.local()
        #: An SSH server refuses some of ten connections that begin at once.
        self._connecting = ForkSafeLock()
        files, self.root = self._open()
        self._process = os.getpid()
        protocols = list_protocols(files)
        self.is_local = "file" in protocols
        #: whether the files are in this process's memory, so that no other process can use them
        self.is_process_local = "memory" in protocols
        #: whether files are in folders, and appear as they are written: object stores have buckets,
        #: whose names have no slash before them, and publish whole objects
        self.has_folders = self.root.startswith("/") and not self.is_process_local
        self.is_s3 = "s3" in protocols
        self._is_shared = self.is_local or self.is_process_local or _is_asynchronous(files)
        self._keep(files)

    def get(self) -> Any:
        """Return the file system of this thread, connected if necessary."""
        if self._process != os.getpid():
            self._threads, self._process = threading.local(), os.getpid()
            self._shared = None
        files = self._shared if self._is_shared else getattr(self._threads, "files", None)
        if files is None:
            with self._connecting:
                files, _ = self._open()
            self._keep(files)
        return files

    def drop_connection(self) -> None:
        """Connect again before the next action of this thread: the connection may be broken."""
        self._threads.__dict__.clear()

    def _keep(self, files: Any) -> None:
        self._shared = files if self._is_shared else None
        if not self._is_shared:
            self._threads.files = files

    def _open(self) -> tuple[Any, str]:
        import fsspec

        place = redact_file_url(self.url)
        if found := _ONE_SLASH.match(self.url):
            raise ConfigurationError(
                f"{place} has one slash after its scheme: write {found[1]}://, or ./{place} for a "
                "folder of that name"
            )
        try:
            # An instance of our own, without a cache of listings: other processes write there too.
            files, root = fsspec.core.url_to_fs(self.url, skip_instance_cache=True)
        except ImportError as error:
            raise ConfigurationError(f"{place} needs a package: {error}") from None
        except ValueError as error:
            reason = str(error)
            if has_credentials(self.url):  # the error may contain a part of the password
                reason = (
                    "check its form. A password that a URL cannot contain belongs into the "
                    "settings of the storage, such as FSSPEC_SFTP"
                )
            raise ConfigurationError(f"{place} cannot be opened: {reason}") from None
        _check_version(type(files).__module__.partition(".")[0])
        if hasattr(files, "ftp"):  # paramiko would wait without end for a server that is gone
            files.ftp.get_channel().settimeout(TIMEOUT)
        files.dircache = fsspec.dircache.DirCache(use_listings_cache=False)
        return files, root


def redact_file_url(url: str) -> str:
    """Return a file's URL or path without credentials."""
    return _QUERY.sub("", _USER.sub("", url)) if "://" in url else url


def has_credentials(url: str) -> bool:
    """Whether a URL contains a user or password."""
    return _USER.search(url) is not None


def list_protocols(files: Any) -> tuple[str, ...]:
    """List the names of an fsspec file system, such as `file` and `local`."""
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _is_asynchronous(files: Any) -> bool:
    """Whether all requests are sent by one thread of fsspec's own."""
    return bool(getattr(files, "async_impl", False))


def _check_version(package: str) -> None:
    oldest = _OLDEST.get(package)
    if oldest is None:
        return
    version = metadata.version(package)
    if tuple(int(each) for each in re.findall(r"\d+", version)[:2]) < oldest:
        needed = ".".join(map(str, oldest))
        raise ConfigurationError(
            f"{package} {version} is installed, which may store a part of a file as the whole: "
            f"pip install '{package}>={needed}'"
        )
