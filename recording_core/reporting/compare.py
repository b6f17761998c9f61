"""What can each of two vendors do, and what would be lost by moving from one to the other?

From what their plugins declare and their clients can say, so that it holds for any two providers.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from recording_core.errors import PluginError
from recording_core.model.capabilities import Operation
from recording_core.model.enums import SessionKind
from recording_core.plugins import registry as plugins
from recording_core.provider.provider import Provider

__all__ = ["Difference", "compare"]


@frozen
class Difference:
    """One thing that either vendor can do, for one kind of session.

    `aspect` is `target` (it can be recorded at all), `operation`, `parameter` (of `start`),
    `format` (a word of `format=`) or `listing` (what cannot be listed: less is more there).
    """

    kind: SessionKind | None
    aspect: str
    what: str
    here: bool
    there: bool

    @property
    def lost(self) -> bool:
        """By moving from the first to the second."""
        good, bad = (self.there, self.here) if self.aspect == "listing" else (self.here, self.there)
        return good and not bad

    @property
    def won(self) -> bool:
        return self.here is not self.there and not self.lost


def compare(here: str, there: str) -> tuple[Difference, ...]:
    """Everything that one of two providers can do, and whether the other can. Connects to none.

    Raises `PluginError` for a provider that is not installed or broken.
    """
    ours, theirs = set(_abilities(here)), set(_abilities(there))
    order = [*SessionKind, None]
    aspects = ["target", "operation", "parameter", "format", "listing"]
    operations = [each.value for each in Operation]
    found = [
        Difference(kind, aspect, what, (kind, aspect, what) in ours, (kind, aspect, what) in theirs)
        for kind, aspect, what in ours | theirs
    ]
    return tuple(
        sorted(
            found,
            key=lambda each: (
                order.index(each.kind),
                aspects.index(each.aspect),
                operations.index(each.what) if each.what in operations else 0,
                each.what,
            ),
        )
    )


def _abilities(name: str) -> Iterator[tuple[SessionKind | None, str, str]]:
    info = plugins.provider_info(name)
    client = plugins.load_object(info, "client")
    if not (isinstance(client, type) and issubclass(client, Provider)):
        raise PluginError(f"provider {name!r} names {info.client} as its client: no Provider")
    for kind in dict.fromkeys(kind for kind, _ in info):
        yield kind, "target", kind.value
    for kind, operation in info:
        yield kind, "operation", operation.value
    for kind, parameters in client.start_parameters.items():
        for parameter in parameters:
            yield kind, "parameter", parameter
    for kind, formats in client.formats.items():
        for each in formats:
            yield kind, "format", each
    for words in client.not_listable:
        yield None, "listing", words
