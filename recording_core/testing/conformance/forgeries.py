"""Forgeries: webhook requests that no vendor has signed, and secrets that are not the vendor's."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from recording_core import WebhookRequest
from recording_core.testing.conformance.replies import MALFORMED_JSON
from recording_core.testing.json_paths import replace_value, walk_values

#: Bodies that no vendor sends.
JUNK = (*MALFORMED_JSON.values(), b"\x00", b"{", b"[]", b"a=1&a=2&&=&%ff=%zz")

#: Values that replace each value of a body.
OTHER_VALUES: tuple[Any, ...] = (
    *(None, 7, -1, 1.5, True, "", "zz-new-word", "\x00", "é" * 99),
    *([], [[]], {}),
)


#: A digest or token in a header; shorter texts may be names or versions.
_TOKEN = re.compile(r"[A-Za-z0-9]{16,}", re.ASCII)
#: A time in seconds or milliseconds since 1970, or in ISO 8601.
_TIME = re.compile(
    r"(?<![\w.])([0-9]{10}|[0-9]{13}|20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)(?!\w)", re.ASCII
)
#: Another character of the same alphabet, so that the form of a digest stays right.
_OTHERS = str.maketrans(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "5678901234defabchijklmnopqrstuvwxyzgDEFABCHIJKLMNOPQRSTUVWXYZG",
)


def generate_flips(request: WebhookRequest) -> Iterator[tuple[str, WebhookRequest]]:
    """Generate the request with each bit of the body and of the signing headers flipped."""
    for index, bit in itertools.product(range(len(request.body)), range(8)):
        body = bytearray(request.body)
        body[index] ^= 1 << bit
        yield f"bit {bit} of byte {index} of the body", evolve(request, body=bytes(body))
    for number, (name, value) in enumerate(request.headers):
        if "signature" not in name and "timestamp" not in name:
            continue
        for index, bit in itertools.product(range(len(value)), range(7)):
            text = value[:index] + chr(ord(value[index]) ^ 1 << bit) + value[index + 1 :]
            forged = _replace_header(request, number, text)
            yield f"bit {bit} of character {index} of {name}", forged


def generate_substitutions(request: WebhookRequest) -> Iterator[tuple[str, list[WebhookRequest]]]:
    """Generate each token of the headers, and the requests with one character of it replaced."""
    for number, (name, value) in enumerate(request.headers):
        for token in _TOKEN.finditer(value):
            texts = (
                value[:index] + value[index].translate(_OTHERS) + value[index + 1 :]
                for index in range(*token.span())
            )
            yield name, [_replace_header(request, number, text) for text in texts]


def generate_other_times(
    request: WebhookRequest, now: datetime
) -> Iterator[tuple[str, WebhookRequest]]:
    """Generate the request with each time of its headers that is about now a second later."""
    for number, (name, value) in enumerate(request.headers):
        for found in _TIME.finditer(value):
            with suppress(ValueError):  # digits that are not a time
                text = _add_second(found[0], now)
                forged = value[: found.start()] + text + value[found.end() :]
                yield name, _replace_header(request, number, forged)


def _add_second(text: str, now: datetime) -> str:
    """Add a second to a time. Raises `ValueError` if it is not one of the last minutes."""
    unit = 1000 if len(text) == 13 else 1
    if text.isdecimal():
        moment = datetime.fromtimestamp(int(text) / unit, UTC)
    else:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    if abs(moment - now) > timedelta(minutes=10):
        raise ValueError("this is another time")
    if text.isdecimal():
        return str(int(text) + unit)
    return (moment + timedelta(seconds=1)).isoformat()[: len(text)]


def _replace_header(request: WebhookRequest, number: int, text: str) -> WebhookRequest:
    headers = [*request.headers]
    headers[number] = (headers[number][0], text)
    return evolve(request, headers=headers)


def generate_bodies(body: bytes) -> Iterator[bytes]:
    """Generate a JSON body with each of its values replaced by each of `OTHER_VALUES`."""
    try:
        payload = json.loads(body)
    except ValueError:
        return
    for path, _ in walk_values(payload):
        for value in OTHER_VALUES:
            yield json.dumps(replace_value(json.loads(body), path, value)).encode()


def build_other_secret(webhooks: Any) -> dict[str, Any]:
    """Build another secret, or another key, of the same form."""
    if "secret" in webhooks:
        secret = webhooks["secret"]
        return {"secret": secret[:-1] + ("a" if secret[-1] != "a" else "b")}
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return {"key": public.public_bytes(serialization.Encoding.PEM, form).decode()}
