"""Forms of webhooks: their parameters, the message that is signed, and both hash functions."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import pytest

from recording_core import MalformedPayload, WebhookRejected
from recording_core.plugin import build_form_message, check_base64, check_hex, read_form

MESSAGE = b"https://hooks.example.com/a?b=1A1B"


def test_a_form_is_read_in_order_with_blank_values() -> None:
    form = "b=2&a=&b=1&%C3%A9=%2B+x"
    expected = (("b", "2"), ("a", ""), ("b", "1"), ("é", "+ x"))
    assert read_form(form.encode()) == read_form(form) == expected


@pytest.mark.parametrize(
    "form",
    [b"a=\xff", "a=%ff", "&".join(["a=1"] * 1001), "a=" + "%61" * 5001],
    ids=["bytes", "escape", "parameters", "escapes"],
)
def test_a_form_that_cannot_be_read_is_malformed(form: str | bytes) -> None:
    with pytest.raises(MalformedPayload):
        read_form(form)


def test_a_message_has_sorted_names_with_their_distinct_values() -> None:
    pairs = [("b", "2"), ("B", "0"), ("a", ""), ("b", "1"), ("b", "2")]
    assert build_form_message("https://h.example/?z=1", pairs) == (
        b"https://h.example/?z=1" + b"B0" + b"a" + b"b1" + b"b2"
    )
    assert build_form_message("https://h.example/é", ()) == "https://h.example/é".encode()
    with pytest.raises(MalformedPayload):
        build_form_message("https://h.example/", [("a", "\ud800")])


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_a_signature_is_checked_by_its_hash_function(digest: Any) -> None:
    other = {"sha1": "sha256", "sha256": "sha1"}[digest]
    signed, foreign = (hmac.digest(b"token", MESSAGE, each) for each in (digest, other))
    for check, encode in (
        (check_hex, bytes.hex),
        (check_base64, lambda each: base64.b64encode(each).decode()),
    ):
        check(MESSAGE, ["old", "token"], [encode(signed)], digest)
        with pytest.raises(WebhookRejected) as caught:
            check(MESSAGE + b"x", ["token"], [encode(signed)], digest)
        assert caught.value.status == 401
        with pytest.raises(WebhookRejected) as caught:
            check(MESSAGE, ["token"], [encode(foreign)], digest)
        assert caught.value.status == 400
