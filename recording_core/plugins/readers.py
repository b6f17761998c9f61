"""How is one field of a vendor's payload read? Strictly typed, or `MalformedPayload` with its path.

No JSON type becomes another: a number in quotes is read only by the readers that say so, for the
vendors that document it. Every reader answers None for null and absent, and names the field, never
its value, when it refuses.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from recording_core.errors import MalformedPayload
from recording_core.model.entities import CommunicationSession
from recording_core.model.enums import RecordingStatus, SessionKind

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "array",
    "count",
    "decimal",
    "epoch_milliseconds",
    "instant",
    "milliseconds",
    "obj",
    "required_text",
    "seconds",
    "status_of",
    "target",
    "text",
]

_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,19}", re.ASCII)
#: Whole milliseconds as vendors write them in quotes, with a fraction of zeros.
_whole_ms = re.compile(r"[0-9]{1,15}\.0{1,20}", re.ASCII).fullmatch
_LARGEST = 1 << 63
#: Longer than any recording and short of what `timedelta` overflows at.
_LONGEST = 100 * 365 * 86400
_LONGEST_MS = _LONGEST * 1000

T = TypeVar("T")


def wrong(path: str, expected: str) -> MalformedPayload:
    """The error for a field that is not what the vendor documents."""
    return MalformedPayload(f"field {path!r} is not {expected}", path=path)


def text(value: Any, path: str) -> str | None:
    """A string; None for null, absent and the empty string, which vendors use alike."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    raise wrong(path, "a string")


def required_text(value: Any, path: str) -> str:
    """A string that must be there, such as an id."""
    if type(value) is not str or not value.strip():
        raise wrong(path, "a non-empty string")
    return value


def obj(value: Any, path: str) -> Mapping[str, Any] | None:
    """A JSON object."""
    if value is None:
        return None
    if type(value) is not dict:
        raise wrong(path, "an object")
    return value


def array(value: Any, path: str) -> list[Any] | None:
    """A JSON array."""
    if value is None:
        return None
    if type(value) is not list:
        raise wrong(path, "an array")
    return value


def count(value: Any, path: str, *, quoted: bool = False) -> int | None:
    """A whole number >= 0, such as bytes; `quoted` also takes ASCII digits in a string."""
    if type(value) is int and 0 <= value < _LARGEST:
        return value
    if value is None:
        return None
    if quoted and type(value) is str and _WHOLE.fullmatch(value) and int(value) < _LARGEST:
        return int(value)
    raise wrong(path, "a whole number of at least 0")


def decimal(value: Any, path: str, *, quoted: bool = False) -> Decimal | None:
    """A number; `quoted` also takes its ASCII decimal notation in a string, or an empty one."""
    if value is None or (quoted and value == ""):
        return None
    # With all that it imports it takes as long as our own models; few vendors need it.
    from decimal import Decimal

    if type(value) is int:
        return Decimal(value)
    if type(value) is float and value - value == 0.0:
        return Decimal(repr(value))
    if quoted and type(value) is str and _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise wrong(path, "a number")


def seconds(value: Any, path: str) -> timedelta | None:
    """A duration >= 0 in seconds."""
    if value is None:
        return None
    kind = type(value)
    if (kind is int or kind is float) and 0 <= value <= _LONGEST:
        return _whole_seconds(value) if kind is int else timedelta(0, value)
    raise wrong(path, "a number of seconds")


#: Durations in whole seconds are few, and looked up in a fifth of the time that building one takes.
_whole_seconds = functools.lru_cache(maxsize=4096)(functools.partial(timedelta, 0))


def milliseconds(value: Any, path: str, *, quoted: bool = False) -> timedelta | None:
    """A duration >= 0 in milliseconds."""
    # What is whole a float holds exactly; decimal arithmetic takes three times as long.
    if (
        quoted
        and type(value) is str
        and _whole_ms(value)
        and (length := float(value)) <= _LONGEST_MS
    ):
        return timedelta(0, length / 1000)
    number = decimal(value, path, quoted=quoted)
    if number is None:
        return None
    if not 0 <= number <= _LONGEST_MS:
        raise wrong(path, "a number of milliseconds")
    return timedelta(microseconds=int(number * 1000))


def epoch_milliseconds(value: Any, path: str, *, quoted: bool = False) -> datetime | None:
    """A moment as milliseconds since 1970. Seconds by mistake land in 1970 and are refused."""
    at = float(value) if quoted and type(value) is str and _whole_ms(value) else 0.0  # as above
    if _EARLIEST_MS <= at < _LATEST_MS:
        return _from_timestamp(at / 1000, UTC)
    number = decimal(value, path, quoted=quoted)
    if number is None:
        return None
    if not _EARLIEST_MS <= number < _LATEST_MS:
        raise wrong(path, "milliseconds since 1970 between the years 2000 and 2100")
    return _EPOCH + timedelta(microseconds=int(number * 1000))


def instant(value: Any, path: str) -> datetime | None:
    """An ISO 8601 date and time, with `T` or a space; without an offset it is UTC."""
    if value is None:
        return None
    try:
        moment = _from_iso(value)
        zone = moment.tzinfo
        if zone is not UTC:
            moment = moment.replace(tzinfo=UTC) if zone is None else moment.astimezone(UTC)
        # fromisoformat also reads a bare date, as its midnight.
        if len(value) > 15 and _EARLIEST <= moment < _LATEST:
            return moment
    except (ValueError, TypeError, OverflowError):
        if value == "":
            return None
    raise wrong(path, "an ISO 8601 date and time between the years 2000 and 2100")


@functools.lru_cache(maxsize=4096)
def target(kind: SessionKind, value: str, path: str) -> CommunicationSession:
    """What was recorded, by an id that a vendor gave; the same few come again and again."""
    try:
        return CommunicationSession(kind, value)
    except ValueError:
        raise wrong(path, "an id") from None


def status_of(word: str | None, table: Mapping[str, RecordingStatus]) -> RecordingStatus:
    """The vendor's word by the vendor's table; `UNKNOWN` for one that is not in it."""
    return table.get(word, RecordingStatus.UNKNOWN) if word is not None else RecordingStatus.UNKNOWN


_from_iso = datetime.fromisoformat
_from_timestamp = datetime.fromtimestamp
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_EARLIEST_MS, _LATEST_MS = (int(each.timestamp() * 1000) for each in (_EARLIEST, _LATEST))
