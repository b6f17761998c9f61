"""Transfer: fetch media files, check them, and store them whole or not at all."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import asdict, define, field, frozen

from recording_core.clock import Clock
from recording_core.download.atomic_file import TemporaryFile, open_temporary_file
from recording_core.download.digest import Digest
from recording_core.download.formats import FORMATS, HEAD_SIZE, looks_like_text
from recording_core.errors import (
    ChecksumMismatch,
    DownloadError,
    NotMedia,
    ProviderError,
    RateLimited,
    Truncated,
    Unavailable,
)
from recording_core.model.entities import COMPLETENESS_CHECKS, Copy, MediaFile, Recording
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaResponse, MediaTransport
from recording_core.transport.retry import compute_backoff
from recording_core.transport.session import NETWORK_ERRORS

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

_CHUNK_SIZE = 1024 * 1024
#: The longest wait between two attempts at one file, in seconds.
_LONGEST_WAIT = 60.0
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
#: A strong ETag. A weak one identifies the meaning, not the bytes (RFC 9110, 8.8.3).
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_UNVERIFIED = (
    "Nothing proves that the copy is complete: the vendor reports neither size nor checksum, and "
    "the media host did not mark the end of the file"
)


@frozen
class FetchedFile:
    """A complete file and what was checked; `checks` and `doubts` are those of `Copy`."""

    size: int
    sha256: str
    checks: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    def build_copy(
        self, provider: Provider, recording: Recording, file: MediaFile, path: Path
    ) -> Copy:
        """Build the `Copy` of a recording's file that was completed now."""
        return Copy(
            provider=provider.name,
            account=provider.account,
            recording_id=recording.id,
            file=file,
            path=path,
            made_at=provider.clock.now(),
            **asdict(self, recurse=False),
        )


@frozen
class FileFetcher:
    """Fetches the files of one recording.

    `facts` are the keywords of a `DownloadError`: provider and recording_id.
    """

    media: MediaTransport
    clock: Clock = field(kw_only=True)
    retries: int = field(kw_only=True)
    deadline: Deadline = field(kw_only=True)
    facts: Mapping[str, str] = field(kw_only=True)

    def fetch(self, file: MediaFile, path: Path) -> FetchedFile:
        """Fetch one media file to `path`, which never holds a partial file.

        An older file of that name is replaced when the new one has been checked. Raises
        `DownloadError` and `ProviderError`.
        """
        with self.fetch_and_check(file, path) as (out, fetched):
            out.commit()
            return fetched

    @contextmanager
    def fetch_and_check(
        self, file: MediaFile, path: Path
    ) -> Iterator[tuple[TemporaryFile, FetchedFile]]:
        """Fetch a file into a temporary one, and check it."""
        with _complete_errors(self.facts):
            if file.url is None:
                raise NotMedia(f"The file {file.id} has no URL to download it from")
            with open_temporary_file(path) as out, closing(_Transfer(file, out)) as transfer:
                self._run_attempts(transfer)
                yield out, transfer.check_file()

    def _run_attempts(self, transfer: _Transfer) -> None:
        """Fetch a file in as many attempts as are allowed."""
        began = time.monotonic()
        for attempt in range(self.retries + 1):
            try:
                transfer.run_attempt(self.media)
                if not self.deadline.expired:
                    return
                # A socket that was shut down can look like one that ended.
                raise _Interrupted("the timeout passed")
            except (_Interrupted, Unavailable, RateLimited) as error:
                if self.deadline.expired:
                    raise Unavailable(
                        f"The file did not arrive completely within {self.deadline.seconds:g} s. "
                        "Nothing was stored",
                        operation="download",
                        provider=self.facts["provider"],
                    ) from None
                wait = compute_backoff(attempt)
                if isinstance(error, RateLimited) and error.retry_after is not None:
                    wait = max(wait, error.retry_after.total_seconds())
                waited = time.monotonic() - began
                if (
                    attempt == self.retries
                    or wait > self.deadline.limit(_LONGEST_WAIT)
                    or (not transfer.received and waited >= self.media.first_byte_timeout)
                ):
                    raise transfer.build_final_error(error) from None
                self.clock.sleep(wait)


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
    """Fetch an archive that contains the actual files, for as long as the block runs.

    Yields the path of a temporary file in the folder of `path`. `facts` are the keywords of a
    `DownloadError`: provider and recording_id. Raises `DownloadError` and `ProviderError`.
    """
    fetcher = FileFetcher(media, clock=clock, retries=retries, deadline=deadline, facts=facts)
    with fetcher.fetch_and_check(file, path) as (out, _):
        yield out.path


def store_files(
    parts: Iterable[tuple[MediaFile, Path, Iterable[bytes]]], *, facts: Mapping[str, str]
) -> list[FetchedFile]:
    """Store files that were packed in another one: check all of them, then store all or none.

    Each part is a file, its path, and its bytes. The iterator of the bytes must end exactly at the
    end of the file, and raise if the archive ends before that.
    """
    with _complete_errors(facts), ExitStack() as stack:
        checked: list[tuple[TemporaryFile, FetchedFile]] = []
        for file, path, chunks in parts:
            out = stack.enter_context(open_temporary_file(path))
            with closing(_Transfer(file, out, has_framing=True)) as transfer:
                for chunk in chunks:
                    transfer.add_chunk(chunk)
                checked.append((out, transfer.check_file()))
        for out, _ in checked:
            out.commit()
        return [fetched for _, fetched in checked]


@contextmanager
def _complete_errors(facts: Mapping[str, str]) -> Iterator[None]:
    """Set provider and recording of a `DownloadError`."""
    try:
        yield
    except DownloadError as error:
        error.provider, error.recording_id = facts["provider"], facts["recording_id"]
        raise


