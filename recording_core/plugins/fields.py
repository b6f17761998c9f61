"""Fields: read the fields of a vendor's payload, each on its own.

A recording exists by its id; every other field fails alone. What is not in the documented form is
`None`, its path stands in `Fields.unread`, and no JSON type is converted to another.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from recording_core.errors import MalformedPayload
from recording_core.model.entities import CommunicationSession
from recording_core.model.enums import RecordingStatus, SessionKind
from recording_core.model.strict_json import REPLACED, RepairedObject

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["Fields", "find_status"]

_match_decimal = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII).fullmatch
_match_whole = re.compile(r"[0-9]{1,19}", re.ASCII).fullmatch
#: Whole milliseconds in quotes; some vendors add a fraction of zeros.
_match_whole_ms = re.compile(r"[0-9]{1,15}(?:\.0{1,20})?", re.ASCII).fullmatch
#: Compiled when it is needed: few vendors send it.
_RFC_2822 = (
    r"(?:[A-Z][a-z]{2}, ?)?([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9:]{5,8})"
    r" ([+-][0-9]{4}|[A-Z]{1,3})"
)
_MONTHS = {
    **{"Jan": "01", "Feb": "02", "Mar": "03", "Apr": "04", "May": "05", "Jun": "06"},
    **{"Jul": "07", "Aug": "08", "Sep": "09", "Oct": "10", "Nov": "11", "Dec": "12"},
}
_LARGEST = 1 << 63
#: Longer than any recording, and within the range of `timedelta`.
_LONGEST = 100 * 365 * 86400
_LONGEST_MS = _LONGEST * 1000
#: The most paths that are kept of one payload, since a vendor chooses their number.
_MOST_UNREAD = 50
#: The most characters of an id. A listing remembers all of them, and each is part of a URL.
_LONGEST_ID = 1000


class Fields:
    """The fields of one JSON object, such as a row of a list.

    Every method reads the field of that name. It returns `None` if the field is null or absent, and
    also if it cannot be read; then its path is added to `unread`. `quoted=True` also accepts a
    number in a string, for vendors that document it. `required_text` alone raises.

    Attributes:
        row: the object
        unread: the paths of fields that are present and could not be read, such as `meeting.title`;
            also those of nested objects
    """

    # Defaults in the class, since an object is built for every row of a listing.
    unread: tuple[str, ...] = ()
    _parent: Fields | None = None
    _name = ""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        if type(row) is RepairedObject:
            # A vendor chose the keys: escaped and cut, they are safe to print.
            self.unread = tuple(sorted(ascii(name)[1:-1][:100] for name in row.unread))
            self.unread = self.unread[:_MOST_UNREAD]

    def is_unread(self, name: str) -> bool:
        """Whether this field, which was read before, is present and could not be read."""
        return name in self.unread

    def leave_out(self, name: str) -> None:
        """Add a field to `unread`, such as one in a wrong form that only the author can see."""
        fields: Fields | None = self
        while fields is not None:
            if name not in fields.unread and len(fields.unread) < _MOST_UNREAD:
                fields.unread = (*fields.unread, name)
            name, fields = f"{fields._name}.{name}", fields._parent

    def required_text(self, name: str) -> str:
        """Read what identifies, such as an id. Raises `MalformedPayload` without a usable one."""
        value = self.row.get(name)
        if (
            type(value) is str
            and value.isascii()
            and value.isprintable()
            and value.strip(" .")
            and len(value) <= _LONGEST_ID
        ):
            return value
        if type(value) is not str or not value.strip():
            raise MalformedPayload(f"The field {name!r} is not a non-empty string", path=name)
        # Part of a replaced text was lost; the others change the meaning or path of a request.
        if (
            not value.isprintable()
            or value in (".", "..")
            or REPLACED in value
            or len(value) > _LONGEST_ID
        ):
            shown = value[:80].encode("unicode_escape").decode("ascii")
            raise MalformedPayload(f"The field {name!r} cannot be an id: '{shown}'", path=name)
        return value

    def text(self, name: str) -> str | None:
        """Read a string. An empty one is `None`, since vendors use it like null."""
        value = self.row.get(name)
        if type(value) is str:
            return value or None
        if value is not None:
            self.leave_out(name)
        return None

    def url(self, name: str) -> str | None:
        """Read a URL. One that is not complete, since a part was replaced, is unread."""
        value = self.row.get(name)
        if type(value) is str and REPLACED not in value:
            return value or None
        if value is not None:
            self.leave_out(name)
        return None

    def flag(self, name: str) -> bool | None:
        """Read true or false."""
        value = self.row.get(name)
        if type(value) is bool:
            return value
        if value is not None:
            self.leave_out(name)
        return None

    def object(self, name: str) -> Fields | None:
        """Read a JSON object. Its unread fields are added here too, after the name and a dot."""
        value = self.row.get(name)
        if isinstance(value, dict):
            return self.nest(value, name)
        if value is not None:
            self.leave_out(name)
        return None

    def nest(self, row: Mapping[str, Any], name: str) -> Fields:
        """Return the fields of an object inside this one, such as an element of an array."""
        fields = Fields(row)
        fields._parent, fields._name = self, name
        return fields

    def array(self, name: str) -> list[Any] | None:
        """Read a JSON array."""
        value = self.row.get(name)
        if type(value) is list:
            return value
        if value is not None:
            self.leave_out(name)
        return None

    def count(self, name: str, *, quoted: bool = False) -> int | None:
        """Read a whole number >= 0, such as bytes."""
        value = self.row.get(name)
        if quoted and type(value) is str and _match_whole(value):
            value = int(value)
        if type(value) is int and 0 <= value < _LARGEST:
            return value
        if value is not None:
            self.leave_out(name)
        return None

    def number(self, name: str, *, quoted: bool = False) -> Decimal | None:
        """Read a number; an empty string is `None` if numbers are in quotes."""
        value = self.row.get(name)
        if value is None or (quoted and value == ""):
            return None
        # Imported here: it takes as long to import as all of our models, and few vendors need it.
        from decimal import Decimal

        if type(value) is int:
            return Decimal(value)
        if type(value) is float and value - value == 0.0:
            return Decimal(repr(value))
        if quoted and type(value) is str and _match_decimal(value):
            return Decimal(value)
        self.leave_out(name)
        return None

    def seconds(self, name: str, *, quoted: bool = False) -> timedelta | None:
        """Read a duration >= 0 in seconds."""
        value = self.row.get(name)
        if value is None:
            return None
        kind = type(value)
        if (kind is int or kind is float) and 0 <= value <= _LONGEST:
            return _build_whole_seconds(value) if kind is int else timedelta(0, value)
        if quoted:
            return self._read_duration(name, 1, quoted)
        self.leave_out(name)
        return None

    def milliseconds(self, name: str, *, quoted: bool = False) -> timedelta | None:
        """Read a duration >= 0 in milliseconds."""
        value = self.row.get(name)
        # A float represents whole milliseconds exactly; decimal arithmetic takes three times as
        # long.
        if quoted and type(value) is str and _match_whole_ms(value):
            length = float(value)
            if length <= _LONGEST_MS:
                return timedelta(0, length / 1000)
        return self._read_duration(name, 1000, quoted)

    def _read_duration(self, name: str, per_second: int, quoted: bool) -> timedelta | None:
        number = self.number(name, quoted=quoted)
        if number is None:
            return None
        if 0 <= number <= _LONGEST * per_second:
            return timedelta(microseconds=int(number * (1_000_000 // per_second)))
        self.leave_out(name)
        return None

    def instant(
        self,
        name: str,
        *,
        epoch: Literal["seconds", "milliseconds"] | None = None,
        quoted: bool = False,
    ) -> datetime | None:
        """Read a time between the years 2000 and 2100, as an aware UTC datetime.

        Reads ISO 8601 with `T` or a space (without an offset it is UTC), and RFC 2822. With `epoch`
        it reads the number of these units since 1970 instead.
        """
        value = self.row.get(name)
        if value is None:
            return None
        if epoch is not None:
            # As in `milliseconds`, a float is exact and fast.
            if quoted and epoch == "milliseconds" and type(value) is str and _match_whole_ms(value):
                at = float(value)
                if _EARLIEST_MS <= at < _LATEST_MS:
                    return _from_timestamp(at / 1000, UTC)
            return self._read_epoch(name, 1 if epoch == "seconds" else 1000, quoted)
        try:
            moment = _from_iso(value)
            zone = moment.tzinfo
            if zone is not UTC:
                moment = moment.replace(tzinfo=UTC) if zone is None else moment.astimezone(UTC)
            # The length excludes a bare date, which fromisoformat reads as its midnight.
            if len(value) > 15 and _EARLIEST <= moment < _LATEST:
                return moment
        except (ValueError, TypeError, OverflowError):
            found = _read_rfc_2822(value)
            if found is not None or value == "":
                return found
        self.leave_out(name)
        return None

    def _read_epoch(self, name: str, per_second: int, quoted: bool) -> datetime | None:
        number = self.number(name, quoted=quoted)
        if number is None:
            return None
        # The lower bound rejects seconds in place of milliseconds, which would be times in 1970.
        if _EARLIEST_MS <= number * (1000 // per_second) < _LATEST_MS:
            return _EPOCH + timedelta(microseconds=int(number * (1_000_000 // per_second)))
        self.leave_out(name)
        return None

    def target(self, kind: SessionKind, name: str) -> CommunicationSession | None:
        """Read the id of the session that was recorded."""
        value = self.text(name)
        if value is None:
            return None
        found = build_target(kind, value) if len(value) <= _LONGEST_ID else None
        if found is None:
            self.leave_out(name)
        return found


@functools.lru_cache(maxsize=4096)
def build_target(kind: SessionKind, value: str) -> CommunicationSession | None:
    """Build a target from a vendor's id; `None` if no request can carry the id.

    Cached, since the same ids repeat.
    """
    try:
        return None if REPLACED in value else CommunicationSession(kind, value)
    except ValueError:
        return None


def find_status(word: str | None, table: Mapping[str, RecordingStatus]) -> RecordingStatus:
    """Find the status for a vendor's word by a table; `UNKNOWN` for a word that is not in it."""
    return table.get(word, RecordingStatus.UNKNOWN) if word is not None else RecordingStatus.UNKNOWN


def _read_rfc_2822(value: Any) -> datetime | None:
    """Read a time such as `Wed, 02 Sep 2026 10:00:00 +0000`; without an offset it is UTC."""
    found = re.fullmatch(_RFC_2822, value, re.ASCII) if type(value) is str else None
    if found is None:
        return None
    day, month, year, clock, zone = found.groups()
    try:
        if zone == "+0000" and month in _MONTHS and clock[2] == ":":
            # What vendors send, in a tenth of the time.
            moment = _from_iso(f"{year}-{_MONTHS[month]}-{day:0>2}T{clock}+00:00")
        else:
            from email.utils import parsedate_to_datetime

            moment = parsedate_to_datetime(value)
            if moment.tzinfo is None and zone != "-0000":
                return None  # a name that this parser does not have, such as CET
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


#: Cached, since durations in whole seconds repeat: a look-up takes a fifth of the time.
_build_whole_seconds = functools.lru_cache(maxsize=4096)(functools.partial(timedelta, 0))

_from_iso = datetime.fromisoformat
_from_timestamp = datetime.fromtimestamp
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
#: Floats, since a float is compared fastest with floats.
_EARLIEST_MS, _LATEST_MS = (each.timestamp() * 1000 for each in (_EARLIEST, _LATEST))
