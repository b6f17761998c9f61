"""Record: what makes a copy exist in an archive, and the names of its files.

    PROVIDER/ACCOUNT/XX/RECORDING/record-HEX.json     one complete copy of a recording
    PROVIDER/ACCOUNT/XX/RECORDING/mix-HEX.mp3         an object that a record names

A record is written last. The names of records and objects are new for each attempt, so that nothing
is ever overwritten and what no record names is garbage.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from recording_core.download.file_names import build_portable_name
from recording_core.download.formats import get_extension
from recording_core.errors import MalformedPayload
from recording_core.model.entities import Copy, MediaFile, Recording
from recording_core.model.serialization import dumps, loads
from recording_core.redaction import change_strings, redact_text

#: Incremented when a field of the record changes its name or meaning.
RECORD_VERSION = 1
#: The bytes of randomness in a name.
_RANDOM = 8
_RECORD_NAME = re.compile(r"record-[0-9a-f]{16}\.json", re.ASCII)
#: The query or fragment of a URL in any text, and what may stand before a URL's host.
_QUERY = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*:(?:\\?/){2}[^\s\"'<>?#]*)[?#][^\s\"'<>]*")
#: The query of a path.
_PATH_QUERY = re.compile(r"\A(/[^\s?#]*)\?[^\s=]+=\S*\Z")
#: A text that contains neither a URL nor a credential. Most texts are ids and such words.
_PLAIN_WORD = re.compile(r"[\w./@+-]*")
_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*:(?:\\?/){2})[^\s/\"'<>?#]*@")


@frozen
class Record:
    """One complete copy of a recording.

    Attributes:
        recording: the recording as the vendor described it, with `raw`; no URL has its query
        copies: one per file; `path` is the name of the object in the recording's folder
        state: the digest of what the vendor listed, see `compute_state`
        source: the URL of the vendor's API
        made_at: when the record was written, by the clock of its writer: an aware UTC datetime
        version: that of the record's form
    """

    recording: Recording
    copies: tuple[Copy, ...]
    state: str
    source: str
    made_at: datetime
    version: int = RECORD_VERSION

    @property
    def verified(self) -> bool:
        """Whether each file of the recording has a copy, and each copy is verified."""
        return _are_verified(self.copies)


@frozen
class ArchivedRecording:
    """A recording in an archive: its best record.

    Attributes:
        recording: the recording as the vendor described it when it was copied
        copies: one `Copy` per file; `Archive.open` opens one, and in a folder on a disk `path` is
            its path (elsewhere the path inside the archive)
        archived_at: when the record was written: an aware UTC datetime
        record: the path of the record inside the archive
    """

    recording: Recording
    copies: tuple[Copy, ...]
    archived_at: datetime
    record: str
    state: str = field(repr=False)

    @property
    def verified(self) -> bool:
        """Whether each file has a copy, and each copy is verified."""
        return _are_verified(self.copies)


def _are_verified(copies: tuple[Copy, ...]) -> bool:
    return bool(copies) and all(copy.verified for copy in copies)


# -- names ----------------------------------------------------------------------------------------


def build_account_folder(provider: str, account: str) -> str:
    """Build the path of an account's folder inside an archive."""
    return f"{build_portable_name([provider])}/{build_portable_name([account])}"


def build_folder(provider: str, account: str, recording_id: str) -> str:
    """Build the path of a recording's folder inside an archive."""
    digest = hashlib.sha256(recording_id.encode("utf-8", "surrogatepass")).hexdigest()
    name = build_portable_name([recording_id])
    return f"{build_account_folder(provider, account)}/{digest[:2]}/{name}"


def build_object_name(recording: Recording, file: MediaFile, *, alone: bool) -> str:
    """Build the name of a media object, which no other one has."""
    del recording, alone
    return f"{file.role}-{_draw()}{get_extension(file.format)}"


def build_record_name() -> str:
    """Build the name of a record, which no other one has."""
    return f"record-{_draw()}.json"


def is_record_name(name: str) -> bool:
    """Whether a file's name is that of a record."""
    return _RECORD_NAME.fullmatch(name) is not None


