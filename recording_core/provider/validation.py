"""Is what a caller passes usable? `TypeError` or `ValueError`, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from recording_core.errors import ConfigurationError
from recording_core.model.entities import CommunicationSession, MediaFile, Recording, check_id
from recording_core.model.enums import RecordingStatus

__all__ = [
    "check_channels",
    "check_duration",
    "check_extra",
    "check_participants",
    "check_setting",
    "check_statuses",
    "check_target",
    "check_text",
    "check_time",
    "check_word",
    "select_files",
]


def check_setting(provider: str, name: str, value: object) -> str:
    # The value itself is never quoted: it is a credential.
    if not isinstance(value, str):
        raise ConfigurationError(f"{provider}'s {name} must be a str, not {type(value).__name__}")
    if any(not 0x21 <= ord(character) <= 0x7E for character in value):
        raise ConfigurationError(
            f"{provider}'s {name} holds a space, a line break or a non-ASCII character; "
            "was it copied whole?"
        )
    return value


def check_target(target: object) -> CommunicationSession:
    if not isinstance(target, CommunicationSession):
        raise TypeError(
            f"target must be call(id), conference(id) or meeting(id), not {type(target).__name__}"
        )
    return target


def check_time(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"{name} must be aware, such as datetime(2026, 1, 1, tzinfo=UTC)")
    return value


def check_duration(value: object, name: str) -> timedelta | None:
    if value is None:
        return None
    if not isinstance(value, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {type(value).__name__}")
    if value <= timedelta(0):
        raise ValueError(f"{name} must be longer than nothing")
    return value


def check_text(value: object, name: str) -> str | None:
    return None if value is None else check_id(value, name)


def check_word(value: object, name: str) -> str | None:
    return None if value is None else check_id(value, name).lower()


def check_channels(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"channels must be an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError("channels must be at least 1")
    return value


def check_participants(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (check_id(value, "participant"),)
    if not isinstance(value, Iterable):
        raise TypeError("participant must be an id or several")
    several = tuple(check_id(each, "participant") for each in value)
    if not several:
        raise ValueError("participant must name at least one, or be left out")
    return several


def check_extra(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"extra must be a mapping, not {type(value).__name__}")
    try:
        json.dumps(dict(value), allow_nan=False, ensure_ascii=False).encode("utf-8")
    except ValueError as error:
        raise ValueError(f"extra cannot be said in JSON: {type(error).__name__}") from None
    return dict(value)


def check_statuses(value: Any) -> frozenset[RecordingStatus] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return frozenset({RecordingStatus(value)})
    return frozenset(RecordingStatus(each) for each in value)


def select_files(recording: Recording, files: Any) -> tuple[MediaFile, ...]:
    if files is None:
        return recording.files
    if isinstance(files, str | MediaFile):
        files = (files,)
    chosen: list[MediaFile] = []
    for each in files:
        wanted = each.id if isinstance(each, MediaFile) else str(each)
        found = [file for file in recording.files if wanted in (file.id, str(file.role))]
        if not found:
            has = ", ".join(f"{file.id} ({file.role})" for file in recording.files) or "none"
            raise ValueError(f"recording {recording.id} has no file {wanted!r}; it has: {has}")
        chosen += [file for file in found if file not in chosen]
    return tuple(chosen)
