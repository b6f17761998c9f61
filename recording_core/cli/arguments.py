"""How is what was typed read? `1h30m`, `90d`, `conference:standup`; anything else ends with 2."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

import recording_core as rec
from recording_core.plugins import registry as plugins

__all__ = [
    "DURATION",
    "EXTRA",
    "KIND",
    "MOMENT",
    "PROVIDER",
    "TARGET",
    "Where",
    "where_options",
    "wrong_call",
]

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic since click 8.2

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])", re.ASCII)


def _duration(text: str) -> timedelta | None:
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    try:
        whole = sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta(0))
    except OverflowError:
        return None
    return whole or None


class DurationType(_ParamType):
    """A length of time, such as `45s`, `1h30m`, `90d`."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        found = value if isinstance(value, timedelta) else _duration(value)
        if found is None:
            self.fail(f"{value!r} is no length of time; say 45s, 30m, 1h30m or 90d", param, ctx)
        return found


class MomentType(_ParamType):
    """A point in time: so long ago, or ISO 8601; UTC where it names no offset."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            ago = _duration(value)
            found = datetime.now(UTC) - ago if ago else datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time; say 90d (ago), 2026-01-31 or 2026-01-31T12:00Z", param, ctx
            )
        return found if found.tzinfo else found.replace(tzinfo=UTC)


class TargetType(_ParamType):
    """What is recorded, such as `conference:standup`."""

    name = "kind:id"

    def convert(self, value: Any, param: Any, ctx: Any) -> rec.CommunicationSession:
        if isinstance(value, rec.CommunicationSession):
            return value
        kind, _, its_id = value.partition(":")
        if kind not in set(rec.SessionKind):
            self.fail(f"{value!r} names no kind; say {_kinds_with_id()}", param, ctx)
        with wrong_call():
            return rec.CommunicationSession(rec.SessionKind(kind), its_id)


class ExtraType(_ParamType):
    """A parameter that goes to the vendor as it is: a name, and JSON."""

    name = "key=json"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        try:
            if key and equals:
                return key, json.loads(text)
        except ValueError:
            pass
        self.fail(f"""{value!r} is no KEY=JSON; a text needs quotes: 'key="text"'""", param, ctx)


class ProviderType(_ParamType):
    """The name of an installed provider, also of a broken one: that tells why it is."""

    name = "provider"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        found = plugins.load_registry()
        if value not in found.providers and value not in found.broken:
            installed = ", ".join(found.providers) or "none"
            self.fail(f"no provider is named {value!r}; installed are: {installed}", param, ctx)
        return str(value)


def _kinds_with_id() -> str:
    return " or ".join(f"{kind}:ID" for kind in rec.SessionKind)


DURATION = DurationType()
MOMENT = MomentType()
TARGET = TargetType()
EXTRA = ExtraType()
PROVIDER = ProviderType()
KIND = click.Choice([kind.value for kind in rec.SessionKind])


@contextmanager
def wrong_call() -> Iterator[None]:
    """What the library refuses before it sends anything is the caller's to mend."""
    try:
        yield
    except rec.RecordingError:
        raise  # a ConfigurationError is a ValueError, too
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@frozen
class Where:
    """Which account of a vendor, at which address, and how patiently."""

    account: str | None = None
    base_url: str | None = None
    timeout: timedelta | None = None

    def connect(self, provider: str, *, account: str | None = None, **http: Any) -> rec.Provider:
        """`account` is whose the data is, unless the caller named another."""
        if self.timeout is not None:
            http["total_timeout"] = self.timeout.total_seconds()
        return rec.connect(
            provider,
            account=self.account or account or "default",
            base_url=self.base_url,
            http=rec.HttpSettings(**http),
        )


def where_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--account`, `--base-url` and `--timeout`, and hands them over as `where`."""

    @click.option("--account", metavar="NAME", help="The word for this account in what is shown.")
    @click.option("--base-url", metavar="URL", help="Another address of the vendor's API.")
    @click.option(
        "--timeout", type=DURATION, help="For one exchange with its repeats.  [default: 60s]"
    )
    @functools.wraps(command)
    def packed(
        *args: Any,
        account: str | None,
        base_url: str | None,
        timeout: timedelta | None,
        **options: Any,
    ) -> None:
        command(*args, where=Where(account, base_url, timeout), **options)

    return packed
