"""Checks: whether a file is complete, is media, and is what the vendor lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from attrs import frozen

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
from recording_core.errors import ChecksumMismatch, NotMedia, Truncated
from recording_core.model.entities import COMPLETENESS_CHECKS, Copy, MediaFile, Recording

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

#: A copy is doubted if it is shorter than this part of the vendor's duration, and by more than that
#: time: vendors round, and cut silence.
_SHORTEST_PART = 0.9
_LONGEST_DIFFERENCE = timedelta(seconds=2)
#: The tolerance for a header that counts itself.
_HEADER_TOLERANCE = timedelta(seconds=0.1)
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
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


def check_file(
    file: MediaFile,
    open_content: Callable[[], AbstractContextManager[BinaryIO]],
    *,
    received: int,
    sha256: str,
    head: bytes,
    has_framing: bool,
    content_type: str = "",
) -> FetchedFile:
    """Check a complete file of `received` bytes. Raises `DownloadError` if a check fails.

    Its content is opened only after its bytes have been checked: a storage may publish it for that.
    `head` are its first `HEAD_SIZE` bytes. `has_framing` is whether its end was marked.
    """
    checks: list[str] = []
    if received == 0:
        error = NotMedia if has_framing else Truncated
        raise error("The media host returned an empty file")
    check_head(head, content_type)
    if has_framing:
        checks.append("framing")
    if file.size:  # 0 is not a size
        check_not_longer(file, received)
        if received < file.size:
            raise Truncated(
                f"Only {received} of the {file.size} bytes that the vendor reports arrived"
            )
        checks.append("size")
    # A malformed checksum proves nothing and is ignored; the sample of one vendor has one.
    if reported := _SHA256.fullmatch(file.checksum or ""):
        if reported[1] != sha256:
            raise ChecksumMismatch("The SHA-256 of the file is not the one that the vendor reports")
        checks.append("checksum")
    doubts = [_UNVERIFIED] if COMPLETENESS_CHECKS.isdisjoint(checks) else []
    with open_content() as content:
        found = identify_format(content, content_type)
        extension = _check_format(file.format, found, checks, doubts)
        _check_length(file.duration, content, found, checks, doubts)
    return FetchedFile(received, sha256, tuple(checks), tuple(doubts), extension)


def check_stored_file(file: MediaFile, path: Path, *, sha256: str | None = None) -> FetchedFile:
    """Check a file that was stored before as if it had arrived now.

    That nothing was cut off is proved by its size or checksum at the vendor, or by the SHA-256 that
    it had when it was complete. Raises `DownloadError` and `OSError`.
    """
    with path.open("rb") as content:
        head = content.read(HEAD_SIZE)
        content.seek(0)
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        return check_file(
            file,
            lambda: nullcontext(content),
            received=content.tell(),
            sha256=digest,
            head=head,
            has_framing=digest == sha256,
        )


def check_head(head: bytes, content_type: str) -> None:
    """Check by the first bytes that the response is not a page or a text."""
    if find_signature(head) is None and looks_like_text(head, content_type):
        raise NotMedia(
            "The media host returned a page or a text in place of the media (Content-Type: "
            f"{content_type.partition(';')[0] or 'none'}). The URL may have expired: get the "
            "recording again"
        )


def check_not_longer(file: MediaFile, received: int) -> None:
    """Raise `ChecksumMismatch` if there are more bytes than the vendor reports."""
    if file.size and received > file.size:  # 0 is not a size
        raise ChecksumMismatch(
            f"The file is longer than the {file.size} bytes that the vendor reports"
        )


def _check_format(
    listed: str | None, found: str | None, checks: list[str], doubts: list[str]
) -> str | None:
    """Compare the format of the content with the vendor's, and return its extension if needed.

    An extension is needed if the vendor lists the file as another format, or as none.
    """
    listed = listed if listed in FORMATS else None
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
    reported: timedelta | None,
    content: BinaryIO,
    found: str | None,
    checks: list[str],
    doubts: list[str],
) -> None:
    """Compare the length of the media with its own header and with the vendor's duration."""
    length = read_length(content, found) if reported or found == "wav" else None
    if length is not None and length.stated - length.present > _HEADER_TOLERANCE:
        doubts.append(
            f"The header of the file states {format_seconds(length.stated)} of sound, and the "
            f"file contains {format_seconds(length.present)}"
        )
    if not reported:  # 0 is not a duration
        return
    expected = f"the vendor reports a duration of {format_seconds(reported)}"
    if length is None:
        reason = f"the length of the file cannot be read, and {expected}"
        if found in TINYTAG_FORMATS and not can_read_length(found):
            reason += ". Install recording-core[media] to compare them"
        doubts.append(reason[0].upper() + reason[1:])
    elif (
        length.present < reported * _SHORTEST_PART
        and reported - length.present > _LONGEST_DIFFERENCE
    ):
        doubts.append(f"The file contains {format_seconds(length.present)}, and {expected}")
    else:
        checks.append("duration")


def format_seconds(duration: timedelta) -> str:
    """Format a duration for a message, such as `2.0 s`."""
    return f"{duration.total_seconds():.1f} s"
