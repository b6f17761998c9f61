"""Named faults: failures of vendors that users report, which an emulator shows on demand."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import attrs
from attrs import define, evolve, field
from attrs.validators import gt, instance_of, le, min_len, not_, optional

from recording_core.testing.emulator.server import Reply, Request

#: Python's `bool` is an `int`.
_NO_BOOL: Any = not_(instance_of(bool))
_NUMBER = re.compile(r"-?\d{1,12}(\.\d+)?")
_ERROR_PAGE = (
    b"<html><head><title>503 Service Temporarily Unavailable</title></head>"
    b"<body><h1>503 Service Temporarily Unavailable</h1></body></html>"
)


class Vendor(Protocol):
    """The part of an emulator that the faults read."""

    def list_ids(self) -> list[str]: ...
    def build_error(self, status: int) -> Reply: ...


def _build_count(default: int | None) -> Any:
    return field(default=default, validator=optional([instance_of(int), _NO_BOOL, gt(0)]))


def _build_seconds(default: float) -> Any:
    return field(default=default, validator=[instance_of((int, float)), _NO_BOOL, gt(0), le(3600)])


@define(kw_only=True)
class NamedFault:
    """A failure with its figures, the public fields. A count of `None` has no end.

    Each method is called with the emulator's lock held.
    """

    name: ClassVar[str]

    def replace_reply(self, vendor: Vendor) -> Reply | None:
        """Return a reply of the API in place of the vendor's, which does not see the request."""
        return None

    def change_reply(self, vendor: Vendor, request: Request, port: str, reply: Reply) -> Reply:
        """Return what is sent in place of a successful reply to a GET."""
        return reply

    def count_deliveries(self, id: str) -> int:
        """Return how often an event of a recording is delivered."""
        return 1


@define(kw_only=True)
class _CountedFault(NamedFault):
    """A fault that ends after `count` times."""

    count: int | None
    _times: int = field(default=0, init=False)

    def _is_next(self) -> bool:
        """Count one time, and return whether it belongs to the fault."""
        self._times += 1
        return self.count is None or self._times <= self.count


@define(kw_only=True)
class SlowMedia(_CountedFault):
    """The first half of a file arrives, then nothing for `seconds`, then the rest."""

    name = "slow-media"
    count: int | None = _build_count(None)
    seconds: float = _build_seconds(6.0)

    def change_reply(self, vendor: Vendor, request: Request, port: str, reply: Reply) -> Reply:
        if port != "media" or not reply.body or not self._is_next():
            return reply
        return evolve(reply, stall="middle", stall_seconds=float(self.seconds))


@define(kw_only=True)
class Late404(NamedFault):
    """Each file of a finished recording answers 404 to the first `count` requests for it."""

    name = "late-404"
    count: int = field(default=2, validator=[instance_of(int), _NO_BOOL, gt(0)])
    _times: Counter[str] = field(factory=Counter, init=False)

    def change_reply(self, vendor: Vendor, request: Request, port: str, reply: Reply) -> Reply:
        if port != "media":
            return reply
        self._times[request.path] += 1
        return vendor.build_error(404) if self._times[request.path] <= self.count else reply


@define(kw_only=True)
class Storm429(_CountedFault):
    """The next `count` requests to the API are refused with 429 and `Retry-After: seconds`."""

    name = "429-storm"
    count: int | None = _build_count(3)
    seconds: float = _build_seconds(1)

    def replace_reply(self, vendor: Vendor) -> Reply | None:
        if not self._is_next():
            return None
        return vendor.build_error(429).with_headers(retry_after=str(math.ceil(self.seconds)))


@define(kw_only=True)
class ErrorPageAsAudio(_CountedFault):
    """The next `count` files are an HTML page, with HTTP 200 and the file's own Content-Type."""

    name = "error-page-as-audio"
    count: int | None = _build_count(1)

    def change_reply(self, vendor: Vendor, request: Request, port: str, reply: Reply) -> Reply:
        if port != "media" or reply.status not in (200, 206) or not self._is_next():
            return reply
        kept = {key: each for key, each in reply.headers.items() if key.lower() == "content-type"}
        return Reply(200, _ERROR_PAGE, kept)


@define(kw_only=True)
class WebhookLost(NamedFault):
    """The later events of the next `count` recordings are never delivered."""

    name = "webhook-lost"
    copies: ClassVar[int] = 0
    count: int | None = _build_count(1)
    _ids: set[str] = field(factory=set, init=False)

    def count_deliveries(self, id: str) -> int:
        if self.count is None or len(self._ids) < self.count:
            self._ids.add(id)
        return self.copies if id in self._ids else 1


@define(kw_only=True)
class WebhookTwice(WebhookLost):
    """Each later event of the next `count` recordings is delivered twice."""

    name = "webhook-twice"
    copies = 2
    count: int | None = _build_count(None)


