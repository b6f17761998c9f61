"""Requirements for telemetry: `on_exchange`, spans and error reports show no secret and no id."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from recording_core import Exchange, HttpSettings, Operation, RecordingError
from recording_core.testing.conformance.base import (
    NOT_TESTED,
    SINGLE_REQUESTS,
    ConformanceBase,
    check_equal,
    state_requirement,
)
from recording_core.testing.conformance.secrecy import (
    SIGNATURE_LENGTH,
    check_hidden,
    generate_secrets,
    generate_signatures,
)
from recording_core.testing.emulator.server import Reply

#: Set as an application might, so that more would be recorded.
_ENVIRONMENT = {
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": ".*",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE": ".*",
}
_NOT_TESTED = (
    f"{NOT_TESTED}: whether spans and error reports show credentials or signed URLs. To test it, "
    "install opentelemetry-sdk, opentelemetry-instrumentation-requests, "
    "opentelemetry-instrumentation-urllib3 and sentry-sdk"
)
_SENTRY = "Sentry"
_CANARY = "canary-of-a-request-that-is-not-ours"
#: The attributes of our spans. Those of an exchange come in addition to those of its verb.
_VERB_ATTRIBUTES = {"recording.provider", "recording.operation", "recording.account"}
_EXCHANGE_ATTRIBUTES = {"http.request.method", "server.address", "url.template"}
_STATUS_ATTRIBUTE = "http.response.status_code"
_OPERATIONS = {*map(str, Operation), "authenticate"}


class TelemetryRequirements(ConformanceBase):
    """Requirements for what the user's telemetry receives."""

    def test_on_exchange_receives_each_exchange(self, tmp_path: Path) -> None:
        exchanges: list[Exchange] = []
        http = evolve(SINGLE_REQUESTS, on_exchange=exchanges.append)
        with self.vendor.connect(http=http) as provider:
            for verb, call in self.build_calls(provider, tmp_path).items():
                exchanges.clear()
                before = len(self.vendor.journal)
                with state_requirement(f"{verb}: on_exchange receives one Exchange per request"):
                    with suppress(RecordingError):  # a vendor may refuse to start twice
                        call()
                    received = [
                        (each.request.method, each.status) for each in self.vendor.journal[before:]
                    ]
                    reported = [(each.method, each.status) for each in exchanges]
                    check_equal("(method, status)", Counter(reported), Counter(received))
                for exchange in exchanges:
                    self._check_exchange(exchange)

    def _check_exchange(self, exchange: Exchange) -> None:
        check_equal(
            "(provider, account, attempt)",
            (exchange.provider, exchange.account, exchange.attempt),
            (self.provider.name, self.provider.account, 1),
        )
        assert exchange.operation in _OPERATIONS, f"operation is {exchange.operation!r}"
        assert exchange.seconds >= 0, f"seconds is {exchange.seconds}"
        template = exchange.url_template
        with state_requirement("url_template shows words of the API's paths and `{id}` for ids"):
            assert "?" not in template, template
            if not template.startswith(self.provider.transport.base_url):
                assert template == f"{self.vendor.media_origin}/{{media}}", template
                return
            parts = template.removeprefix(self.provider.transport.base_url).split("/")
            ids = {*self.vendor.list_ids(), *(each.id for each in self.vendor.sessions)}
            ids |= {*self.vendor.credentials.values()}
            assert ids.isdisjoint(parts), f"{template} shows an id"
            assert {*parts} - {"", "{id}"}, (
                f"{template} shows none of the words of the path: name them in `path_words` of the "
                "provider"
            )

    def test_what_on_exchange_raises_is_logged_and_changes_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(exchange: Exchange) -> None:
            raise ValueError("a bug of the application")

        self.require_declared(Operation.LIST)
        http = HttpSettings(on_exchange=fail)
        with self.vendor.connect(http=http) as provider, caplog.at_level(logging.WARNING):
            found = [each.id for each in provider.list(**self.bounds)]
        check_equal("the recordings", found, [each.id for each in self.list_all()])
        assert "a bug of the application" in caplog.text, "what on_exchange raised is not logged"

    @pytest.mark.long
    @pytest.mark.parametrize("convention", ["default", "http"])
    def test_no_span_or_error_report_shows_a_secret(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convention: str
    ) -> None:
        with observe(monkeypatch, convention) as observers:
            with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
                for verb, call in self.build_calls(provider, tmp_path).items():
                    for faults, media_faults in self._build_faults():
                        self.vendor.faults.extend(faults)
                        self.vendor.media_faults.extend(media_faults)
                        observers.run(verb, call)
                        self.vendor.faults.clear()
                        self.vendor.media_faults.clear()
            observers.send_foreign_request(f"{self.vendor.origin}/{_CANARY}")
            recorded = observers.read_all()
        secrets, signatures = dict(generate_secrets(self.vendor)), self._find_signatures()
        for observer, text in recorded.items():
            assert _CANARY in text, f"{observer} recorded nothing: the test would prove nothing"
            check_hidden(secrets, text, f"what {observer} recorded")
            if observer != _SENTRY:  # it records the queries of all requests
                check_hidden(signatures, text, f"what {observer} recorded")

    def _build_faults(self) -> Iterator[tuple[list[Reply], list[Reply]]]:
        """Build replies of the API and of the media host. The last pair has none: then verbs work.

        The replies quote the credentials, as a vendor or a proxy may.
        """
        quoted = " ".join(dict(generate_secrets(self.vendor)))
        error = Reply.json({"message": quoted, "error": quoted}, 401)
        elsewhere = f"{self.vendor.media_origin}/elsewhere?token=a-signature-of-the-media-host"
        redirect = Reply(302, headers={"Location": elsewhere})
        replies = (error, Reply(500, quoted.encode()), redirect, Reply(abort=True))
        for reply in (self.vendor.build_error(401), *replies):
            yield [reply] * 2, []  # the second for a connection that is opened again
        for reply in (Reply(403, b"<Error>"), *replies):
            yield [], [reply] * 3
        yield [], []

    def _find_signatures(self) -> dict[str, str]:
        """Find the signatures of all media URLs, also of those that were renewed."""
        values = {
            value
            for request in self.vendor.list_requests("media")
            for _, value in request.query
            if len(value) >= SIGNATURE_LENGTH
        }
        return dict(generate_signatures(self.list_all())) | dict.fromkeys(
            values, "a parameter of a request for media"
        )

    def test_each_verb_has_a_span_with_its_exchanges(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (
            observe(monkeypatch, "default") as observers,
            self.vendor.connect(http=SINGLE_REQUESTS) as provider,
        ):
            for verb, call in self.build_calls(provider, tmp_path).items():
                observers.exporter.clear()
                before = len(self.vendor.journal)
                with state_requirement(
                    f"{verb}: one span, with one span below it per request, all with documented "
                    "attributes"
                ):
                    with suppress(RecordingError):  # a vendor may refuse to start twice
                        call()
                    operation = verb.rpartition(" ")[2]
                    *exchanges, parent = observers.exporter.get_finished_spans()
                    name = f"recording.{operation} {provider.name}"
                    check_equal("the name", parent.name, name)
                    check_equal("its attributes", set(parent.attributes), _VERB_ATTRIBUTES)
                    requests = [each.request.method for each in self.vendor.journal[before:]]
                    names = [each.name for each in exchanges]
                    check_equal("the exchanges", Counter(names), Counter(requests))
                    for span in exchanges:
                        self._check_exchange_span(span, parent)

    def _check_exchange_span(self, span: Any, parent: Any) -> None:
        expected = _VERB_ATTRIBUTES | _EXCHANGE_ATTRIBUTES | {_STATUS_ATTRIBUTE}
        check_equal("the attributes of an exchange", set(span.attributes), expected)
        assert "?" not in span.attributes["url.template"], "url.template has a query"
        check_equal("the parent", span.parent.span_id, parent.context.span_id)


@define
class _Observers:
    """What an application installs to observe its requests, and what it recorded."""

    sentry: Any
    exporter: Any
    metrics: Any
    envelopes: list[Any]

    def run(self, name: str, call: Callable[[], Any]) -> None:
        """Run a call as an application does, which reports each error."""
        with self.sentry.start_transaction(name=name):
            try:
                call()
            except RecordingError as error:
                self.sentry.capture_exception(error)

    def send_foreign_request(self, url: str) -> None:
        """Send a request of the application's own, which everything records."""
        requests = import_module("requests")  # the transport alone imports it by name
        with self.sentry.start_transaction(name="foreign"):
            requests.get(url, timeout=10).close()
            self.sentry.capture_message("the end")

    def read_all(self) -> Mapping[str, str]:
        """Return everything that was recorded, as text, by observer."""
        spans = [each.to_json() for each in self.exporter.get_finished_spans()]
        metrics = self.metrics.get_metrics_data()
        envelopes = [each.serialize().decode("utf-8", "replace") for each in self.envelopes]
        events = [item.payload.json for each in self.envelopes for item in each.items]
        configured = [json.dumps(_cut_queries(each), default=repr) for each in events if each]
        return {
            "OpenTelemetry": "\n".join([*spans, metrics.to_json() if metrics else ""]),
            _SENTRY: "\n".join(envelopes),
            f"{_SENTRY} as docs/observability.md configures it": "\n".join(configured),
        }


@contextmanager
def observe(monkeypatch: pytest.MonkeyPatch, convention: str) -> Iterator[_Observers]:
    """Install OpenTelemetry's instrumentations and Sentry. Skips if a package is not installed.

    `convention` is the semantic convention of the spans: `default`, or `http`, the stable one.
    """
    of_requests, of_urllib3, exporters, traces, metrics, readers, trace, semconv, sentry = (
        pytest.importorskip(name, reason=_NOT_TESTED)
        for name in (
            "opentelemetry.instrumentation.requests",
            "opentelemetry.instrumentation.urllib3",
            "opentelemetry.sdk.trace.export.in_memory_span_exporter",
            "opentelemetry.sdk.trace.export",
            "opentelemetry.sdk.metrics",
            "opentelemetry.sdk.metrics.export",
            "opentelemetry.sdk.trace",
            "opentelemetry.instrumentation._semconv",
            "sentry_sdk",
        )
    )
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", convention.replace("default", ""))
    # The convention is read once per process, which runs several tests.
    stability = semconv._OpenTelemetrySemanticConventionStability
    monkeypatch.setattr(stability, "_initialized", False)
    exporter, reader = exporters.InMemorySpanExporter(), readers.InMemoryMetricReader()
    tracers = trace.TracerProvider()
    tracers.add_span_processor(traces.SimpleSpanProcessor(exporter))
    meters = metrics.MeterProvider([reader])
    # The application's own provider can be set only once per process.
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: tracers)
    envelopes: list[Any] = []
    with ExitStack() as stack:
        for instrumentor in (of_requests.RequestsInstrumentor(), of_urllib3.URLLib3Instrumentor()):
            instrumentor.instrument(tracer_provider=tracers, meter_provider=meters)
            stack.callback(instrumentor.uninstrument)
        stack.callback(meters.shutdown)
        stack.callback(tracers.shutdown)
        stack.enter_context(_install_sentry(sentry, envelopes))
        yield _Observers(sentry, exporter, reader, envelopes)


@contextmanager
def _install_sentry(sentry: Any, envelopes: list[Any]) -> Iterator[None]:
    """Install Sentry as by default, and with the traces of all transactions."""

    def keep(envelope: Any) -> None:
        envelopes.append(envelope)

    kind = type("_Kept", (sentry.transport.Transport,), {"capture_envelope": staticmethod(keep)})
    sentry.init(
        "https://key@sentry.example/1",
        transport=kind,
        traces_sample_rate=1.0,
        release="1.0",  # otherwise it runs git
        auto_enabling_integrations=False,
    )
    try:
        yield
    finally:
        sentry.get_client().close()
        sentry.get_global_scope().set_client(None)
        sentry.get_isolation_scope().clear()


def _cut_queries(event: Any) -> Any:
    """Remove the queries of requests, as the documented configuration does."""
    crumbs = event.get("breadcrumbs", {}).get("values", ())
    for each in (*crumbs, *event.get("spans", ())):
        each.get("data", {}).pop("http.query", None)
    return event
