"""How is HTTP recorded for a test to replay, and nothing secret with it? A configured `vcr.VCR`.

    with recorder(record_mode="once").use_cassette("list.yaml"):
        recordings = list(provider.list())

vcrpy replaces the connections of the pools that it knows; ours are named to it here. What is
written is filtered before it reaches the disk, and what is asked at replay is filtered alike, so
that it matches: headers that are not known to be harmless are left out, credential fields are
masked, and so are the signed queries of URLs. What a request signs in with is masked wherever an
answer quotes it.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from recording_core.redaction import CREDENTIAL_KEYS, MASK, Secrets, redact_payload

if TYPE_CHECKING:
    import vcr

__all__ = ["build_recorder"]

#: Kept, and no others: a vendor may put a credential under any name.
_HEADERS = frozenset(
    {
        "accept-ranges",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "location",
        "retry-after",
        "x-request-id",
    }
)
#: Of a request, and no credential whatever they say; each of the others may be one.
_HARMLESS = _HEADERS | frozenset(
    {"accept", "accept-encoding", "connection", "host", "if-range", "range", "user-agent"}
)
_URL = re.compile(r"https?://[^\s\"'<>\\]+")
#: A query with one of these is signed (AWS, Google, Azure, CloudFront, and what others call it).
_SIGNED = re.compile(r"(?i)x-(?:amz|goog)-.+|sig|signature|hmac|policy|key-pair-id")


#: vcrpy's own loggers, which quote requests and answers before the filters have seen them.
_TELLING = ("vcr.cassette", "vcr.request", "vcr.stubs")


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def build_recorder(*, replace: Mapping[str, str] | None = None, **settings: Any) -> vcr.VCR:
    """A `vcr.VCR` that sees our connections and writes no credential.

    `replace` are texts that are written as others, such as an account's id, or an emulator's
    origin as the vendor's. `settings` are vcrpy's own; `record_mode` is "none" unless it is given,
    so that nothing is ever asked by accident.
    """
    import vcr
    from vcr.stubs.urllib3_stubs import VCRRequestsHTTPConnection, VCRRequestsHTTPSConnection

    from recording_core.transport.address_policy import WatchedHTTPPool, WatchedHTTPSPool

    for name in _TELLING:
        logging.getLogger(name).addFilter(_is_warning)
    filters = _Filters(dict(replace or {}))
    return vcr.VCR(
        **{
            "record_mode": "none",
            "match_on": ("method", "scheme", "host", "port", "path", "query"),
            "decode_compressed_response": True,
            "before_record_request": filters.request,
            "before_record_response": filters.response,
            **settings,
            "custom_patches": (
                (WatchedHTTPPool, "ConnectionCls", VCRRequestsHTTPConnection),
                (WatchedHTTPSPool, "ConnectionCls", VCRRequestsHTTPSConnection),
                *settings.get("custom_patches", ()),
            ),
        }
    )


class _Filters:
    """What vcrpy calls with a copy of each request and response before it writes or matches."""

    def __init__(self, replace: Mapping[str, str]) -> None:
        quoted = {quote(theirs, safe=""): quote(ours, safe="") for theirs, ours in replace.items()}
        # The longer first: one may be a part of another.
        self._replace = sorted({**quoted, **replace}.items(), key=lambda pair: -len(pair[0]))
        self._known: set[str] = set()
        self._secrets = Secrets(())

    def request(self, request: Any) -> Any:
        if not self._known.issuperset(sent := set(_credentials(request))):
            self._known |= sent
            self._secrets = Secrets(self._known)
        request.uri = self._text(request.uri)
        request.headers = self._headers(request.headers)
        if request.body:
            request.body = self._body(request.body)
        return request

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        headers = self._headers(response["headers"])
        body = response["body"]["string"]
        kind = " ".join(headers.get("content-type", [])).partition(";")[0]
        if kind.startswith("text/") or kind.endswith(("json", "xml")):
            body = self._body(body)
        if "content-length" in headers and body:
            headers["content-length"] = [str(len(body))]
        return {**response, "headers": headers, "body": {"string": body}}

    def _headers(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in headers.items():
            if name.lower() in _HEADERS:
                several = isinstance(value, list)
                kept[name.lower()] = list(map(self._text, value)) if several else self._text(value)
        return kept

    def _body(self, body: bytes | str) -> bytes:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        try:
            payload = redact_payload(json.loads(text))
        except ValueError:
            return self._secrets.redact(self._text(text)).encode()
        return json.dumps(self._walk(payload), separators=(",", ":")).encode()

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(key): self._walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._walk(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for theirs, ours in self._replace:
            text = text.replace(theirs, ours)
        text = _URL.sub(lambda found: _without_signature(found[0]), text)
        return str(self._secrets.masked(text))


def _credentials(request: Any) -> Iterator[str]:
    """What a request signs in with: a header's words, what they are the base64 of, a query's."""
    for name, value in request.headers.items():
        if name.lower() in _HARMLESS:
            continue
        for each in value if isinstance(value, list) else [value]:
            text = each.decode("latin-1") if isinstance(each, bytes) else str(each)
            yield text
            scheme, _, word = text.partition(" ")
            if scheme.lower() == "basic":
                try:
                    yield from base64.b64decode(word).decode().split(":", 1)[1:]
                except ValueError:
                    pass  # no pair of a name and a password
            yield word
    for name, value in parse_qsl(urlsplit(request.uri).query):
        if name in CREDENTIAL_KEYS:
            yield value


def _without_signature(url: str) -> str:
    """The URL with its user info gone, a signed query cut off, and credentials in it masked."""
    base, mark, query = url.partition("?")
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    base = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    pairs = [pair.partition("=") for pair in query.split("&")]
    if any(_SIGNED.fullmatch(name) for name, _, _ in pairs):
        return f"{base}?{MASK}"
    masked = (
        f"{name}={redact_payload({name: value})[name]}" if equals else name
        for name, equals, value in pairs
    )
    return base + mark + "&".join(masked)
