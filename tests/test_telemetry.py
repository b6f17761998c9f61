"""Telemetry: `on_exchange`, our spans in place of foreign ones, and what error trackers receive."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
import requests
import sentry_sdk
from attrs import evolve
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.transport import Transport as SentryTransport

import recording_core as rec
from recording_core.errors import ConfigurationError, Unavailable
from recording_core.listing.page import Window
from recording_core.reporting.collect.collector import AccountTask, collect_accounts
from recording_core.testing import Emulator, ManualClock, Reply, Request
from recording_core.testing.conformance.telemetry import TelemetryRequirements, observe
from recording_core.transport import telemetry
from recording_core.transport.client import Transport
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.public_key import PublicTransport
from recording_core.transport.retry import RetryPolicy
from recording_plivo.emulator import PlivoEmulator
from recording_voipbin.emulator import VoIPBinEmulator

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "observability.md"
SIGNATURE = "51gn4tur3-of-a-media-url-0123456789abcdef"
WORDS = frozenset({"recordings", "stop"})


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans that an application's tracer provider exports."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def instrumented(spans: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    """The same, with the instrumentations of the libraries that send our requests."""
    instrumentors = (RequestsInstrumentor(), URLLib3Instrumentor())
    for each in instrumentors:
        each.instrument(tracer_provider=trace.get_tracer_provider())
    yield spans
    for each in instrumentors:
        each.uninstrument()


@pytest.fixture
def plivo() -> Iterator[PlivoEmulator]:
    with PlivoEmulator(recordings=45) as emulator:
        yield emulator


def list_names(spans: InMemorySpanExporter) -> list[str]:
    return [each.name for each in spans.get_finished_spans()]


def find_span(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = (each for each in spans.get_finished_spans() if each.name == name)
    return found


def is_below(span: ReadableSpan, parent: ReadableSpan) -> bool:
    assert parent.context is not None
    return span.parent is not None and span.parent.span_id == parent.context.span_id


# -- on_exchange ----------------------------------------------------------------------------------


def test_an_exchange_states_what_happened_without_ids(
    serve: Serve, transport: MakeTransport
) -> None:
    exchanges: list[rec.Exchange] = []
    origin, _ = serve(Reply.json({"id": "R1"}))
    api = transport(f"{origin}/v1", on_exchange=exchanges.append)
    api.path_words = WORDS
    api.request(
        "PUT",
        "recordings/R1/stop?at=now",
        operation="stop",
        params={"token": "planted"},
        retry=RetryPolicy.IDEMPOTENT,
    )
    (exchange,) = exchanges
    assert exchange.seconds > 0
    assert evolve(exchange, seconds=0.0) == rec.Exchange(
        provider="vendor",
        account="default",
        operation="stop",
        method="PUT",
        url_template=f"{origin}/v1/recordings/{{id}}/stop",
        status=200,
        seconds=0.0,
        attempt=1,
        bytes=len(b'{"id":"R1"}'),
    )
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        exchange.status = 500  # type: ignore[misc]


def test_each_attempt_is_an_exchange(serve: Serve, transport: MakeTransport) -> None:
    exchanges: list[rec.Exchange] = []
    origin, _ = serve(Reply(abort=True), Reply(503), Reply.json({}))
    transport(origin, on_exchange=exchanges.append).get("recordings", operation="list")
    assert [(each.attempt, each.status) for each in exchanges] == [(1, None), (2, 503), (3, 200)]


def test_a_body_counts_as_it_was_read(serve: Serve, transport: MakeTransport) -> None:
    exchanges: list[rec.Exchange] = []
    body = Reply.json({"rows": ["x" * 100] * 2000})
    origin, _ = serve(evolve(body, framing="chunked"), Reply(204), evolve(body, cut_after=70_000))
    api = transport(origin, on_exchange=exchanges.append, retries=0)
    api.get("recordings", operation="list")
    api.get("recordings", operation="list")
    with pytest.raises(Unavailable):
        api.get("recordings", operation="list")
    whole, empty, cut = (each.bytes for each in exchanges)
    assert (whole, empty) == (len(body.body), 0)
    assert 0 < cut <= 70_000


def test_media_shows_its_host_alone(serve: Serve, transport: MakeTransport) -> None:
    exchanges: list[rec.Exchange] = []
    content = b"ID3" + b"\0" * 70_000
    host, _ = serve(Reply(200, content, {"Content-Type": "audio/mpeg"}))
    redirecting, _ = serve(Reply(302, headers={"Location": f"{host}/b/R1.mp3?sig={SIGNATURE}"}))
    api = transport(redirecting, on_exchange=exchanges.append)
    media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=5.0)
    url = f"{redirecting}/files/R1?sig={SIGNATURE}"
    with media.fetch(url, {}, attempt=2) as response:
        assert not any(each.status == 200 for each in exchanges), "the body is not read yet"
        assert b"".join(response.iter_chunks(30_000)) == content
    media.close()
    assert [
        (each.operation, each.url_template, each.status, each.attempt, each.bytes)
        for each in exchanges
    ] == [
        ("download", f"{redirecting}/{{id}}/{{id}}", 302, 2, 0),
        ("download", f"{host}/{{media}}", 200, 2, len(content)),
    ]


def test_each_attempt_of_a_download_is_an_exchange(plivo: PlivoEmulator, tmp_path: Path) -> None:
    exchanges: list[rec.Exchange] = []
    with plivo.connect(http=rec.HttpSettings(on_exchange=exchanges.append)) as provider:
        recording = next(each for each in [*provider.list()] if each.files)
        exchanges.clear()
        plivo.media_faults.append(Reply(503))
        provider.download(recording, tmp_path)
    found = [(each.operation, each.attempt, each.status) for each in exchanges]
    assert found == [("download", 1, 503), ("download", 2, 200)]


def test_a_path_outside_the_base_url_is_not_shown(serve: Serve, transport: MakeTransport) -> None:
    exchanges: list[rec.Exchange] = []
    origin, _ = serve(Reply(302, headers={"Location": "/v10/R1?sig=planted"}), Reply.json({}))
    api = transport(f"{origin}/v1", on_exchange=exchanges.append)
    api.get("recordings", operation="list")
    assert [each.url_template for each in exchanges] == [
        f"{origin}/v1/{{id}}",
        f"{origin}/{{path}}",
    ]


def test_a_public_document_shows_its_path(
    serve: Serve, caplog: pytest.LogCaptureFixture, manual_clock: ManualClock
) -> None:
    origin, _ = serve(Reply.json({"key": "PEM"}))
    url = f"{origin}/.well-known/webhooks.json"
    with (
        closing(PublicTransport("vendor", url, timeout=5.0, clock=manual_clock)) as public,
        caplog.at_level(logging.DEBUG, "recording_core.transport"),
    ):
        public.get(url, operation="fetch key")
    assert f"GET {url}: status 200" in caplog.text


@pytest.mark.parametrize(
    ("url", "template"),
    [
        ("https://media.test/a/b.mp3?sig=1", "https://media.test/{media}"),
        ("https://media.test?sig=1", "https://media.test/{media}"),
        ("https://media.test:8443/a#b", "https://media.test:8443/{media}"),
        ("https://[2606:4700::1]/a", "https://[2606:4700::1]/{media}"),
        ("https://api.test/v1/recordings//R1/", "https://api.test/v1/recordings//{id}/"),
        ("https://api.test/v1", "https://api.test/{path}"),
    ],
)
def test_templates_of_urls(url: str, template: str, transport: MakeTransport) -> None:
    api = transport("https://api.test/v1")
    api.path_words = WORDS
    assert telemetry.build_url_template(api, url) == template


def test_a_failing_callback_does_not_change_a_start(
    serve: Serve, transport: MakeTransport, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(exchange: rec.Exchange) -> None:
        raise RuntimeError("a bug of the application")

    origin, journal = serve(Reply.json({"id": "R1"}))
    api = transport(origin, on_exchange=fail)
    answer = api.request("POST", "recordings", operation="start", retry=RetryPolicy.NEVER)
    assert answer.payload == {"id": "R1"}
    assert len(journal) == 1
    assert "a bug of the application" in caplog.text


def test_each_exchange_is_one_debug_line(
    serve: Serve,
    transport: MakeTransport,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")  # as in most applications
    origin, _ = serve(Reply.json({}))
    api = transport(origin)
    api.path_words = WORDS
    with caplog.at_level(logging.DEBUG, "recording_core.transport"):
        api.get("recordings/R1", operation="get", params={"token": "planted"})
    (line,) = (each.getMessage() for each in caplog.records if each.name.startswith("recording_"))
    shape = rf"vendor get \(account default\): GET {origin}/recordings/{{id}}: status 200, "
    assert re.fullmatch(shape + r"[0-9.]+ s, 2 bytes, attempt 1", line)


def test_only_a_callable_is_accepted(tmp_path: Path) -> None:
    wrong: Any = "my.module:function"
    with pytest.raises(TypeError, match="on_exchange"):
        rec.HttpSettings(on_exchange=wrong)
    file = tmp_path / "recordings.toml"
    http = '{ on_exchange = "my.module:function" }'
    file.write_text(f'[[account]]\nprovider = "plivo"\nhttp = {http}\n')
    with pytest.raises(ConfigurationError, match="http must be a table with keys of"):
        rec.find_accounts(file)


# -- spans of ours --------------------------------------------------------------------------------


def test_a_listing_is_one_span_above_the_requests_of_its_workers(
    plivo: PlivoEmulator, instrumented: InMemorySpanExporter
) -> None:
    tracer = trace.get_tracer("the application")
    with plivo.connect(account="emea") as provider, tracer.start_as_current_span("job") as job:
        found = 0
        for _ in provider.list():
            found += 1
            assert trace.get_current_span() is job, "the loop runs under the span of the listing"
    assert found == 45
    listing = find_span(instrumented, "recording.list plivo")
    assert listing.attributes == {
        "recording.provider": "plivo",
        "recording.operation": "list",
        "recording.account": "emea",
    }
    assert is_below(listing, find_span(instrumented, "job"))
    pages = [each for each in instrumented.get_finished_spans() if each.name == "GET"]
    assert len(pages) == len(plivo.journal)
    assert list_names(instrumented) == ["GET"] * len(pages) + ["recording.list plivo", "job"]
    for page in pages:
        assert is_below(page, listing)
        assert page.kind is trace.SpanKind.CLIENT
        assert page.attributes == {
            **listing.attributes,
            "http.request.method": "GET",
            "server.address": "127.0.0.1",
            "url.template": "/v1/Account/{id}/Recording/",
            "http.response.status_code": 200,
        }


def test_a_listing_that_is_not_read_to_its_end_ends_its_span(
    plivo: PlivoEmulator, spans: InMemorySpanExporter
) -> None:
    with plivo.connect() as provider:
        rows = iter(provider.list())
        next(rows)
        rows.close()  # type: ignore[attr-defined]  # it is a generator
    listing = find_span(spans, "recording.list plivo")
    assert listing.status.status_code is trace.StatusCode.UNSET


def test_a_verb_that_calls_other_verbs_is_one_span(
    plivo: PlivoEmulator, spans: InMemorySpanExporter
) -> None:
    call = next(each for each in plivo.sessions if each.kind is rec.SessionKind.CALL)
    with plivo.connect() as provider:
        session = provider.start(call)
        plivo.advance(timedelta(seconds=20))
        provider.wait(provider.stop(session), timeout=timedelta(minutes=2))
    verbs = [each for each in list_names(spans) if each.startswith("recording.")]
    assert verbs == [f"recording.{verb} plivo" for verb in ("start", "stop", "wait")]
    above = {f"recording.{verb} plivo": 0 for verb in ("start", "stop", "wait")}
    for each in spans.get_finished_spans():
        for name in above:
            above[name] += is_below(each, find_span(spans, name))
    assert sum(above.values()) == len(plivo.journal)
    assert min(above.values()) > 0


def test_a_failed_verb_marks_its_spans_without_a_text(
    plivo: PlivoEmulator, spans: InMemorySpanExporter
) -> None:
    with plivo.connect() as provider, pytest.raises(rec.NotFound):
        provider.get("an-id-that-does-not-exist")
    for name, reason in (("GET", None), ("recording.get plivo", "NotFound")):
        span = find_span(spans, name)
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.status.description == reason
        assert not span.events
    assert find_span(spans, "GET").attributes["http.response.status_code"] == 404  # type: ignore[index]
    assert "an-id-that" not in "".join(each.to_json() for each in spans.get_finished_spans())


def test_a_failing_span_processor_does_not_change_a_start(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if self.fails_at == "start":
                raise RuntimeError("a bug of the application")

        def on_end(self, span: ReadableSpan) -> None:
            raise RuntimeError("a bug of the application")

        fails_at = "start"

    provider = TracerProvider()
    provider.add_span_processor(broken := Broken())
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    origin, journal = serve(Reply.json({"id": "R1"}))
    for broken.fails_at in ("start", "end"):
        with telemetry.trace_verb("start", "vendor", "default"):
            answer = transport(origin).request(
                "POST", "recordings", operation="start", retry=RetryPolicy.NEVER
            )
        assert answer.payload == {"id": "R1"}
    assert len(journal) == 2


def test_a_report_lists_under_the_span_of_its_caller(
    plivo: PlivoEmulator, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    now = plivo.clock.now()
    window = Window(now - timedelta(days=3), now)
    with plivo.connect() as provider, trace.get_tracer("app").start_as_current_span("report"):
        (result,) = collect_accounts([AccountTask(provider, (window,), str(tmp_path), now)])
    assert result.error is None
    assert is_below(find_span(spans, "recording.list plivo"), find_span(spans, "report"))


# -- foreign spans --------------------------------------------------------------------------------


def test_the_names_of_opentelemetry_that_we_look_up_exist() -> None:
    # These tests import them; the library looks them up by name in `sys.modules`.
    assert suppress_http_instrumentation.__module__ == "opentelemetry.instrumentation.utils"
    assert {
        each.__module__: each.__name__ for each in (RequestsInstrumentor, URLLib3Instrumentor)
    } == telemetry._INSTRUMENTATIONS


def test_no_foreign_span_is_recorded(
    serve: Serve, transport: MakeTransport, instrumented: InMemorySpanExporter
) -> None:
    origin, journal = serve(Reply(503), Reply.json({}))
    transport(origin).get("recordings/R1", operation="get", params={"token": "planted"})
    assert list_names(instrumented) == ["GET", "GET"]
    texts = [each.to_json() for each in instrumented.get_finished_spans()]
    assert not any("planted" in each or "R1" in each for each in texts)
    assert not any("traceparent" in each.headers for each in journal)
    requests.get(f"{origin}/foreign?token=planted", timeout=5).close()
    assert "planted" in instrumented.get_finished_spans()[-1].to_json(), "nothing is instrumented"


@pytest.mark.parametrize("module", list(telemetry._INSTRUMENTATIONS))
def test_without_suppression_nothing_is_sent(
    module: str, serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in telemetry._INSTRUMENTATIONS:
        monkeypatch.delitem(sys.modules, each, raising=False)
    moved = types.ModuleType("opentelemetry.instrumentation.utils")
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.utils", moved)
    origin, journal = serve(Reply.json({}))
    api = transport(origin)
    api.get("recordings", operation="list")  # no instrumentation is active
    active = types.ModuleType(module)
    setattr(active, telemetry._INSTRUMENTATIONS[module], object)
    monkeypatch.setitem(sys.modules, module, active)
    with pytest.raises(ConfigurationError, match=r"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=\w+3?"):
        api.get("recordings", operation="list")
    assert len(journal) == 1


def test_opentelemetry_is_never_imported() -> None:
    code = """
