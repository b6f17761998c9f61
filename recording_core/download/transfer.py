"""How does a file get to disk whole? Temporary file, checks, fsync, rename: all or nothing."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from recording_core.clock import Clock
from recording_core.download.atomic_file import TemporaryFile, open_temporary_file
from recording_core.download.formats import FORMATS, HEAD, looks_like_text
from recording_core.errors import (
    ChecksumMismatch,
    DownloadError,
    NotMedia,
    ProviderError,
    RateLimited,
    Truncated,
    Unavailable,
)
from recording_core.model.entities import MediaFile
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaResponse, MediaTransport
from recording_core.transport.retry import backoff
from recording_core.transport.session import NETWORK_ERRORS

if sys.platform != "win32":
    pass

__all__ = ["Fetched", "fetch_file", "fetch_temporarily", "store_files"]

_CHUNK = 1024 * 1024
#: The longest wait between two attempts at one file, in seconds.
_PATIENCE = 60.0
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
#: A weak validator speaks of meaning, not of bytes (RFC 9110, 8.8.3).
_STRONG = re.compile(r'"[\x21\x23-\x7e]*"')


@frozen
class Fetched:
    """What was proved of a file that now stands under its final name."""

    size: int
    sha256: str
    checks: tuple[str, ...]


def fetch_file(
    media: MediaTransport,
    file: MediaFile,
    path: Path,
    *,
    clock: Clock,
    retries: int,
    deadline: Deadline,
    facts: Mapping[str, str],
) -> Fetched:
    """Fetch one media file to `path`, which never holds other than whole bytes.

    An older file of that name stands until the new one is verified. `facts` are the keywords of a
    `DownloadError`: provider and recording_id. Raises `DownloadError` and `ProviderError`.
    """
    transfer = _fetching(
        media, file, path, clock=clock, retries=retries, deadline=deadline, facts=facts
    )
    with transfer as (out, fetched):
        out.commit()
        return fetched


@contextmanager
def fetch_temporarily(
    media: MediaTransport,
    file: MediaFile,
    path: Path,
    *,
    clock: Clock,
    retries: int,
    deadline: Deadline,
    facts: Mapping[str, str],
) -> Iterator[Path]:
    """As `fetch_file`, for what files come packed in: whole, beside `path`, and gone afterwards."""
    transfer = _fetching(
        media, file, path, clock=clock, retries=retries, deadline=deadline, facts=facts
    )
    with transfer as (out, _):
        yield out.path


def store_files(
    parts: Iterable[tuple[MediaFile, Path, Iterable[bytes]]], *, facts: Mapping[str, str]
) -> list[Fetched]:
    """Store what came within another file, each under its path: all checked, or none is stored.

    What the bytes come out of must tell where each ends, and raise if it does not end there.
    """
    with ExitStack() as stack:
        done: list[tuple[TemporaryFile, Fetched]] = []
        for file, path, chunks in parts:
            out = stack.enter_context(open_temporary_file(path, facts))
            with closing(_Transfer(file, out, facts, framed=True)) as transfer:
                for chunk in chunks:
                    transfer.take(chunk)
                done.append((out, transfer.verified()))
        for out, _ in done:
            out.commit()
        return [fetched for _, fetched in done]


@contextmanager
def _fetching(
    media: MediaTransport,
    file: MediaFile,
    path: Path,
    *,
    clock: Clock,
    retries: int,
    deadline: Deadline,
    facts: Mapping[str, str],
) -> Iterator[tuple[TemporaryFile, Fetched]]:
    if file.url is None:
        raise NotMedia(f"the file {file.id} has no address to be fetched from", **facts)
    with (
        open_temporary_file(path, facts) as out,
        closing(_Transfer(file, out, facts)) as transfer,
    ):
        began = time.monotonic()
        for attempt in range(retries + 1):
            try:
                transfer.attempt(media)
                if deadline.expired:  # a socket that was shut can look like one that ended
                    raise _Cut("the time was up")
                break
            except (_Cut, Unavailable, RateLimited) as error:
                if deadline.expired:
                    raise Unavailable(
                        f"the file did not come whole within {deadline.seconds:g} s; nothing was "
                        "left behind",
                        operation="download",
                        provider=facts["provider"],
                    ) from None
                if not transfer.have and time.monotonic() - began >= media.first_byte:
                    raise transfer.given_up(error) from None  # no first byte in its time
                wait = backoff(attempt)
                if isinstance(error, RateLimited) and error.retry_after is not None:
                    wait = max(wait, error.retry_after.total_seconds())
                if attempt == retries or wait > min(_PATIENCE, deadline.within(_PATIENCE)):
                    raise transfer.given_up(error) from None
                clock.sleep(wait)
        yield out, transfer.verified()


@define
class _Digest:
    """SHA-256 of what was taken; of a large file computed while its next chunk is on the way."""

    _sha256: Any = field(factory=hashlib.sha256)
    _beside: ThreadPoolExecutor | None = None
    _last: Future[None] | None = None

    def update(self, chunk: bytes) -> None:
        self._wait()
        if len(chunk) < _CHUNK:  # a small file's all: another thread would cost more
            self._sha256.update(chunk)
            return
        if self._beside is None:
            self._beside = ThreadPoolExecutor(1, thread_name_prefix="recording-digest")
        try:
            self._last = self._beside.submit(self._sha256.update, chunk)
        except RuntimeError:  # the process is ending, or may have no more threads
            self._beside.shutdown(cancel_futures=True)  # it may have been queued all the same
            self._last = None
            self._sha256.update(chunk)

    def hexdigest(self) -> str:
        self._wait()
        return str(self._sha256.hexdigest())

    def close(self) -> None:
        """Let go of the other thread."""
        if self._beside is not None:
            self._beside.shutdown()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()


class _Cut(Exception):
    """The transfer ended before its announced end; another attempt may finish it."""


@define
class _Transfer:
    """One file's bytes over as many attempts as it takes, resumed where that is provably safe."""

    file: MediaFile
    out: TemporaryFile
    facts: Mapping[str, str]
    have: int = 0
    digest: _Digest = field(factory=_Digest)
    head: bytes = b""
    etag: str | None = None
    framed: bool = False
    total: int | None = None
    content_type: str = ""

    def attempt(self, media: MediaTransport) -> None:
        """Ask once, from the start or from where the last attempt was cut."""
        # If-Range makes the server judge whether it is still the same file (RFC 9110, 13.1.5), and
        # only a strong validator speaks of bytes.
        resuming = self.have > 0 and self.etag is not None and self.total is not None
        headers = {"Range": f"bytes={self.have}-", "If-Range": str(self.etag)} if resuming else {}
        with media.fetch(self.file.url or "", headers) as response:
            self._prepare(response, resuming)
            try:
                for chunk in response.chunks(_CHUNK):
                    self.take(chunk)
            except NETWORK_ERRORS as error:
                raise _Cut(type(error).__name__) from None
        if self.total is not None and self.have != self.total:
            if self.have > self.total:
                self._restart()
            raise _Cut("the body is not as long as announced")

    def _prepare(self, response: MediaResponse, resuming: bool) -> None:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise NotMedia(
                f"the media host compresses ({encoding}) although asked not to", **self.facts
            )
        if response.status == 206 and resuming:
            rest = f"bytes {self.have}-{(self.total or 0) - 1}/{self.total}"
            same = response.headers.get("ETag", self.etag) == self.etag
            if same and response.headers.get("Content-Range", "").strip() == rest:
                return
        if response.status != 200:
            # Another range than asked for, or none that fits: whole, from zero, next time.
            self._restart()
            raise _Cut(f"an unfitting answer to a range, HTTP {response.status}")
        self._restart()
        self.framed, self.total = response.read_framing
        self.content_type = response.headers.get("Content-Type", "")
        etag = response.headers.get("ETag", "").strip()
        self.etag = etag if _STRONG.fullmatch(etag) else None

    def _restart(self) -> None:
        if self.have == 0:  # as at the first attempt
            self.head, self.etag, self.total = b"", None, None
            return
        self.have, self.head, self.etag, self.total = 0, b"", None, None
        self.digest.close()
        self.digest = _Digest()
        self.out.rewind()

    def take(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.out.write(chunk)
        self.have += len(chunk)
        if self.file.size is not None and self.have > self.file.size:  # it may never end
            raise ChecksumMismatch(
                f"more bytes came than the {self.file.size} that were announced", **self.facts
            )
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]
            # An error page is told from its first bytes; no need to fetch a gigabyte of it.
            if len(self.head) >= min(HEAD, self.total or HEAD):
                self._judge_head()

    def _judge_head(self) -> None:
        known = FORMATS.get(self.file.format or "")
        if known is not None and known.proves(self.head):
            return
        kind = self.content_type.partition(";")[0] or "no content type"
        if looks_like_text(self.head, self.content_type):
            raise NotMedia(
                f"the media host answered a page ({kind}) in place of the media; the link may "
                "have expired: get the recording anew",
                **self.facts,
            )
        if known is not None:
            raise NotMedia(
                f"the bytes are no {known.name}, as the vendor announces (the host says {kind})",
                **self.facts,
            )

    def verified(self) -> Fetched:
        """Check what can be checked of the whole, or raise."""
        checks: list[str] = []
        if self.have and len(self.head) < HEAD:
            self._judge_head()
        if self.have == 0 and self.file.size != 0:
            raise Truncated("0 bytes came for a recording that should have some", **self.facts)
        if self.framed:
            checks.append("framing")
        if self.file.size is not None:
            if self.have < self.file.size:
                raise Truncated(
                    f"{self.have} bytes came, {self.file.size} were announced", **self.facts
                )
            checks.append("size")
        digest = self.digest.hexdigest()
        # A malformed checksum proves nothing either way; a vendor's own sample has one.
        announced = _SHA256.fullmatch(self.file.checksum or "")
        if announced:
            if announced[1] != digest:
                raise ChecksumMismatch("the bytes' SHA-256 is not the announced one", **self.facts)
            checks.append("checksum")
        if self.file.format in FORMATS:
            checks.append("format")
        if not {"framing", "size", "checksum"} & set(checks):
            checks.append("unverified")
        return Fetched(self.have, digest, tuple(checks))

    def close(self) -> None:
        """Nothing more comes."""
        self.digest.close()

    def given_up(self, error: Exception) -> DownloadError | ProviderError:
        if isinstance(error, DownloadError | ProviderError):
            return error
        announced = f" of {self.total}" if self.total is not None else ""
        return Truncated(
            f"the connection was cut after {self.have}{announced} bytes, at every attempt; "
            "nothing was left behind",
            **self.facts,
        )
