"""Compare: what two vendors support, and what a move from one to the other would lose or gain.

Computed from the declarations of the plugins and clients, so it works for any two providers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from recording_core.errors import PluginError
from recording_core.model.capabilities import Operation
from recording_core.model.enums import SessionKind
from recording_core.plugins import registry as plugins
from recording_core.provider.provider import Provider

_Ability = tuple[SessionKind | None, str, str]
_ASPECTS = ("target", "operation", "parameter", "format", "listing")


@frozen
class Difference:
    """One thing that either vendor supports, for one kind of session.

    `aspect` is `target` (the kind can be recorded), `operation`, `parameter` (of `start`), `format`
    (a value of `format=`) or `listing` (what cannot be listed; here True is the disadvantage).
    """

    kind: SessionKind | None
    aspect: str
    what: str
    here: bool
    there: bool

    @property
    def lost(self) -> bool:
        """Whether a move from the first to the second vendor would lose it."""
        good, bad = (self.there, self.here) if self.aspect == "listing" else (self.here, self.there)
        return good and not bad

    @property
    def gained(self) -> bool:
        """Whether a move from the first to the second vendor would gain it."""
        return self.here is not self.there and not self.lost


def compare(here: str, there: str) -> tuple[Difference, ...]:
    """Compare everything that either of two providers supports, without connecting to them.

    Raises `PluginError` for a provider that is not installed or is broken.
    """
    first, second = set(_find_abilities(here)), set(_find_abilities(there))
    return tuple(
        Difference(*each, each in first, each in second)
        for each in sorted(first | second, key=_build_sort_key)
    )


def _build_sort_key(ability: _Ability) -> tuple[int, int, int, str]:
    kind, aspect, what = ability
    position = list(Operation).index(Operation(what)) if aspect == "operation" else 0
    return [*SessionKind, None].index(kind), _ASPECTS.index(aspect), position, what


def _find_abilities(name: str) -> Iterator[_Ability]:
    info = plugins.get_provider_info(name)
    client = plugins.load_object(info, "client")
    if not (isinstance(client, type) and issubclass(client, Provider)):
        raise PluginError(
            f"Provider {name!r} names {info.client} as its client, which is not a Provider."
        )
    for kind, operation in info:
        yield kind, "target", kind.value
        yield kind, "operation", operation.value
    for kind, parameters in client.start_parameters.items():
        yield from ((kind, "parameter", each) for each in parameters)
        formats = parameters.get("format") if isinstance(parameters, Mapping) else None
        yield from ((kind, "format", each) for each in (formats.values if formats else ()))
    for words in client.not_listable:
        yield None, "listing", words
