"""What does an answer mean? The error classes, and what a vendor's own body adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from recording_core.errors import (
    AuthenticationFailed,
    Conflict,
    NotFound,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    Rejected,
    Unavailable,
)

__all__ = [
    "BODILESS",
    "ERRORS",
    "OWN_WORDS",
    "REFUSALS",
    "REQUEST_IDS",
    "Answer",
    "ErrorDetails",
    "find_error_class",
    "read_framing",
]

#: What a caller does next decides the class (RFC 9110, 15); a provider may know better.
ERRORS: Mapping[int, type[ProviderError]] = {
    400: Rejected,
    401: AuthenticationFailed,
    402: QuotaExceeded,
    403: AuthenticationFailed,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: NotFound,
    429: RateLimited,
}


def find_error_class(status: int) -> type[ProviderError] | None:
    """The class for an HTTP status, also where a body names one; None for what names no error."""
    return ERRORS.get(status) or (Unavailable if 500 <= status < 600 else None)


#: The header that names a request to the vendor's support, by whoever answers it.
REQUEST_IDS = ("x-request-id", "cf-ray", "request-id")
#: RFC 9110, 6.4.1: these never have a body, whatever their headers say.
BODILESS = frozenset({204, 304})
#: The vendor read the request and did not do it.
REFUSALS = (AuthenticationFailed, Conflict, NotFound, QuotaExceeded, RateLimited, Rejected)

#: Said where the vendor's answer has no words of its own: what to do now.
OWN_WORDS: Mapping[type[ProviderError], str] = {
    AuthenticationFailed: "the credentials are refused, or lack a permission",
    NotFound: "no such thing at the vendor",
    RateLimited: "too many requests",
    Unavailable: "the vendor fails at its side; try later",
    Conflict: "the state at the vendor forbids it",
    QuotaExceeded: "the account is at its limit",
    Rejected: "the vendor refuses the request as it is",
}


@frozen
class ErrorDetails:
    """What a vendor's error body says.

    Attributes:
        code: the vendor's
        message: its words
        request_id: what its support asks for
        kind: the class, only where the HTTP status does not tell it
        is_error: the body says itself that it failed, whatever the HTTP status
    """

    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    kind: type[ProviderError] | None = None
    is_error: bool = False


@frozen(eq=False, repr=False)
class Answer:
    """A 2xx answer. `payload` is its JSON with credential fields masked, None for an empty body."""

    status: int
    headers: Mapping[str, str]
    payload: Any


def read_framing(headers: Mapping[str, str]) -> tuple[bool, int | None]:
    """Whether a body's end is announced, and its length where that is told. If it is not, or not
    in a way that http.client understands, a cut connection looks like the end.
    """
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return True, None
    length = headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and len(length) < 20:
        return True, int(length)
    return False, None
