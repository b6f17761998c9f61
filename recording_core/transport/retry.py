"""When is a request sent again, and after how long? Never a start; never beyond the deadline."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum

__all__ = ["RETRIED_STATUSES", "RetryPolicy", "backoff", "retry_after"]


class RetryPolicy(Enum):
    """What may be sent again."""

    #: a start: whatever happens, once
    NEVER = "never"
    #: a POST with an effect: when the vendor refused it (429), or nothing was sent
    IF_NOT_PROCESSED = "if_not_processed"
    #: reading, and what has the same effect twice as once
    IDEMPOTENT = "idempotent"


#: What a later attempt may cure.
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

_FIRST, _CAP = 0.5, 8.0
_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?", re.ASCII)
#: The longest wish that is passed on: beyond it a vendor means "not today".
_LONGEST = timedelta(days=365)


def backoff(attempt: int) -> float:
    """Seconds before the attempt after this one (0 is the first): full jitter, also at the cap."""
    return random.uniform(0.0, min(_CAP, _FIRST * 2.0 ** min(attempt, 10)))


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """`Retry-After` (RFC 9110, 10.2.3): seconds or an HTTP date. None for none and for garbage.

    Fractions are read, the past and negatives are 0, and what lies beyond a year is a year.
    """
    if value is None:
        return None
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return timedelta(seconds=min(max(float(value), 0.0), _LONGEST.total_seconds()))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), _LONGEST)