def _draw() -> str:
    return os.urandom(_RANDOM).hex()


# -- content --------------------------------------------------------------------------------------


def compute_state(recording: Recording) -> str:
    """Compute a digest of what makes a listed recording another one than was copied.

    That is its status, its duration, and the ids, sizes and durations of its files; never a URL or
    an expiry.
    """
    files = [(each.id, each.size, each.duration) for each in recording.files]
    facts = (recording.status.value, recording.duration, recording.size, files)
    return hashlib.blake2b(repr(facts).encode("utf-8", "replace"), digest_size=12).hexdigest()


def strip_queries(value: Any) -> Any:
    """Remove query, fragment and credentials of every URL in a decoded JSON value."""
    return change_strings(value, strip_text)


def strip_text(text: str) -> str:
    """Remove query, fragment and credentials of every URL in a text."""
    if "://" not in text and ":\\/" not in text:
        return _PATH_QUERY.sub(r"\1", text) if text.startswith("/") else text
    return _USER.sub(r"\1", _QUERY.sub(r"\1", text))


def strip_recording(recording: Recording) -> Recording:
    """Remove what is secret or expires in the URLs of a recording."""
    return evolve(
        recording,
        files=tuple(map(_strip_file, recording.files)),
        unread_fields=tuple(map(strip_text, recording.unread_fields)),
        raw=strip_queries(recording.raw),
        **_strip_texts(recording),
    )


def _strip_file(file: MediaFile) -> MediaFile:
    return evolve(file, **_strip_texts(file))


def _strip_texts(value: Recording | MediaFile) -> dict[str, Any]:
    """Return the texts that change: vendors put URLs into titles, names and reasons, too."""
    texts = {
        name: text
        for name, text in vars(value).items()
        if type(text) is str and name != "id" and not _PLAIN_WORD.fullmatch(text)
    }
    stripped = {name: strip_text(redact_text(text)) for name, text in texts.items()}
    return {name: text for name, text in stripped.items() if text != texts[name]}


def build_record(
    recording: Recording, copies: Iterable[Copy], state: str, source: str, made_at: datetime
) -> Record:
    """Build the record of copies that exist in the archive."""
    described = strip_recording(recording)
    # Nearly always the copied file is the listed one, and not one with a renewed link.
    stripped = {id(each): new for each, new in zip(recording.files, described.files, strict=True)}
    stored = tuple(
        evolve(
            copy,
            file=stripped.get(id(copy.file)) or _strip_file(copy.file),
            path=Path(copy.path.name),
        )
        for copy in copies
    )
    return Record(described, stored, state, strip_text(source), made_at)


def encode_record(record: Record) -> bytes:
    """Encode a record as JSON."""
    return dumps(record).encode("utf-8", "replace") + b"\n"


def decode_record(data: bytes) -> Record:
    """Decode a record. Raises `MalformedPayload` if it is not whole, or names a path."""
    try:
        record = loads(data, Record)
        version: Any = record.version
    except MalformedPayload:
        version = _read_version(data)
        if version == RECORD_VERSION:
            raise
    if version != RECORD_VERSION:
        raise MalformedPayload(
            f"The record is not whole, or of another version than {RECORD_VERSION}"
        )
    names = [copy.path.name for copy in record.copies]
    if not names or names != [str(copy.path) for copy in record.copies]:
        raise MalformedPayload("The record does not name its objects")
    return record


def _read_version(data: bytes) -> Any:
    try:
        return json.loads(data)["version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def choose_best(records: Mapping[str, Record]) -> str | None:
    """Choose the name of the best record: without doubts, then of most files, then the first.

    Of states that differ, the one that was recorded last comes before: a random name must not
    decide that the older one stays.
    """
    newest: dict[str, datetime] = {}
    for each in records.values():
        newest[each.state] = max(each.made_at, newest.get(each.state, each.made_at))

    def rank(name: str) -> tuple[bool, int, timedelta, str]:
        record = records[name]
        age = max(newest.values()) - newest[record.state]
        return (not record.verified, -len(record.copies), age, name)

    return min(records, key=rank, default=None)
