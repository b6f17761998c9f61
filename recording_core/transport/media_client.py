"""Media client: fetch media URLs, without credentials, under the address policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from attrs import frozen
from requests.auth import AuthBase

from recording_core.errors import (
    AuthenticationFailed,
    ForbiddenHost,
    NotFound,
    NotReady,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from recording_core.redaction import redact_url
from recording_core.transport.address_policy import (
    AddressPolicy,
    is_loopback,
    matches_any_pattern,
    parse_origin,
    quote_url,
)
from recording_core.transport.authentication import NoAuth
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.responses import read_framing
from recording_core.transport.retry import parse_retry_after
from recording_core.transport.session import NETWORK_ERRORS, POOL_SIZE, build_session
from recording_core.transport.settings import TOTAL_TIMEOUT
from recording_core.transport.status_codes import MAX_REDIRECTS, REDIRECTS

#: How much of an error body is read, in bytes.
_MAX_ERROR_BODY = 65536
_DENIED = (
    AuthenticationFailed,
    "The media host denies access: the link has expired, or the media requires authentication",
)
_NOT_STORED = (NotFound, "The media does not exist, or not yet")
_NOT_READY = (NotReady, "The media is not available yet")
_ERRORS_BY_STATUS: Mapping[int, tuple[type[ProviderError], str]] = {
    **dict.fromkeys((202, 204), _NOT_READY),
    **dict.fromkeys((401, 403), _DENIED),
    **dict.fromkeys((404, 409, 425), _NOT_STORED),
    410: (NotFound, "The media no longer exists: its link has expired, or the vendor removed it"),
    429: (RateLimited, "The media host received too many requests"),
}
#: A code such as `ExpiredToken` in an error body of a storage, in XML or JSON. Google Cloud Storage
#: sends it with status 400: https://cloud.google.com/storage/docs/xml-api/reference-status
_EXPIRY_CODE = re.compile(
    rb'(?i)(?:<code>|"(?:error_?)?code"\s*:\s*"|"(?:error|reason)"\s*:\s*")\s*'
    rb"([a-z_. -]{0,40}expir[a-z_. -]{0,40})"
)
_PLAIN_HTTP = re.compile(r"(?i)http://([^/?#]*?)(?::80|:443)?(?=[/?#]|$)")


class _Address(str):
    """A URL whose repr has no query, for error reports that show the variables of our frames."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redact_url(self.partition("?")[0]))


@frozen
class MediaResponse:
    """A response with status 200, 203, 206 or 416 whose body is not read yet."""

    status: int
    headers: Mapping[str, str]
    _response: requests.Response

    @property
    def framing(self) -> tuple[bool, int | None]:
        """Whether the end of the body is marked, and the length if it is given."""
        return read_framing(self.headers)

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        """Iterate over the body as it was sent, not decompressed. Raises `NETWORK_ERRORS`."""
        raw: urllib3.HTTPResponse = self._response.raw
        exchange = getattr(self._response, "exchange", None)
        while chunk := raw.read(size, decode_content=False):
            if exchange is not None:
                exchange.bytes += len(chunk)
            yield chunk


