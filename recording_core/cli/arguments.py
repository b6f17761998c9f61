"""Arguments: types of arguments such as `1h30m` and `conference:standup`.

An argument that cannot be parsed ends the command with exit code 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click

import recording_core as rec
from recording_core.plugins import registry as plugins

#: unit -> its length in seconds
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])", re.ASCII)


class ParsedType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2
    """A type of arguments, and the function that parses their text or raises `BadParameter`."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return self._parse(value) if isinstance(value, str) else value


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
    raise click.BadParameter(f"{text!r} is not a duration such as 45s, 30m, 1h30m or 90d.")


def _parse_time(text: str) -> datetime:
    """Parse a duration before now, or ISO 8601, in UTC if it has no offset."""
    try:
        ago = _find_duration(text)
        found = datetime.now(UTC) - ago if ago else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is not a time such as 90d (90 days ago), 2026-01-31 or 2026-01-31T12:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


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
TIME = ParsedType("time", _parse_time)
TARGET = ParsedType("kind:id", _parse_target)
EXTRA = ParsedType("key=json", _parse_extra)
PROVIDER = ParsedType("provider", _parse_provider)


@contextmanager
def raise_usage_errors() -> Iterator[None]:
    """Convert a `ValueError`, which is raised before any request is sent, to a usage error."""
    try:
        yield
    except rec.RecordingError:
        raise  # ConfigurationError is also a ValueError
    except ValueError as error:
        raise click.UsageError(str(error)) from None
