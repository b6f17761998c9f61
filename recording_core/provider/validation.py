"""Validation: check a caller's arguments before any request.

The checks return the value in its final form, and raise `TypeError` or `ValueError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from recording_core.errors import ConfigurationError
from recording_core.model.entities import CommunicationSession, MediaFile, Recording, check_id
from recording_core.model.enums import OMIT, RecordingStatus


def check_setting(provider: str, name: str, value: object) -> str:
    """Check a setting. Raises `ConfigurationError`, which never quotes the value."""
    if not isinstance(value, str):
        raise ConfigurationError(
            f"the setting {name} of {provider} must be a str, not {type(value).__name__}"
        )
    if any(not 0x21 <= ord(character) <= 0x7E for character in value):
        raise ConfigurationError(
            f"the setting {name} of {provider} contains a space, a line break or a non-ASCII "
            "character: check that it was copied correctly"
        )
    return value


def check_target(target: object) -> CommunicationSession:
    if not isinstance(target, CommunicationSession):
        raise TypeError(
            f"target must be call(id), conference(id) or meeting(id), not {type(target).__name__}"
        )
    return target


def check_time(value: object, name: str) -> datetime | None:
    """Check a time, and convert it to UTC; one that is out of range there is taken for UTC."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"{name} must be aware, such as datetime(2026, 1, 1, tzinfo=UTC)")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value.replace(tzinfo=UTC)


def check_duration(value: object, name: str) -> timedelta | None:
    if value is None:
        return None
    if not isinstance(value, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {type(value).__name__}")
    if value <= timedelta(0):
        raise ValueError(f"{name} must be longer than 0")
    return value


def check_text(value: object, name: str) -> str | None:
    return None if value is None else check_id(value, name)


def check_word(value: object, name: str) -> str | None:
    return None if value is None else check_id(value, name).lower()


def check_channels(value: object, name: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1")
    return value


def check_participants(value: object, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (check_id(value, name),)
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be an id or several ids")
    participants = tuple(check_id(each, name) for each in value)
    if not participants:
        raise ValueError(f"{name} must contain at least one id; omit it to record all")
    return participants


def check_flag(value: object, name: str) -> bool:
    return bool(value)


def check_extra(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"extra must be a mapping, not {type(value).__name__}")
    try:
        text = json.dumps(dict(value), allow_nan=False, ensure_ascii=False, default=_encode_omit)
        text.encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"extra cannot be written as JSON: {type(error).__name__}") from None
    return dict(value)


def _encode_omit(value: object) -> None:
    if value is not OMIT:
        raise TypeError(f"extra cannot be written as JSON: it contains a {type(value).__name__}")


def check_statuses(value: Any) -> frozenset[RecordingStatus] | None:
    if value is None:
        return None
    try:
        words = [value] if isinstance(value, str) else value
        return frozenset(RecordingStatus(each) for each in words)
    except ValueError as error:
        word = str(error).partition(" is not")[0]
        raise ValueError(f"{word} is not a status: use {', '.join(RecordingStatus)}") from None


def select_files(recording: Recording, files: Any) -> tuple[MediaFile, ...]:
    """Select files of a recording by role, id or `MediaFile`; all of them for `None`.

    Raises `ValueError` if the recording has no such file.
    """
    if files is None:
        return recording.files
    if isinstance(files, str | MediaFile):
        files = (files,)
    selected: list[MediaFile] = []
    for each in files:
        wanted = each.id if isinstance(each, MediaFile) else str(each)
        found = [file for file in recording.files if wanted in (file.id, str(file.role))]
        if not found:
            existing = ", ".join(f"{file.id} ({file.role})" for file in recording.files) or "none"
            raise ValueError(
                f"recording {recording.id} has no file {wanted!r}; its files are: {existing}"
            )
        selected += [file for file in found if file not in selected]
    return tuple(selected)
