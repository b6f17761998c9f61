"""Readers: read one field of a vendor's payload, strictly typed.

No JSON type is converted to another. Some readers accept a number in quotes if `quoted` is set, for
vendors that document it. Every reader returns `None` if the value is null or absent, and raises
`MalformedPayload` if it has another type. The error names the path and never quotes the value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from recording_core.errors import MalformedPayload
from recording_core.model.entities import CommunicationSession
from recording_core.model.enums import RecordingStatus, SessionKind
from recording_core.model.strict_json import REPLACED

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "array",
    "build_error",
    "count",
    "decimal",
    "epoch_milliseconds",
    "instant",
    "json_object",
    "milliseconds",
    "required_text",
    "seconds",
    "status_of",
    "target",
    "text",
]

_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,19}", re.ASCII)
#: Whole milliseconds in quotes, with a fraction of zeros, as some vendors write them.
_match_whole_ms = re.compile(r"[0-9]{1,15}\.0{1,20}", re.ASCII).fullmatch
_LARGEST = 1 << 63
#: Longer than any recording, and within the range of `timedelta`.
_LONGEST = 100 * 365 * 86400
_LONGEST_MS = _LONGEST * 1000


def build_error(path: str, expected: str) -> MalformedPayload:
    """Build the error for a field that is not what the vendor documents."""
    return MalformedPayload(f"The field {path!r} is not {expected}", path=path)


def text(value: Any, path: str) -> str | None:
    """Read a string. Returns `None` for an empty one, since vendors use it like null."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    raise build_error(path, "a string")


def required_text(value: Any, path: str) -> str:
    """Read a required string, such as an id. Raises `MalformedPayload` if it is absent or blank."""
    if type(value) is not str or not value.strip():
        raise build_error(path, "a non-empty string")
    if REPLACED in value:  # a part of it was lost, so that it identifies nothing
        raise build_error(path, "text in valid Unicode")
    return value


def json_object(value: Any, path: str) -> Mapping[str, Any] | None:
    """Read a JSON object."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise build_error(path, "an object")
    return value


def array(value: Any, path: str) -> list[Any] | None:
    """Read a JSON array."""
    if value is None:
        return None
    if type(value) is not list:
        raise build_error(path, "an array")
    return value


def count(value: Any, path: str, *, quoted: bool = False) -> int | None:
    """Read a whole number >= 0, such as bytes. `quoted` also accepts ASCII digits in a string."""
    if type(value) is int and 0 <= value < _LARGEST:
        return value
    if value is None:
        return None
    if quoted and type(value) is str and _WHOLE.fullmatch(value) and int(value) < _LARGEST:
        return int(value)
    raise build_error(path, "a whole number of at least 0")


def decimal(value: Any, path: str, *, quoted: bool = False) -> Decimal | None:
    """Read a number. `quoted` also accepts decimal notation in a string, and an empty string."""
    if value is None or (quoted and value == ""):
        return None
    # Imported here: it takes as long to import as all of our models, and few vendors need it.
    from decimal import Decimal

    if type(value) is int:
        return Decimal(value)
    if type(value) is float and value - value == 0.0:
        return Decimal(repr(value))
    if quoted and type(value) is str and _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise build_error(path, "a number")


def seconds(value: Any, path: str) -> timedelta | None:
    """Read a duration >= 0 in seconds."""
    if value is None:
        return None
    kind = type(value)
    if (kind is int or kind is float) and 0 <= value <= _LONGEST:
        return _build_whole_seconds(value) if kind is int else timedelta(0, value)
    raise build_error(path, "a number of seconds")


#: Cached, since durations in whole seconds repeat: a look-up takes a fifth of the time.
_build_whole_seconds = functools.lru_cache(maxsize=4096)(functools.partial(timedelta, 0))


def milliseconds(value: Any, path: str, *, quoted: bool = False) -> timedelta | None:
    """Read a duration >= 0 in milliseconds."""
    # A float represents whole milliseconds exactly; decimal arithmetic takes three times as long.
    if (
        quoted
        and type(value) is str
        and _match_whole_ms(value)
        and (length := float(value)) <= _LONGEST_MS
    ):
        return timedelta(0, length / 1000)
    number = decimal(value, path, quoted=quoted)
    if number is None:
        return None
    if not 0 <= number <= _LONGEST_MS:
        raise build_error(path, "a number of milliseconds")
    return timedelta(microseconds=int(number * 1000))


def epoch_milliseconds(value: Any, path: str, *, quoted: bool = False) -> datetime | None:
    """Read a time in milliseconds since 1970, between the years 2000 and 2100.

    The lower bound rejects seconds that a vendor sends by mistake, which would be times in 1970.
    """
    # As in `milliseconds`, a float is exact and fast.
    at = float(value) if quoted and type(value) is str and _match_whole_ms(value) else 0.0
    if _EARLIEST_MS <= at < _LATEST_MS:
        return _from_timestamp(at / 1000, UTC)
    number = decimal(value, path, quoted=quoted)
    if number is None:
        return None
    if not _EARLIEST_MS <= number < _LATEST_MS:
        raise build_error(path, "milliseconds since 1970 between the years 2000 and 2100")
    return _EPOCH + timedelta(microseconds=int(number * 1000))


def instant(value: Any, path: str) -> datetime | None:
    """Read an ISO 8601 date and time, with `T` or a space. Without an offset it is UTC."""
    if value is None:
        return None
    try:
        moment = _from_iso(value)
        zone = moment.tzinfo
        if zone is not UTC:
            moment = moment.replace(tzinfo=UTC) if zone is None else moment.astimezone(UTC)
        # The length excludes a bare date, which fromisoformat reads as its midnight.
        if len(value) > 15 and _EARLIEST <= moment < _LATEST:
            return moment
    except (ValueError, TypeError, OverflowError):
        if value == "":
            return None
    raise build_error(path, "an ISO 8601 date and time between the years 2000 and 2100")


@functools.lru_cache(maxsize=4096)
def target(kind: SessionKind, value: str, path: str) -> CommunicationSession:
    """Read the session that was recorded, from its id. Cached, since the same ids repeat."""
    try:
        return CommunicationSession(kind, required_text(value, path))
    except ValueError:
        raise build_error(path, "an id") from None


def status_of(word: str | None, table: Mapping[str, RecordingStatus]) -> RecordingStatus:
    """Map the vendor's status by a table; `UNKNOWN` for a word that is not in it."""
    return table.get(word, RecordingStatus.UNKNOWN) if word is not None else RecordingStatus.UNKNOWN


_from_iso = datetime.fromisoformat
_from_timestamp = datetime.fromtimestamp
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
#: Floats, since a float is compared fastest with floats.
_EARLIEST_MS, _LATEST_MS = (each.timestamp() * 1000 for each in (_EARLIEST, _LATEST))
