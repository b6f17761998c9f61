"""Status codes: the error class of an HTTP status, and what an error body adds to it."""

from __future__ import annotations

from collections.abc import Mapping

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

#: HTTP status (RFC 9110, 15) -> error class. What a caller does next decides the class. A provider
#: may choose another one by `ErrorDetails.kind`.
ERRORS_BY_STATUS: Mapping[int, type[ProviderError]] = {
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
    """Find the error class of an HTTP status, of a response or named in a body.

    Returns None for a status that is not in the table and not a 5xx.
    """
    return ERRORS_BY_STATUS.get(status) or (Unavailable if 500 <= status < 600 else None)


#: Statuses that a proxy or gateway in between also returns, with a page of its own. Only with a
#: body in the vendor's documented shape they come from the vendor.
AMBIGUOUS_STATUSES = frozenset({400, 404, 409, 410, 422})

#: The operations whose caller acts on "there is no such thing", so that it must be proved.
CONFIRMED_OPERATIONS = frozenset({"stop", "active", "delete"})

#: Statuses of a redirect, and how many redirects in a row are followed.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
#: Headers that hold the id of a request, for the vendor's support.
REQUEST_ID_HEADERS = ("x-request-id", "cf-ray", "request-id")
#: Statuses whose responses never have a body, even if their headers state a length (RFC 9110,
#: 6.4.1).
STATUSES_WITHOUT_BODY = frozenset({204, 304})
#: Errors that mean that the vendor read the request and did not carry it out.
NOT_PROCESSED_ERRORS = (
    AuthenticationFailed,
    Conflict,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Rejected,
)

#: The message of an error whose response contains none.
DEFAULT_MESSAGES: Mapping[type[ProviderError], str] = {
    AuthenticationFailed: "The vendor does not accept the credentials, or they lack a permission",
    NotFound: "The vendor has no such call, conference, meeting or recording",
    RateLimited: "The vendor received too many requests; wait before you send the next one",
    Unavailable: "The vendor reports a fault of its own; try again later",
    Conflict: "The current state at the vendor does not allow this request",
    QuotaExceeded: "The account has reached a limit at the vendor",
    Rejected: "The vendor does not accept the request as it is",
}


@frozen
class ErrorDetails:
    """What an error response of a vendor contains.

    Attributes:
        message: the vendor's message
        code: the vendor's error code
        request_id: the id of the request, for the vendor's support
        recognized: whether the body is in the vendor's documented shape. Without it a 400, 404,
            409, 410 or 422 proves nothing: a proxy or gateway may have sent it. By default, a JSON
            object with a message or a code is recognized
        absent: whether the code states that this very resource does not exist; not for an unknown
            route or account
        kind: the error class, only if it differs from that of the HTTP status
        is_error: whether the body itself reports a failure, also with a 2xx status
    """

    message: str | None = None
    code: str | None = None
    request_id: str | None = None
    recognized: bool | None = None
    absent: bool = False
    kind: type[ProviderError] | None = None
    is_error: bool = False
