"""Word tables: the vendor's words in the modules of a provider's package, and what they mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from recording_core import EventKind, Provider, RecordingStatus
from recording_core.plugin import KnownEvent


def find_status_words(provider: Provider) -> dict[str, frozenset[RecordingStatus]]:
    """Find the words of the tables of statuses: mappings from texts to `RecordingStatus`.

    Several tables may have the same word, each with a status of its own.
    """
    found: dict[str, set[RecordingStatus]] = {}
    for table in _find_tables(type(provider)):
        if all(isinstance(value, RecordingStatus) for value in table.values()):
            for word, status in table.items():
                found.setdefault(word, set()).add(status)
    return {word: frozenset(statuses) for word, statuses in found.items()}


def find_event_tables(provider: Provider) -> list[Mapping[str, Any]]:
    """Find the tables of statuses and events."""
    tables = _find_tables(type(provider))
    return [each for each in tables if all(map(_is_meaning, each.values()))]


def _is_meaning(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_is_meaning, value))
    return isinstance(value, RecordingStatus | EventKind | KnownEvent)


def _find_tables(client: type) -> Iterator[Mapping[str, Any]]:
    """Find the mappings from texts of the package's modules and classes, without its emulator."""
    package = client.__module__.partition(".")[0]
    for name, module in list(sys.modules.items()):
        is_own = name == package or name.startswith(f"{package}.")
        if not is_own or "emulator" in name.split("."):
            continue
        values = list(vars(module).values())
        classes = [each for each in values if isinstance(each, type) and each.__module__ == name]
        for value in [*values, *(each for owner in classes for each in vars(owner).values())]:
            if isinstance(value, Mapping) and value and all(isinstance(k, str) for k in value):
                yield value
