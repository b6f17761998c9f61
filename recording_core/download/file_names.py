"""File names: portable and unique names of copies, the same on every system."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from recording_core.download.formats import get_extension
from recording_core.model.entities import MediaFile, Recording
from recording_core.model.enums import FileRole

#: The longest name without its extension. With the longest extension and the prefix and suffix of a
#: temporary file it stays below the 255 bytes of file systems.
_MAX_LENGTH = 128
_NOT_PORTABLE = re.compile(r"[^a-z0-9_-]")
#: Parts of an id that look like the role or the hash in the name of another recording.
_ROLE = re.compile(rf"-(?:{'|'.join(FileRole)})(?:-|\Z)")
_HASH = re.compile(r"-[0-9a-f]{16}\Z")


def build_file_name(recording: Recording, file: MediaFile, *, alone: bool) -> str:
    """Build `provider-account-id[-role[-file]].ext`: at most 128 of `[a-z0-9_-]` before `.ext`.

    If a character was replaced, the name cut, or its parts are ambiguous, it ends in 16 hex digits
    of a hash, so that different ids have different names. `alone` states that the recording has no
    other file.
    """
    parts = [recording.provider, recording.account, recording.id]
    plain = "-".join(parts)
    ambiguous = "-" in recording.account or _ROLE.search(f"-{recording.id}") is not None
    if not alone:
        parts += [file.role, file.id]
        plain += f"-{file.role}" if file.id == file.role else f"-{file.role}-{file.id}"
    return build_portable_name(parts, plain, ambiguous=ambiguous) + get_extension(file.format)


def build_portable_name(
    parts: Sequence[str], plain: str | None = None, *, ambiguous: bool = False
) -> str:
    """Build a name of at most 128 of `[a-z0-9_-]` from parts, which other parts do not have.

    It is `plain`, or the parts with `-` between them, if that is such a name and not `ambiguous`.
    """
    plain = "-".join(parts) if plain is None else plain
    name = _NOT_PORTABLE.sub("_", plain)
    if name != plain or ambiguous or len(name) > _MAX_LENGTH or _HASH.search(name):
        # The hash is of JSON, in which the boundaries between the parts are unambiguous.
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        name = f"{name[: _MAX_LENGTH - 17]}-{digest}"
    return name
