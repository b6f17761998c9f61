"""Transfer: fetch media files, check them, and store them whole or not at all."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from attrs import define, field, frozen

from recording_core.clock import Clock
from recording_core.download.atomic_file import open_temporary_file
from recording_core.download.digest import Digest
from recording_core.download.formats import (
    FORMATS,
    HEAD_SIZE,
    find_signature,
    get_extension,
    has_same_container,
    identify_format,
    looks_like_text,
)
from recording_core.download.lengths import TINYTAG_FORMATS, can_read_length, read_length
from recording_core.download.output_file import OutputFile
from recording_core.download.size_limits import SMALLEST_LIMIT, compute_size_limit
from recording_core.errors import (
    AuthenticationFailed,
    ChecksumMismatch,
    DownloadError,
    NotMedia,
    ProviderError,
    RateLimited,
    TooLarge,
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
#: The registered content codings (RFC 9110, 8.4.1, and IANA's list) except `identity`. Storages
#: send other values, such as `aws-chunked`, that do not describe the bytes.
_CODINGS = frozenset({"aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip"}) | {
    *("pack200-gzip", "x-compress", "x-gzip", "zstd")
}
#: A range from the first byte, and the length of the whole file.
_WHOLE_RANGE = re.compile(r"bytes 0-[0-9]+/([0-9]{1,18})", re.ASCII)
#: A copy is doubted if it is shorter than this part of the vendor's duration, and by more than that
#: time: vendors round, and cut silence.
_SHORTEST_PART = 0.9
_LONGEST_DIFFERENCE = timedelta(seconds=2)
#: The tolerance for a header that counts itself.
_HEADER_TOLERANCE = timedelta(seconds=0.1)
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
    """A complete file and what was checked; `checks` and `doubts` are those of `Copy`.

    `extension` is that of the content, if the vendor lists the file as another format or as none.
    """

    size: int
    sha256: str
    checks: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    extension: str | None = None

    def build_copy(
        self, provider: Provider, recording: Recording, file: MediaFile, path: Path
    ) -> Copy:
        """Build the `Copy` of a file that was completed now, at `path` or with its `extension`."""
        return Copy(
            provider=provider.name,
            account=provider.account,
            recording_id=recording.id,
            file=file,
            path=path.with_suffix(self.extension) if self.extension else path,
            size=self.size,
            sha256=self.sha256,
            checks=self.checks,
            doubts=self.doubts,
            made_at=provider.clock.now(),
        )


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
                    or (not transfer.received and waited >= self.media.first_byte_timeout)
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


def check_stored_file(
    file: MediaFile, path: Path, *, duration: timedelta | None = None, sha256: str | None = None
) -> FetchedFile:
    """Check a file that was stored before as if it had arrived now.

    That nothing was cut off is proved by its size or checksum at the vendor, or by the SHA-256 that
    it had when it was complete. Raises `DownloadError` and `OSError`.
    """
    stored = _StoredFile(path)
    transfer = _Transfer(file, stored, duration=duration, max_bytes=sys.maxsize)
    with closing(transfer), path.open("rb") as content:
        while chunk := content.read(_CHUNK_SIZE):
            transfer.add_chunk(chunk)
        transfer.has_framing = transfer.digest.hexdigest() == sha256
        return transfer.check_file()


@contextmanager
def _complete_errors(facts: Mapping[str, str]) -> Iterator[None]:
    """Set provider and recording of a `DownloadError`."""
    try:
        yield
    except DownloadError as error:
        error.provider, error.recording_id = facts["provider"], facts["recording_id"]
        raise


@define
class _StoredFile:
    """A complete file that is checked again, in place of the output file of a transfer."""

    destination: Path

    def write(self, data: bytes) -> None:
        """Write nothing: the data was read from the file."""

    def rewind(self) -> None:
        """Discard nothing."""

    def open_for_reading(self) -> AbstractContextManager[BinaryIO]:
        return self.destination.open("rb")

    def commit(self) -> None:
        """Store nothing."""


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
        size = self.file.size
        if size and self.received > size:  # it may never end
            raise ChecksumMismatch(
                f"The file is longer than the {size} bytes that the vendor reports"
            )
        if len(self.head) < HEAD_SIZE:
            self.head += chunk[: HEAD_SIZE - len(self.head)]
            # An error page is recognised by its first bytes, before a gigabyte of it is fetched.
            if len(self.head) >= min(HEAD_SIZE, self.total or HEAD_SIZE):
                self._check_head()
        expected = max(self.received, self.total or 0, size or 0)
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
                reason = f" of {_format_seconds(duration)} in its format"
        if expected > limit:
            raise TooLarge(
                f"The file is longer than {limit} bytes, the most that is allowed for a file"
                f"{reason}. Nothing was stored. If it may be longer, increase "
                "HttpSettings(max_media_bytes=)"
            )

    def _check_head(self) -> None:
        """Check by the first bytes that the response is not a page or a text."""
        if find_signature(self.head) is None and looks_like_text(self.head, self.content_type):
            raise NotMedia(
                "The media host returned a page or a text in place of the media (Content-Type: "
                f"{self.content_type.partition(';')[0] or 'none'}). The URL may have expired: get "
                "the recording again"
            )

    def check_file(self) -> FetchedFile:
        """Check the complete file. Raises `DownloadError` if a check fails.

        Sets the extension of the file's destination, if its content is of another format.
        """
        checks: list[str] = []
        if self.received == 0:
            error = NotMedia if self.has_framing else Truncated
            raise error("The media host returned an empty file")
        if len(self.head) < HEAD_SIZE:
            self._check_head()
        if self.has_framing:
            checks.append("framing")
        if self.file.size:  # 0 is not a size
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
        doubts = [_UNVERIFIED] if COMPLETENESS_CHECKS.isdisjoint(checks) else []
        with self.out.open_for_reading() as content:
            found = identify_format(content, self.content_type)
            extension = self._check_format(found, checks, doubts)
            self._check_length(content, found, checks, doubts)
        if extension is not None:
            self.out.destination = self.out.destination.with_suffix(extension)
        return FetchedFile(self.received, digest, tuple(checks), tuple(doubts), extension)

    def _check_format(self, found: str | None, checks: list[str], doubts: list[str]) -> str | None:
        """Compare the format of the content with the vendor's, and return its extension if needed.

        An extension is needed if the vendor lists the file as another format, or as none.
        """
        listed = self.file.format if self.file.format in FORMATS else None
        if found is None:
            if listed is not None:
                doubts.append(
                    f"The vendor lists the file as {listed.upper()}, and its content is of no "
                    "known format"
                )
            return None
        if listed is not None and has_same_container(found, listed):
            checks.append("format")
            return None
        if listed is not None:
            doubts.append(
                f"The vendor lists the file as {listed.upper()}, and its content is {found.upper()}"
            )
        return get_extension(found)

    def _check_length(
        self, content: BinaryIO, found: str | None, checks: list[str], doubts: list[str]
    ) -> None:
        """Compare the length of the media with its own header and with the vendor's duration."""
        reported = self.file.duration
        length = read_length(content, found) if reported or found == "wav" else None
        if length is not None and length.stated - length.present > _HEADER_TOLERANCE:
            doubts.append(
                f"The header of the file states {_format_seconds(length.stated)} of sound, and the "
                f"file contains {_format_seconds(length.present)}"
            )
        if not reported:  # 0 is not a duration
            return
        expected = f"the vendor reports a duration of {_format_seconds(reported)}"
        if length is None:
            reason = f"the length of the file cannot be read, and {expected}"
            if found in TINYTAG_FORMATS and not can_read_length(found):
                reason += ". Install recording-core[media] to compare them"
            doubts.append(reason[0].upper() + reason[1:])
        elif (
            length.present < reported * _SHORTEST_PART
            and reported - length.present > _LONGEST_DIFFERENCE
        ):
            doubts.append(f"The file contains {_format_seconds(length.present)}, and {expected}")
        else:
            checks.append("duration")

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


def _format_seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.1f} s"
