"""What is a copy's file called? The same portable name on every system, one for one recording."""

from __future__ import annotations

import hashlib
import json
import re

from recording_core.download.formats import extension_of
from recording_core.model.entities import MediaFile, Recording
from recording_core.model.enums import FileRole

__all__ = ["build_file_name"]

#: With the longest extension and a temporary file's prefix and suffix, beneath every file
#: system's 255 bytes.
_LONGEST = 128
_FOREIGN = re.compile(r"[^a-z0-9_-]")
#: What another recording's name could also go on with, a role, or end in, the hash below.
_ROLE = re.compile(rf"-(?:{'|'.join(FileRole)})(?:-|\Z)")
_HASH = re.compile(r"-[0-9a-f]{16}\Z")


def build_file_name(recording: Recording, file: MediaFile, *, alone: bool) -> str:
    """`provider-account-id[-role[-file]].ext`, in lower case [a-z0-9_-], at most 128 bytes.

    Ends in 16 hex digits of a hash wherever something had to be replaced or cut, so that different
    ids stay different. `alone`: it is the recording's only file.
    """
    parts = [recording.provider, recording.account, recording.id]
    plain = "-".join(parts)
    unsure = "-" in recording.account or _ROLE.search(f"-{recording.id}") is not None
    if not alone:
        parts += [file.role, file.id]
        # Where the file's id is its role, once is enough.
        plain += f"-{file.role}" if file.id == file.role else f"-{file.role}-{file.id}"
    name = _FOREIGN.sub("_", plain)
    if name != plain or unsure or len(name) > _LONGEST or _HASH.search(name):
        # As JSON, which no id can imitate: none ends where another begins.
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        name = f"{name[: _LONGEST - 17]}-{digest}"
    return name + extension_of(file.format)
