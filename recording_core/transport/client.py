"""Client: authenticated API requests, bounded in time, retried only if that is safe."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import unquote, urljoin

import requests
from attrs import evolve
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
from recording_core.model import strict_json
from recording_core.redaction import MOST_EXCERPT, MOST_PAYLOAD, Secrets
from recording_core.transport.address_policy import Origin, is_loopback, parse_origin
from recording_core.transport.authentication import TokenAuth
from recording_core.transport.deadline import Deadline, compute_seconds_left
from recording_core.transport.rate_limit import TokenBucket
from recording_core.transport.retry import (
    RETRIED_STATUSES,
    RetryPolicy,
    compute_backoff,
    parse_retry_after,
)
from recording_core.transport.session import NETWORK_ERRORS, POOL_SIZE, TIMEOUTS, build_session
from recording_core.transport.settings import VENDOR_RATE, HttpSettings
from recording_core.transport.status_codes import (
    AMBIGUOUS_STATUSES,
    CONFIRMED_OPERATIONS,
    DEFAULT_MESSAGES,
    MAX_REDIRECTS,
    NOT_PROCESSED_ERRORS,
    REDIRECTS,
    REQUEST_ID_HEADERS,
    STATUSES_WITHOUT_BODY,
    ApiResponse,
    ErrorDetails,
    find_error_class,
    read_framing,
)

_log = logging.getLogger("recording_core.transport")

_CHUNK = 65536

#: Of texts. Python also has encodings whose decoders are slow, or decode something else than text.
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "windows-1252", "utf-16"})


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
        self._error_details = error_details
        self._empty_not_found = empty_not_found
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
        url = self._build_url(path, operation)
        accept = "application/json" if expect == "json" else "*/*"
        self.bucket.take()
        facts: dict[str, Any] = {"provider": self.provider, "operation": operation}
        arguments = {
            "auth": auth or self.auth,
            "params": params,
            "json": json,
            "data": _list_form_fields(form),
            "headers": {"Accept": accept, **(headers or {})},
            "operation": operation,
            "retry": retry,
        }
        maybe_processed = False
        with Deadline(self.settings.total_timeout, postponable=True) as deadline:
            for attempt in range(self.settings.retries + 1):
                deadline.sent = False
                try:
                    arguments["attempt"] = attempt + 1
                    return self._send_once(
                        method, url, deadline, facts, expect, unmasked, **arguments
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
        self,
        method: str,
        url: str,
        deadline: Deadline,
        facts: dict[str, Any],
        expect: str,
        unmasked: bool,
        **arguments: Any,
    ) -> ApiResponse:
        try:
            for _ in range(MAX_REDIRECTS + 1):
                with self.send(self._session, method, url, deadline, **arguments) as response:
                    if response.status_code in REDIRECTS:
                        url = self._resolve_redirect(method, url, response, facts)
                        arguments["params"] = None
                        continue
                    body = self._read_body(response, deadline, facts)
                    return self._build_response(response, body, facts, expect, unmasked)
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
        `more` are arguments of `_send`.
        """
        response = self._send(session, method, url, deadline, auth=auth, **more)
        if (
            response.status_code != 401
            or not isinstance(auth, TokenAuth)
            or parse_origin(url) != self.origin
        ):
            return response
        response.close()
        # The vendor processed nothing, so that even a start may be sent again.
        deadline.sent = False
        auth.renew(response.request)
        self.bucket.take()
        return self._send(session, method, url, deadline, auth=auth, **more)

    def _send(
        self,
        session: requests.Session,
        method: str,
        url: str,
        deadline: Deadline,
        *,
        auth: AuthBase,
        headers: Mapping[str, str],
        operation: str,
        attempt: int,
        retry: RetryPolicy = RetryPolicy.IDEMPOTENT,
        params: Any = None,
        json: Any = None,
        data: Any = None,
        headers_timeout: float | None = None,
    ) -> requests.Response:
        """Send one request. The environment's proxies are used for https only, not for loopback.

        `headers_timeout` (seconds) bounds the wait for the headers; default: `read_timeout`.
        `operation` and `attempt` are those of the `Exchange`.
        """
        # Imported with the first request.
        from recording_core.transport.telemetry import send_exchange

        prepared = session.prepare_request(
            requests.Request(
                method, url, params=params, json=json, data=data, headers=headers, auth=auth
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
        fresh = retry is RetryPolicy.NEVER or attempt > 1
        timeout = (
            deadline.limit(self.settings.connect_timeout),
            deadline.limit(headers_timeout or self.settings.read_timeout),
        )
        return send_exchange(
            self,
            lambda: session.send(
                prepared, fresh=fresh, allow_redirects=False, timeout=timeout, **environment
            ),
            method=method,
            url=url,
            operation=operation,
            attempt=attempt,
        )

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
            if size > self.settings.max_json_bytes:
                chunks.clear()  # the error's traceback would keep them in memory
                raise MalformedPayload(
                    f"The response is larger than {self.settings.max_json_bytes} bytes. If that is "
                    "expected, increase HttpSettings(max_json_bytes=)",
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

    def _build_response(
        self,
        response: requests.Response,
        body: bytes,
        facts: dict[str, Any],
        expect: str,
        unmasked: bool,
    ) -> ApiResponse:
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
            return ErrorDetails(recognized=is_empty and status == 404 and self._empty_not_found)
        details = self._error_details(status, headers, body)
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
        if issubclass(kind, NotFound):
            facts["absent"] = details.absent
        if issubclass(kind, RateLimited | Unavailable):
            facts["retry_after"] = parse_retry_after(headers.get("Retry-After"), self.clock.now())
        return kind(message, **facts)

    def _find_request_id(
        self, headers: Mapping[str, str], in_body: str | None = None
    ) -> str | None:
        found = (headers[name] for name in REQUEST_ID_HEADERS if name in headers)
        request_id = in_body or next(found, None)
        return self.secrets.shorten(request_id) if request_id is not None else None

    def _build_excerpt(self, body: bytes) -> str:
        return self.secrets.shorten(body[:MOST_PAYLOAD].decode("utf-8", "replace"), MOST_EXCERPT)

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
            f"{error.message}. The request may have taken effect: check before you repeat it",
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
            may_pass = (error.status or 503) in RETRIED_STATUSES | AMBIGUOUS_STATUSES
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