import sys
import recording_core as rec
from recording_plivo.emulator import PlivoEmulator
with PlivoEmulator(recordings=3) as emulator, emulator.connect() as provider:
    assert "recording_core.transport.telemetry" not in sys.modules, "connecting imports it"
    assert len(list(provider.list())) == 3
assert not [each for each in sys.modules if each.partition(".")[0] == "opentelemetry"]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class TestVoIPBinWithAnAccessKey(TelemetryRequirements):
    """The access key is the credential that once stood in URLs."""

    @pytest.fixture
    def emulator(self) -> Iterator[Emulator]:
        with VoIPBinEmulator(recordings=45, credential="accesskey") as emulator:
            assert "accesskey" in emulator.credentials
            yield emulator


@pytest.mark.parametrize("module", ["sentry_sdk", "opentelemetry.instrumentation.urllib3"])
def test_the_suite_names_what_it_did_not_test(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with (
        pytest.raises(pytest.skip.Exception, match=r"NOT TESTED: whether .* sentry-sdk"),
        observe(monkeypatch, "default"),
    ):
        pass


# -- Sentry ---------------------------------------------------------------------------------------


class Envelopes(SentryTransport):
    """Keeps what Sentry would send."""

    texts: ClassVar[list[str]] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.texts.append(envelope.serialize().decode())


@pytest.mark.parametrize("configured", [True, False], ids=["as documented", "by default"])
def test_the_documented_line_hides_signed_media_urls_from_sentry(
    configured: bool, serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Envelopes, "texts", [])
    namespace: dict[str, Any] = {}
    (block,) = re.findall(r"```python\n(import sentry_sdk\n.*?)```", PAGE.read_text(), re.DOTALL)
    exec(block, namespace)
    more: dict[str, Any] = {"transport": Envelopes, "auto_enabling_integrations": False}
    real: Any = sentry_sdk.init
    monkeypatch.setattr(sentry_sdk, "init", lambda *args, **given: real(*args, **given, **more))
    if configured:
        namespace["start_sentry"]("https://key@sentry.example/1")
    else:
        sentry_sdk.init("https://key@sentry.example/1", traces_sample_rate=1.0)
    # No local variable of this test may have the signature, as the journal of `serve` would.
    api, host = transport(serve(Reply.json({}))[0]), serve(Reply(403, b"<Error>"))[0]
    media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=5.0)
    try:
        with (
            sentry_sdk.start_transaction(name="job"),
            pytest.raises(rec.AuthenticationFailed) as raised,
            media.fetch(f"{host}/R1.mp3?sig={SIGNATURE}", {}),
        ):
            pass
        sentry_sdk.capture_exception(raised.value)
    finally:
        media.close()
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)
        sentry_sdk.get_isolation_scope().clear()
    report, transaction = Envelopes.texts[-1], Envelopes.texts[0]
    assert "R1.mp3" in report, "Sentry has no breadcrumb of the request"
    assert "R1.mp3" in transaction, "Sentry has no span of the request"
    assert [SIGNATURE in each for each in (report, transaction)] == [not configured] * 2
