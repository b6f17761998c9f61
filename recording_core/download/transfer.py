"""Transfer: fetch media files, and store them whole or not at all.

`checks.py` checks what arrived.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

from attrs import define, field, frozen

from recording_core.clock import Clock
from recording_core.download.atomic_file import open_temporary_file
from recording_core.download.checks import (
    FetchedFile,
    check_file,
    check_head,
    check_not_longer,
    format_seconds,
)
from recording_core.download.digest import Digest
from recording_core.download.formats import FORMATS, HEAD_SIZE, find_signature
from recording_core.download.output_file import OutputFile
from recording_core.download.size_limits import SMALLEST_LIMIT, compute_size_limit
from recording_core.errors import (
    AuthenticationFailed,
    DownloadError,
    NotMedia,
    ProviderError,
    RateLimited,
    TooLarge,
    Truncated,
    Unavailable,
)
from recording_core.model.entities import MediaFile
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaResponse, MediaTransport
from recording_core.transport.retry import compute_backoff
from recording_core.transport.session import NETWORK_ERRORS

_CHUNK_SIZE = 1024 * 1024
#: The registered content codings (RFC 9110, 8.4.1, and IANA's list) except `identity`. Storages
#: send other values, such as `aws-chunked`, that do not describe the bytes.
_CODINGS = frozenset({"aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip"}) | {
    *("pack200-gzip", "x-compress", "x-gzip", "zstd")
}
#: A range from the first byte, and the length of the whole file.
_WHOLE_RANGE = re.compile(r"bytes 0-[0-9]+/([0-9]{1,18})", re.ASCII)
#: The longest wait between two attempts at one file, in seconds.
_LONGEST_WAIT = 60.0
#: A strong ETag. A weak one identifies the meaning, not the bytes (RFC 9110, 8.8.3).
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')


@frozen
class FileFetcher:
    """Fetches the files of one recording.

    `facts` are the keywords of a `DownloadError`: provider and recording_id. `duration` is that of
    the recording, for files without one. `max_bytes` bounds a file, unless the user's settings do.
    `open_file` opens the output file of a path.
    """

    media: MediaTransport
    clock: Clock = field(kw_only=True)
    retries: int = field(kw_only=True)
    deadline: Deadline = field(kw_only=True)
    facts: Mapping[str, str] = field(kw_only=True)
    duration: timedelta | None = field(default=None, kw_only=True)
    max_bytes: int | None = field(default=None, kw_only=True)
    open_file: Callable[[Path], AbstractContextManager[OutputFile]] = field(
        default=open_temporary_file, kw_only=True
    )

    def fetch(self, file: MediaFile, path: Path) -> FetchedFile:
        """Fetch one media file to `path`, which never holds a partial file.

        An older file of that name is replaced when the new one has been checked. The file gets
        another extension than that of `path` if that is its `FetchedFile.extension`. Raises
        `DownloadError` and `ProviderError`.
        """
        with _complete_errors(self.facts), self.open_file(path) as out:
            fetched = self.fetch_into(file, out)
            out.commit()
            return fetched

    def fetch_into(self, file: MediaFile, out: OutputFile) -> FetchedFile:
        """Fetch a file into an open one, and check it."""
        with _complete_errors(self.facts):
            if file.url is None:
                raise NotMedia(f"The file {file.id} has no URL to download it from")
            max_bytes = self.media.max_bytes or self.max_bytes
            with closing(_Transfer(file, out, self.duration, max_bytes)) as transfer:
                self._run_attempts(transfer)
                return transfer.check_file()

    def _run_attempts(self, transfer: _Transfer) -> None:
        """Fetch a file in as many attempts as are allowed."""
        began = time.monotonic()
        for attempt in range(self.retries + 1):
            try:
                transfer.run_attempt(self.media, attempt + 1)
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
                    or (isinstance(error, Unavailable) and error._is_lasting)
                    or wait > self.deadline.limit(_LONGEST_WAIT)
                    or (not transfer.received and waited + wait > self.media.first_byte_timeout)
                ):
                    raise transfer.build_final_error(error) from None
                self.clock.sleep(wait)


def is_denied(error: ProviderError) -> bool:
    """Whether an error means that a link has expired. Its status depends on the storage.

    It may also be a refusal of the API itself: that has a body, and concerns the account.
    """
    return isinstance(error, AuthenticationFailed) or error.status == 410


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
    max_bytes: int | None = None,
) -> Iterator[Path]:
    """Fetch an archive that contains the actual files, for as long as the block runs.

    Yields the path of a temporary file in the folder of `path`. `facts` are the keywords of a
    `DownloadError`: provider and recording_id. `max_bytes` is the most that the archive may have,
    unless the user sets `max_media_bytes`; by default as much as a file of unknown duration. A URL
    of the API that redirects to a link that has expired is requested once more. Raises
    `DownloadError` and `ProviderError`.
    """
    fetcher = FileFetcher(
        media,
        clock=clock,
        retries=retries,
        deadline=deadline,
        facts=facts,
        max_bytes=max_bytes,
    )
    with _complete_errors(facts), open_temporary_file(path) as out:
        try:
            fetched = fetcher.fetch_into(file, out)
        except ProviderError as error:
            if not is_denied(error) or error.body is not None:
                raise
            out.rewind()
            fetched = fetcher.fetch_into(file, out)
        listed = file.format
        if listed in FORMATS and "format" not in fetched.checks:
            raise NotMedia(f"The file is not {str(listed).upper()}, as which the vendor lists it")
        yield out.path


def store_files(
    parts: Iterable[tuple[MediaFile, Path, Iterable[bytes]]],
    *,
    facts: Mapping[str, str],
    max_bytes: int | None = None,
    open_file: Callable[[Path], AbstractContextManager[OutputFile]] = open_temporary_file,
) -> list[FetchedFile]:
    """Store files that were packed in another one: check all of them, then store all or none.

    Each part is a file, its path, and its bytes. The iterator of the bytes must end exactly at the
    end of the file, and raise if the archive ends before that. `max_bytes` is the most that a file
    may have: pass `HttpSettings.max_media_bytes`, and `open_file` that of the `Destination`. Raises
    `DownloadError`.
    """
    with _complete_errors(facts), ExitStack() as stack:
        checked: list[tuple[OutputFile, FetchedFile]] = []
        for file, path, chunks in parts:
            out = stack.enter_context(open_file(path))
            transfer = _Transfer(file, out, max_bytes=max_bytes, has_framing=True)
            with closing(transfer):
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
    out: OutputFile
    #: the duration of the recording, for a file without one
    duration: timedelta | None = None
    #: the most bytes that are allowed; None for as many as the duration and the format allow
    max_bytes: int | None = None
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

    def run_attempt(self, media: MediaTransport, attempt: int) -> None:
        """Fetch the file once, from the start or from the point of the last interruption."""
        # With If-Range the server decides whether the file is still the same (RFC 9110, 13.1.5).
        # Only a strong validator identifies the bytes.
        resuming = self.received > 0 and self.etag is not None and self.total is not None
        headers = (
            {"Range": f"bytes={self.received}-", "If-Range": str(self.etag)} if resuming else {}
        )
        failure = ""
        with media.fetch(self.file.url or "", headers, attempt=attempt) as response:
            self._prepare(response, resuming)
            try:
                for chunk in response.iter_chunks(_CHUNK_SIZE):
                    self.add_chunk(chunk)
            except NETWORK_ERRORS as error:
                failure = type(error).__name__
        if failure:  # not raised above: the error of urllib3 has the URL, and would be the context
            raise _Interrupted(failure)
        if self.total is not None and self.received != self.total:
            if self.received > self.total:
                self._restart()
            raise _Interrupted("the body does not have the reported length")

    def _prepare(self, response: MediaResponse, resuming: bool) -> None:
        """Decide whether a response continues the file or starts it again."""
        encoding = response.headers.get("Content-Encoding", "").lower()
        if not _CODINGS.isdisjoint(each.strip() for each in encoding.split(",")):
            raise NotMedia(
                f"The media host compressed the file ({encoding}) although the request excluded it"
            )
        content_range = response.headers.get("Content-Range", "").strip()
        if response.status == 206 and resuming:
            rest = f"bytes {self.received}-{(self.total or 0) - 1}/{self.total}"
            same = response.headers.get("ETag", self.etag) == self.etag
            if same and content_range == rest:
                return
        whole = _WHOLE_RANGE.fullmatch(content_range) if response.status == 206 else None
        if response.status not in (200, 203) and whole is None:
            # Another range than requested, or none that can be satisfied: the next attempt fetches
            # the whole file.
            self._restart()
            raise _Interrupted(f"unexpected HTTP {response.status} for a range")
        self._restart()
        self.has_framing, self.total = response.framing
        if whole is not None:
            self.has_framing, self.total = True, int(whole[1])
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
        check_not_longer(self.file, self.received)  # it may never end
        if len(self.head) < HEAD_SIZE:
            self.head += chunk[: HEAD_SIZE - len(self.head)]
            # An error page is recognised by its first bytes, before a gigabyte of it is fetched.
            if len(self.head) >= min(HEAD_SIZE, self.total or HEAD_SIZE):
                check_head(self.head, self.content_type)
        expected = max(self.received, self.total or 0, self.file.size or 0)
        if expected > (self.max_bytes or SMALLEST_LIMIT):
            self._check_limit(expected)

    def _check_limit(self, expected: int) -> None:
        """Raise `TooLarge` if the file has, or is going to have, more bytes than are allowed."""
        limit, reason = self.max_bytes, ""
        if limit is None:
            if self.file.size:  # a longer file raises above
                return
            duration = self.file.duration or self.duration
            limit = compute_size_limit(duration, (self.file.format, find_signature(self.head)))
            reason = " without a size and a duration of the vendor"
            if duration:
                reason = f" of {format_seconds(duration)} in its format"
        if expected > limit:
            raise TooLarge(
                f"The file is longer than {limit} bytes, the most that is allowed for a file"
                f"{reason}. Nothing was stored. If it may be longer, increase "
                "HttpSettings(max_media_bytes=)"
            )

    def check_file(self) -> FetchedFile:
        """Check the complete file. Raises `DownloadError` if a check fails.

        Sets the extension of the file's destination, if its content is of another format.
        """
        fetched = check_file(
            self.file,
            self.out.open_for_reading,
            received=self.received,
            sha256=self.digest.hexdigest(),
            head=self.head,
            content_type=self.content_type,
            has_framing=self.has_framing,
        )
        if fetched.extension is not None:
            self.out.destination = self.out.destination.with_suffix(fetched.extension)
        return fetched

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
