"""Telemetry: one record per HTTP exchange, for a callback, logs and spans, without foreign spans.

OpenTelemetry's instrumentations of HTTP libraries record whole URLs, and those of media are signed.
They are suppressed around each exchange, and spans of our own take their place. OpenTelemetry is
never imported here: if the application uses it, it is in `sys.modules`.

    https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

import requests
from attrs import frozen

from recording_core.errors import ConfigurationError
from recording_core.transport.address_policy import parse_origin

if TYPE_CHECKING:
    from recording_core.transport.client import Transport

_log = logging.getLogger("recording_core.transport")

T = TypeVar("T")

#: The instrumentations of the libraries that send our requests, and the class that each defines.
_INSTRUMENTATIONS = {
    "opentelemetry.instrumentation.requests": "RequestsInstrumentor",
    "opentelemetry.instrumentation.urllib3": "URLLib3Instrumentor",
}
_NO_SUPPRESSION = nullcontext()

#: Whether the span of a verb is current. The verbs that this verb calls have none.
_in_verb: ContextVar[bool] = ContextVar("recording_in_verb", default=False)


@frozen(kw_only=True)
class Exchange:
    """One HTTP exchange with a vendor or a media host, for `HttpSettings(on_exchange=)`.

    It contains no credential, no query and no id of a call or recording.

    Attributes:
        provider: the provider's name
        account: the name of the account
        operation: the verb that the exchange serves, such as `list`; `authenticate` for one that
            fetches a token
        method: the HTTP method
        url_template: the URL without its query and with `{id}` in place of each id; of media only
            the origin and `/{media}`
        status: the HTTP status; `None` if no response arrived
        seconds: from the request to the end of the response's body
        attempt: 1, and one more each time that the request is sent again after a failure
        bytes: how much of the response's body was read, uncompressed
    """

    provider: str
    account: str
    operation: str
    method: str
    url_template: str
    status: int | None
    seconds: float
    attempt: int
    bytes: int


def send_exchange(
    transport: Transport,
    send: Callable[[], requests.Response],
    *,
    method: str,
    url: str,
    operation: str,
    attempt: int,
) -> requests.Response:
    """Send a request without foreign spans, and report its exchange when the response is closed.

    The response's attribute `exchange`, if it has one, counts the bytes of the body.

    Raises what `send` raises, and before that `ConfigurationError` if foreign spans cannot be
    suppressed.
    """
    suppression = _suppress_foreign_spans()
    tracer = _find_tracer()
    on_exchange = transport.settings.on_exchange
    if tracer is None and on_exchange is None and not _log.isEnabledFor(logging.DEBUG):
        with suppression:
            return send()
    exchange = OpenExchange(transport, tracer, method, url, operation, attempt)
    try:
        with suppression:
            response = send()
    except BaseException:
        exchange.end(None)
        raise
    exchange.end_with(response)
    return response


class OpenExchange:
    """An exchange that has begun, with the bytes of its response's body that were read so far."""

    def __init__(
        self, transport: Transport, tracer: Any, method: str, url: str, operation: str, attempt: int
    ) -> None:
        self.bytes = 0
        self._on_exchange = transport.settings.on_exchange
        self._facts: dict[str, Any] = {
            "provider": transport.provider,
            "account": transport.account,
            "operation": operation,
            "method": method,
            "url_template": build_url_template(transport, url),
            "attempt": attempt,
        }
        self._span: Any = tracer and _try_to("start a span", lambda: self._start_span(tracer, url))
        self._began = time.monotonic()

    def end_with(self, response: requests.Response) -> None:
        """End the exchange when the response is closed, as it is on every path."""

        def close() -> None:
            del response.close  # the class's own follows; this also breaks the reference circle
            try:
                response.close()
            finally:
                self.end(response.status_code)

        response.close = close  # type: ignore[method-assign]
        response.exchange = self  # type: ignore[attr-defined]

    def end(self, status: int | None) -> None:
        """Report the exchange: to the log, as a span, and to the user's callback."""
        seconds = time.monotonic() - self._began
        exchange = Exchange(**self._facts, status=status, seconds=seconds, bytes=self.bytes)
        _log.debug(
            "%s %s (account %s): %s %s: status %s, %.3f s, %d bytes, attempt %d",
            *(exchange.provider, exchange.operation, exchange.account, exchange.method),
            *(exchange.url_template, status, seconds, self.bytes, exchange.attempt),
        )
        if self._span is not None:
            _try_to("end a span", lambda: self._end_span(status))
        if self._on_exchange is not None:
            on_exchange = self._on_exchange
            _try_to("call HttpSettings(on_exchange=)", lambda: on_exchange(exchange))

    def _start_span(self, tracer: Any, url: str) -> Any:
        facts = self._facts
        template = facts["url_template"].partition("://")[2].partition("/")[2]
        attributes = {
            **_build_attributes(facts["operation"], facts["provider"], facts["account"]),
            "http.request.method": facts["method"],
            "server.address": parse_origin(url)[1].strip("[]"),
            "url.template": f"/{template}",
        }
        kind = sys.modules["opentelemetry.trace"].SpanKind.CLIENT
        return tracer.start_span(facts["method"], kind=kind, attributes=attributes)

    def _end_span(self, status: int | None) -> None:
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is None or status >= 400:
            _mark_failed(self._span)
        self._span.end()


