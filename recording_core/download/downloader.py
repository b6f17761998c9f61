"""Downloader: copy the files of a recording, and renew a URL that has expired once.

`transfer.py` fetches one file, and `checks.py` checks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recording_core.download.output_file import Destination
from recording_core.download.transfer import FileFetcher, is_denied
from recording_core.errors import (
    MalformedPayload,
    NotFound,
    NotReady,
    ProviderError,
    RecordingError,
    UnsupportedOperation,
)
from recording_core.model.entities import Copy, MediaFile, Recording
from recording_core.model.enums import RecordingStatus
from recording_core.transport.deadline import Deadline

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

_FETCHABLE = (RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN)


def download_files(
    provider: Provider,
    recording: Recording,
    files: Sequence[MediaFile],
    destination: Destination,
    deadline: Deadline,
) -> tuple[Copy, ...]:
    """Copy each file to a destination, under a portable name, and return one `Copy` per file.

    Raises `UnsupportedOperation` if the vendor's answer names a storage of the customer's in place
    of files, `NotFound` if it names neither, `MalformedPayload` if its URL cannot be read,
    `NotReady` if a file is listed but not stored yet, and `DownloadError`. The error's `copies` are
    those that were completed before.
    """
    if not recording.files and recording.unread_fields:
        raise MalformedPayload(
            f"Recording {recording.id} has no file with a readable URL. These fields are not in "
            f"the form that the vendor documents: {', '.join(recording.unread_fields)}"
        )
    storage = provider._find_own_storage(recording)
    if not recording.files and storage is not None:
        raise UnsupportedOperation(
            f"Recording {recording.id} at {provider.info.label} has no file that the API serves: "
            f"the media is in your own storage ({storage})"
        )
    if not recording.files:
        raise NotFound(
            f"Recording {recording.id} is {recording.status}, and {provider.info.label} offers no "
            "file of it and names no other storage"
        )
    fetcher = FileFetcher(
        provider.media,
        clock=provider.clock,
        retries=provider.http.retries,
        deadline=deadline,
        facts={"provider": provider.name, "recording_id": recording.id},
        duration=recording.duration,
        open_file=destination.open_file,
    )
    alone = len(recording.files) == 1
    copies: list[Copy] = []
    for file in files:
        path = destination.build_path(recording, file, alone=alone)
        try:
            copies.append(_copy_file(provider, fetcher, recording, file, path))
        except RecordingError as error:
            error.copies = tuple(copies)
            raise
    return tuple(copies)


def choose_format(provider: Provider, file: MediaFile, format: str | None) -> MediaFile:
    """Return a file in this format if the vendor offers it, else as the vendor lists it."""
    if format == file.format or format not in provider.download_formats:
        return file
    return provider._offer_format(file, format)


def _copy_file(
    provider: Provider, fetcher: FileFetcher, recording: Recording, file: MediaFile, path: Path
) -> Copy:
    is_renewed = False
    while True:
        try:
            return fetcher.fetch(file, path).build_copy(provider, recording, file, path)
        except ProviderError as error:
            has_expired = is_denied(error)
            if (has_expired and is_renewed) or not (has_expired or isinstance(error, NotFound)):
                raise
            # NotFound if the recording is deleted
            current = provider._get(recording.id, recording.target)
            if not has_expired:
                raise error.convert(
                    NotReady,
                    f"Recording {recording.id} is listed, but its media host returned "
                    f"{error.status}: the file is not stored yet, or was removed. Try again in a "
                    "minute",
                ) from None
            renewed = next((each for each in current.files if each.id == file.id), file)
            renewed = choose_format(provider, renewed, file.format)
            is_lasting = error.body is not None or current.status not in _FETCHABLE
            if renewed.url == file.url and is_lasting:
                raise
            file, is_renewed = renewed, True
