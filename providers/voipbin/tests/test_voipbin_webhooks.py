"""VoIPBin's webhooks: verification with a test vector, its events, and hostile requests."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pkgutil import resolve_name
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.testing.fuzz import webhook_requests
from recording_voipbin.webhooks import VoIPBinWebhooks

SCHEME = VoIPBinWebhooks()
SECRET = "Zm9yLXRlc3RzLW9ubHktbm8tc2VjcmV0"
NOW = datetime(2026, 8, 22, 5, 32, tzinfo=UTC)
ID = "348d988b-2ac9-4702-84f0-ae81301ad349"
CALL = rec.call("531bc6f4-c695-4c6d-a478-f28b88dfc2ca")

# https://github.com/voipbin/monorepo, models/recording: the data of an event is the row of a get.
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


def change_row(**changes: Any) -> dict[str, Any]:
    """Change fields of the row; `...` removes a field."""
    return {name: value for name, value in {**ROW, **changes}.items() if value is not ...}


STARTED = {
    "type": "recording_started",
    "data": change_row(status="recording", tm_end=..., tm_update="2026-08-22T05:31:47.87Z"),
}
FINISHED = {"type": "recording_finished", "data": ROW}


def build_request(
    payload: Any, *, secret: str = SECRET, method: str = "POST"
) -> rec.WebhookRequest:
    """Build a signed request, with compact JSON as Go writes it."""
    body = payload
    if not isinstance(payload, bytes):
        body = json.dumps(payload, separators=(",", ":")).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-VoIPBIN-Signature": f"sha256={digest}"}
    return rec.WebhookRequest(method, "https://hooks.example.com/voipbin", headers, body)


def parse_event(payload: Any) -> rec.RecordingEvent:
    (event,) = SCHEME.parse(build_request(payload), account="default", now=NOW)
    return event


def read_rejection_status(request: rec.WebhookRequest, *secrets: str) -> int:
    return webhook_requests.measure_rejection(SCHEME, request, secrets or (SECRET,), NOW)[0]


def test_the_plugin_declares_the_scheme() -> None:
    assert resolve_name(rec.providers()["voipbin"].webhooks or "") is VoIPBinWebhooks


class TestVerifying:
    def test_a_vector_of_the_vendors_algorithm_is_verified(self) -> None:
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
    def test_a_signed_request_is_verified_with_each_of_the_four_methods(self, method: str) -> None:
        request = build_request(FINISHED, method=method)
        SCHEME.verify(request, [SECRET], now=NOW)
        assert len(SCHEME.parse(request, account="default", now=NOW)) == 1

    def test_one_of_several_secrets_is_enough_so_that_a_secret_can_be_changed(self) -> None:
        SCHEME.verify(build_request(STARTED), ["another", SECRET], now=NOW)
        assert read_rejection_status(build_request(STARTED), "another", "and another") == 401

    def test_the_secret_is_not_decoded_from_base64(self) -> None:
        decoded = "for-tests-only-no-secret"
        assert read_rejection_status(build_request(STARTED), decoded) == 401

    def test_a_signature_without_its_prefix_is_rejected(self) -> None:
        valid = build_request(STARTED).header("X-VoIPBIN-Signature") or ""
        for value in (valid.removeprefix("sha256="), valid.upper(), valid.replace("=", ":")):
            request = webhook_requests.replace_header(
                build_request(STARTED), "X-VoIPBIN-Signature", value
            )
            assert read_rejection_status(request) == 400

    def test_a_request_without_the_signature_header_is_rejected(self) -> None:
        assert (
            read_rejection_status(
                webhook_requests.replace_header(build_request(STARTED), "X-VoIPBIN-Signature")
            )
            == 400
        )

    @pytest.mark.parametrize("secret", ["", " ", "\t\n"])
    def test_a_blank_secret_verifies_nothing(self, secret: str) -> None:
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(build_request(STARTED, secret=secret), [secret], now=NOW)
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(build_request(STARTED), [], now=NOW)

    def test_headers_may_be_lists_or_bytes_in_any_case(self) -> None:
        plain = build_request(STARTED)
        headers = {name.upper().encode(): [value.encode()] for name, value in plain.headers}
        SCHEME.verify(rec.WebhookRequest("POST", plain.url, headers, plain.body), [SECRET], now=NOW)

    @pytest.mark.parametrize(
        "value", webhook_requests.HEADERS.values(), ids=webhook_requests.HEADERS
    )
    def test_a_malformed_signature_header_is_rejected_at_once(self, value: str) -> None:
        request = webhook_requests.replace_header(
            build_request(STARTED), "X-VoIPBIN-Signature", value
        )
        status, seconds = webhook_requests.measure_rejection(SCHEME, request, [SECRET], NOW)
        assert status in (400, 401)
        assert seconds < 0.01

    @settings(deadline=None)
    @given(body=webhook_requests.generate_bit_flips(build_request(FINISHED).body))
    def test_every_bit_of_the_body_is_signed(self, body: bytes) -> None:
        assert read_rejection_status(evolve(build_request(FINISHED), body=body)) == 401

    def test_every_bit_of_the_signature_counts(self) -> None:
        valid = (build_request(STARTED).header("X-VoIPBIN-Signature") or "").encode()
        for bit in range(8 * len(valid)):
            value = bytearray(valid)
            value[bit // 8] ^= 1 << bit % 8
            forged = value.decode("latin-1")
            request = webhook_requests.replace_header(
                build_request(STARTED), "X-VoIPBIN-Signature", forged
            )
            assert read_rejection_status(request) in (400, 401)

    @settings(max_examples=300, deadline=None)
    @given(signature=webhook_requests.generate_header_values(), body=st.binary())
    def test_any_unsigned_request_is_rejected(self, signature: str, body: bytes) -> None:
        headers = {"X-VoIPBIN-Signature": signature}
        request = rec.WebhookRequest("POST", "https://hooks.example.com/", headers, body)
        assert read_rejection_status(request) in (400, 401)


class TestReading:
    def test_a_start_is_read_in_full(self) -> None:
        event = parse_event(STARTED)
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

    def test_finished_is_stopped_and_not_yet_available(self) -> None:
        event = parse_event(FINISHED)
        assert (event.kind, event.status) == (
            rec.EventKind.STOPPED,
            rec.RecordingStatus.PROCESSING,
        )
        assert event.key == f"voipbin/default/{ID}/stopped"
        assert event.occurred_at == ENDED_AT
        assert event.recording is not None
        assert event.recording.duration == timedelta(seconds=11, microseconds=62000)

    @pytest.mark.parametrize(
        ("event_type", "data", "kind", "status", "at"),
        [
            # https://docs.voipbin.net, Webhook: documented, and never sent
            (
                "recording_created",
                change_row(status="initiating", tm_start=..., tm_end=..., tm_update=...),
                rec.EventKind.UPDATED,
                rec.RecordingStatus.PENDING,
                datetime(2026, 8, 22, 5, 31, 45, 51136, tzinfo=UTC),
            ),
            (
                "recording_updated",
                change_row(status="stopping", tm_end=..., tm_update="2026-08-22T05:31:50Z"),
                rec.EventKind.STOPPED,
                rec.RecordingStatus.STOPPING,
                datetime(2026, 8, 22, 5, 31, 50, tzinfo=UTC),
            ),
            (
                "recording_deleted",
                change_row(tm_delete="2026-08-22T06:00:00Z"),
                rec.EventKind.DELETED,
                rec.RecordingStatus.DELETED,
                datetime(2026, 8, 22, 6, tzinfo=UTC),
            ),
            (
                "recording_deleted",
                change_row(),
                rec.EventKind.DELETED,
                rec.RecordingStatus.DELETED,
                ENDED_AT,
            ),
        ],
    )
    def test_events_that_only_the_tutorial_documents_are_read(
        self,
        event_type: str,
        data: Any,
        kind: rec.EventKind,
        status: rec.RecordingStatus,
        at: datetime,
    ) -> None:
        event = parse_event({"type": event_type, "data": data})
        assert (event.kind, event.status, event.occurred_at) == (kind, status, at)
        assert event.recording is not None
        assert event.recording.status is status

    def test_two_updates_have_two_keys(self) -> None:
        first, second = (
            parse_event(
                {
                    "type": "recording_created",
                    "data": change_row(
                        status="initiating",
                        tm_end=...,
                        tm_create=f"2026-08-22T05:31:4{second}Z",
                    ),
                }
            )
            for second in (5, 6)
        )
        assert first.key != second.key
        assert first.key == f"voipbin/default/{ID}/updated/2026-08-22T05:31:45%2B00:00"

    def test_a_conferences_recording_has_its_confbridge_and_no_target(self) -> None:
        event = parse_event(
            {"type": "recording_started", "data": change_row(reference_type="confbridge")}
        )
        assert event.target is None
        assert event.recording is not None
        assert event.recording.kind is rec.SessionKind.CONFERENCE
        assert event.recording.reference == CALL.id

    def test_times_of_older_deployments_are_read(self) -> None:
        data = change_row(
            tm_start="2026-08-22 05:31:47.870000",
            tm_end="9999-01-01 00:00:00.000000",
            status="recording",
        )
        event = parse_event({"type": "recording_started", "data": data})
        assert event.occurred_at == STARTED_AT
        assert event.recording is not None
        assert event.recording.ended_at is None

    @pytest.mark.parametrize(
        "event_type", ["call_updated", "conference_created", "message_created"]
    )
    def test_an_event_of_something_else_yields_nothing(self, event_type: str) -> None:
        payload = {"type": event_type, "data": {"id": ID}}
        assert SCHEME.parse(build_request(payload), account="default", now=NOW) == ()

    def test_an_unknown_event_is_an_update_of_unknown_status(self) -> None:
        event = parse_event({"type": "recording_stored", "data": ROW})
        assert (event.kind, event.status) == (rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN)
        assert event.recording_id == ID
        event = parse_event({"type": "recording_stored", "data": None})
        assert (event.recording_id, event.recording) == (None, None)

    @pytest.mark.parametrize("name", [name for name in [*ROW, "tm_delete"] if name != "id"])
    @pytest.mark.parametrize(
        "value",
        [
            -1731660518,
            0.5,
            2**70,
            True,
            [],
            {"x": 1},
            "0000-00-00",
            "0001-01-01T00:00:00Z",
            "x\ud83d",
        ],
        ids=str,
    )
    def test_an_event_is_never_rejected_for_a_field_that_does_not_identify_it(
        self, name: str, value: Any
    ) -> None:
        for event_type in SCHEME.events:
            event = parse_event({"type": event_type, "data": {**ROW, name: value}})
            assert event.recording_id == ID
            assert event.recording is not None
            good = parse_event({"type": event_type, "data": ROW})
            if name != "status":
                assert (event.kind, event.status) == (good.kind, good.status)
            if name.startswith("tm_") and name != "tm_update":
                assert event.recording.unread_fields == (name,)

    def test_an_unread_time_of_an_event_is_replaced_by_that_of_the_change(self) -> None:
        event = parse_event({"type": "recording_finished", "data": change_row(tm_end=-1)})
        assert event.occurred_at == ENDED_AT
        assert event.key == f"voipbin/default/{ID}/stopped"
        event = parse_event(
            {"type": "recording_finished", "data": change_row(tm_end=-1, tm_update="never")}
        )
        assert event.occurred_at is None
        assert event.key == f"voipbin/default/{ID}/stopped"

    @pytest.mark.parametrize("id", [None, "", 7, "..", "a\nb", "x\ud83d", "00000000-" * 4])
    def test_a_known_event_without_a_usable_id_is_rejected(self, id: Any) -> None:
        for event_type in SCHEME.events:
            payload = {"type": event_type, "data": {**ROW, "id": id}}
            if id == "00000000-" * 4:
                payload["data"] = {**ROW, "id": "00000000-0000-0000-0000-000000000000"}
            with pytest.raises(rec.WebhookRejected, match="'id'"):
                parse_event(payload)

    @pytest.mark.parametrize("body", webhook_requests.BODIES.values(), ids=webhook_requests.BODIES)
    def test_a_malformed_body_is_rejected(self, body: bytes) -> None:
        assert webhook_requests.parse_and_check(SCHEME, build_request(body), NOW) is None

    @settings(max_examples=400, deadline=None)
    @given(
        payload=webhook_requests.generate_json_bodies(
            ["recording_started", "recording_deleted", "recording_new", "call", ID],
            ["type", "data", *ROW],
        )
    )
    def test_any_payload_yields_only_documented_types(self, payload: object) -> None:
        webhook_requests.parse_and_check(SCHEME, build_request(payload), NOW)

    @settings(max_examples=400, deadline=None)
    @given(
        event_type=st.sampled_from(["recording_started", "recording_deleted", "recording_new"]),
        value=webhook_requests.generate_json_bodies(["call", "ended", ID], ["id"]),
        name=st.sampled_from([*ROW, "tm_delete", "type"]),
    )
    def test_any_value_of_a_field_yields_only_documented_types(
        self, event_type: str, value: object, name: str
    ) -> None:
        webhook_requests.parse_and_check(
            SCHEME, build_request({"type": event_type, "data": {**ROW, name: value}}), NOW
        )

    @settings(deadline=None)
    @given(body=st.binary(max_size=300))
    def test_any_bytes_are_rejected(self, body: bytes) -> None:
        webhook_requests.parse_and_check(SCHEME, build_request(body), NOW)
