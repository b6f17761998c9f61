"""Downloader: copy the files of a recording, and renew a URL that has expired once.

`transfer.py` fetches and checks one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recording_core.download.file_names import build_file_name
from recording_core.download.transfer import FileFetcher
from recording_core.errors import (
    AuthenticationFailed,
    MalformedPayload,
    NotFound,
    NotReady,
    RecordingError,
    UnsupportedOperation,
)
from recording_core.model.entities import Copy, MediaFile, Recording
from recording_core.transport.deadline import Deadline

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider


def download_files(
    provider: Provider,
    recording: Recording,
    files: Sequence[MediaFile],
    directory: Path,
    deadline: Deadline,
) -> tuple[Copy, ...]:
    """Copy each file into a directory, under a portable name, and return one `Copy` per file.

    Raises `UnsupportedOperation` if the vendor's API does not serve the media of the recording,
    `MalformedPayload` if its URL cannot be read, `NotReady` if a file is listed but not stored yet,
    and `DownloadError`. The error's `copies` are those that were completed before.
    """
    if not recording.files and recording.unread_fields:
        raise MalformedPayload(
            f"Recording {recording.id} has no file with a readable URL. These fields are not in "
            f"the form that the vendor documents: {', '.join(recording.unread_fields)}"
        )
    if not recording.files:
        raise UnsupportedOperation(
            f"Recording {recording.id} at {provider.info.label} has no file that the API serves: "
            "the media was sent to your own storage"
        )
    fetcher = FileFetcher(
        provider.media,
        clock=provider.clock,
        retries=provider.http.retries,
        deadline=deadline,
        facts={"provider": provider.name, "recording_id": recording.id},
    )
    alone = len(recording.files) == 1
    copies: list[Copy] = []
    for file in files:
        path = directory / build_file_name(recording, file, alone=alone)
        try:
            copies.append(_copy_file(provider, fetcher, recording, file, path))
        except RecordingError as error:
            error.copies = tuple(copies)
            raise
    return tuple(copies)


def _copy_file(
    provider: Provider, fetcher: FileFetcher, recording: Recording, file: MediaFile, path: Path
) -> Copy:
    try:
        try:
            fetched = fetcher.fetch(file, path)
        except AuthenticationFailed:
            # The URL may have expired since it was listed; reading the recording may renew it.
            current = provider._get(recording.id, recording.target)
            renewed = next((each for each in current.files if each.id == file.id), file)
            if renewed.url == file.url:
                raise
            fetched = fetcher.fetch(file := renewed, path)
    except NotFound as error:
        provider._get(recording.id, recording.target)  # NotFound if the recording is deleted
        raise error.convert(
            NotReady,
            f"Recording {recording.id} is listed, but its media host returned 404: the file is not "
            "stored yet, or was removed. Try again in a minute",
        ) from None
    return fetched.build_copy(provider, recording, file, path)
