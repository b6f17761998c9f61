"""Arguments: types of arguments such as `1h30m` and `conference:standup`.

An argument that cannot be parsed ends the command with exit code 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

import click

import recording_core as rec
from recording_core.plugins import registry as plugins

#: unit -> its length in seconds
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|min|[smhdw])", re.ASCII)
_MINUTES_OR_MONTHS = re.compile(r"([0-9]+)(?:\.[0-9]+)?m", re.ASCII)
#: The days that have a name: how long ago they began
_DAYS = {"today": timedelta(0), "yesterday": timedelta(days=1)}


class ParsedType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A type of arguments, and the function that parses their text or raises `BadParameter`.

    `list_values` lists what a shell completes.
    """

    def __init__(
        self,
        name: str,
        parse: Callable[[str], Any],
        list_values: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.name = name
        self._parse = parse
        self._list_values = list_values

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return self._parse(value) if isinstance(value, str) else value

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> Any:
        from click.shell_completion import CompletionItem

        return [CompletionItem(each) for each in self._list_values() if each.startswith(incomplete)]


class TimeType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A time, whose days and times without an offset are in the zone of the option `--tz`."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        zone = find_zone(ctx.params.get("tz") or "UTC") if ctx is not None else UTC
        return _parse_time(value, zone) if isinstance(value, str) else value


def _find_duration(text: str) -> timedelta | None:
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        return None
    try:
        return timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts)) or None
    except OverflowError:
        return None


def _parse_duration(text: str) -> timedelta:
    if found := _find_duration(text):
        return found
    raise click.BadParameter(f"{text!r} is not a duration such as 45s, 30min, 1h30m or 90d.")


def _check_unit(text: str) -> None:
    """Raise `BadParameter` for a number of `m`, of which both minutes and months make sense."""
    if found := _MINUTES_OR_MONTHS.fullmatch(text):
        number = found[0].removesuffix("m")
        raise click.BadParameter(
            f"{text!r} may mean minutes or months: write {number}min for minutes, or days, such as "
            f"{max(int(found[1]), 1) * 30}d."
        )


def _parse_period(text: str) -> timedelta:
    _check_unit(text)
    return _parse_duration(text)


def _parse_time(text: str, zone: tzinfo) -> datetime:
    """Parse a duration before now, the name of a day, or ISO 8601, in a zone without an offset."""
    _check_unit(text)
    try:
        if ago := _find_duration(text):
            return datetime.now(UTC) - ago
        if (days := _DAYS.get(text.lower())) is not None:
            found = datetime.combine((datetime.now(zone) - days).date(), time())
        else:
            found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is not a time such as 90d (90 days ago), today, yesterday, 2026-01-31 or "
            "2026-01-31T12:00Z."
        ) from None


def find_zone(name: str) -> tzinfo:
    """Find a time zone by its name; raises `BadParameter` if there is none."""
    if name == "UTC":
        return UTC
    from recording_core.reporting.window import ReportWindow

    try:
        return ReportWindow(None, None, name, datetime.now(UTC)).zone
    except rec.ConfigurationError as error:
        raise click.BadParameter(str(error)) from None


def _parse_zone(text: str) -> str:
    find_zone(text)
    return text


def _parse_target(text: str) -> rec.CommunicationSession:
    kind, _, target_id = text.partition(":")
    if kind not in set(rec.SessionKind):
        forms = " or ".join(f"{each}:ID" for each in rec.SessionKind)
        raise click.BadParameter(f"{text!r} does not have the form {forms}.")
    return build_target(kind, target_id)


def _parse_extra(text: str) -> tuple[str, Any]:
    """Parse the name and JSON value of a field of the vendor's request."""
    key, equals, value = text.partition("=")
    try:
        if key and equals:
            return key, json.loads(value)
    except ValueError:
        pass
    raise click.BadParameter(
        f"""{text!r} is not KEY=JSON; put a string in double quotes: 'key="text"'."""
    )


def _parse_provider(text: str) -> str:
    """Check the name of an installed provider, or of a broken one, whose use reports its error."""
    found = plugins.load_registry()
    if text not in found.providers and text not in found.broken:
        installed = ", ".join(found.providers) or "none"
        raise click.BadParameter(
            f"No provider named {text!r} is installed (installed: {installed})."
        )
    return text


def build_target(kind: str, id: str) -> rec.CommunicationSession:
    """Build a target; raises `UsageError` if the id is not valid."""
    with raise_usage_errors():
        return rec.CommunicationSession(rec.SessionKind(kind), id)


DURATION = ParsedType("duration", _parse_duration)
#: A duration of which a person may think in months.
PERIOD = ParsedType("duration", _parse_period)
TIME = TimeType()
ZONE = ParsedType("zone", _parse_zone)
TARGET = ParsedType("kind:id", _parse_target)
EXTRA = ParsedType("key=json", _parse_extra)
PROVIDER = ParsedType("provider", _parse_provider, plugins.providers)


@contextmanager
def raise_usage_errors() -> Iterator[None]:
    """Convert a `ValueError`, which is raised before any request is sent, to a usage error."""
    try:
        yield
    except rec.RecordingError:
        raise  # ConfigurationError is also a ValueError
    except ValueError as error:
        raise click.UsageError(str(error)) from None
