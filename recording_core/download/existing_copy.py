"""Existing copy: find a file that was downloaded before and is still verified, and its side-car.

A side-car is a file `NAME.sha256` next to a verified copy, in the format of `sha256sum`. It shows
later that the bytes are those that were verified, also if the vendor reports no size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from recording_core.download.atomic_file import open_temporary_file
from recording_core.download.checks import check_stored_file
from recording_core.download.file_names import build_file_name
from recording_core.download.formats import FORMATS, get_extension
from recording_core.errors import DownloadError
from recording_core.model.entities import Copy, MediaFile, Recording

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)\n?", re.ASCII)


def find_verified_copies(
    provider: Provider, recording: Recording, files: Iterable[MediaFile], directory: Path
) -> tuple[Copy, ...]:
    """Find the copies of files in a directory that pass the checks of a download now.

    A name alone proves nothing: the size or SHA-256 must be that which the vendor reports, or the
    SHA-256 that of the side-car.
    """
    found = (_find_copy(provider, recording, each, directory) for each in files)
    return tuple(each for each in found if each is not None)


def _find_copy(
    provider: Provider, recording: Recording, file: MediaFile, directory: Path
) -> Copy | None:
    path = directory / build_file_name(recording, file, alone=len(recording.files) == 1)
    paths = [path]
    if file.format not in FORMATS:  # the content determines the extension
        paths += [path.with_suffix(get_extension(each)) for each in FORMATS]
    for each in paths:
        try:
            checked = check_stored_file(file, each, sha256=_read_side_car(each))
            copied_at = datetime.fromtimestamp(each.stat().st_mtime, UTC)
        except (OSError, DownloadError):
            continue
        copy = evolve(checked.build_copy(provider, recording, file, each), made_at=copied_at)
        if copy.verified:
            return copy
    return None


def update_side_car(copy: Copy, *, wanted: bool) -> None:
    """Write the side-car of a verified copy, if it is wanted or an older one is there.

    Removes that of a copy that is not verified. Raises `StorageError`.
    """
    path = _build_path(copy.path)
    if not copy.verified:
        with suppress(OSError):  # one that stays does not match the file, and proves nothing
            path.unlink()
    elif wanted or path.exists():
        with open_temporary_file(path) as out:
            out.write(f"{copy.sha256}  {copy.path.name}\n".encode())
            out.commit()


def _build_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _read_side_car(path: Path) -> str | None:
    """Read the SHA-256 of a file from its side-car; None if it has none."""
    try:
        found = _LINE.fullmatch(_build_path(path).read_text("utf-8", "replace"))
    except OSError:
        return None
    return found[1] if found and found[2] == path.name else None
