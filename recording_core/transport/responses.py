"""Responses: read the response of an API request, and return its payload or raise its error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import requests
from attrs import evolve, frozen

from recording_core.clock import Clock
from recording_core.errors import (
    MalformedPayload,
    NotFound,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from recording_core.model import strict_json
from recording_core.redaction import MOST_EXCERPT, MOST_PAYLOAD, Secrets
from recording_core.transport.deadline import Deadline
from recording_core.transport.retry import parse_retry_after
from recording_core.transport.status_codes import (
    AMBIGUOUS_STATUSES,
    DEFAULT_MESSAGES,
    REQUEST_ID_HEADERS,
    STATUSES_WITHOUT_BODY,
    ErrorDetails,
    find_error_class,
)

_CHUNK = 65536

#: Of texts. Python also has encodings whose decoders are slow, or decode something else than text.
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "windows-1252", "utf-16"})


@frozen(eq=False, repr=False)
class ApiResponse:
    """A 2xx response of a vendor's API.

    Attributes:
        status: the HTTP status
        headers: the response headers
        payload: the decoded JSON with credential fields masked; None for an empty body
    """

    status: int
    headers: Mapping[str, str]
    payload: Any


@frozen(eq=False)
class ResponseReader:
    """Reads the responses of one connection's API.

    `max_bytes` bounds a body. The others are those of `Transport`. Errors have `facts`: provider
    and operation.
    """

    secrets: Secrets
    clock: Clock
    max_bytes: int
    error_details: Callable[[int, Mapping[str, str], Any], ErrorDetails]
    empty_not_found: bool

    def read(
        self,
        response: requests.Response,
        deadline: Deadline,
        facts: Mapping[str, Any],
        *,
        expect: str,
        unmasked: bool,
    ) -> ApiResponse:
        """Read a response without a redirect. `expect` and `unmasked` are those of a request.

        Raises `ProviderError`, also for a 2xx response whose body reports a failure, and what
        `requests` raises while the body is read.
        """
        body = self._read_body(response, deadline, facts)
        status, headers = response.status_code, response.headers
        payload: Any = None
        try:
            if expect in ("text", "bytes") and 200 <= status < 300:
                payload = _decode_text(body, headers) if expect == "text" else body
            elif body.strip() and unmasked:
                payload = strict_json.decode_json_plain(body, masked=False)
            elif body.strip():
                payload = strict_json.decode_json(body)
        except MalformedPayload as error:
            if 200 <= status < 300 and expect != "none":
                kind = headers.get("Content-Type", "missing").partition(";")[0]
                raise MalformedPayload(
                    f"{error.message} (Content-Type: {kind}). Either something other than the "
                    "vendor's API responded, or the API has changed",
                    body=self._build_excerpt(body),
                    status=status,
                    request_id=self._find_request_id(headers),
                    **facts,
                ) from None
        is_text = expect == "text" and status >= 400 and not isinstance(payload, dict)
        if is_text:
            payload = body.decode("utf-8", "replace")
        details = self._read_error_details(
            status, headers, payload, is_empty=not body.strip(), is_text=is_text
        )
        if 200 <= status < 300 and details.kind is None and not details.is_error:
            if not unmasked and self.secrets.is_echoed_in(body):
                payload = self.secrets.mask_echoes(payload)  # the vendor echoed our own credential
            return ApiResponse(status, headers, None if expect == "none" else payload)
        raise self._build_error(status, headers, body, payload, details, facts)

    def build_media_error(
        self,
        response: requests.Response,
        body: bytes,
        default: tuple[type[ProviderError], str],
        facts: Mapping[str, Any],
    ) -> ProviderError:
        """Build the error of a refusal by the API's own origin in place of media.

        `default` is the class of the status and the message, for a body that contains none.
        """
        payload = None
        with suppress(MalformedPayload):
            payload = strict_json.decode_json(body) if body.strip() else None
        status, headers = response.status_code, response.headers
        details = self._read_error_details(status, headers, payload, is_empty=not body.strip())
        return self._build_error(status, headers, body, payload, details, facts, default)

    def _read_body(
        self, response: requests.Response, deadline: Deadline, facts: Mapping[str, Any]
    ) -> bytes:
        if response.status_code in STATUSES_WITHOUT_BODY:
            return b""
        chunks: list[bytes] = []
        size = 0
        exchange = getattr(response, "exchange", None)
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if exchange is not None:
                exchange.bytes = size
            if size > self.max_bytes:
                chunks.clear()  # the error's traceback would keep them in memory
                raise MalformedPayload(
                    f"The response is larger than {self.max_bytes} bytes. If that is expected, "
                    "increase HttpSettings(max_json_bytes=)",
                    status=response.status_code,
                    **facts,
                )
            chunks.append(chunk)
        # A socket that the watchdog shut down can look like the regular end of the body.
        if deadline.expired:
            raise TimeoutError
        if not chunks and not read_framing(response.headers)[0]:
            raise ConnectionError  # a response cut within its headers looks like an empty one
        return b"".join(chunks)

    def _read_error_details(
        self,
        status: int,
        headers: Mapping[str, str],
        body: Any,
        *,
        is_empty: bool,
        is_text: bool = False,
    ) -> ErrorDetails:
        """Read a decoded error body by the provider's `error_details`, with `recognized` set."""
        if not isinstance(body, dict) and (is_empty or not is_text):
            return ErrorDetails(recognized=is_empty and status == 404 and self.empty_not_found)
        details = self.error_details(status, headers, body)
        if details.recognized is None:
            return evolve(details, recognized=bool(details.message or details.code))
        return details

    def _build_error(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        payload: Any,
        details: ErrorDetails,
        facts: Mapping[str, Any],
        default: tuple[type[ProviderError], str] | None = None,
    ) -> ProviderError:
        facts = {
            **facts,
            "status": status,
            "code": self.secrets.shorten(details.code) if details.code else None,
            "request_id": self._find_request_id(headers, details.request_id),
            "body": self.secrets.shorten_payload(payload) if payload else self._build_excerpt(body),
        }
        if status in AMBIGUOUS_STATUSES and not details.recognized:
            return Unavailable(
                f"HTTP {status} arrived without an error body of the vendor's: a proxy or gateway "
                "may have sent it, so that it proves nothing. If it persists, check base_url",
                **facts,
            )
        kind = details.kind or (default and default[0]) or find_error_class(status) or Rejected
        message = DEFAULT_MESSAGES.get(kind, f"The vendor returned HTTP {status}")
        if details.message:
            message = self.secrets.shorten(details.message)
        elif default is not None:
            message = default[1]
        if status < 300 and details.kind is None and not details.recognized:
            kind = MalformedPayload
            message += ". Neither an error in the vendor's shape nor a success: it proves nothing"
        if issubclass(kind, NotFound):
            facts["absent"] = details.absent
        if issubclass(kind, RateLimited | Unavailable):
            wait = parse_retry_after(headers.get("Retry-After"), self.clock.now())
            facts["retry_after"] = wait
            if issubclass(kind, RateLimited) and wait is not None:
                message = (
                    f"{message.rstrip('.')}. The vendor limits requests: try again after "
                    f"{wait.total_seconds():g} s"
                )
        return kind(message, **facts)

    def _find_request_id(
        self, headers: Mapping[str, str], in_body: str | None = None
    ) -> str | None:
        found = (headers[name] for name in REQUEST_ID_HEADERS if name in headers)
        request_id = in_body or next(found, None)
        return self.secrets.shorten(request_id) if request_id is not None else None

    def _build_excerpt(self, body: bytes) -> str:
        return self.secrets.shorten(body[:MOST_PAYLOAD].decode("utf-8", "replace"), MOST_EXCERPT)


def _decode_text(body: bytes, headers: Mapping[str, str]) -> str:
    """Decode a text in the charset of its headers, else UTF-8. Raises `MalformedPayload`."""
    named = headers.get("Content-Type", "").lower().partition("charset=")[2]
    charset = named.partition(";")[0].strip(" \"'") or "utf-8"
    try:
        if charset in _CHARSETS:
            return body.decode(charset)
    except ValueError:
        pass
    raise MalformedPayload(f"The response is not a text in {charset[:40]}")


def read_framing(headers: Mapping[str, str]) -> tuple[bool, int | None]:
    """Read from headers whether the end of the body is marked, and the length if it is given.

    If the end is not marked, or not in a way that http.client understands, a cut connection looks
    like the end.
    """
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return True, None
    length = headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and len(length) < 20:
        return True, int(length)
    return False, None