class VerbSpan:
    """The span of one verb, which begins now. It does nothing without a tracer, or within a verb.

    A context manager, which ends the span. It is current only in `activate` and in what `bind`
    returns: the caller of a generator must not run under it.
    """

    def __init__(self, operation: str, provider: str, account: str) -> None:
        tracer = None if _in_verb.get() else _find_tracer()
        self._span: Any = tracer and _try_to(
            "start a span",
            lambda: tracer.start_span(
                f"recording.{operation} {provider}",
                attributes=_build_attributes(operation, provider, account),
            ),
        )

    @contextmanager
    def activate(self) -> Iterator[None]:
        """Make the span current."""
        if self._span is None:
            yield
            return
        token = _in_verb.set(True)
        use_span = sys.modules["opentelemetry.trace"].use_span
        try:
            # Exceptions are not recorded: their texts contain ids.
            with use_span(self._span, record_exception=False, set_status_on_exception=False):
                yield
        finally:
            _in_verb.reset(token)

    def bind(self, function: Callable[..., T]) -> Callable[..., T]:
        """Return a function that runs with the span current, in any thread."""
        if self._span is None:
            return function

        def run(*args: Any) -> T:
            with self.activate():
                return function(*args)

        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._span is None:
            return
        if isinstance(error, Exception):  # leaving a generator is not a failure
            _mark_failed(self._span, type(error).__name__)
        _try_to("end a span", self._span.end)


@contextmanager
def trace_verb(operation: str, provider: str, account: str) -> Iterator[None]:
    """Run a verb under a span of its own, or of the verb that calls it."""
    with VerbSpan(operation, provider, account) as span, span.activate():
        yield


def build_url_template(transport: Transport, url: str) -> str:
    """Build the URL without query, in which only the words of the API's paths remain.

    Each other part of a path is taken for an id. The path of media is left out.
    """
    base, path = transport.base_url, url.partition("?")[0].partition("#")[0]
    if path.startswith(f"{base}/"):
        parts = path.removeprefix(base).split("/")
        return base + "/".join(
            each if not each or each in transport.path_words else "{id}" for each in parts
        )
    scheme, host, port = origin = parse_origin(url)
    address = host if (scheme, port) in (("https", 443), ("http", 80)) else f"{host}:{port}"
    return f"{scheme}://{address}/{{{'path' if origin == transport.origin else 'media'}}}"


def _suppress_foreign_spans() -> AbstractContextManager[None]:
    """Return a context without spans of instrumented HTTP libraries.

    Raises `ConfigurationError` if one is active and cannot be suppressed.
    """
    utilities = sys.modules.get("opentelemetry.instrumentation.utils")
    suppress = getattr(utilities, "suppress_http_instrumentation", None)
    if suppress is not None:
        return suppress()  # type: ignore[no-any-return]  # OpenTelemetry is not imported
    for module, name in _INSTRUMENTATIONS.items():
        if hasattr(sys.modules.get(module), name):
            library = module.rpartition(".")[2]
            raise ConfigurationError(
                f"The spans of {module} would contain the signed URLs of media, and this library "
                "found no suppress_http_instrumentation in opentelemetry.instrumentation.utils to "
                "prevent that; nothing was sent. Install another version of opentelemetry-"
                "instrumentation (0.42 or later), or set "
                f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={library}"
            )
    return _NO_SUPPRESSION


def _find_tracer() -> Any:
    """Return the tracer of this library, or None if the application does not use OpenTelemetry."""
    find_provider = getattr(sys.modules.get("opentelemetry.trace"), "get_tracer_provider", None)
    return find_provider and _try_to("find a tracer", lambda: _build_tracer(find_provider()))


@lru_cache(maxsize=1)
def _build_tracer(provider: Any) -> Any:
    from recording_core import __version__

    return provider.get_tracer("recording_core", __version__)


def _build_attributes(operation: str, provider: str, account: str) -> dict[str, str]:
    return {
        "recording.provider": provider,
        "recording.operation": operation,
        "recording.account": account,
    }


def _mark_failed(span: Any, reason: str | None = None) -> None:
    trace = sys.modules["opentelemetry.trace"]
    _try_to("end a span", lambda: span.set_status(trace.Status(trace.StatusCode.ERROR, reason)))


def _try_to(what: str, action: Callable[[], T]) -> T | None:
    """Run code of the application's telemetry. An exception is logged and changes nothing."""
    try:
        return action()
    except Exception:  # noqa: BLE001  # a start that was sent must not fail for it
        _log.warning("Telemetry failed to %s; the exchange is not affected", what, exc_info=True)
        return None
