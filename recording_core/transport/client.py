"""How is a vendor's API asked? Signed in, bounded in time, repeated only where that is safe."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urljoin

import requests
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
from recording_core.redaction import Secrets
from recording_core.transport.address_policy import (
    Origin,
    is_loopback,
    origin_of,
)
from recording_core.transport.authentication import TokenAuth
from recording_core.transport.deadline import Deadline, seconds_left
from recording_core.transport.rate_limit import TokenBucket
from recording_core.transport.retry import RETRIED_STATUSES, RetryPolicy, backoff, retry_after
from recording_core.transport.session import NETWORK_ERRORS, POOL_SIZE, TIMEOUTS, new_session
from recording_core.transport.settings import VENDOR_RATE, HttpSettings
from recording_core.transport.status_codes import (
    BODILESS,
    OWN_WORDS,
    REFUSALS,
    REQUEST_IDS,
    Answer,
    ErrorDetails,
    find_error_class,
    read_framing,
)

__all__ = [
    "Transport",
]

_log = logging.getLogger("recording_core.transport")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_CHUNK = 65536


class Transport:
    """One connection's way to its vendor's API. Thread-safe.

    `error_details` reads the vendor's error bodies; `auth` signs each request to the API's origin, and
    nothing else. Raises `ConfigurationError` for a base URL that may not carry credentials.
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
    ) -> None:
        self.provider = provider
        self.base_url = base_url.rstrip("/")
        self.origin = _checked_origin(self.base_url, settings)
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
        self._session = new_session(None, max(settings.workers, POOL_SIZE))
        if not settings.verify_tls:
            warnings.warn(
                f"{provider}: TLS certificates are not verified; whoever is in between reads "
                "the credentials",
                UserWarning,
                stacklevel=4,
            )

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._session.close()

    # -- one exchange ----------------------------------------------------------------------------

    def get(self, path: str, *, operation: str, params: Any = None) -> Answer:
        """Read; repeated where a later attempt may succeed."""
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
        auth: AuthBase | None = None,
        unmasked: bool = False,
    ) -> Answer:
        """Send one request and return its 2xx answer, or raise a `ProviderError`.

        `path` is relative to the base URL, or a URL on its origin. With `Repeat.NEVER` any doubt
        about the effect is an `OutcomeUnknown`. A sign-in has an `auth` of its own, and gets its
        answer `unmasked`.
        """
        url = self._url(path, operation)
        self.bucket.take()
        doubtful = False
        with Deadline(self.settings.total_timeout) as deadline:
            for attempt in range(self.settings.retries + 1):
                deadline.sent = False
                answer: Answer | None = None
                try:
                    answer = self._once(
                        method, url, params, json, auth, deadline, operation, unmasked
                    )
                    return answer
                except ProviderError as error:
                    if error.operation != operation:
                        raise  # a sign-in failed, at all its own attempts; this was not done
                    # A DELETE whose first answer was lost finds nothing left to delete.
                    if doubtful and method == "DELETE" and isinstance(error, NotFound):
                        return Answer(404, {}, None)
                    # A refusal for its rate leaves no doubt; a cut connection does.
                    doubtful = doubtful or (deadline.sent and not isinstance(error, RateLimited))
                    final = self._doubt(error, retry, deadline)
                    wait = self._wait(final, retry, deadline, attempt)
                    if wait is None:
                        raise final from None
                    _log.info(
                        "%s %s: attempt %d failed (%s); again in %.1f s",
                        self.provider,
                        operation,
                        attempt + 1,
                        type(error).__name__,
                        wait,
                    )
                    self.clock.sleep(wait)
                    self.bucket.take()
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _once(
        self,
        method: str,
        url: str,
        params: Any,
        json: Any,
        auth: AuthBase | None,
        deadline: Deadline,
        operation: str,
        unmasked: bool,
    ) -> Answer:
        facts: dict[str, Any] = {"provider": self.provider, "operation": operation}
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                with self.send(
                    self._session,
                    method,
                    url,
                    deadline,
                    auth=auth or self.auth,
                    params=params,
                    json=json,
                    headers={"Accept": "application/json"},
                ) as response:
                    if response.status_code in _REDIRECTS:
                        url, params = self._redirected(method, url, response, facts), None
                        continue
                    body = self._read(response, deadline, facts)
                    return self._answer(response, body, facts, unmasked)
        except NETWORK_ERRORS as error:
            raise self._no_answer(error, deadline, facts) from None
        raise Unavailable(f"more than {_MAX_REDIRECTS} redirects", status=302, **facts)

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
        """One request without redirects, its body unread; `more` is as `_send` takes it.

        A 401 of the API's is answered by renewing what can be renewed, once.
        """
        response = self._send(session, method, url, deadline, auth=auth, **more)
        if (
            response.status_code != 401
            or not isinstance(auth, TokenAuth)
            or origin_of(url) != self.origin
        ):
            return response
        response.close()
        # Refused at the door: nothing of it was done, so that a start may be sent again, too.
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
        params: Any = None,
        json: Any = None,
        patience: float | None = None,
    ) -> requests.Response:
        """The environment's proxies serve https.

        `patience` bounds the wait for the headers where that is more than a read's.
        """
        prepared = session.prepare_request(
            requests.Request(method, url, params=params, json=json, headers=headers, auth=auth)
        )
        environment: dict[str, Any] = {"proxies": {}, "verify": True, "cert": None}
        scheme, host, _ = origin_of(prepared.url or "")
        if scheme == "https":
            environment = dict(
                session.merge_environment_settings(prepared.url, {}, True, None, None)
            )
            if not self.settings.verify_tls:
                environment["verify"] = False
            if is_loopback(host):
                environment["proxies"] = {}
        environment.pop("stream", None)
        return session.send(
            prepared,
            stream=True,
            allow_redirects=False,
            timeout=(
                deadline.within(self.settings.connect_timeout),
                deadline.within(patience or self.settings.read_timeout),
            ),
            **environment,
        )

    def _read(
        self, response: requests.Response, deadline: Deadline, facts: Mapping[str, Any]
    ) -> bytes:
        if response.status_code in BODILESS:
            return b""
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if size > self.settings.max_json_bytes:
                chunks.clear()  # which whoever keeps the error would keep, too
                raise MalformedPayload(
                    f"an answer of over {self.settings.max_json_bytes} bytes; if it is meant, "
                    "raise HttpSettings(max_json_bytes=)",
                    status=response.status_code,
                    **facts,
                )
            chunks.append(chunk)
        # A socket that the watchdog shut can look like one that ended by itself.
        if deadline.expired:
            raise TimeoutError
        if not chunks and not read_framing(response.headers)[0]:
            raise ConnectionError  # cut within its headers, it looks like an empty answer
        return b"".join(chunks)

    def _answer(
        self, response: requests.Response, body: bytes, facts: dict[str, Any], unmasked: bool
    ) -> Answer:
        status, headers = response.status_code, response.headers
        request_id = next((headers[name] for name in REQUEST_IDS if name in headers), None)
        if request_id is not None:
            request_id = self.secrets.redact(request_id)
        try:
            payload = (
                None
                if not body.strip()
                else strict_json.decode_json_plain(body, masked=False)
                if unmasked
                else strict_json.decode_json(body)
            )
        except MalformedPayload as error:
            if 200 <= status < 300:
                kind = headers.get("Content-Type", "no content type").partition(";")[0]
                raise MalformedPayload(
                    f"{error.message}; the answer claims to be {kind}. Something other than the "
                    "vendor's API answered, or the API changed",
                    status=status,
                    request_id=request_id,
                    body=self._excerpt(body),
                    **facts,
                ) from None
            payload = None
        if not unmasked and self.secrets.echoed_in(body):
            payload = self.secrets.masked(payload)  # a vendor's echo of our own credential
        details = self.read_error_details(status, headers, payload)
        if 200 <= status < 300 and details.kind is None and not details.is_error:
            return Answer(status, headers, payload)
        raise self._error(status, headers, details, request_id, payload, body, facts)

    def read_error_details(
        self, status: int, headers: Mapping[str, str], body: Any
    ) -> ErrorDetails:
        """Read a decoded error body with the provider's reader."""
        if not isinstance(body, dict):
            return ErrorDetails()
        return self._error_details(status, headers, body)

    def _error(
        self,
        status: int,
        headers: Mapping[str, str],
        details: ErrorDetails,
        request_id: str | None,
        payload: Any,
        body: bytes,
        facts: dict[str, Any],
    ) -> ProviderError:
        kind = details.kind or find_error_class(status) or Rejected
        words = self.secrets.redact(details.message) if details.message else OWN_WORDS.get(kind)
        facts = {
            **facts,
            "status": status,
            "code": self.secrets.redact(details.code) if details.code else None,
            "request_id": details.request_id or request_id,
            "body": self.secrets.redact_payload(payload) if payload else self._excerpt(body),
        }
        if issubclass(kind, RateLimited | Unavailable):
            facts["retry_after"] = retry_after(headers.get("Retry-After"), self.clock.now())
        return kind(words or f"the vendor answered HTTP {status}", **facts)

    def _excerpt(self, body: bytes) -> str:
        # Cut last: a cut through the middle of a credential would hide it from the search.
        return self.secrets.redact(body[:_CHUNK].decode("utf-8", "replace"))[:2000]

    # -- failures --------------------------------------------------------------------------------

    def _no_answer(
        self, error: Exception, deadline: Deadline, facts: Mapping[str, Any]
    ) -> ProviderError:
        """What a network's exception means. Their texts quote URLs and tokens: ours do not."""
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return MalformedPayload("an answer whose compression is broken", **facts)
        # A read that times out in the middle of a body comes as requests' ConnectionError.
        causes = (error, *error.args)
        silent = any(isinstance(each, TIMEOUTS) for each in causes)
        if deadline.expired or silent or deadline.remaining() == 0.0:
            late = f"no whole answer within {deadline.seconds:g} s"
            if deadline.remaining():  # a read's own timeout
                late = "no answer in time"
            return Unavailable(late, **facts)
        if isinstance(error, requests.exceptions.SSLError):
            return Unavailable(
                "no secure connection: the TLS handshake or certificate failed", **facts
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return Unavailable("the proxy of this environment did not connect", **facts)
        if deadline.sent:
            return Unavailable("the connection was cut before the whole answer came", **facts)
        return Unavailable(f"no connection to {self.origin[1]}:{self.origin[2]}", **facts)

    def _doubt(self, error: ProviderError, retry: RetryPolicy, deadline: Deadline) -> ProviderError:
        """For what is sent once: an `OutcomeUnknown` in place of whatever leaves a doubt."""
        status = error.status or 0
        refused = isinstance(error, REFUSALS) and status < 500 and status not in _REDIRECTS
        if retry is not RetryPolicy.NEVER or not deadline.sent or refused:
            return error
        return OutcomeUnknown(
            f"{error.message}. It may have taken effect: look before you repeat it",
            provider=error.provider,
            operation=error.operation,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            body=error.body,
        )

    def _wait(
        self, error: ProviderError, retry: RetryPolicy, deadline: Deadline, attempt: int
    ) -> float | None:
        """Seconds until the next attempt; None where there is none."""
        if attempt >= self.settings.retries or retry is RetryPolicy.NEVER or deadline.expired:
            return None
        if isinstance(error, Unavailable):
            may_cure = (error.status or 503) in RETRIED_STATUSES
            if deadline.sent and not (retry is RetryPolicy.IDEMPOTENT and may_cure):
                return None
        elif not isinstance(error, RateLimited):
            return None
        wait = max(backoff(attempt), (error.retry_after or _NO_TIME).total_seconds())
        left = seconds_left()  # a sign-in's may be less than its own deadline leaves
        return wait if left is None or wait < left else None

    # -- addresses -------------------------------------------------------------------------------

    def _url(self, path: str, operation: str) -> str:
        if any(unquote(part) in (".", "..") for part in path.partition("?")[0].split("/")):
            # A vendor's own id may be one of these, too; quoted or not, requests folds it away.
            raise Rejected(
                "an id of dots would lead to another path; nothing was sent",
                provider=self.provider,
                operation=operation,
            )
        if not path.startswith(("http:", "https:", "//")):
            return f"{self.base_url}/{path.lstrip('/')}"
        return self.on_origin(path, operation)

    def on_origin(self, reference: str, operation: str) -> str:
        """An absolute URL for a link that the API gave. `PaginationError` if it leads elsewhere."""
        try:
            url = urljoin(self.base_url + "/", reference)
            same = origin_of(url) == self.origin
        except (ValueError, ForbiddenHost):
            same = False
        if not same:
            raise PaginationError(
                "a page's link leads away from the API; it was not followed",
                provider=self.provider,
                operation=operation,
            )
        return url

    def _redirected(
        self, method: str, url: str, response: requests.Response, facts: Mapping[str, Any]
    ) -> str:
        """Where a read goes on: on the API's own origin or not at all. A verb never does."""
        try:
            target = urljoin(url, response.headers.get("Location", ""))
            same = bool(response.headers.get("Location")) and origin_of(target) == self.origin
        except (ValueError, ForbiddenHost):
            target, same = "", False
        if method != "GET" or not same:
            raise Rejected(
                "the API redirects this request"
                + ("; it is not sent again" if method != "GET" else " away from its origin")
                + ". Check base_url: something else may be answering",
                status=response.status_code,
                **facts,
            )
        return target


_NO_TIME = timedelta(0)


def _checked_origin(base_url: str, settings: HttpSettings) -> Origin:
    if "@" in base_url or "?" in base_url or "#" in base_url:
        raise ConfigurationError("base_url must carry no user info, query or fragment")
    try:
        origin = origin_of(base_url)
    except ForbiddenHost:
        raise ConfigurationError("base_url is no URL") from None
    scheme, host, _ = origin
    if scheme not in ("http", "https") or not host:
        raise ConfigurationError("base_url must be an https URL with a host")
    if scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"base_url is plain http to {host}, which shows credentials to everybody; use https"
        )
    return origin