class MediaTransport:
    """The HTTP client of one connection for media hosts. Thread-safe.

    Credentials are sent to the API's own origin, and to a host in `credential_hosts` after it
    answered 401, by https and never after a redirect. No other host receives them.

    Arguments:
        api: the client of the same connection for the API
        vendor_hosts: the provider's table of media hosts: names and `*.example.com` patterns
        credential_hosts: the hosts that require the API's credentials, in the same form
        first_byte_timeout: seconds until a file's first byte, if the user set no `total_timeout`
    """

    def __init__(
        self,
        api: Transport,
        *,
        vendor_hosts: tuple[str, ...],
        credential_hosts: tuple[str, ...],
        first_byte_timeout: float,
    ) -> None:
        settings = api.settings
        self._api = api
        self._facts: Mapping[str, Any] = {"provider": api.provider, "operation": "download"}
        #: seconds until a file's first byte: the user's setting, or else the provider's
        self.first_byte_timeout = (
            first_byte_timeout
            if settings.total_timeout == TOTAL_TIMEOUT
            else settings.total_timeout
        )
        #: the most bytes of a file, if the user set it
        self.max_bytes = settings.max_media_bytes
        self._credential_hosts = credential_hosts
        self._policy = AddressPolicy(
            hosts=settings.media_hosts,
            vendor_hosts=vendor_hosts,
            allow_loopback=settings.allow_loopback or api.on_loopback,
        )
        size = max(settings.workers, POOL_SIZE)
        self._session = build_session(self._policy, size, settings.read_timeout)
        self._api_session = build_session(None, size, settings.read_timeout)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._session.close()
        self._api_session.close()

    @contextmanager
    def fetch(
        self, url: str, headers: Mapping[str, str], *, attempt: int = 1
    ) -> Iterator[MediaResponse]:
        """Request a URL, follow its redirects, and yield the last response.

        Spaces and non-ASCII letters in the URL are percent-encoded. `attempt` is that of the
        `Exchange`.

        Raises `ForbiddenHost` for an address that the policy does not allow, and `ProviderError`
        if there is no response or it reports an error. Errors while the body is read are left to
        the caller.
        """
        # Not compressed: sizes, ranges and checksums refer to the bytes as they are stored.
        headers = {**headers, "Accept": "*/*", "Accept-Encoding": "identity"}
        url = _Address(self._upgrade_to_https(quote_url(url)))
        with Deadline(self.first_byte_timeout, postponable=True) as deadline:
            response = self._follow_redirects(
                url, headers=headers, deadline=deadline, attempt=attempt
            )
            try:
                self._check_status(response, deadline)
                deadline.lift()
            except BaseException as error:  # noqa: BLE001  # raised again
                response.close()
                raise error.with_traceback(None) from None  # as the client for the API does
        with response:
            yield MediaResponse(response.status_code, response.headers, response)

    def _follow_redirects(self, url: str, **more: Any) -> requests.Response:
        """Request a URL and follow its redirects; `more` are arguments of `_send`."""
        response = self._send(url, authenticated=self._is_on_api(url), **more)
        if response.status_code == 401 and self._requires_credentials(url):
            response.close()
            response = self._send(url, authenticated=True, **more)
        for _ in range(MAX_REDIRECTS):
            if response.status_code not in REDIRECTS:
                break
            response.close()
            facts = {**self._facts, "status": response.status_code}
            location = _Address(_decode_header(response.headers.get("Location", "")))
            if not location:
                raise Unavailable("The media host redirects without a target", **facts)
            try:
                url = _Address(self._upgrade_to_https(quote_url(urljoin(url, location))))
            except ValueError:
                raise ForbiddenHost(
                    "The media host redirects to something that is not a URL; it was not followed"
                ) from None
            # Only the first request may be authenticated: a third party may have chosen the target.
            response = self._send(url, authenticated=False, **more)
        if response.status_code in REDIRECTS:
            response.close()
            message = f"The media host answered with more than {MAX_REDIRECTS} redirects"
            raise Unavailable(message, status=response.status_code, **self._facts)
        return response

    def _send(
        self,
        url: str,
        *,
        authenticated: bool,
        headers: Mapping[str, str],
        deadline: Deadline,
        attempt: int,
    ) -> requests.Response:
        on_api = self._is_on_api(url)
        if not on_api:
            self._policy.check_url(url)
        auth: AuthBase = self._api.auth if authenticated else NoAuth()
        session = self._api_session if on_api else self._session
        if on_api:
            self._api.bucket.take()
        deadline.sent = False
        failure: ProviderError | ForbiddenHost
        try:
            return self._api.send(
                session,
                "GET",
                url,
                deadline,
                auth=auth,
                headers=headers,
                operation="download",
                attempt=attempt,
                headers_timeout=self.first_byte_timeout,
            )
        except ForbiddenHost as error:
            failure = error.with_traceback(None)  # its frames in requests contain the URL
        except NETWORK_ERRORS as error:
            failure = self._convert_network_error(error, url, deadline)
        raise failure  # here, since the error of requests has the URL, and would be the context

    def _convert_network_error(
        self, error: Exception, url: str, deadline: Deadline
    ) -> ProviderError:
        # Imported with the first failure.
        from recording_core.transport.network_failures import explain_failure

        origin = parse_origin(url)
        message = f"The media host {origin[1]} did not respond"
        if deadline.expired:
            message = _describe_late_media(deadline)
        elif explained := explain_failure(error, origin, self._facts, sent=deadline.sent):
            return explained
        elif isinstance(error, requests.Timeout | TimeoutError):
            message = _describe_late_media(deadline)
        return Unavailable(message, **self._facts)

    def _check_status(self, response: requests.Response, deadline: Deadline) -> None:
        status = response.status_code
        if deadline.expired:
            raise Unavailable(_describe_late_media(deadline), **self._facts)
        if status in (200, 203, 206, 416):
            return
        body = _read_error_body(response) if status == 400 else b""
        expiry = _EXPIRY_CODE.search(body) if status == 400 else None
        if expiry is not None:
            raise AuthenticationFailed(
                "The link to the media has expired",
                status=status,
                code=expiry[1].decode().strip(),
                **self._facts,
            )
        other = Unavailable if status >= 500 else Rejected, f"The media host returned HTTP {status}"
        kind, message = _ERRORS_BY_STATUS.get(status, other)
        if self._is_on_api(response.url) and status >= 300:
            message = message.replace("media host", "API")
            body = body or _read_error_body(response)
            raise self._api.reader.build_media_error(response, body, (kind, message), self._facts)
        facts = {**self._facts, "status": status}
        if kind is RateLimited:
            facts["retry_after"] = parse_retry_after(
                response.headers.get("Retry-After"), self._api.clock.now()
            )
        raise kind(message, **facts)

    # -- addresses -------------------------------------------------------------------------------

    def _is_on_api(self, url: str) -> bool:
        return parse_origin(url) == self._api.origin

    def _requires_credentials(self, url: str) -> bool:
        scheme, host, port = parse_origin(url)
        return (
            scheme == "https" and port == 443 and matches_any_pattern(host, self._credential_hosts)
        )

    def _upgrade_to_https(self, url: str) -> str:
        """Change a vendor's plain-http link to https, except on loopback."""
        scheme, host, port = parse_origin(url)
        if scheme == "http" and not is_loopback(host) and port in (80, 443):
            return _PLAIN_HTTP.sub(r"https://\1", url, count=1)
        return url


def _read_error_body(response: requests.Response) -> bytes:
    try:
        body: bytes = response.raw.read(_MAX_ERROR_BODY, decode_content=True)
    except NETWORK_ERRORS:
        return b""
    return body


def _decode_header(value: str) -> str:
    """Decode a header that contains UTF-8, which HTTP libraries read as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _describe_late_media(deadline: Deadline) -> str:
    return f"The media host sent no first byte within {deadline.seconds:g} s"
