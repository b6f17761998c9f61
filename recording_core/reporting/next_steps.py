"""Next steps: the command that lists the recordings of a count, or that examines an account."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from recording_core.model.entities import CommunicationSession
from recording_core.reporting.window import ReportWindow

#: measure -> the options of `recordings list` that select the same recordings
_OPTIONS = {
    "failed": ("--failed",),
    "expiring": ("--expiring",),
    "unknown": ("--status", "unknown"),
    "without_media": ("--no-media",),
    "empty": ("--status", "empty"),
}


def build_command(
    window: ReportWindow,
    expiring: timedelta,
    name: str,
    recordings: Iterable[Mapping[str, Any]],
) -> str:
    """Build the command that lists the recordings of a count, today and at the vendors."""
    words = ["recordings", "list"]
    accounts = {(each["provider"], each["account"]) for each in recordings}
    if len(accounts) == 1:
        provider, account = accounts.pop()
        words += [provider, "--account", account]
    words += _OPTIONS[name]
    if name == "expiring":
        words.append(_format_duration(expiring))
    for option, time in (("--since", window.since), ("--until", window.until)):
        if time is not None:
            words += [option, _format_instant(time)]
    return shlex.join(words)


def build_lookup(provider: str, account: str | None, session: CommunicationSession) -> str:
    """Build the command that lists the recordings of one session."""
    words = ["recordings", "list", provider, *(("--account", account) if account else ())]
    return shlex.join([*words, "--target", str(session)])


def build_examination(provider: str, account: str) -> str:
    """Build the command that checks the credentials and the connection of an account."""
    return shlex.join(["recordings", "doctor", provider, "--account", account])


def _format_duration(duration: timedelta) -> str:
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if duration and not duration % length:
            return f"{duration // length}{unit}"
    return f"{round(duration.total_seconds())}s"


def _format_instant(time: datetime) -> str:
    text = time.astimezone(UTC).isoformat().removesuffix("+00:00")
    return f"{text}Z".replace("T00:00:00Z", "T00:00Z")
