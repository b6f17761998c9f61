"""Which file does the emulated VoIPBin store of a leg, and how does it zip those of a recording?"""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from attrs import frozen

from recording_core.plugin import build_wav
from recording_voipbin.emulated_bucket import SIGNED_FOR
from recording_voipbin.emulated_refusals import NIL
from recording_voipbin.emulated_times import Age, stamps

__all__ = ["StoredFile", "archive_key", "zipped"]

# https://docs.voipbin.net, Recording (format): "PCM, 8 kHz sample rate, 16-bit, mono"
HEADER, BYTES_A_FRAME, FRAMES_A_SECOND = 44, 2, 8000


@frozen
class StoredFile:
    """One file in VoIPBin's storage: a WAV, be it named otherwise."""

    id: str
    filename: str
    created: datetime
    seconds: float
    pitch: int = 440
    #: the recording that it is of
    reference_id: str = NIL

    @property
    def key(self) -> str:
        """Its name in the bucket; the layout is undocumented."""
        return f"files/{self.id}/{self.filename}"

    @property
    def size(self) -> int:
        return HEADER + BYTES_A_FRAME * round(self.seconds * FRAMES_A_SECOND)

    def content(self) -> bytes:
        return build_wav(self.seconds, pitch=self.pitch)

    def row(self, customer_id: str, url: str, age: Age) -> dict[str, Any]:
        """What `/storage_files` says: the only answer that has a size."""
        return {
            "id": self.id,
            "customer_id": customer_id,
            "owner_type": "",
            "owner_id": NIL,
            # Undocumented: the word for what is no recording's.
            "reference_type": "" if self.reference_id == NIL else "recording",
            "reference_id": self.reference_id,
            "filename": self.filename,
            "filesize": self.size,
            "uri_download": url,
            # Unlike a recording's, these times are null where they are unset.
            **stamps(
                age,
                nulls=True,
                tm_download_expire=self.created + SIGNED_FOR,
                tm_create=self.created,
                tm_update=None,
                tm_delete=None,
            ),
        }


def archive_key(files: Iterable[StoredFile]) -> str:
    """Seen in its source: named by the files, so that more files make another archive."""
    joined = "".join(sorted(file.id for file in files))
    return f"tmp/{hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()}.zip"


@functools.lru_cache(maxsize=8)
def zipped(files: tuple[StoredFile, ...]) -> bytes:
    """The files, deflated, in a ZIP whose sizes stand behind each of them."""
    stream = _Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file.filename), file.content(), zipfile.ZIP_DEFLATED)
    return bytes(stream.written)


class _Stream(io.RawIOBase):
    """Where one cannot go back: to it, `zipfile` writes data descriptors, as the vendor does."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)
