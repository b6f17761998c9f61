"""Window: the time that a report covers, and its time zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from attrs import frozen

from recording_core.clock import SystemClock
from recording_core.errors import ConfigurationError
from recording_core.provider.validation import check_time


@frozen
class ReportWindow:
    """The window of a report: `[since, until)` by `created_at`, else `started_at`.

    None is unbounded. `tz` is the time zone of hours, days, weeks and months; `now` is the time of
    the report.
    """

    since: datetime | None
    until: datetime | None
    tz: str
    now: datetime

    @property
    def zone(self) -> tzinfo:
        """The time zone `tz`. Raises `ConfigurationError` if no zone has that name."""
        if self.tz == "UTC":
            return UTC  # also without time zone data
        try:
            return ZoneInfo(self.tz)
        except (OSError, ValueError, LookupError, TypeError):
            check_zone_data()
            raise ConfigurationError(
                f"no time zone is named {self.tz!r}: give an IANA name, such as Europe/Berlin, "
                "America/New_York or UTC"
            ) from None


def check_zone_data() -> None:
    """Raise `ConfigurationError` if this machine has no time zone data, as Windows has none."""
    if not available_timezones():
        raise ConfigurationError(
            "this machine has no time zone data, so that UTC is the only zone: pip install tzdata"
        )


def build_window(
    since: datetime | None, until: datetime | None, tz: str, now: datetime | None = None
) -> ReportWindow:
    """Build a window; `now` is by default the current time.

    Raises `ConfigurationError` for an empty window and an unknown zone, and `ValueError` for a time
    without a zone.
    """
    now = check_time(now, "now") or SystemClock().now()
    window = ReportWindow(check_time(since, "since"), check_time(until, "until"), tz, now)
    if since is not None and until is not None and since >= until:
        raise ConfigurationError(
            f"since ({since.isoformat()}) is not before until ({until.isoformat()}), so the "
            "window is empty: give an earlier since or a later until."
        )
    window.zone  # noqa: B018  # raises if there is no such zone
    return window
