"""Webhooks: what Twilio signs, and what its callbacks mean."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.plugin import Webhook
from recording_core.testing import LoopbackServer, Reply, Request
from recording_twilio.emulator import TwilioEmulator
from recording_twilio.emulator.webhooks import build_signed_request
from recording_twilio.signature import build_urls
from recording_twilio.webhooks import TwilioWebhooks

TOKEN = "8c1f0e7b5d2a4936a1b2c3d4e5f60718"
HEX = "0123456789abcdef0123456789abcdef"
URL = "https://hooks.example.com/twilio/recording?tenant=acme&a=1"
NOW = datetime(2026, 11, 28, 9, 20, tzinfo=UTC)
PARAMETERS = {
    "AccountSid": f"AC{HEX}",
    "CallSid": f"CA{HEX}",
    "ErrorCode": "0",
    "RecordingChannels": "2",
    "RecordingDuration": "37",
    "RecordingSid": f"RE{HEX}",
    "RecordingSource": "StartCallRecordingAPI",
    "RecordingStartTime": "Sat, 28 Nov 2026 09:15:02 +0000",
    "RecordingStatus": "completed",
    "RecordingTrack": "both",
    "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/AC{HEX}/Recordings/RE{HEX}",
}
PAIRS = tuple(PARAMETERS.items())
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"
SHARED_KEY = {SETTINGS: "key=SK1,algorithm=HMAC_SHA256"}
JSON = f'{{"RecordingSid":"RE{HEX}","RecordingStatus":"completed"}}'.encode()
JSON_AS_QUERY = f"RecordingSid=RE{HEX}&RecordingStatus=completed"
JSON_HASH = "25bbfc6c444f8da3d3d6d0ad776965b4623b7af604023ddf1b6051379dbdbc3b"

#: The vectors: Twilio's clients for Python and Node and a computation of our own agree on them.
#: name -> the URL, the pairs or the body, the headers and the signature
VECTORS: Mapping[str, tuple[str, Any, Mapping[str, str], str]] = {
    "a form": (URL, PAIRS, {}, "LFaAI37qo3AYIVhybdjSEL+dFb0="),
    "a port": (
        URL.replace(".com/", ".com:8443/"),
        PAIRS,
        {},
        "R/dGrESwP097K1QVw6A6T8kBgKY=",
    ),
    "the default port": (URL, PAIRS, {}, "44yIYSGX0HeRQRDFOOmRXuuQmRU="),
    "an empty value": (
        URL,
        tuple({**PARAMETERS, "ErrorCode": ""}.items()),
        {},
        "yGZQwNwj6wJKknOasy5eoFwUaJY=",
    ),
    "a repeated name": (
        URL,
        (*PAIRS, ("X", "b"), ("X", "a"), ("X", "b")),
        {},
        "aWlFMUB8ClOlA1/iAjXepnBa+io=",
    ),
    "a shared key": (URL, PAIRS, SHARED_KEY, "s7URafGQTzYbCwj1BJWmi9+Ha3xTH/smj5Q3cc2C/6Q="),
    "JSON": (f"{URL}&bodySHA256={JSON_HASH}", JSON, {}, "HqTFsE3aE/lbmSndzporOza0WLo="),
}


def build_request(
    url: str,
    content: Sequence[tuple[str, str]] | bytes,
    headers: Mapping[str, str],
    signature: str,
    method: str = "POST",
) -> rec.WebhookRequest:
    body = content if isinstance(content, bytes) else urlencode(content).encode()
    return rec.WebhookRequest(method, url, {"X-Twilio-Signature": signature, **headers}, body)


def sign(url: str, pairs: Sequence[tuple[str, str]] = (), *, digest: str = "sha1") -> str:
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), digest)).decode()


def verify(request: rec.WebhookRequest, *secrets: str) -> None:
    TwilioWebhooks().verify(request, secrets or (TOKEN,), now=NOW)


def parse(
    *pairs: tuple[str, str], method: str = "POST", **changes: str | None
) -> tuple[rec.RecordingEvent, ...]:
    """Parse the parameters of the vectors with changes; None removes one."""
    changed = {**PARAMETERS, **changes}
    form = [*((name, value) for name, value in changed.items() if value is not None), *pairs]
    request = build_request(URL, form, {"I-Twilio-Idempotency-Token": "token-1"}, "")
    if method == "GET":
        request = rec.WebhookRequest("GET", f"{URL}&{urlencode(form)}")
    return TwilioWebhooks().parse(request, account="default", now=NOW)


class TestSignature:
    @pytest.mark.parametrize("name", VECTORS)
    def test_a_vector_is_verified(self, name: str) -> None:
        verify(build_request(*VECTORS[name]))
        verify(build_request(*VECTORS[name]), "another-secret", TOKEN)

    @pytest.mark.parametrize("name", VECTORS)
    def test_a_vector_with_a_change_is_rejected(self, name: str) -> None:
        url, content, headers, signature = VECTORS[name]
        other = (
            content.replace(b"completed", b"absent")
            if isinstance(content, bytes)
            else (*content, ("A", "b"))
        )
        for changed in (
            build_request(url, other, headers, signature),
            build_request(url.replace("acme", "evil"), content, headers, signature),
            build_request(url.replace("https", "http"), content, headers, signature),
        ):
            with pytest.raises(rec.WebhookRejected) as caught:
                verify(changed)
            assert caught.value.status == 401
        with pytest.raises(rec.WebhookRejected):
            verify(build_request(url, content, headers, signature), "another-secret")

    def test_a_get_signs_its_url_alone(self) -> None:
        url = f"{URL}&{urlencode(PARAMETERS)}"
        verify(rec.WebhookRequest("GET", url, {"X-Twilio-Signature": sign(url)}))

    @pytest.mark.parametrize(
        ("signed", "configured"),
        [
            ("https://hooks.example.com/a", "https://hooks.example.com:443/a"),
            ("https://hooks.example.com:443/a", "https://hooks.example.com/a"),
            ("https://hooks.example.com/a", "https://hooks.example.com:8443/a"),
            ("http://hooks.example.com:80/a", "http://hooks.example.com/a"),
            ("https://u:p@hooks.example.com:443/a", "https://u:p@hooks.example.com/a"),
            ("https://u:p@hooks.example.com/a", "https://u:p@hooks.example.com:8443/a"),
            ("https://hooks.example.com/a?", "https://hooks.example.com/a?"),
            ("https://hooks.example.com/a", "https://hooks.example.com/a#rc=3&rp=all"),
            ("https://hooks.example.com", "https://hooks.example.com"),
            ("https://hooks.example.com?b=%20'@:", "https://hooks.example.com?b=%20'@:"),
            ("https://[::1]:443/a", "https://[::1]/a"),
        ],
    )
    def test_the_url_is_signed_with_and_without_a_port(self, signed: str, configured: str) -> None:
        verify(build_request(configured, PAIRS, {}, sign(signed, PAIRS)))

    @pytest.mark.parametrize("url", ["ftp://a/b", "hooks.example.com/a", ""])
    def test_a_malformed_url_is_rejected(self, url: str) -> None:
        with pytest.raises(rec.WebhookRejected) as caught:
            verify(build_request(url, PAIRS, {}, sign(url, PAIRS)))
        assert caught.value.status == 400

    def test_the_urls_keep_all_but_port_and_fragment(self) -> None:
        urls = build_urls("https://u@h.example:99/p;q?x=%41&x#f")
        assert urls == ["https://u@h.example/p;q?x=%41&x", "https://u@h.example:99/p;q?x=%41&x"]

    @pytest.mark.parametrize(
        "settings",
        [
            "key=SK1,algorithm=HMAC_SHA1",
            "key=SK1",
            "algorithm=HMAC_SHA256",
            "key=SK1,algorithm=HMAC_SHA256,algorithm=none",
            "",
        ],
    )
    def test_an_unknown_algorithm_is_rejected(self, settings: str) -> None:
        for digest in ("sha1", "sha256"):
            request = build_request(
                URL, PAIRS, {SETTINGS: settings}, sign(URL, PAIRS, digest=digest)
            )
            with pytest.raises(rec.WebhookRejected):
                verify(request)

    def test_a_shared_key_is_not_checked_with_sha_1(self) -> None:
        with pytest.raises(rec.WebhookRejected):
            verify(build_request(URL, PAIRS, SHARED_KEY, sign(URL, PAIRS)))
        with pytest.raises(rec.WebhookRejected):
            verify(build_request(URL, PAIRS, {}, sign(URL, PAIRS, digest="sha256")))

    def test_another_method_is_rejected(self) -> None:
        with pytest.raises(rec.WebhookRejected, match="GET or POST"):
            verify(build_request(URL, PAIRS, {}, sign(URL, PAIRS), method="PUT"))

    def test_the_hash_of_a_body_is_checked_before_the_signature(self) -> None:
        url = f"{URL}&bodySHA256={sha256(b'{}').hexdigest()}"
        verify(build_request(url, b"{}", {}, sign(url)))
        with pytest.raises(rec.WebhookRejected, match="body"):
            verify(build_request(url, b"{} ", {}, sign(url)))

    def test_json_without_its_hash_is_rejected(self) -> None:
        with pytest.raises(rec.WebhookRejected):
            verify(build_request(URL, JSON, {}, sign(URL)))

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("shared_key", [None, "SK1"])
    @pytest.mark.parametrize("as_json", [False, True])
    def test_every_form_of_the_emulator_is_verified(
        self, method: str, shared_key: str | None, as_json: bool
    ) -> None:
        request = build_signed_request(
            PARAMETERS, Webhook(URL, method), TOKEN, shared_key=shared_key, as_json=as_json
        )
        verify(request)
        (event,) = TwilioWebhooks().parse(request, account="default", now=NOW)
        assert (event.recording_id, event.status) == (f"RE{HEX}", "available")


class TestMeaning:
    @pytest.mark.parametrize(
        ("word", "code", "kind", "status"),
        [
            ("in-progress", None, "started", "recording"),
            ("started", None, "started", "recording"),
            ("paused", None, "paused", "paused"),
            ("resumed", None, "resumed", "recording"),
            ("stopped", None, "stopped", "stopping"),
            ("completed", "0", "available", "available"),
            ("absent", "16101", "empty", "empty"),
            ("absent", "16102", "empty", "empty"),
            ("absent", "16105", "failed", "failed"),
            ("absent", None, "failed", "failed"),
            ("failed", None, "failed", "failed"),
            ("zz-new", None, "updated", "unknown"),
            ("processing", None, "updated", "unknown"),
        ],
    )
    def test_each_word_has_its_event(
        self, word: str, code: str | None, kind: str, status: str
    ) -> None:
        (event,) = parse(RecordingStatus=word, ErrorCode=code)
        assert (event.kind, event.status, event.trusted) == (kind, status, False)
        assert event.recording is not None
        assert (event.recording.status, event.recording.provider_status) == (status, word)

    def test_a_completed_call_has_every_field(self) -> None:
        (event,) = parse()
        found = event.recording
        assert found is not None
        assert (event.target, event.delivery_id) == (rec.call(f"CA{HEX}"), "token-1")
        assert (found.duration, found.channels) == (timedelta(seconds=37), 2)
        assert found.started_at == datetime(2026, 11, 28, 9, 15, 2, tzinfo=UTC)
        assert (found.error, found.files, found.unread_fields) == (None, (), ())
        assert event.raw["RecordingSource"] == "StartCallRecordingAPI"

    def test_a_conference_is_the_target_of_its_events(self) -> None:
        for call in (None, f"CA{HEX}"):
            (event,) = parse(ConferenceSid=f"CF{HEX}", CallSid=call, RecordingTrack=None)
            assert event.target == rec.conference(f"CF{HEX}")

    def test_an_action_of_record_states_that_recording_ended(self) -> None:
        # It is sent before the file is ready, with the call's parameters and without a status.
        more = {"Digits": "#", "CallStatus": "in-progress", "From": "+12025550100"}
        (event,) = parse(RecordingStatus=None, ErrorCode=None, **more)
        assert (event.kind, event.status) == ("stopped", "processing")
        # The page lists no `RecordingSid` among its parameters.
        assert parse(RecordingStatus=None, ErrorCode=None, RecordingSid=None, **more) == ()
        (event,) = parse(RecordingStatus=None, RecordingDuration=None)
        assert (event.kind, event.status) == ("updated", "unknown")

    def test_a_webhook_about_something_else_has_no_event(self) -> None:
        assert parse(RecordingSid=None, RecordingStatus=None, CallStatus="completed") == ()
        assert parse(RecordingSid=None) == ()

    def test_a_failure_without_a_recording_has_a_key_of_its_own(self) -> None:
        (one,) = parse(RecordingSid=None, RecordingStatus="failed")
        (other,) = parse(RecordingSid=None, RecordingStatus="failed", CallSid=f"CA{HEX[::-1]}")
        assert (one.recording_id, one.kind, one.recording) == (None, "failed", None)
        assert one.target == rec.call(f"CA{HEX}")
        assert one.key != other.key

    def test_the_end_has_the_key_of_a_poll_and_a_pause_one_of_its_own(self) -> None:
        assert parse()[0].key == parse(RecordingDuration="38")[0].key
        one, other = (parse(RecordingStatus="paused", ErrorCode=each)[0] for each in ("0", None))
        assert one.key != other.key

    def test_a_get_has_the_same_event(self) -> None:
        assert parse(method="GET")[0].key == parse()[0].key

    @pytest.mark.parametrize("field", ["RecordingDuration", "RecordingChannels", "CallSid"])
    def test_a_field_that_cannot_be_read_is_named(self, field: str) -> None:
        (event,) = parse((field, "zz"), ("Zz", "zz"))
        assert event.recording is not None
        assert event.recording.unread_fields == (field,)
        assert (event.kind, event.recording_id) == ("available", f"RE{HEX}")

    @pytest.mark.emulator("twilio", assume=[5])
    def test_an_in_progress_after_a_pause_resumes(self, emulator: TwilioEmulator) -> None:
        with emulator.connect() as provider:
            session = begun = provider.start(emulator.sessions[0])
            for verb in (provider.pause, provider.resume):
                emulator.advance(timedelta(seconds=10))
                session = verb(session)
        receiver = rec.receiver("twilio", secret=emulator.webhooks["secret"])
        kinds = []
        for request in emulator.build_webhook_requests():
            for event in receiver.receive(request):
                begun = begun.apply(event)
                kinds.append((event.kind, begun.status))
        assert kinds == [
            ("started", "recording"),
            ("paused", "paused"),
            ("started", "recording"),
        ]


@pytest.mark.emulator("twilio")
class TestRedelivery:
    """What is sent again, as the fragment of a URL asks for it."""

    @pytest.mark.parametrize(
        ("fragment", "answer", "attempts"),
        [
            ("", "no connection", 2),
            ("", None, 1),
            ("", 500, 1),
            ("#rc=3", "no connection", 4),
            ("#rc=0", "no connection", 1),
            ("#rc=6", "no connection", 2),
            ("#rc=3&rp=4xx,5xx,ct,rt", 500, 4),
            ("#rc=3&rp=4xx,5xx,ct,rt", None, 4),
            ("#rc=2&rp=rt", "no connection", 1),
            ("#rc=2&rp=5xx", 404, 1),
            ("#rc=2&rp=all", 404, 3),
            ("#rc=2&rp=all", 200, 1),
            ("#rp=unknown", "no connection", 2),
        ],
    )
    def test_the_fragment_of_a_url_configures_it(
        self, emulator: TwilioEmulator, fragment: str, answer: Any, attempts: int
    ) -> None:
        reply = Reply(answer) if type(answer) is int else Reply(abort=True)
        with LoopbackServer(lambda _: reply) as server, emulator.connect() as provider:
            if answer == "no connection":
                server.close()
            url = f"{server.origin}/{fragment}"
            extra = {"RecordingStatusCallbackEvent": "in-progress"}
            provider.start(emulator.sessions[0], callback_url=url, extra=extra)
            emulator.wait_for_deliveries()
        assert len(emulator.deliveries.attempts) == attempts

    def test_a_repeated_request_has_the_token_of_its_event(self, emulator: TwilioEmulator) -> None:
        arrived: list[rec.WebhookRequest] = []

        def answer(request: Request) -> Reply:
            url = f"{request.origin}{request.path}"
            arrived.append(rec.WebhookRequest("POST", url, request.headers, request.body))
            return Reply(500)

        with LoopbackServer(answer) as server:
            emulator.deliver_to(f"{server.origin}/#rc=2&rp=5xx")
            emulator.record()
            emulator.wait_for_deliveries()
        tokens = [each.header("I-Twilio-Idempotency-Token") for each in arrived]
        assert len(tokens) == 6
        assert [tokens.count(each) for each in set(tokens) - {None}] == [2, 2]


#: Names before and after those that identify, with texts of callers.
EARLIER, LATER = ("CallerName", "Digits", "From"), ("SipHeader_X-Note", "SpeechResult", "To")
#: A conference, a call, a recording that is absent, and a call's own status callback.
SOURCES: Sequence[Mapping[str, str]] = (
    {**PARAMETERS, "ConferenceSid": f"CF{HEX}"},
    PARAMETERS,
    {**PARAMETERS, "RecordingStatus": "absent", "ErrorCode": "16101"},
    {**PARAMETERS, "RecordingStatus": "absent", "ErrorCode": "16105"},
    {
        name: value
        for name, value in PARAMETERS.items()
        if name not in ("RecordingStatus", "RecordingSource")
    },
)
FRAGMENTS = (*PARAMETERS, "ConferenceSid", *EARLIER, *LATER, "Zz")
FIELDS = (f"RecordingSidRE{HEX[::-1]}", "RecordingStatusabsent", "ErrorCode16102")
TEXTS = st.lists(
    st.sampled_from(FIELDS)
    | st.sampled_from((*FRAGMENTS, *PARAMETERS.values(), f"RE{HEX[::-1]}", "absent", "x", " "))
    | st.text(max_size=3),
    max_size=8,
).map("".join)


@st.composite
def generate_splits(draw: st.DrawFn, text: str) -> list[tuple[str, str]]:
    """Split a signed text into other names, in order, and values."""
    names = [found.span() for each in FRAGMENTS for found in re.finditer(re.escape(each), text)]
    hidden = draw(st.sets(st.sampled_from(names), max_size=6))
    moved = draw(st.sets(st.tuples(st.sampled_from(names), st.integers(-2, 2), st.integers(-2, 2))))
    spans = {*names, *((start + a, end + b) for (start, end), a, b in moved)} - hidden
    chosen = [(0, draw(st.sampled_from([10, 12])))]
    for start, end in sorted(spans):
        last_start, last_end = chosen[-1]
        if last_end <= start < end <= len(text) and text[last_start:last_end] < text[start:end]:
            chosen.append((start, end))
    ends = [*(start for start, _ in chosen[1:]), len(text)]
    return [
        (text[start:end], text[end:until]) for (start, end), until in zip(chosen, ends, strict=True)
    ]


def parse_pairs(pairs: Sequence[tuple[str, str]]) -> tuple[rec.RecordingEvent, ...]:
    request = build_request(URL, pairs, {}, "")
    return TwilioWebhooks().parse(request, account="default", now=NOW)


def identify(event: rec.RecordingEvent) -> tuple[str | None, str, str | None]:
    return event.recording_id, event.kind, event.status


class TestBoundaries:
    """Nothing separates names and values: the signed text can be divided in another way."""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("CallerName", f"RecordingSidRE{HEX[::-1]}"),
            ("CallerName", "RecordingStatusabsent"),
            ("Aa", f"xRecordingSidRE{HEX}"),
        ],
    )
    def test_a_name_that_identifies_inside_another_text_is_rejected(
        self, name: str, text: str
    ) -> None:
        with pytest.raises(rec.WebhookRejected, match="another text"):
            parse((name, text))

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("SipHeader_X-Note", "see RecordingSid"),
            ("SipHeader_X-Note", f"RecordingSidRE{HEX[::-1]}RecordingStatusabsent"),
            ("RecordingSource", f"xRecordingSidRE{HEX}"),
            ("CallerName", "RecordingStatus"),
            ("CallerName", "RecordingSidRE1 RecordingStatus: absent"),
            ("aRecordingSid", "x"),
        ],
    )
    def test_a_text_that_cannot_become_a_field_costs_nothing(self, name: str, text: str) -> None:
        (event,) = parse((name, text))
        assert (event.recording_id, event.kind) == (f"RE{HEX}", "available")

    def test_a_new_word_that_begins_like_another_is_accepted(self) -> None:
        (event,) = parse(("CallerName", "x"), RecordingStatus="failed-late")
        assert (event.kind, event.status) == ("updated", "unknown")

    @pytest.mark.parametrize("name", ["CallerName", "SipHeader_X-Note"])
    def test_a_query_and_json_have_boundaries(self, name: str) -> None:
        text = f"RecordingSidRE{HEX[::-1]}RecordingStatusabsent"
        (event,) = parse((name, text), method="GET")
        assert event.key == parse()[0].key
        parameters = {**PARAMETERS, name: text}
        request = build_signed_request(parameters, Webhook(URL), TOKEN, as_json=True)
        (event,) = TwilioWebhooks().parse(request, account="default", now=NOW)
        assert event.key == parse()[0].key

    @pytest.mark.parametrize("body", [b"", JSON])
    def test_a_form_sent_again_as_a_query_or_json_is_rejected(self, body: bytes) -> None:
        # Twilio signs no method: the text of a form, after the URL, reads like another URL.
        query = f"bodySHA256={JSON_HASH}" if body else JSON_AS_QUERY
        pairs = {**PARAMETERS, "CallerName": f"&{query}&z="}
        url = URL + "".join(name + value for name, value in sorted(pairs.items()))
        request = build_request(url, body, {}, sign(URL, list(pairs.items())), method="POST")
        if not body:
            request = evolve(request, method="GET")
        verify(request)
        with pytest.raises(rec.WebhookRejected, match="text of a form"):
            TwilioWebhooks().parse(request, account="default", now=NOW)

    @pytest.mark.parametrize(
        ("changes", "pair"),
        [
            ({"RecordingSid": None}, ("RecordingSi", f"dRE{HEX}")),
            (
                {"RecordingStatus": "complete", "RecordingTrack": None, "RecordingUrl": None},
                ("dRecordingTrack", "both"),
            ),
            ({"RecordingStatus": "absent", "ErrorCode": None}, ("ErrorC", "ode16101")),
            ({"RecordingStatus": None, "RecordingDuration": None}, ("RecordingDur", "ation37")),
        ],
    )
    def test_a_moved_boundary_that_changes_the_event_is_rejected(
        self, changes: dict[str, Any], pair: tuple[str, str]
    ) -> None:
        with pytest.raises(rec.WebhookRejected, match="another text"):
            parse(pair, **changes)

    def test_a_field_that_is_hidden_in_another_is_rejected(self) -> None:
        # The same text as without the change, in which the status is a part of the source.
        source = "StartCallRecordingAPIRecordingStartTimexRecordingStatuscompleted"
        with pytest.raises(rec.WebhookRejected, match="RecordingStatus"):
            parse(RecordingSource=source, RecordingStartTime=None, RecordingStatus=None)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("RecordingSid", f"RE{HEX}0"),
            ("RecordingSid", "Twilio.CURRENT"),
            ("RecordingSid", "../x"),
            ("RecordingStatus", "Completed!"),
        ],
    )
    def test_what_identifies_must_have_its_form(self, name: str, value: str) -> None:
        with pytest.raises(rec.WebhookRejected, match=name):
            parse(**{name: value})

    def test_two_values_of_what_identifies_are_rejected(self) -> None:
        with pytest.raises(rec.WebhookRejected):
            parse(("RecordingSid", f"RE{HEX[::-1]}"))
        assert parse(("RecordingSid", f"RE{HEX}")) == parse()  # signed like one

    @settings(max_examples=300, deadline=None)
    @given(source=st.sampled_from(SOURCES), texts=st.dictionaries(st.sampled_from(LATER), TEXTS))
    def test_no_text_after_what_identifies_makes_an_event_unreceivable(
        self, source: Mapping[str, str], texts: Mapping[str, str]
    ) -> None:
        (event,) = parse_pairs([*source.items(), *texts.items()])
        (expected,) = parse_pairs(list(source.items()))
        assert identify(event) == identify(expected)

    @settings(max_examples=1000, deadline=None)
    @given(
        source=st.sampled_from(SOURCES),
        texts=st.dictionaries(st.sampled_from((*EARLIER, *LATER)), TEXTS),
        data=st.data(),
    )
    def test_no_other_split_is_another_event(
        self, source: Mapping[str, str], texts: Mapping[str, str], data: st.DataObject
    ) -> None:
        text = "".join(name + value for name, value in sorted({**source, **texts}.items()))
        forged = data.draw(generate_splits(text))
        assert "".join(map("".join, sorted(set(forged)))) == text
        (expected,) = parse_pairs(list(source.items()))
        try:
            found = parse_pairs(forged)
        except rec.WebhookRejected:
            return
        assert {identify(each) for each in found} <= {identify(expected)}
