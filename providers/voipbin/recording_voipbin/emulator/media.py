"""Media: the files that the emulated VoIPBin stores, their ZIPs, and the bucket that has them."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import frozen

from recording_core.plugin import EmulatedBucket, build_wav
from recording_voipbin.emulator.responses import (
    NIL,
    TimeFormat,
    build_owner_fields,
    build_time_fields,
)

# https://docs.voipbin.net, Recording (format): "PCM, 8 kHz sample rate, 16-bit, mono"
HEADER_BYTES, BYTES_PER_FRAME, FRAMES_PER_SECOND = 44, 2, 8000


class GoogleBucket(EmulatedBucket):
    """Google's bucket with VoIPBin's files. Its name is undocumented.

    It does not accept a credential of VoIPBin's:
    https://cloud.google.com/storage/docs/access-control/signed-urls, version 4
    """

    name = "voipbin-emulated"
    lifetime = timedelta(hours=24)
    prefix = "X-Goog-"
    algorithm = "GOOG4-RSA-SHA256"
    credential = (
        "storage@voipbin-emulated.iam.gserviceaccount.com/{date}/auto/storage/goog4_request"
    )
    digest = "sha512"
    errors: ClassVar[Mapping[str, tuple[int, str, str]]] = {
        # The header takes precedence over the signature, and Google does not accept it.
        "header": (401, "AuthenticationRequired", "Authentication required."),
        "unsigned": (403, "AccessDenied", "Access denied."),
        "signature": (403, "SignatureDoesNotMatch", "Access denied."),
        # https://cloud.google.com/storage/docs/xml-api/reference-status
        "expired": (400, "ExpiredToken", "The provided token has expired."),
        "missing": (404, "NoSuchKey", "The specified key does not exist."),
    }
    xml_declaration = "<?xml version='1.0' encoding='UTF-8'?>"
    content_type = "application/xml; charset=UTF-8"

    def build_query(self, path: str, stamp: str) -> list[tuple[str, str]]:
        """Build the parameters in alphabetical order, as Go writes them."""
        return sorted(super().build_query(path, stamp))


class FileBucket(GoogleBucket):
    """The same bucket, which signs the URLs of single files for a week. From VoIPBin's source."""

    lifetime = timedelta(days=7)


@frozen
class EmulatedFile:
    """One file in VoIPBin's storage: a WAV, even if its name ends in another format.

    The storage also has files that customers upload for other purposes.
    """

    id: str
    filename: str
    created_at: datetime
    seconds: float
    pitch: int = 440
    #: the recording that it belongs to
    reference_id: str = NIL
    #: whether it belongs to another customer
    foreign: bool = False

    @property
    def key(self) -> str:
        """Its key in the bucket, whose layout no page shows."""
        return f"files/{self.id}/{self.filename}"

    @property
    def size(self) -> int:
        return HEADER_BYTES + BYTES_PER_FRAME * round(self.seconds * FRAMES_PER_SECOND)

    def build_content(self) -> bytes:
        return build_wav(self.seconds, pitch=self.pitch)

    def build_row(self, customer_id: str, url: str, time_format: TimeFormat) -> dict[str, Any]:
        """Build its row in `/storage_files`, the only response that has a size.

        An empty URL is that of a file whose URL was not signed.
        """
        times = {
            "tm_download_expire": self.created_at + FileBucket.lifetime if url else None,
            "tm_create": self.created_at,
            "tm_update": None,
            "tm_delete": None,
        }
        is_recorded = self.reference_id != NIL
        return {
            **build_owner_fields(self.id, customer_id, "agent"),
            "type": "recording" if is_recorded else "rag",
            "reference_type": "recording" if is_recorded else "",
            "reference_id": self.reference_id,
            "name": "recording file" if is_recorded else "",
            "detail": "",
            "filename": self.filename,
            "filesize": self.size,
            "uri_download": url,
            # Unlike those of a recording, unset times of a file are null.
            **build_time_fields(times, time_format, nulls=True),
        }


def build_archive_key(files: Iterable[EmulatedFile]) -> str:
    """Build the key of a ZIP. It is computed from the files, so more files have another ZIP.

    From VoIPBin's source.
    """
    ids = "".join(sorted(file.id for file in files))
    return f"tmp/{hashlib.sha1(ids.encode(), usedforsecurity=False).hexdigest()}.zip"


@functools.lru_cache(maxsize=8)
def build_archive(files: tuple[EmulatedFile, ...]) -> bytes:
    """Build a ZIP of the files, newest first: deflated, and with the size of each after its data.

    Its entries have no date. From VoIPBin's source.
    """
    stream = _UnseekableStream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        # Of two that were stored at once, the second is the newer one.
        for file in sorted(files, key=lambda each: each.created_at)[::-1]:
            entry = zipfile.ZipInfo(file.filename, (1980, 0, 0, 0, 0, 0))
            archive.writestr(entry, file.build_content(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


class _UnseekableStream(io.BytesIO):
    """A stream without positions, so that `zipfile` writes data descriptors, as the vendor does."""

    def tell(self) -> int:
        raise io.UnsupportedOperation
