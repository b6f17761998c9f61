"""Forged webhook requests: headers and bodies that no vendor sends, and checks of the outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import evolve
from hypothesis import strategies as st

from recording_core.errors import WebhookRejected
from recording_core.model.events import RecordingEvent
from recording_core.testing.conformance.documented_types import find_type_error
from recording_core.testing.conformance.replies import MALFORMED_JSON
from recording_core.webhooks.request import WebhookRequest
from recording_core.webhooks.scheme import WebhookScheme

#: Values of a signature header. Each is rejected at once, with any body.
HEADERS: Mapping[str, str] = {
    "empty": "",
    "blank": "  \t ",
    "a comma": ",",
    "words": "no signature at all",
    "not ASCII": "sha256=ünïcödé",
    "full-width digits": "０" * 64,
    "null characters": "\0" * 64,
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

#: Bodies that no vendor sends. Signed or not, each is rejected with `WebhookRejected`.
BODIES: Mapping[str, bytes] = {
    **MALFORMED_JSON,
    "a list": b"[]",
    "an empty object": b"{}",
    "wrong types": b'{"event": 7, "type": [], "data": "x", "recording": 1}',
}


def measure_rejection(
    scheme: WebhookScheme, request: WebhookRequest, secrets: Sequence[str], now: datetime
) -> tuple[int, float]:
    """Return the status with which `verify` rejects a request, and its shortest time in seconds.

    Fails if the request is accepted, or if anything but `WebhookRejected` is raised.
    """
    took: list[float] = []
    status = 0
    # A busy machine may delay one call: it is repeated until one is fast.
    while len(took) < 10 and (not took or min(took) > 0.005):
        start = time.perf_counter()
        try:
            scheme.verify(request, secrets, now=now)
        except WebhookRejected as rejected:
            status = rejected.status
        else:
            raise AssertionError(f"a forged request was accepted: {request!r}")
        took.append(time.perf_counter() - start)
    return status, min(took)


def parse_and_check(
    scheme: WebhookScheme, request: WebhookRequest, now: datetime
) -> tuple[RecordingEvent, ...] | None:
    """Parse a request and check the types of its events; None if it is rejected with 400."""
    try:
        events = scheme.parse(request, account="default", now=now)
    except WebhookRejected as rejected:
        if rejected.status == 400:
            return None
        raise AssertionError(f"parse rejects with {rejected.status}, not 400") from rejected
    assert isinstance(events, tuple)
    for event in events:
        wrong = find_type_error(event)
        assert wrong is None, wrong
        assert event.key, f"the event has no key: {event!r}"
        repr(event).encode("utf-8")
    return events


def replace_header(request: WebhookRequest, name: str, *values: str) -> WebhookRequest:
    """Return the request with these values of a header; without values, the header is removed."""
    others = [pair for pair in request.headers if pair[0] != name.lower()]
    return evolve(request, headers=(*others, *((name, value) for value in values)))


def generate_bit_flips(data: bytes) -> st.SearchStrategy[bytes]:
    """Generate the data with one bit flipped."""
    number, bits = int.from_bytes(data), st.integers(0, 8 * len(data) - 1)
    return bits.map(lambda bit: (number ^ 1 << bit).to_bytes(len(data)))


def generate_header_values() -> st.SearchStrategy[str]:
    """Generate values of headers: anything that a framework may pass, with lone surrogates."""
    return st.text(max_size=100) | st.text(alphabet="0123456789abcdef=,+/ ", max_size=200)


def generate_json_bodies(words: Sequence[str], fields: Sequence[str]) -> st.SearchStrategy[object]:
    """Generate JSON of the vendor's words and fields, also with wrong types."""
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
