"""What may a stranger send to a webhook's URL? Headers and bodies that no vendor would."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import evolve
from hypothesis import strategies as st

from recording_core.errors import WebhookRejected
from recording_core.model.events import RecordingEvent, WebhookRequest
from recording_core.webhooks.scheme import WebhookScheme

__all__ = [
    "BODIES",
    "HEADERS",
    "flipped_bits",
    "json_bodies",
    "parsed",
    "refusal",
    "replaced",
    "texts",
]

#: Values of a signature's header; each is refused whatever the body, at once.
HEADERS: Mapping[str, str] = {
    "empty": "",
    "blank": "  \t ",
    "a comma": ",",
    "words": "no signature at all",
    "not ASCII": "sha256=ünïcödé",
    "full-width digits": "０" * 64,
    "a null": "\0" * 64,
    "a newline": "a" * 64 + "\n",
    "only the prefix": "sha256=",
    "upper case": "AB" * 32,
    "short": "ab" * 31,
    "long": "ab" * 33,
    "of zeros": "0" * 64,
    "base64 of zeros": "A" * 43 + "=",
    "base64 with bits to spare": "A" * 42 + "B=",
    "base64url": "-_" * 21 + "A=",
    "1 MB": "a" * 1_000_000,
    "1 MB of commas": "," * 1_000_000,
    "ten thousand signatures": ",".join(["ab" * 32] * 10_000),
    "seventeen signatures": ",".join(["ab" * 32] * 17),
    "a lone surrogate": "\udce9" * 64,
}

#: Bodies that no vendor sends; signed or not, nothing but a typed refusal comes of them.
BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "not UTF-8": b'{"event": "\xff\xfe"}',
    "no JSON": b"<html>",
    "cut": b'{"event": "recor',
    "null": b"null",
    "a list": b"[]",
    "a string": b'"recording"',
    "a number": b"17",
    "NaN": b'{"event": NaN}',
    "infinity": b'{"event": 1e999}',
    "a very large number": b'{"event": ' + b"9" * 5000 + b"}",
    "deep": b'{"event":' * 100_000,
    "deep and whole": b"[" * 50_000 + b"]" * 50_000,
    "a lone surrogate": b'{"event": "\\ud800"}',
    "nothing in it": b"{}",
    "wrong types": b'{"event": 7, "type": [], "data": "x", "recording": 1}',
}


def refusal(
    scheme: WebhookScheme, request: WebhookRequest, secrets: Sequence[str], now: datetime
) -> tuple[int, float]:
    """The status that `verify` refuses with, and how many seconds that takes at best.

    Fails where it was let in, or where anything but `WebhookRejected` was raised.
    """
    took: list[float] = []
    status = 0
    # Now and then a busy machine takes its time for anything.
    while len(took) < 10 and (not took or min(took) > 0.005):
        start = time.perf_counter()
        try:
            scheme.verify(request, secrets, now=now)
        except WebhookRejected as rejected:
            status = rejected.status
        else:
            raise AssertionError("a stranger was let in")
        took.append(time.perf_counter() - start)
    return status, min(took)


def parsed(
    scheme: WebhookScheme, request: WebhookRequest, now: datetime
) -> tuple[RecordingEvent, ...] | None:
    """The events of a request, checked for their types; None where it was refused with 400."""
    try:
        events = scheme.parse(request, account="default", now=now)
    except WebhookRejected as rejected:
        if rejected.status == 400:
            return None
        raise AssertionError(f"refused with {rejected.status}") from rejected
    assert isinstance(events, tuple)
    for event in events:
        assert isinstance(event, RecordingEvent)
        assert event.key, "an event without a key"
        for text in (event.recording_id, event.delivery_id):
            assert text is None or isinstance(text, str)
        for moment in (event.occurred_at, *_moments(event)):
            assert moment is None or moment.utcoffset() is not None, "a naive time"
        repr(event).encode("utf-8")
    return events


def _moments(event: RecordingEvent) -> tuple[datetime | None, ...]:
    seen = event.recording
    return (seen.started_at, seen.ended_at, seen.created_at) if seen is not None else ()


def replaced(request: WebhookRequest, name: str, *values: str) -> WebhookRequest:
    """The request with these values of a header in place of its own; without any, it is gone."""
    kept = [pair for pair in request.headers if pair[0] != name.lower()]
    return evolve(request, headers=(*kept, *((name, value) for value in values)))


def flipped_bits(data: bytes) -> st.SearchStrategy[bytes]:
    """The data with one bit changed."""

    def flip(bit: int) -> bytes:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    return st.integers(0, 8 * len(data) - 1).map(flip)


def texts() -> st.SearchStrategy[str]:
    """Values of headers: anything that a framework may hand over, lone surrogates too."""
    return st.text(max_size=100) | st.text(alphabet="0123456789abcdef=,+/ ", max_size=200)


def json_bodies(words: Sequence[str], fields: Sequence[str]) -> st.SearchStrategy[object]:
    """JSON values that come near to an event: the vendor's words and fields, of wrong types too."""
    scalars: st.SearchStrategy[object] = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=12)
        | st.sampled_from(words)
        | st.sampled_from(["2024-01-15T10:30:05Z", "9999-01-01 00:00:00.000000", "1439288665310"])
    )
    names = st.sampled_from(fields) | st.text(max_size=6)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=8),
        max_leaves=20,
    )
