"""Signature: verifying Plivo's webhooks, which sign URL, query and parameters as one text.

The text has no boundaries between names and values. The pages' prose leaves out two characters of
it; Plivo itself follows its own clients:
https://github.com/plivo/plivo-python, plivo/utils/signature_v3.py
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any
from urllib.parse import ParseResult, urlparse, urlunparse

from recording_core import MalformedPayload, WebhookRejected, WebhookRequest
from recording_core.plugin import check_base64, decode_json_plain, read_form, read_signatures

#: https://docs.plivo.com/docs/voice/concepts/signature-validation: the first is made with the token
#: of the account or subaccount that the call belongs to, the second with the main account's. Each
#: may hold several signatures, one per active token.
SIGNATURES = ("X-Plivo-Signature-V3", "X-Plivo-Signature-Ma-V3")
NONCE = "X-Plivo-Signature-V3-Nonce"
#: The same page, version 2, which does not sign the body.
SIGNATURES_V2 = ("X-Plivo-Signature-V2", "X-Plivo-Signature-Ma-V2")
NONCE_V2 = "X-Plivo-Signature-V2-Nonce"

#: Plivo's nonces are twenty digits. A nonce with a dot could contain the end of the parameters.
_NONCE = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
#: More bytes of JSON than any webhook has: a body from an unknown sender must be decoded before its
#: signature can be checked.
_MOST_JSON = 64 * 1024
#: JSON has about as many values as commas; a transcript's text has commas, too.
_MOST_COMMAS = 2000


def check_signature(request: WebhookRequest, secrets: Sequence[str], *, allow_v2: bool) -> None:
    """Check that one of the tokens signed this request. Raises `WebhookRejected`."""
    if request.method.upper() not in ("GET", "POST"):
        raise WebhookRejected("Plivo sends webhooks by GET or POST only")
    try:
        if _has_header(request, SIGNATURES):
            signatures = read_signatures(request, *SIGNATURES)
            message = _encode(f"{_build_content(request)}.{_read_nonce(request, NONCE)}")
        elif allow_v2:
            signatures = read_signatures(request, *SIGNATURES_V2)
            message = _encode(_read_url(request.url)[0] + _read_nonce(request, NONCE_V2))
        elif _has_header(request, SIGNATURES_V2):
            raise WebhookRejected(
                "the request has a version 2 signature, which does not cover the body, and "
                "allow_v2 is off"
            )
        else:
            raise WebhookRejected(f"the signature header {SIGNATURES[0]} is missing")
    except MalformedPayload as error:
        raise WebhookRejected(f"the signed content cannot be read: {error.message}") from None
    try:
        check_base64(message, secrets, signatures)
    except WebhookRejected as error:
        if error.status != 401:
            raise
        raise WebhookRejected(  # an error cuts off the query of a URL
            f"{error.message}. Plivo signs the public URL: check that {request.url} is "
            "the URL that is configured at Plivo (scheme, host, port, path and query), and that "
            "the secret is the Auth Token of this account or subaccount",
            status=401,
        ) from None


def _has_header(request: WebhookRequest, headers: Sequence[str]) -> bool:
    return any(request.header(name) is not None for name in headers)


def read_parameters(request: WebhookRequest) -> dict[str, Any]:
    """Read the webhook's parameters: the query of a GET, the body of a POST (a form or JSON).

    The body itself decides whether it is JSON, because `Content-Type` is not signed. A parameter
    that is repeated with another value is a list. Raises `MalformedPayload`.
    """
    if request.method.upper() == "GET":
        return merge_repeated(_parse_pairs(_parse_url(request.url).query))
    if not request.body.startswith(b"{"):
        return merge_repeated(_parse_pairs(request.body))
    return _read_json(request.body)


def merge_repeated(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of parameters; equal repeats of a parameter are one value."""
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        values = found.setdefault(name, [])
        if value not in values:
            values.append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _read_json(body: bytes) -> dict[str, Any]:
    if len(body) > _MOST_JSON or body.count(b",") > _MOST_COMMAS:
        raise MalformedPayload("the body has more JSON than any webhook")
    payload = decode_json_plain(body, masked=False)
    if not isinstance(payload, dict):
        raise MalformedPayload("the body is not a JSON object")
    return payload


def compute_digest(request: WebhookRequest) -> str:
    """Compute a digest of the signed content without the nonce, in any order of parameters."""
    return hashlib.sha256(_encode(_build_content(request))).hexdigest()[:16]


def _build_content(request: WebhookRequest) -> str:
    """Build the signed content without the nonce.

    It is `URL?query.parameters`; a GET has its parameters in the query.
    """
    content, query = _read_url(request.url)
    parameters = _read_signed(request) if request.method.upper() == "POST" else ()
    if query or parameters:
        content += f"?{query}"
    if parameters:
        content += ("." if query else "") + "".join(map("".join, parameters))
    return content


def _read_signed(request: WebhookRequest) -> list[tuple[str, str]]:
    """Read the names and texts that are signed of a POST, in their order."""
    if not request.body.startswith(b"{"):
        return sorted(_parse_pairs(request.body))
    return [
        pair
        for name, value in sorted(_read_json(request.body).items(), key=itemgetter(0))
        for pair in _list_signed(name, value)
    ]


def is_get(request: WebhookRequest) -> bool:
    return request.method.upper() == "GET"


def list_parts(request: WebhookRequest) -> list[tuple[str, str, str]]:
    """List the parameters as they are signed: the name, its text, and the value."""
    if is_get(request):
        pairs = sorted(_parse_pairs(_parse_url(request.url).query))
        return [(name, f"&{name}=", value) for name, value in pairs]
    query = _read_url(request.url)[1]
    parts = [(name, name, value) for name, value in _read_signed(request)]
    # The end of the query is not marked, either.
    return [("", "", f"{query}."), *parts] if query else parts


# The URL of an endpoint is the same for each webhook by POST.
@functools.lru_cache(maxsize=16)
def _read_url(url: str) -> tuple[str, str]:
    """Read the URL without its query, and the query decoded and sorted.

    Raises `MalformedPayload`.
    """
    parts = _parse_url(url)
    ordered = sorted(_parse_pairs(parts.query))
    # In a path like `/hook;v=1` the part after the semicolon is not signed.
    bare = urlunparse((parts.scheme, parts.netloc, parts.path, "", "", ""))
    return bare, "&".join(f"{name}={value}" for name, value in ordered)


def _parse_url(url: str) -> ParseResult:
    try:
        return urlparse(url)
    except ValueError:
        raise MalformedPayload("the URL is malformed") from None


def _read_nonce(request: WebhookRequest, header: str) -> str:
    nonce = request.header(header)
    if nonce is None or not _NONCE.fullmatch(nonce):
        raise WebhookRejected(f"the header {header} is missing, or its value is not a nonce")
    return nonce


def _list_signed(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        members = sorted(value.items(), key=itemgetter(0))
        inner = [pair for each in members for pair in _list_signed(*each)]
        return [(name, "".join(map("".join, inner)))]
    if isinstance(value, list):
        if any(isinstance(each, dict | list) for each in value):
            raise MalformedPayload("a list contains an object or a list", path=name)
        return [(name, each) for each in sorted(map(str, value))] or [("", "")]
    return [(name, str(value))]


# Each webhook is parsed three times in a row: for its signature, its fields and its digest.
_parse_pairs = functools.lru_cache(maxsize=4)(read_form)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedPayload("the text cannot be encoded in UTF-8") from None
