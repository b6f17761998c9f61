"""Client: authenticated API requests, bounded in time, retried only if that is safe."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import unquote, urljoin

import requests
from attrs import evolve, frozen
from requests.auth import AuthBase

from recording_core.clock import Clock
from recording_core.errors import (
    ConfigurationError,
    ForbiddenHost,
    MalformedPayload,
    NotFound,
    OutcomeUnknown,
    PaginationError,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from recording_core.redaction import Secrets
from recording_core.transport.address_policy import Origin, is_loopback, parse_origin
from recording_core.transport.authentication import TokenAuth
from recording_core.transport.deadline import Deadline, compute_seconds_left
from recording_core.transport.rate_limit import TokenBucket
from recording_core.transport.responses import ApiResponse, ResponseReader
from recording_core.transport.retry import RETRIED_STATUSES, RetryPolicy, compute_backoff
from recording_core.transport.session import NETWORK_ERRORS, POOL_SIZE, TIMEOUTS, build_session
from recording_core.transport.settings import VENDOR_RATE, HttpSettings
from recording_core.transport.status_codes import (
    AMBIGUOUS_STATUSES,
    CONFIRMED_OPERATIONS,
    MAX_REDIRECTS,
    NOT_PROCESSED_ERRORS,
    REDIRECTS,
    ErrorDetails,
)

_log = logging.getLogger("recording_core.transport")


@frozen(kw_only=True, eq=False, repr=False)
class _Request:
    """One request as it is sent. Its repr does not show the body, which may have a credential.

    `operation` and `attempt` are those of the `Exchange`. `headers_timeout` (seconds) bounds the
    wait for the headers; default: `read_timeout`.
    """

    method: str
    url: str
    auth: AuthBase
    headers: Mapping[str, str]
    operation: str
    attempt: int = 1
    retry: RetryPolicy = RetryPolicy.IDEMPOTENT
    params: Any = None
    json: Any = None
    data: Any = None
    headers_timeout: float | None = None


class Transport:
    """The HTTP client of one connection for its vendor's API. Thread-safe.

    Arguments:
        provider: the provider's name, for errors and logs
        base_url: https, or http to loopback
        auth: authenticates each request to the API's origin, and no other request
        secrets: the credentials, masked in everything that leaves this class
        settings: the user's HTTP settings
        clock: for waits
        rate: the vendor's published requests per second; None for no limit
        error_details: reads the vendor's error bodies: (status, headers, body)
        empty_not_found: whether the vendor documents a 404 with an empty body
        control: sends a request that must succeed if the vendor's API answers, for a 404 that does
            not prove that the resource is absent
        burst: the requests allowed at once under `rate`; default: one minute's worth
        account: the name of the account, for telemetry
        path_words: the words of the API's paths, for telemetry, which hides each other part

    Raises `ConfigurationError` for a base URL to which credentials must not be sent.
    """

    def __init__(
        self,
        *,
        provider: str,
        base_url: str,
        auth: AuthBase,
        secrets: Iterable[str],
        settings: HttpSettings,
        clock: Clock,
        rate: float | None,
        error_details: Callable[[int, Mapping[str, str], Any], ErrorDetails],
        burst: float | None = None,
        empty_not_found: bool = False,
        control: Callable[[], object] | None = None,
        account: str = "default",
        path_words: str = "",
    ) -> None:
        self.provider = provider
        self.account = account
        self.path_words = frozenset(path_words.split())
        self.base_url = base_url.rstrip("/")
        self.origin = _parse_base_url(self.base_url)
        self.settings = settings
        self.secrets = Secrets(secrets)
        self.clock = clock
        self.auth = auth
        if isinstance(auth, TokenAuth):
            auth.secrets = self.secrets
        self.on_loopback = is_loopback(self.origin[1])
        if settings.rate is not VENDOR_RATE:
            rate, burst = settings.rate, None
        self.bucket = TokenBucket(None if self.on_loopback else rate, clock, burst)
        self.reader = ResponseReader(
            self.secrets, clock, settings.max_json_bytes, error_details, empty_not_found
        )
        self._control = control
        self._session = build_session(None, max(settings.workers, POOL_SIZE))
        if not settings.verify_tls:
            warnings.warn(
                f"{provider}: TLS certificates are not verified (verify_tls=False); anyone between "
                "this machine and the vendor can read the credentials",
                UserWarning,
                stacklevel=4,
            )

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._session.close()

    # -- one exchange ----------------------------------------------------------------------------

    def get(self, path: str, *, operation: str, params: Any = None) -> ApiResponse:
        """Send a GET request, which is retried if a later attempt may succeed."""
        return self.request(
            "GET", path, operation=operation, params=params, retry=RetryPolicy.IDEMPOTENT
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        retry: RetryPolicy,
        params: Any = None,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        expect: Literal["json", "text", "bytes", "none"] = "json",
        auth: AuthBase | None = None,
        unmasked: bool = False,
    ) -> ApiResponse:
        """Send one request and return its 2xx response, or raise a `ProviderError`.

        Arguments:
            method: the HTTP method
            path: relative to the base URL, or a URL on its origin
            operation: the verb, for errors and logs
            retry: whether the request may be sent again. With `RetryPolicy.NEVER` any doubt about
                its effect raises `OutcomeUnknown`
            params: the query
            json: the body
            form: in place of `json`, the fields of a body in `application/x-www-form-urlencoded`.
                An array is a field that repeats, true and false are words, None is left out.
                Raises `ValueError` for an object, which a form cannot contain
            headers: more headers, such as `Accept`
            expect: what the payload of a 2xx response is: decoded JSON, a text (such as XML, in the
                charset that the response names, else UTF-8), the bytes, or None, however the
                body looks. Credential fields are masked in JSON alone
            auth: in place of the connection's own, for the request that authenticates
            unmasked: keep credential fields in the payload, for the request that authenticates
        """
        accept = "application/json" if expect == "json" else "*/*"
        request = _Request(
            method=method,
            url=self._build_url(path, operation),
            auth=auth or self.auth,
            headers={"Accept": accept, **(headers or {})},
            operation=operation,
            retry=retry,
            params=params,
            json=json,
            data=_list_form_fields(form),
        )
        self.bucket.take()
        maybe_processed = False
        with Deadline(self.settings.total_timeout, postponable=True) as deadline:
            for attempt in range(self.settings.retries + 1):
                deadline.sent = False
                try:
                    return self._send_once(
                        evolve(request, attempt=attempt + 1), deadline, expect, unmasked
                    )
                except ProviderError as failure:
                    error = failure  # handled below: it is not to be the context of what is raised
                if error.operation != operation:
                    # Authentication failed after its own retries; this was not sent. Without its
                    # frames, whose variables have the credential.
                    raise error.with_traceback(None)
                error = self._confirm_absence(error)
                # After a DELETE whose first response was lost, the resource is gone.
                if maybe_processed and method == "DELETE" and isinstance(error, NotFound):
                    return ApiResponse(404, {}, None)
                # The vendor did not process a rate-limited request; after a cut connection
                # it may have.
                maybe_processed = maybe_processed or (
                    deadline.sent and not isinstance(error, RateLimited)
                )
                final = self._convert_doubtful_error(error, retry, deadline)
                wait = self._compute_wait(final, retry, deadline, attempt)
                if wait is None:
                    # Without its frames, whose variables have the body: it may quote a
                    # credential, and error trackers record variables.
                    raise final.with_traceback(None)
                _log.info(
                    "%s %s: attempt %d failed (%s); retrying in %.1f s",
                    self.provider,
                    operation,
                    attempt + 1,
                    type(error).__name__,
                    wait,
                )
                self.clock.sleep(wait)
                self.bucket.take()
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _send_once(
        self, request: _Request, deadline: Deadline, expect: str, unmasked: bool
    ) -> ApiResponse:
        """Send a request, follow its redirects, and read the last response."""
        facts: dict[str, Any] = {"provider": self.provider, "operation": request.operation}
        try:
            for _ in range(MAX_REDIRECTS + 1):
                with self._send_authenticated(self._session, request, deadline) as response:
                    if response.status_code not in REDIRECTS:
                        return self.reader.read(
                            response, deadline, facts, expect=expect, unmasked=unmasked
                        )
                    url = self._resolve_redirect(request.method, request.url, response, facts)
                    request = evolve(request, url=url, params=None)
        except NETWORK_ERRORS as error:
            failure = self._convert_network_error(error, deadline, facts)
        else:
            message = f"The API answered with more than {MAX_REDIRECTS} redirects"
            failure = Unavailable(message, status=302, **facts)
        raise failure  # here, since the error of requests has the request, and would be the context

    def send(
        self,
        session: requests.Session,
        method: str,
        url: str,
        deadline: Deadline,
        *,
        auth: AuthBase,
        **more: Any,
    ) -> requests.Response:
        """Send one request without redirects, and return the response with its body unread.

        After a 401 from the API, a `TokenAuth` is renewed and the request sent again, once.
        `more` are other fields of `_Request`.
        """
        request = _Request(method=method, url=url, auth=auth, **more)
        return self._send_authenticated(session, request, deadline)

    def _send_authenticated(
        self, session: requests.Session, request: _Request, deadline: Deadline
    ) -> requests.Response:
        response = self._send(session, request, deadline)
        if (
            response.status_code != 401
            or not isinstance(request.auth, TokenAuth)
            or parse_origin(request.url) != self.origin
        ):
            return response
        response.close()
        # The vendor processed nothing, so that even a start may be sent again.
        deadline.sent = False
        request.auth.renew(response.request)
        self.bucket.take()
        return self._send(session, request, deadline)

    def _send(
        self, session: requests.Session, request: _Request, deadline: Deadline
    ) -> requests.Response:
        """Send one request. The environment's proxies are used for https only, not for loopback."""
        # Imported with the first request.
        from recording_core.transport.telemetry import send_exchange

        prepared = session.prepare_request(
            requests.Request(
                request.method,
                request.url,
                params=request.params,
                json=request.json,
                data=request.data,
                headers=request.headers,
                auth=request.auth,
            )
        )
        environment: Any = {"stream": True, "proxies": {}, "verify": True, "cert": None}
        scheme, host, _ = parse_origin(prepared.url or "")
        if scheme == "https":
            environment = session.merge_environment_settings(prepared.url, {}, True, None, None)
            if not self.settings.verify_tls:
                environment["verify"] = False
            if is_loopback(host):
                environment["proxies"] = {}
        # A connection that was kept alive may have ended: a start would be in doubt, and another
        # attempt could fail again.
        fresh = request.retry is RetryPolicy.NEVER or request.attempt > 1
        timeout = (
            deadline.limit(self.settings.connect_timeout),
            deadline.limit(request.headers_timeout or self.settings.read_timeout),
        )
        return send_exchange(
            self,
            lambda: session.send(
                prepared, fresh=fresh, allow_redirects=False, timeout=timeout, **environment
            ),
            method=request.method,
            url=request.url,
            operation=request.operation,
            attempt=request.attempt,
        )

    # -- failures --------------------------------------------------------------------------------

    def _convert_network_error(
        self, error: Exception, deadline: Deadline, facts: Mapping[str, Any]
    ) -> ProviderError:
        """Convert a network exception, whose text may quote URLs and tokens, to a safe error."""
        # Imported with the first failure.
        from recording_core.transport.network_failures import explain_failure

        if isinstance(error, requests.exceptions.ContentDecodingError):
            return MalformedPayload("The compression of the response is broken", **facts)
        message = f"No connection to {self.origin[1]}:{self.origin[2]} could be made"
        if deadline.expired or deadline.compute_remaining() == 0.0:
            message = f"No complete response arrived within {deadline.seconds:g} s"
        elif explained := explain_failure(error, self.origin, facts, sent=deadline.sent):
            return explained
        # requests raises ConnectionError for a read that times out in the middle of a body.
        elif any(isinstance(each, TIMEOUTS) for each in (error, *error.args)):
            message = "No response arrived in time"
        elif deadline.sent:
            message = "The connection was cut before the complete response arrived"
        return Unavailable(message, **facts)

    def _confirm_absence(self, error: ProviderError) -> ProviderError:
        """Convert a `NotFound` that proves nothing, unless the API answers otherwise."""
        if not isinstance(error, NotFound) or error.absent or self._control is None:
            return error
        if error.operation not in CONFIRMED_OPERATIONS:
            return error
        try:
            self._control()
        except ProviderError as failure:
            return error.convert(
                Unavailable,
                f"HTTP {error.status} may be another server's answer: a control request to the "
                f"vendor's API failed ({type(failure).__name__}). Its text: {error.message}",
            )
        return error

    def _convert_doubtful_error(
        self, error: ProviderError, retry: RetryPolicy, deadline: Deadline
    ) -> ProviderError:
        """Convert an error to `OutcomeUnknown` if a `NEVER` request may have had its effect."""
        status = error.status or 0
        not_processed = (
            isinstance(error, NOT_PROCESSED_ERRORS) and status < 500 and status not in REDIRECTS
        )
        if retry is not RetryPolicy.NEVER or not deadline.sent or not_processed:
            return error
        return error.convert(
            OutcomeUnknown,
            f"{error.message.rstrip('.')}. The request may have taken effect: check before you "
            "repeat it",
        )

    def _compute_wait(
        self, error: ProviderError, retry: RetryPolicy, deadline: Deadline, attempt: int
    ) -> float | None:
        """Compute the seconds until the next attempt; None if there is no other attempt."""
        if attempt >= self.settings.retries or retry is RetryPolicy.NEVER or deadline.expired:
            return None
        if isinstance(error, Unavailable):
            if error._is_lasting:
                return None
            status = error.status or 503
            # With a 2xx, the body states that the server failed.
            may_pass = status < 300 or status in RETRIED_STATUSES | AMBIGUOUS_STATUSES
            if deadline.sent and not (retry is RetryPolicy.IDEMPOTENT and may_pass):
                return None
        elif not isinstance(error, RateLimited):
            return None
        wait = max(compute_backoff(attempt), (error.retry_after or timedelta(0)).total_seconds())
        left = compute_seconds_left()  # an outer deadline may leave less than this one
        return wait if left is None or wait < left else None

    # -- addresses -------------------------------------------------------------------------------

    def _build_url(self, path: str, operation: str) -> str:
        if any(unquote(part) in (".", "..") for part in path.partition("?")[0].split("/")):
            # Quoted or not, requests resolves these, even if an id consists of dots.
            raise Rejected(
                "An id that consists of dots would change the path of the request; nothing was "
                "sent",
                provider=self.provider,
                operation=operation,
            )
        if not path.startswith(("http:", "https:", "//")):
            return f"{self.base_url}/{path.lstrip('/')}"
        return self.resolve_link(path, operation)

    def resolve_link(self, reference: str, operation: str) -> str:
        """Resolve a link that the API returned to an absolute URL on the API's origin.

        Raises `PaginationError` for a link to another origin.
        """
        url = self._join_url(self.base_url + "/", reference)
        if url is None:
            raise PaginationError(
                "The vendor returned a link to another origin than its API; it was not followed",
                provider=self.provider,
                operation=operation,
            )
        return url

    def _resolve_redirect(
        self, method: str, url: str, response: requests.Response, facts: Mapping[str, Any]
    ) -> str:
        """Resolve the target of a redirect, which only a GET within the API's origin follows."""
        location = response.headers.get("Location")
        target = self._join_url(url, location) if location else None
        if method != "GET" or target is None:
            raise Rejected(
                "The API redirects this request"
                + ("; it was not sent again" if method != "GET" else " to another origin")
                + ". Check base_url: it may belong to another server",
                status=response.status_code,
                **facts,
            )
        return target

    def _join_url(self, base: str, reference: str) -> str | None:
        """Join a reference with its base; None if the result is not on the API's origin."""
        try:
            url = urljoin(base, reference)
            return url if parse_origin(url) == self.origin else None
        except (ValueError, ForbiddenHost):
            return None


def _list_form_fields(form: Mapping[str, Any] | None) -> list[tuple[str, str]] | None:
    """List the fields of a form as pairs of text. Raises `ValueError` for an object."""
    if form is None:
        return None
    pairs = []
    for name, value in form.items():
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, Mapping | list | tuple):
                raise ValueError(f"the field {name!r} contains an object, which no form can")
            if each is not None:
                # `True` is Python's spelling.
                pairs.append((name, str(each).lower() if isinstance(each, bool) else str(each)))
    return pairs


def _parse_base_url(base_url: str) -> Origin:
    if "@" in base_url or "?" in base_url or "#" in base_url:
        raise ConfigurationError("base_url must not contain user info, a query or a fragment")
    try:
        origin = parse_origin(base_url)
    except ForbiddenHost:
        raise ConfigurationError("base_url is not a URL") from None
    scheme, host, _ = origin
    if scheme not in ("http", "https") or not host:
        raise ConfigurationError("base_url must be an https URL with a host")
    if scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"base_url is plain http to {host}, which would expose the credentials; use https"
        )
    return origin
