"""Is it VoIPBin that called, and what did it say? A vector, its events, and webhook_requests."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.plugins.registry import load_object, provider_info
from recording_core.testing.fuzz import webhook_requests
from recording_voipbin.webhooks import VoIPBinWebhooks

SCHEME = VoIPBinWebhooks()
SECRET = "Zm9yLXRlc3RzLW9ubHktbm8tc2VjcmV0"
NOW = datetime(2026, 8, 22, 5, 32, tzinfo=UTC)
ID = "348d988b-2ac9-4702-84f0-ae81301ad349"
CALL = rec.call("531bc6f4-c695-4c6d-a478-f28b88dfc2ca")

# https://github.com/voipbin/monorepo, models/recording: an event's data is the row of a get.
ROW: dict[str, Any] = {
    "id": ID,
    "customer_id": "5e4a0680-804e-11ec-8477-2fea5968d85b",
    "owner_type": "",
    "owner_id": "00000000-0000-0000-0000-000000000000",
    "activeflow_id": "d4e5f6a7-b8c9-0123-4567-890abcdef012",
    "reference_type": "call",
    "reference_id": CALL.id,
    "status": "ended",
    "format": "wav",
    "on_end_flow_id": "00000000-0000-0000-0000-000000000000",
    "tm_start": "2026-08-22T05:31:47.87Z",
    "tm_end": "2026-08-22T05:31:58.932Z",
    "tm_create": "2026-08-22T05:31:45.051136Z",
    "tm_update": "2026-08-22T05:31:58.932Z",
}
STARTED_AT = datetime(2026, 8, 22, 5, 31, 47, 870000, tzinfo=UTC)
ENDED_AT = datetime(2026, 8, 22, 5, 31, 58, 932000, tzinfo=UTC)


def row(**changes: Any) -> dict[str, Any]:
    """The row with these fields in place of its own; `...` takes one away."""
    return {name: value for name, value in {**ROW, **changes}.items() if value is not ...}


STARTED = {
    "type": "recording_started",
    "data": row(status="recording", tm_end=..., tm_update="2026-08-22T05:31:47.87Z"),
}
FINISHED = {"type": "recording_finished", "data": ROW}


def signed(payload: Any, *, secret: str = SECRET, method: str = "POST") -> rec.WebhookRequest:
    """Compact JSON as Go writes it, and its HMAC."""
    body = payload
    if not isinstance(payload, bytes):
        body = json.dumps(payload, separators=(",", ":")).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-VoIPBIN-Signature": f"sha256={digest}"}
    return rec.WebhookRequest(method, "https://hooks.example.com/voipbin", headers, body)


def event_of(payload: Any) -> rec.RecordingEvent:
    (event,) = SCHEME.parse(signed(payload), account="default", now=NOW)
    return event


def status_of_refusal(request: rec.WebhookRequest, *secrets: str) -> int:
    return webhook_requests.refusal(SCHEME, request, secrets or (SECRET,), NOW)[0]


def test_the_plugin_names_the_scheme() -> None:
    assert load_object(provider_info("voipbin"), "webhooks") is VoIPBinWebhooks


class TestVerifying:
    def test_a_vector_of_the_vendors_algorithm_passes(self) -> None:
        signature = "sha256=c77c37600c8eeecef1e9aa0f06fc8c63866408ca03bc506c9f148f848ce3cbd3"
        request = rec.WebhookRequest(
            "POST",
            "https://hooks.example.com/voipbin",
            {"X-VoIPBIN-Signature": signature},
            b'{"type":"call_updated","data":{"id":"test"}}',
        )
        SCHEME.verify(request, ["test-secret"], now=NOW)
        assert SCHEME.parse(request, account="default", now=NOW) == ()

    @pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
    def test_what_is_signed_passes_by_each_of_the_four_methods(self, method: str) -> None:
        request = signed(FINISHED, method=method)
        SCHEME.verify(request, [SECRET], now=NOW)
        assert len(SCHEME.parse(request, account="default", now=NOW)) == 1

    def test_one_of_several_secrets_is_enough_so_that_they_can_be_changed(self) -> None:
        SCHEME.verify(signed(STARTED), ["another", SECRET], now=NOW)
        assert status_of_refusal(signed(STARTED), "another", "and another") == 401

    def test_the_secret_is_taken_as_it_is_and_not_as_base64(self) -> None:
        decoded = "for-tests-only-no-secret"
        assert status_of_refusal(signed(STARTED), decoded) == 401

    def test_without_its_prefix_it_is_no_signature(self) -> None:
        right = signed(STARTED).header("X-VoIPBIN-Signature") or ""
        for value in (right.removeprefix("sha256="), right.upper(), right.replace("=", ":")):
            request = webhook_requests.replaced(signed(STARTED), "X-VoIPBIN-Signature", value)
            assert status_of_refusal(request) == 400

    def test_where_the_account_has_no_secret_the_header_is_missing_and_refused(self) -> None:
        assert (
            status_of_refusal(webhook_requests.replaced(signed(STARTED), "X-VoIPBIN-Signature"))
            == 400
        )

    @pytest.mark.parametrize("secret", ["", " ", "\t\n"])
    def test_a_blank_secret_verifies_nothing(self, secret: str) -> None:
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(signed(STARTED, secret=secret), [secret], now=NOW)
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(signed(STARTED), [], now=NOW)

    def test_frameworks_may_hand_headers_over_as_lists_bytes_and_in_any_case(self) -> None:
        plain = signed(STARTED)
        odd = {name.upper().encode(): [value.encode()] for name, value in plain.headers}
        SCHEME.verify(rec.WebhookRequest("POST", plain.url, odd, plain.body), [SECRET], now=NOW)

    @pytest.mark.parametrize(
        "value", webhook_requests.HEADERS.values(), ids=webhook_requests.HEADERS
    )
    def test_junk_in_the_header_is_refused_at_once(self, value: str) -> None:
        request = webhook_requests.replaced(signed(STARTED), "X-VoIPBIN-Signature", value)
        status, seconds = webhook_requests.refusal(SCHEME, request, [SECRET], NOW)
        assert status in (400, 401)
        assert seconds < 0.01

    @settings(deadline=None)
    @given(body=webhook_requests.flipped_bits(signed(FINISHED).body))
    def test_every_bit_of_the_body_is_signed(self, body: bytes) -> None:
        assert status_of_refusal(evolve(signed(FINISHED), body=body)) == 401

    def test_every_bit_of_the_signature_counts(self) -> None:
        right = (signed(STARTED).header("X-VoIPBIN-Signature") or "").encode()
        for bit in range(8 * len(right)):
            value = bytearray(right)
            value[bit // 8] ^= 1 << bit % 8
            forged = value.decode("latin-1")
            request = webhook_requests.replaced(signed(STARTED), "X-VoIPBIN-Signature", forged)
            assert status_of_refusal(request) in (400, 401)

    @settings(max_examples=300, deadline=None)
    @given(signature=webhook_requests.texts(), body=st.binary())
    def test_whatever_strangers_send_only_a_refusal_comes_of_it(
        self, signature: str, body: bytes
    ) -> None:
        headers = {"X-VoIPBIN-Signature": signature}
        request = rec.WebhookRequest("POST", "https://hooks.example.com/", headers, body)
        assert status_of_refusal(request) in (400, 401)


class TestReading:
    def test_a_start_reads_in_full(self) -> None:
        event = event_of(STARTED)
        assert event == rec.RecordingEvent(
            provider="voipbin",
            account="default",
            kind=rec.EventKind.STARTED,
            recording_id=ID,
            target=CALL,
            recording=event.recording,
            status=rec.RecordingStatus.RECORDING,
            occurred_at=STARTED_AT,
            delivery_id=None,
            key=f"voipbin/default/{ID}/started",
        )
        assert event.raw == STARTED
        assert event.recording is not None
        assert event.recording.started_at == STARTED_AT

    def test_finished_is_stopped_and_not_yet_available_since_its_files_come_later(self) -> None:
        event = event_of(FINISHED)
        assert (event.kind, event.status) == (
            rec.EventKind.STOPPED,
            rec.RecordingStatus.PROCESSING,
        )
        assert event.key == f"voipbin/default/{ID}/stopped"
        assert event.occurred_at == ENDED_AT
        assert event.recording is not None
        assert event.recording.duration == timedelta(seconds=11, microseconds=62000)

    @pytest.mark.parametrize(
        ("word", "data", "kind", "status", "at"),
        [
            # https://docs.voipbin.net, Webhook: promised, and never sent
            (
                "recording_created",
                row(status="initiating", tm_start=..., tm_end=..., tm_update=...),
                rec.EventKind.UPDATED,
                rec.RecordingStatus.PENDING,
                datetime(2026, 8, 22, 5, 31, 45, 51136, tzinfo=UTC),
            ),
            (
                "recording_updated",
                row(status="stopping", tm_end=..., tm_update="2026-08-22T05:31:50Z"),
                rec.EventKind.STOPPED,
                rec.RecordingStatus.STOPPING,
                datetime(2026, 8, 22, 5, 31, 50, tzinfo=UTC),
            ),
            (
                "recording_deleted",
                row(tm_delete="2026-08-22T06:00:00Z"),
                rec.EventKind.DELETED,
                rec.RecordingStatus.DELETED,
                datetime(2026, 8, 22, 6, tzinfo=UTC),
            ),
            (
                "recording_deleted",
                row(),
                rec.EventKind.DELETED,
                rec.RecordingStatus.DELETED,
                ENDED_AT,
            ),
        ],
    )
    def test_events_that_the_tutorial_promises_would_be_understood(
        self,
        word: str,
        data: Any,
        kind: rec.EventKind,
        status: rec.RecordingStatus,
        at: datetime,
    ) -> None:
        event = event_of({"type": word, "data": data})
        assert (event.kind, event.status, event.occurred_at) == (kind, status, at)
        assert event.recording is not None
        assert event.recording.status is status

    def test_two_updates_are_two_and_a_replay_is_the_same(self) -> None:
        first, second = (
            event_of(
                {
                    "type": "recording_created",
                    "data": row(status="initiating", tm_create=f"2026-08-22T05:31:4{second}Z"),
                }
            )
            for second in (5, 6)
        )
        assert first.key != second.key
        assert first.key == f"voipbin/default/{ID}/updated/2026-08-22T05:31:45%2B00:00"

    def test_a_conferences_recording_names_its_confbridge_which_is_no_target(self) -> None:
        event = event_of({"type": "recording_started", "data": row(reference_type="confbridge")})
        assert event.target is None
        assert event.recording is not None
        assert event.recording.kind is rec.SessionKind.CONFERENCE
        assert event.recording.reference == CALL.id

    def test_times_of_all_ages_are_read(self) -> None:
        old = row(
            tm_start="2026-08-22 05:31:47.870000",
            tm_end="9999-01-01 00:00:00.000000",
            status="recording",
        )
        event = event_of({"type": "recording_started", "data": old})
        assert event.occurred_at == STARTED_AT
        assert event.recording is not None
        assert event.recording.ended_at is None

    @pytest.mark.parametrize("word", ["call_updated", "conference_created", "message_created"])
    def test_an_event_of_something_else_is_none_of_ours(self, word: str) -> None:
        payload = {"type": word, "data": {"id": ID}}
        assert SCHEME.parse(signed(payload), account="default", now=NOW) == ()

    def test_an_event_of_tomorrow_is_an_update_of_unknown_status(self) -> None:
        event = event_of({"type": "recording_stored", "data": ROW})
        assert (event.kind, event.status) == (rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN)
        assert event.recording_id == ID
        event = event_of({"type": "recording_stored", "data": None})
        assert (event.recording_id, event.recording) == (None, None)

    @pytest.mark.parametrize("body", webhook_requests.BODIES.values(), ids=webhook_requests.BODIES)
    def test_a_body_that_no_vendor_sends_is_refused(self, body: bytes) -> None:
        assert webhook_requests.parsed(SCHEME, signed(body), NOW) is None

    @settings(max_examples=400, deadline=None)
    @given(
        payload=webhook_requests.json_bodies(
            ["recording_started", "recording_deleted", "recording_new", "call", ID],
            ["type", "data", *ROW],
        )
    )
    def test_whatever_the_payload_only_documented_types_come_of_it(self, payload: object) -> None:
        webhook_requests.parsed(SCHEME, signed(payload), NOW)

    @settings(max_examples=400, deadline=None)
    @given(
        word=st.sampled_from(["recording_started", "recording_deleted", "recording_new"]),
        value=webhook_requests.json_bodies(["call", "ended", ID], ["id"]),
        name=st.sampled_from([*ROW, "tm_delete", "type"]),
    )
    def test_whatever_one_field_is_only_documented_types_come_of_it(
        self, word: str, value: object, name: str
    ) -> None:
        webhook_requests.parsed(SCHEME, signed({"type": word, "data": {**ROW, name: value}}), NOW)

    @settings(deadline=None)
    @given(body=st.binary(max_size=300))
    def test_whatever_the_bytes_only_a_refusal_comes_of_them(self, body: bytes) -> None:
        webhook_requests.parsed(SCHEME, signed(body), NOW)
