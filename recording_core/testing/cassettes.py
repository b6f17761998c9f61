"""Cassettes: a configured `vcr.VCR` that records HTTP for tests to replay, without secrets.

Use it as a context manager::

    with build_recorder(record_mode="once").use_cassette("list.yaml"):
        recordings = list(provider.list())

Requests and responses are filtered before they are written, and requests are filtered in the same
way at replay, so that they match: only headers that hold no credential are kept; credential fields,
and signed queries of URLs, are masked. The credentials of a request are masked wherever a response
quotes them.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from recording_core.redaction import (
    CREDENTIAL_KEYS,
    MASK,
    Secrets,
    change_strings,
    redact_payload,
)

if TYPE_CHECKING:
    import vcr

#: The headers that are kept. A credential may be in any other one.
_HEADERS = frozenset(
    {
        *("accept-ranges", "content-length", "content-range", "content-type", "date", "etag"),
        *("location", "retry-after", "x-request-id"),
    }
)
#: Request headers that hold no credential. Each other one may be a credential.
_HARMLESS = _HEADERS | frozenset(
    {"accept", "accept-encoding", "connection", "host", "if-range", "range", "user-agent"}
)
_URL = re.compile(r"https?://[^\s\"'<>\\]+")
#: Parameters of signed queries (AWS, Google, Azure, CloudFront, and common names).
_SIGNED = re.compile(r"(?i)x-(?:amz|goog)-.+|sig|signature|hmac|policy|key-pair-id")

#: vcrpy's loggers, which quote requests and responses before they are filtered.
_QUOTING_LOGGERS = ("vcr.cassette", "vcr.request", "vcr.stubs")


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def build_recorder(*, replace: Mapping[str, str] | None = None, **settings: Any) -> vcr.VCR:
    """Build a `vcr.VCR` that records the library's connections and writes no credential.

    Args:
        replace: texts to write as other texts, such as an account's id, or an emulator's origin
            as the vendor's
        settings: of vcrpy; `record_mode` is "none" by default, so that no request reaches the
            network by accident
    """
    import vcr

    for name in _QUOTING_LOGGERS:
        logging.getLogger(name).addFilter(_is_warning)
    filters = _Filters(dict(replace or {}))
    return vcr.VCR(
        **{
            "record_mode": "none",
            "match_on": ("method", "scheme", "host", "port", "path", "query"),
            "decode_compressed_response": True,
            "before_record_request": filters.filter_request,
            "before_record_response": filters.filter_response,
            **settings,
        }
    )


class _Filters:
    """The filters that vcrpy calls with a copy of each request and response."""

    def __init__(self, replace: Mapping[str, str]) -> None:
        quoted = {quote(old, safe=""): quote(new, safe="") for old, new in replace.items()}
        # The longest first: one text may be a part of another.
        self._replace = sorted({**quoted, **replace}.items(), key=lambda pair: -len(pair[0]))
        self._credentials: set[str] = set()
        self._secrets = Secrets(())

    def filter_request(self, request: Any) -> Any:
        if not self._credentials.issuperset(sent := set(_find_credentials(request))):
            self._credentials |= sent
            self._secrets = Secrets(self._credentials)
        request.uri = self._filter_text(request.uri)
        request.headers = self._filter_headers(request.headers)
        if request.body:
            request.body = self._filter_body(request.body)
        return request

    def filter_response(self, response: dict[str, Any]) -> dict[str, Any]:
        headers = self._filter_headers(response["headers"])
        body = response["body"]["string"]
        kind = " ".join(headers.get("content-type", [])).partition(";")[0]
        if kind.startswith("text/") or kind.endswith(("json", "xml")):
            body = self._filter_body(body)
        if "content-length" in headers and body:
            headers["content-length"] = [str(len(body))]
        return {**response, "headers": headers, "body": {"string": body}}

    def _filter_headers(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name.lower(): change_strings(value, self._filter_text)
            for name, value in headers.items()
            if name.lower() in _HEADERS
        }

    def _filter_body(self, body: bytes | str) -> bytes:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        try:
            payload = redact_payload(json.loads(text))
        except ValueError:
            return self._secrets.redact(self._filter_text(text)).encode()
        filtered = change_strings(payload, self._filter_text)
        return json.dumps(filtered, separators=(",", ":")).encode()

    def _filter_text(self, text: str) -> str:
        for old, new in self._replace:
            text = text.replace(old, new)
        text = _URL.sub(lambda found: _mask_url(found[0]), text)
        return str(self._secrets.mask_echoes(text))


def _find_credentials(request: Any) -> Iterator[str]:
    """Find the credentials of a request: in headers and cookies, in base64, and in the query."""
    for name, value in request.headers.items():
        if name.lower() in _HARMLESS:
            continue
        for each in value if isinstance(value, list) else [value]:
            text = each.decode("latin-1") if isinstance(each, bytes) else str(each)
            yield text
            if name.lower() == "cookie":
                yield from (pair.partition("=")[2].strip() for pair in text.split(";"))
            scheme, _, word = text.partition(" ")
            if scheme.lower() == "basic":
                with suppress(ValueError):  # not a user name and a password
                    yield from base64.b64decode(word).decode().split(":", 1)[1:]
            yield word
    for name, value in parse_qsl(urlsplit(request.uri).query):
        if name in CREDENTIAL_KEYS:
            yield value


def _mask_url(url: str) -> str:
    """Return the URL without user info, with a signed query or credential parameters masked."""
    base, mark, query = url.partition("?")
    base = re.sub(r"^(\w+://)[^/]*@", r"\1", base)
    pairs = [pair.partition("=") for pair in query.split("&")]
    if any(_SIGNED.fullmatch(name) for name, _, _ in pairs):
        return f"{base}?{MASK}"
    masked = (
        f"{name}={redact_payload({name: value})[name]}" if equals else name
        for name, equals, value in pairs
    )
    return base + mark + "&".join(masked)