@define(kw_only=True)
class OddField(_CountedFault):
    """One field of each recording's row has a wrong type, in the next `count` answers with rows.

    Without `field` it is a duration, or else another number, never an id or a URL. The rows have
    `values` in turn.
    """

    name = "odd-field"
    count: int | None = _build_count(None)
    field: str | None = attrs.field(default=None, validator=optional(instance_of(str)))
    values: Sequence[Any] = attrs.field(
        default=(None, {"value": "odd"}), validator=[instance_of((list, tuple)), min_len(1)]
    )

    def change_reply(self, vendor: Vendor, request: Request, port: str, reply: Reply) -> Reply:
        is_json = reply.headers.get("Content-Type", "").startswith("application/json")
        if port == "media" or not is_json or not reply.body:
            return reply
        payload, ids = json.loads(reply.body), set(vendor.list_ids())
        rows = list(_find_rows(payload, ids))
        if not rows or not self._is_next():
            return reply
        for index, row in enumerate(rows):
            names = [self.field] if self.field is not None else _find_odd_names(row, ids)
            if names:
                row[names[index % len(names)]] = self.values[index % len(self.values)]
        return evolve(reply, body=json.dumps(payload).encode())


def _find_rows(payload: Any, ids: set[str]) -> Iterator[dict[str, Any]]:
    """Find the objects that hold the id of a recording, at any depth."""
    if isinstance(payload, dict):
        if any(isinstance(each, str | int) and str(each) in ids for each in payload.values()):
            yield payload
            return
        payload = list(payload.values())
    if isinstance(payload, list):
        for each in payload:
            yield from _find_rows(each, ids)


def _find_odd_names(row: Mapping[str, Any], ids: set[str]) -> list[str]:
    """Find the fields of durations, or else of numbers, or else of texts that are no id or URL."""
    scalars = {key: str(each) for key, each in row.items() if isinstance(each, str | int | float)}
    texts = [key for key, each in scalars.items() if each not in ids and "://" not in each]
    numbers = [key for key in texts if _NUMBER.fullmatch(scalars[key])]
    durations = [key for key in numbers if "duration" in key.lower()]
    return durations or numbers or texts


#: By their names.
NAMED_FAULTS: Mapping[str, type[NamedFault]] = {
    each.name: each
    for each in (
        *(SlowMedia, Late404, Storm429, ErrorPageAsAudio),
        *(WebhookLost, WebhookTwice, OddField),
    )
}


class NamedFaults:
    """The named faults that one emulator shows, in the order in which they were injected."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._active: list[NamedFault] = []

    def inject(self, name: str, /, **figures: Any) -> None:
        """Show a fault from now on. One of the same name is replaced.

        Raises `ValueError` for an unknown name or figure, and for a figure out of its bounds.
        """
        if name not in NAMED_FAULTS:
            raise ValueError(
                f"no fault is named {name!r}; the faults are {', '.join(NAMED_FAULTS)}"
            )
        kind = NAMED_FAULTS[name]
        known = list_figures(kind)
        if unknown := sorted(set(figures) - set(known)):
            raise ValueError(
                f"{name} has no figure {', '.join(unknown)}; its figures are {', '.join(known)}"
            )
        try:
            fault = kind(**figures)
        except (TypeError, ValueError):
            given = ", ".join(f"{key}={value!r}" for key, value in figures.items())
            raise ValueError(
                f"{name} cannot have {given}: a count is a whole number above 0, seconds are "
                "above 0 and at most 3600, a field is a text, and values are a list"
            ) from None
        self._active = [each for each in self._active if each.name != name] + [fault]

    def clear(self) -> None:
        """Show no fault any more."""
        self._active.clear()

    def list_names(self) -> list[str]:
        """Return the names of the faults that were injected and not cleared."""
        return [each.name for each in self._active]

    def replace_reply(self) -> Reply | None:
        """Return the reply to an API request in place of the vendor's, or None."""
        replies = (each.replace_reply(self._vendor) for each in self._active)
        return next((each for each in replies if each is not None), None)

    def change_reply(self, request: Request, port: str, reply: Reply) -> Reply:
        """Return what is sent in place of the vendor's reply."""
        for fault in self._active:
            if request.method == "GET" and reply.status < 400:
                reply = fault.change_reply(self._vendor, request, port, reply)
        return reply

    def count_deliveries(self, id: str) -> int:
        """Return how often an event of a recording is delivered, 0 for never."""
        counts: Iterable[int] = [each.count_deliveries(id) for each in self._active]
        return math.prod(counts)


def list_figures(kind: type[NamedFault]) -> dict[str, Any]:
    """Return the figures of a fault with their defaults."""
    return {each.name: each.default for each in attrs.fields(kind) if each.init}
