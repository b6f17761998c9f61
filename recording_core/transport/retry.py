"""Retry: which requests are sent again, and when."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum


class RetryPolicy(Enum):
    """Under which conditions a request may be sent again."""

    #: never, and on a connection of its own; for a start
    NEVER = "never"
    #: if the vendor did not process it (429) or nothing was sent; for a POST that has an effect
    IF_NOT_PROCESSED = "if_not_processed"
    #: after any fault that may pass; for reads and for what has the same effect twice as once
    IDEMPOTENT = "idempotent"


#: HTTP statuses after which a later attempt may succeed.
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

#: Seconds before the second attempt at most, and before any attempt at most.
_FIRST_DELAY, _MAX_DELAY = 0.5, 8.0
_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?", re.ASCII)
#: The longest Retry-After that is returned; a vendor that sends more means "not today".
_MAX_RETRY_AFTER = timedelta(days=365)


def compute_backoff(attempt: int) -> float:
    """Compute the seconds to wait after an attempt (0 is the first): full jitter at each step."""
    return random.uniform(0.0, min(_MAX_DELAY, _FIRST_DELAY * 2.0 ** min(attempt, 10)))


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Parse the Retry-After header (RFC 9110, 10.2.3): seconds or an HTTP date.

    Returns None for a missing or malformed header. Fractions of a second are read, a past or
    negative value is 0, and a value of more than a year is a year.
    """
    if value is None:
        return None
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return timedelta(seconds=min(max(float(value), 0.0), _MAX_RETRY_AFTER.total_seconds()))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), _MAX_RETRY_AFTER)
