"""What does Plivo sign of a callback? URL, query and parameters in one line, without boundaries.

The pages' prose leaves out two characters; the vendor's own clients are what it follows:
https://github.com/plivo/plivo-python, plivo/utils/signature_v3.py
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import ParseResult, parse_qsl, urlparse, urlunparse

from recording_core import MalformedPayload, WebhookRejected, WebhookRequest
from recording_core.plugin import check_base64, decode_json_plain, read_signatures
from recording_core.plugin import readers as read

__all__ = ["NONCE", "check", "digest", "parameters"]

#: https://docs.plivo.com/docs/voice/concepts/signature-validation: the first is by the token of the
#: account or subaccount that the call belongs to, the second by the main account's; each may hold
#: several, one for each active token.
SIGNATURES = ("X-Plivo-Signature-V3", "X-Plivo-Signature-Ma-V3")
NONCE = "X-Plivo-Signature-V3-Nonce"
#: The same page, Version 2: the body is not in it.
SIGNATURES_V2 = ("X-Plivo-Signature-V2", "X-Plivo-Signature-Ma-V2")
NONCE_V2 = "X-Plivo-Signature-V2-Nonce"

#: Plivo's are twenty digits. One with a dot could take the end of the parameters into itself.
_NONCE = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
#: More than any callback has, of parameters, of escapes in them (a transcript's commas) and of
#: bytes of JSON: a stranger's body has to be decoded before its signature is known to be wrong.
_MOST_PARAMETERS = 1000
_MOST_ESCAPES = 5000
_MOST_JSON = 64 * 1024
#: Of values in JSON there are about as many as commas, those in a transcript's text among them.
_MOST_COMMAS = 2000


def check(request: WebhookRequest, secrets: Sequence[str], *, allow_v2: bool) -> None:
    """Return only if one of the tokens signed this request. Raises `WebhookRejected`."""
    if request.method.upper() not in ("GET", "POST"):
        raise WebhookRejected("a callback comes by GET or POST")
    try:
        if _has(request, SIGNATURES):
            signatures = read_signatures(request, *SIGNATURES)
            message = _bytes(f"{_content(request)}.{_nonce(request, NONCE)}")
        elif allow_v2:
            signatures = read_signatures(request, *SIGNATURES_V2)
            message = _bytes(_url(request)[0] + _nonce(request, NONCE_V2))
        elif _has(request, SIGNATURES_V2):
            raise WebhookRejected("signed by version 2, without its body: allow_v2 is off")
        else:
            raise WebhookRejected(f"no signature: the header {SIGNATURES[0]} is missing")
    except MalformedPayload as error:
        raise WebhookRejected(f"what is signed cannot be read: {error.message}") from None
    check_base64(message, secrets, signatures)


def _has(request: WebhookRequest, headers: Sequence[str]) -> bool:
    return any(request.header(name) is not None for name in headers)


def parameters(request: WebhookRequest) -> dict[str, Any]:
    """What the callback says: of a GET its query, of a POST its body, be it a form or JSON.

    Which of the two is told by the body itself, since the header that says so is not signed. A
    repeated parameter is a list. Raises `MalformedPayload`.
    """
    if request.method.upper() == "GET":
        return _single(_pairs(_split(request.url).query))
    if not request.body.startswith(b"{"):
        return _single(_form(request.body))
    if len(request.body) > _MOST_JSON or request.body.count(b",") > _MOST_COMMAS:
        raise MalformedPayload("more JSON than a callback has")
    return dict(read.obj(decode_json_plain(request.body, masked=False), "the body") or {})


def digest(request: WebhookRequest) -> str:
    """Of all that is signed but the nonce: the same in whatever order its parameters come."""
    return hashlib.sha256(_bytes(_content(request))).hexdigest()[:16]


def _content(request: WebhookRequest) -> str:
    """`URL?query.parameters`; of a GET the parameters are in the query."""
    signed, query = _url(request)
    told = parameters(request) if request.method.upper() == "POST" else {}
    if query or told:
        signed += f"?{query}"
    if told:
        signed += ("." if query else "") + _concatenated(told)
    return signed


def _url(request: WebhookRequest) -> tuple[str, str]:
    """The URL without its query, and that query decoded and sorted. Raises `MalformedPayload`."""
    parts = _split(request.url)
    ordered = sorted(_pairs(parts.query))
    # Of a path like `/hook;v=1` what follows the semicolon is not signed.
    bare = urlunparse((parts.scheme, parts.netloc, parts.path, "", "", ""))
    return bare, "&".join(f"{name}={value}" for name, value in ordered)


def _split(url: str) -> ParseResult:
    try:
        return urlparse(url)
    except ValueError:
        raise MalformedPayload("a URL that is none") from None


def _nonce(request: WebhookRequest, header: str) -> str:
    nonce = request.header(header)
    if nonce is None or not _NONCE.fullmatch(nonce):
        raise WebhookRejected(f"{header} is missing, or not a nonce")
    return nonce


def _concatenated(told: Mapping[str, Any]) -> str:
    """Names and values without anything between them, in the order of the names."""
    return "".join(_named(name, told[name]) for name in sorted(told))


def _named(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return name + _concatenated(value)
    if isinstance(value, list):
        if any(isinstance(each, dict | list) for each in value):
            raise MalformedPayload("a list of more than words", path=name)
        return "".join(name + each for each in sorted(map(str, value)))
    return f"{name}{value}"


def _form(body: bytes) -> tuple[tuple[str, str], ...]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedPayload("a form that is not UTF-8") from None
    return _pairs(text)


#: A callback is looked at three times in a row: its signature, its words, and its digest.
@functools.lru_cache(maxsize=4)
def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    if text.count("%") > _MOST_ESCAPES:
        raise MalformedPayload("more escapes than a callback has")
    try:
        return tuple(
            parse_qsl(
                text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
            )
        )
    except ValueError:
        raise MalformedPayload("parameters that cannot be read") from None


def _single(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) == len(pairs):
        return found
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in lists.items()}


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedPayload("text that cannot be written in UTF-8") from None
