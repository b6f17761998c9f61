"""How does a recording become copies? File by file, each link renewed once, each error telling.

`download` fetches one file and proves it; what a recording's files need beyond that is here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recording_core.download.file_names import build_file_name
from recording_core.download.transfer import Fetched, fetch_file
from recording_core.errors import (
    AuthenticationFailed,
    DownloadError,
    NotFound,
    NotReady,
    RecordingError,
    UnsupportedOperation,
)
from recording_core.model.entities import Copy, MediaFile, Recording
from recording_core.transport.deadline import Deadline

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

__all__ = ["download_files"]


def download_files(
    provider: Provider,
    recording: Recording,
    files: Sequence[MediaFile],
    directory: Path,
    deadline: Deadline,
) -> tuple[Copy, ...]:
    """One verified copy a file, under portable names. What fails carries the copies before it.

    Raises `UnsupportedOperation` for a recording whose media the vendor does not give out,
    `NotReady` for a file that is listed and not there yet, and `DownloadError`.
    """
    if not recording.files:
        raise UnsupportedOperation(
            f"recording {recording.id} at {provider.info.label} has no file that its API gives "
            "out: the media went to a storage of your own"
        )
    alone = len(recording.files) == 1
    copies: list[Copy] = []
    for file in files:
        path = directory / build_file_name(recording, file, alone=alone)
        try:
            copies.append(_copy(provider, recording, file, path, deadline))
        except RecordingError as error:
            error.copies = tuple(copies)
            raise
    return tuple(copies)


def _copy(
    provider: Provider, recording: Recording, file: MediaFile, path: Path, deadline: Deadline
) -> Copy:
    facts = {"provider": provider.name, "recording_id": recording.id}
    try:
        try:
            fetched = _fetch(provider, file, path, deadline, facts)
        except AuthenticationFailed:
            # A link that expired since it was listed; the vendor may sign a new one.
            again = provider._get(recording.id, recording.target)
            renewed = next((each for each in again.files if each.id == file.id), file)
            if renewed.url == file.url:
                raise
            fetched = _fetch(provider, file := renewed, path, deadline, facts)
    except DownloadError as error:
        error.provider, error.recording_id = provider.name, recording.id
        raise
    except NotFound as error:
        provider._get(recording.id, recording.target)  # NotFound, if the recording itself is gone
        raise NotReady(
            f"recording {recording.id} is listed, and its media host answers 404: not stored "
            "yet, or removed. Try again in a minute",
            provider=provider.name,
            operation="download",
            status=error.status,
        ) from None
    return Copy(
        provider=provider.name,
        account=provider.account,
        recording_id=recording.id,
        file=file,
        path=path,
        size=fetched.size,
        sha256=fetched.sha256,
        checks=fetched.checks,
        made_at=provider.clock.now(),
    )


def _fetch(
    provider: Provider, file: MediaFile, path: Path, deadline: Deadline, facts: Mapping[str, str]
) -> Fetched:
    return fetch_file(
        provider.media,
        file,
        path,
        clock=provider.clock,
        retries=provider.http.retries,
        deadline=deadline,
        facts=facts,
    )