class _Interrupted(Exception):
    """A transfer ended before the end of the file; another attempt may complete it."""


@define
class _Transfer:
    """The transfer of one file in several attempts, each resumed if that is provably safe."""

    file: MediaFile
    out: TemporaryFile
    #: the number of bytes so far
    received: int = 0
    digest: Digest = field(factory=Digest)
    #: the first `HEAD_SIZE` bytes
    head: bytes = b""
    etag: str | None = None
    #: whether the end of the body is marked, by its length or by chunked encoding
    has_framing: bool = False
    #: the length of the whole file, as the media host reports it
    total: int | None = None
    content_type: str = ""

    def run_attempt(self, media: MediaTransport) -> None:
        """Fetch the file once, from the start or from the point of the last interruption."""
        # With If-Range the server decides whether the file is still the same (RFC 9110, 13.1.5).
        # Only a strong validator identifies the bytes.
        resuming = self.received > 0 and self.etag is not None and self.total is not None
        headers = (
            {"Range": f"bytes={self.received}-", "If-Range": str(self.etag)} if resuming else {}
        )
        with media.fetch(self.file.url or "", headers) as response:
            self._prepare(response, resuming)
            try:
                for chunk in response.iter_chunks(_CHUNK_SIZE):
                    self.add_chunk(chunk)
            except NETWORK_ERRORS as error:
                raise _Interrupted(type(error).__name__) from None
        if self.total is not None and self.received != self.total:
            if self.received > self.total:
                self._restart()
            raise _Interrupted("the body does not have the reported length")

    def _prepare(self, response: MediaResponse, resuming: bool) -> None:
        """Decide whether a response continues the file or starts it again."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise NotMedia(
                f"The media host compressed the file ({encoding}) although the request excluded it"
            )
        if response.status == 206 and resuming:
            rest = f"bytes {self.received}-{(self.total or 0) - 1}/{self.total}"
            same = response.headers.get("ETag", self.etag) == self.etag
            if same and response.headers.get("Content-Range", "").strip() == rest:
                return
        if response.status != 200:
            # Another range than requested, or none that can be satisfied: the next attempt fetches
            # the whole file.
            self._restart()
            raise _Interrupted(f"unexpected HTTP {response.status} for a range")
        self._restart()
        self.has_framing, self.total = response.framing
        self.content_type = response.headers.get("Content-Type", "")
        etag = response.headers.get("ETag", "").strip()
        self.etag = etag if _STRONG_ETAG.fullmatch(etag) else None

    def _restart(self) -> None:
        if self.received:
            self.digest.close()
            self.digest = Digest()
            self.out.rewind()
        self.received, self.head, self.etag, self.total = 0, b"", None, None

    def add_chunk(self, chunk: bytes) -> None:
        """Write a chunk. Raises at once if the file is too long or is not media."""
        self.digest.update(chunk)
        self.out.write(chunk)
        self.received += len(chunk)
        if self.file.size is not None and self.received > self.file.size:  # it may never end
            raise ChecksumMismatch(
                f"The file is longer than the {self.file.size} bytes that the vendor reports"
            )
        if len(self.head) < HEAD_SIZE:
            self.head += chunk[: HEAD_SIZE - len(self.head)]
            # An error page is recognised by its first bytes, before a gigabyte of it is fetched.
            if len(self.head) >= min(HEAD_SIZE, self.total or HEAD_SIZE):
                self._check_head()

    def _check_head(self) -> None:
        """Check that the first bytes are of the reported format, and not an error page."""
        known = FORMATS.get(self.file.format or "")
        if known is not None and known.matches(self.head):
            return
        content_type = self.content_type.partition(";")[0] or "none"
        if looks_like_text(self.head, self.content_type):
            raise NotMedia(
                f"The media host returned a page in place of the media (Content-Type: "
                f"{content_type}). The URL may have expired: get the recording again"
            )
        if known is not None:
            name = known.name.upper()
            raise NotMedia(
                f"The file is not {name} although the vendor lists it as {name} "
                f"(Content-Type: {content_type})"
            )

    def check_file(self) -> FetchedFile:
        """Check the complete file. Raises `DownloadError` if a check fails."""
        checks: list[str] = []
        if self.received and len(self.head) < HEAD_SIZE:
            self._check_head()
        if self.received == 0 and self.file.size != 0:
            raise Truncated("The media host returned an empty file")
        if self.has_framing:
            checks.append("framing")
        if self.file.size is not None:
            if self.received < self.file.size:
                raise Truncated(
                    f"Only {self.received} of the {self.file.size} bytes that the vendor reports "
                    "arrived"
                )
            checks.append("size")
        digest = self.digest.hexdigest()
        # A malformed checksum proves nothing and is ignored; the sample of one vendor has one.
        reported = _SHA256.fullmatch(self.file.checksum or "")
        if reported:
            if reported[1] != digest:
                raise ChecksumMismatch(
                    "The SHA-256 of the file is not the one that the vendor reports"
                )
            checks.append("checksum")
        if self.file.format in FORMATS:
            checks.append("format")
        doubts = (_UNVERIFIED,) if COMPLETENESS_CHECKS.isdisjoint(checks) else ()
        return FetchedFile(self.received, digest, tuple(checks), doubts)

    def close(self) -> None:
        self.digest.close()

    def build_final_error(self, error: Exception) -> DownloadError | ProviderError:
        """Build the error that is raised when no further attempt is made."""
        if isinstance(error, DownloadError | ProviderError):
            return error
        total = f" of {self.total}" if self.total is not None else ""
        return Truncated(
            f"The connection broke after {self.received}{total} bytes, at every attempt. "
            "Nothing was stored",
        )
