"""Forgeries: webhook requests that no vendor has signed, and secrets that are not the vendor's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
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
            headers = [*request.headers]
            headers[number] = (name, text)
            yield f"bit {bit} of character {index} of {name}", evolve(request, headers=headers)


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
