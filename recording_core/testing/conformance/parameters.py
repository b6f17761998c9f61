"""Parameters: values of the parameters of `start` inside and outside the declared bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from recording_core import Provider, SessionKind
from recording_core.provider.start_request import START_PARAMETERS, Bounds

#: Another value than the example, of a parameter without bounds.
_OTHERS: Mapping[str, Any] = {
    "format": "mp3",
    "max_duration": timedelta(hours=2),
    "channels": 2,
    "title": "another title",
    "callback_url": "https://example.com/another-hook",
}


def build_bounds(provider: Provider, kind: SessionKind) -> Mapping[str, Bounds]:
    """Return the bounds of each start parameter of a kind; a plain set of names has none."""
    supported = provider.start_parameters.get(kind, {})
    return supported if isinstance(supported, Mapping) else dict.fromkeys(supported, Bounds())


def find_values(name: str, bounds: Bounds, *, more: bool = False) -> list[Any]:
    """Return each value in, or at, the bounds of a parameter; with `more` also some between."""
    if name == "participant":
        if bounds.values:
            return [(each,) for each in bounds.values]
        return [build_ids(bounds.most or 1), *([("another-participant",)] if more else [])]
    found = [each for each in (*bounds.values, bounds.least, bounds.most) if each is not None]
    examples = [START_PARAMETERS[name].example]
    if more:
        examples += [_OTHERS[name]] if name in _OTHERS else []
    if not found or (more and not bounds.values):
        found += [each for each in examples if is_within(each, bounds)]
    return list(dict.fromkeys(found))


def is_within(value: Any, bounds: Bounds) -> bool:
    """Whether a value is inside the smallest and the largest value."""
    return (bounds.least is None or value >= bounds.least) and (
        bounds.most is None or value <= bounds.most
    )


def find_values_beyond(name: str, bounds: Bounds) -> Iterator[Any]:
    """Yield values outside the bounds of a parameter."""
    step: Any = timedelta(seconds=1) if name == "max_duration" else 1
    if name == "participant":
        if bounds.most is not None:
            yield build_ids(bounds.most + 1)
    else:
        if bounds.least is not None:
            yield bounds.least - step
        if bounds.most is not None:
            yield bounds.most + step
    if bounds.values:
        yield max(bounds.values) + 1 if name == "channels" else "no-such-word"


def build_ids(count: int) -> tuple[str, ...]:
    """Build ids of participants."""
    return tuple(f"participant-{number}" for number in range(count))
