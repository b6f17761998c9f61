"""Digest: SHA-256 of a download, computed in a second thread for large files."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from attrs import define, field

#: Chunks of at least this size, in bytes, are hashed in a second thread.
_LARGE_CHUNK = 1024 * 1024


@define
class Digest:
    """SHA-256 of chunks. Large chunks are hashed while the next one is received."""

    _sha256: Any = field(factory=hashlib.sha256)
    _pool: ThreadPoolExecutor | None = None
    _last: Future[None] | None = None

    def update(self, chunk: bytes) -> None:
        self._wait()
        if len(chunk) < _LARGE_CHUNK:  # a whole small file: a second thread would cost more
            self._sha256.update(chunk)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="recording-digest")
        try:
            self._last = self._pool.submit(self._sha256.update, chunk)
        except RuntimeError:  # the process is ending, or cannot start more threads
            self._pool.shutdown(cancel_futures=True)  # the chunk may still have been queued
            self._last = None
            self._sha256.update(chunk)

    def hexdigest(self) -> str:
        """Return the digest of all chunks, as 64 hex digits."""
        self._wait()
        return str(self._sha256.hexdigest())

    def close(self) -> None:
        """End the second thread."""
        if self._pool is not None:
            self._pool.shutdown()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
