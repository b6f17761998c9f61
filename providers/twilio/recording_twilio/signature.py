"""Signature: verifying `X-Twilio-Signature`, which covers the URL and the form's parameters.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
https://github.com/twilio/twilio-python, twilio/request_validator.py
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from recording_core import MalformedPayload, WebhookRejected, WebhookRequest
from recording_core.plugin import (
    build_form_message,
    check_base64,
    decode_json_plain,
    read_form,
    read_signatures,
)

SIGNATURE = "X-Twilio-Signature"
#: Public beta: `key=ID,algorithm=HMAC_SHA256` names the SharedKey that is used, not the token.
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"
_SETTINGS = re.compile(r"key=[\x21-\x2b\x2d-\x7e]{1,128}, ?algorithm=HMAC_SHA256", re.ASCII)
#: The parameter of the URL with the hash of a body that is not a form.
BODY_HASH = "bodySHA256"
_PORTS = {"https": "443", "http": "80"}
#: The scheme, user information and host, port, and the rest.
_URL = re.compile(r"(?i)(https?)://([^/?#]*?)(?::([0-9]{0,5}))?([/?].*)?", re.DOTALL)


def check_signature(request: WebhookRequest, secrets: Sequence[str]) -> None:
    """Check that one of the secrets signed this request. Raises `WebhookRejected`."""
    if request.method.upper() not in ("GET", "POST"):
        raise WebhookRejected("Twilio sends webhooks by GET or POST only")
    signatures = read_signatures(request, SIGNATURE)
    settings = request.header(SETTINGS)
    digest: Literal["sha1", "sha256"] = "sha1"
    if settings is not None:
        if not _SETTINGS.fullmatch(settings):
            raise WebhookRejected(f"the header {SETTINGS} names no algorithm that is supported")
        digest = "sha256"
    try:
        parameters = read_signed(request)
        messages = [build_form_message(url, parameters) for url in build_urls(request.url)]
    except MalformedPayload as error:
        raise WebhookRejected(f"the signed content cannot be read: {error.message}") from None
    for message in messages:
        try:
            return check_base64(message, secrets, signatures, digest)
        except WebhookRejected as error:
            if error.status != 401:
                raise
            failure = error
    key = "the SharedKey that the request names" if settings else "the Auth Token of this account"
    raise WebhookRejected(  # an error cuts off the query of a URL
        f"{failure.message}. Twilio signs the public URL: check that {request.url} is the URL that "
        f"is configured at Twilio (scheme, host, path and query), and that the secret is that of "
        f"{key}",
        status=401,
    )


def build_urls(url: str) -> list[str]:
    """Build the URL without a port and with one: Twilio signs either. Neither has a fragment.

    Raises `MalformedPayload`.
    """
    # Not by urllib, which drops the mark of an empty query.
    found = _URL.fullmatch(url.partition("#")[0])
    if found is None:
        raise MalformedPayload("the URL is malformed")
    scheme, owner, port, rest = found.groups(default="")
    port = port or _PORTS[scheme.lower()]
    return [f"{scheme}://{owner}{each}{rest}" for each in ("", f":{port}")]


def read_parameters(request: WebhookRequest) -> list[tuple[str, str]]:
    """Read the webhook's parameters: the query of a GET, the form or JSON of a POST.

    Raises `MalformedPayload`.
    """
    if request.method.upper() == "GET":
        return list(read_form(_split_url(request.url).query))
    if _find_body_hash(request) is None:
        return list(read_form(request.body))
    payload = decode_json_plain(request.body, masked=False)
    if not isinstance(payload, dict):
        raise MalformedPayload("the body is not a JSON object")
    return [(name, value) for name, value in payload.items() if type(value) is str]


def read_signed(request: WebhookRequest) -> Sequence[tuple[str, str]]:
    """Read the parameters that the signature covers, next to the URL: those of a form.

    Raises `MalformedPayload`, and `WebhookRejected` if the body has another hash than the URL.
    """
    if request.method.upper() == "GET":
        return ()
    expected = _find_body_hash(request)
    if expected is None:
        return read_form(request.body)
    # The URL, which is signed, has the hash of the body.
    if not hmac.compare_digest(
        expected.encode(), hashlib.sha256(request.body).hexdigest().encode()
    ):
        raise WebhookRejected("the body is not the one that was signed", status=401)
    return ()


def _find_body_hash(request: WebhookRequest) -> str | None:
    pairs = read_form(_split_url(request.url).query)
    return next((value for name, value in pairs if name == BODY_HASH), None)


def _split_url(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise MalformedPayload("the URL is malformed") from None
