"""Webhooks: verifying and parsing the pages' samples, a vector, and malformed requests."""

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
from recording_audian.webhooks import AudianWebhooks
from recording_core.plugins.registry import get_provider_info, load_object
from recording_core.testing.fuzz import webhook_requests

SCHEME = AudianWebhooks()
SECRET = "whsec_abcdef1234567890xyz"
NOW = datetime(2024, 1, 15, 10, 36, tzinfo=UTC)
CALL = rec.call("call_xyz789")

# https://docs.audian.com/call-control/call-recording, Recording Webhooks
STARTED: dict[str, Any] = {
    "event": "recording.started",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "started_at": "2024-01-15T10:30:05Z",
    },
}
STOPPED: dict[str, Any] = {
    "event": "recording.stopped",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "duration": 305,
        "stopped_at": "2024-01-15T10:35:10Z",
    },
}
COMPLETED: dict[str, Any] = {
    "event": "recording.completed",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "duration": 305,
        "file_size": 1536000,
        "file_format": "mp3",
        "download_url": "https://api.audian.com:8443/v2/recordings/rec_abc123/download",
        "completed_at": "2024-01-15T10:36:00Z",
        "checksum": {"algorithm": "sha256", "value": "abcdef0123456789"},
    },
}
COMPLETED_IN_SHORT: dict[str, Any] = {
    "event": "recording.completed",
    "data": {
        "recording_id": "rec_abc123",
        "call_id": "call_xyz789",
        "download_url": "https://api.audian.com:8443/v2/recordings/rec_abc123/download",
        "file_size": 1536000,
        "duration": 305,
        "completed_at": "2024-01-15T10:36:00Z",
    },
}
FAILED: dict[str, Any] = {
    "event": "recording.failed",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "reason": "storage_error",
        "failed_at": "2024-01-15T10:36:00Z",
    },
}


#: Values that no optional field of an event has; a text may be a reason or a format.
ABSURD_VALUES: tuple[Any, ...] = (
    *(-1, True, [], {}, [[]], 2**70, "0000-00-00", "0001-01-01T00:00:00Z", "\ud83d"),
)


def sign(
    payload: Any,
    *,
    secret: str = SECRET,
    at: datetime = NOW,
    prefix: str = "",
) -> rec.WebhookRequest:
    """Sign a request as https://docs.audian.com/webhooks/payloads shows it."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    timestamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "AudianWebhook/1.0",
        "X-Audian-Timestamp": timestamp,
        "X-Audian-Signature": prefix + digest.hexdigest(),
        "X-Audian-Delivery-ID": "delv_1",
    }
    return rec.WebhookRequest("POST", "https://hooks.example.com/audian", headers, body)


def parse_event(payload: Any) -> rec.RecordingEvent:
    (event,) = SCHEME.parse(sign(payload), account="default", now=NOW)
    return event


def measure_rejection_status(request: rec.WebhookRequest, *secrets: str) -> int:
    return webhook_requests.measure_rejection(SCHEME, request, secrets or (SECRET,), NOW)[0]


def test_the_plugin_names_the_webhook_scheme() -> None:
    assert load_object(get_provider_info("audian"), "webhooks") is AudianWebhooks


class TestVerify:
    def test_a_vector_of_the_documented_algorithm_is_accepted(self) -> None:
        body = '{"event":"recording.failed","data":{"reason":"storage_error","note":"é – ü"}}'
        signature = "560ba93373675daff6cf2787511017a02720f44deff301fd05e319ae4ab4bd0a"
        request = rec.WebhookRequest(
            "POST",
            "https://hooks.example.com/audian",
            {"X-Audian-Timestamp": "1705314960", "X-Audian-Signature": signature},
            body.encode(),
        )
        at = datetime.fromtimestamp(1705314960, UTC)
        SCHEME.verify(request, [SECRET], now=at)
        prefixed = webhook_requests.replace_header(
            request, "X-Audian-Signature", f"sha256={signature}"
        )
        SCHEME.verify(prefixed, [SECRET], now=at)

    @pytest.mark.parametrize("payload", [STARTED, STOPPED, COMPLETED, COMPLETED_IN_SHORT, FAILED])
    @pytest.mark.parametrize("prefix", ["", "sha256="])
    def test_a_signature_is_accepted_with_and_without_the_prefix(
        self, payload: Any, prefix: str
    ) -> None:
        SCHEME.verify(sign(payload, prefix=prefix), [SECRET], now=NOW)

    def test_one_of_several_secrets_is_enough(self) -> None:
        SCHEME.verify(sign(STARTED), ["whsec_new", SECRET], now=NOW)
        assert measure_rejection_status(sign(STARTED), "whsec_new", "whsec_newer") == 401

    def test_headers_may_be_lists_or_bytes_in_any_case(self) -> None:
        plain = sign(STARTED)
        odd = {name.upper().encode(): [value.encode()] for name, value in plain.headers}
        request = rec.WebhookRequest("POST", plain.url, odd, plain.body)
        SCHEME.verify(request, [SECRET], now=NOW)

    @pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
    def test_a_timestamp_within_five_minutes_is_accepted(self, seconds: int) -> None:
        SCHEME.verify(sign(STARTED, at=NOW + timedelta(seconds=seconds)), [SECRET], now=NOW)

    @pytest.mark.parametrize("seconds", [-3600, -301, 301, 3600, 86400 * 365])
    def test_a_timestamp_beyond_five_minutes_is_rejected(self, seconds: int) -> None:
        request = sign(STARTED, at=NOW + timedelta(seconds=seconds))
        assert measure_rejection_status(request) == 401

    @pytest.mark.parametrize(
        "timestamp",
        [
            *("", " 1", "-1", "+1705314960", "1705314960.0", "1_705_314_960", "١٧٠٥", "0x10"),
            *("now", "9" * 5000, "2024-01-15T10:36:00Z", "1705314960, 1705314960"),
        ],
    )
    def test_a_timestamp_that_is_not_plain_digits_is_rejected(self, timestamp: str) -> None:
        request = webhook_requests.replace_header(sign(STARTED), "X-Audian-Timestamp", timestamp)
        assert measure_rejection_status(request) == 400
        assert (
            measure_rejection_status(webhook_requests.replace_header(request, "X-Audian-Timestamp"))
            == 400
        )

    @pytest.mark.parametrize("secret", ["", " ", "\t\n"])
    def test_a_blank_secret_is_a_configuration_error(self, secret: str) -> None:
        request = sign(STARTED, secret=secret)
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(request, [secret], now=NOW)
        with pytest.raises(rec.ConfigurationError):
            SCHEME.check_secret(secret)

    def test_no_secret_is_a_configuration_error(self) -> None:
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(sign(STARTED), [], now=NOW)

    @pytest.mark.parametrize(
        "value", webhook_requests.HEADERS.values(), ids=webhook_requests.HEADERS
    )
    def test_a_malformed_signature_is_rejected_at_once(self, value: str) -> None:
        request = webhook_requests.replace_header(sign(STARTED), "X-Audian-Signature", value)
        status, seconds = webhook_requests.measure_rejection(SCHEME, request, [SECRET], NOW)
        assert status in (400, 401)
        assert seconds < 0.01

    def test_ten_thousand_signature_headers_are_rejected_at_once(self) -> None:
        right = sign(STARTED).header("X-Audian-Signature") or ""
        request = webhook_requests.replace_header(
            sign(STARTED), "X-Audian-Signature", *[right] * 10_000
        )
        status, seconds = webhook_requests.measure_rejection(SCHEME, request, [SECRET], NOW)
        assert status == 400
        assert seconds < 0.01

    def test_a_request_without_a_signature_is_rejected(self) -> None:
        assert (
            measure_rejection_status(
                webhook_requests.replace_header(sign(STARTED), "X-Audian-Signature")
            )
            == 400
        )

    @settings(deadline=None)
    @given(body=webhook_requests.generate_bit_flips(sign(COMPLETED).body))
    def test_every_bit_of_the_body_is_signed(self, body: bytes) -> None:
        assert measure_rejection_status(evolve(sign(COMPLETED), body=body)) == 401

    def test_every_bit_of_the_signature_is_compared(self) -> None:
        right = sign(STARTED).header("X-Audian-Signature") or ""
        for bit in range(8 * len(right)):
            value = bytearray(right.encode())
            value[bit // 8] ^= 1 << bit % 8
            forged = value.decode("latin-1")
            request = webhook_requests.replace_header(sign(STARTED), "X-Audian-Signature", forged)
            assert measure_rejection_status(request) in (400, 401)

    def test_every_second_of_the_timestamp_is_signed(self) -> None:
        for offset in range(-200, 200):
            if offset:
                timestamp = str(int(NOW.timestamp()) + offset)
                request = webhook_requests.replace_header(
                    sign(STARTED), "X-Audian-Timestamp", timestamp
                )
                assert measure_rejection_status(request) == 401

    def test_upper_case_hex_is_rejected(self) -> None:
        right = sign(STARTED).header("X-Audian-Signature") or ""
        request = webhook_requests.replace_header(
            sign(STARTED), "X-Audian-Signature", right.upper()
        )
        assert measure_rejection_status(request) == 400

    @settings(max_examples=300, deadline=None)
    @given(
        signature=webhook_requests.generate_header_values(),
        timestamp=webhook_requests.generate_header_values(),
        body=st.binary(),
    )
    def test_arbitrary_requests_are_rejected(
        self, signature: str, timestamp: str, body: bytes
    ) -> None:
        headers = {"X-Audian-Signature": signature, "X-Audian-Timestamp": timestamp}
        request = rec.WebhookRequest("POST", "https://hooks.example.com/", headers, body)
        assert measure_rejection_status(request) in (400, 401)


class TestParse:
    def test_a_started_event_is_read_in_full(self) -> None:
        event = parse_event(STARTED)
        assert event == rec.RecordingEvent(
            provider="audian",
            account="default",
            kind=rec.EventKind.STARTED,
            recording_id="rec_abc123",
            target=CALL,
            recording=event.recording,
            status=rec.RecordingStatus.RECORDING,
            occurred_at=datetime(2024, 1, 15, 10, 30, 5, tzinfo=UTC),
            delivery_id="delv_1",
            key="audian/default/rec_abc123/started",
        )
        assert event.raw == STARTED
        assert event.recording is not None
        assert event.recording.started_at == event.occurred_at
        assert event.recording.files == ()

    def test_a_stopped_event_has_its_time_and_the_duration(self) -> None:
        event = parse_event(STOPPED)
        assert (event.kind, event.status) == (
            rec.EventKind.STOPPED,
            rec.RecordingStatus.PROCESSING,
        )
        assert event.occurred_at == datetime(2024, 1, 15, 10, 35, 10, tzinfo=UTC)
        assert event.recording is not None
        assert event.recording.duration == timedelta(seconds=305)
        assert event.recording.ended_at == event.occurred_at

    @pytest.mark.parametrize("payload", [COMPLETED, COMPLETED_IN_SHORT])
    def test_both_variants_of_a_completed_event_have_the_file(self, payload: Any) -> None:
        event = parse_event(payload)
        assert (event.kind, event.status) == (
            rec.EventKind.AVAILABLE,
            rec.RecordingStatus.AVAILABLE,
        )
        assert event.key == "audian/default/rec_abc123/available"
        assert event.occurred_at == datetime(2024, 1, 15, 10, 36, tzinfo=UTC)
        assert event.recording is not None
        (file,) = event.recording.files
        assert file.url == "https://api.audian.com:8443/v2/recordings/rec_abc123/download"
        assert file.size == event.recording.size == 1536000
        # The checksum in the page's sample is too short for a SHA-256.
        assert file.checksum is None

    def test_a_failed_event_has_the_reason(self) -> None:
        event = parse_event(FAILED)
        assert (event.kind, event.status) == (rec.EventKind.FAILED, rec.RecordingStatus.FAILED)
        assert event.recording is not None
        assert event.recording.error == "storage_error"

    def test_an_event_of_a_conference_is_read_by_conference_id(self) -> None:
        data = {"recording_id": "rec_1", "conference_id": "conf_1"}
        event = parse_event({"event": "recording.started", "data": data})
        assert event.target == rec.conference("conf_1")
        assert event.occurred_at is None

    def test_the_other_fields_of_the_envelope_are_optional(self) -> None:
        more = {"id": "evt_1", "version": "v1", "timestamp": "2024-01-15T10:36:01Z"}
        assert parse_event({**COMPLETED, **more}) == parse_event(COMPLETED)
        data = {"recording_id": "rec_1", "call_id": "call_1"}
        event = parse_event({"event": "recording.started", "data": data, **more})
        assert event.occurred_at == datetime(2024, 1, 15, 10, 36, 1, tzinfo=UTC)

    @pytest.mark.parametrize("payload", [STARTED, STOPPED, COMPLETED, FAILED])
    @pytest.mark.parametrize("value", ABSURD_VALUES, ids=repr)
    def test_an_unread_field_of_an_event_costs_that_field_alone(
        self, payload: Any, value: Any
    ) -> None:
        good = parse_event(payload)
        for field in payload["data"].keys() - {"recording_id"}:
            event = parse_event({**payload, "data": {**payload["data"], field: value}})
            assert (event.kind, event.status) == (good.kind, good.status)
            assert (event.recording_id, event.key) == (good.recording_id, good.key)
            assert event.recording is not None
            is_text = isinstance(value, str) and value != "\ud83d"
            is_read = field in ("reason", "file_format", "call_id") if is_text else value == {}
            if not is_read:
                assert f"data.{field}" in event.recording.unread_fields
            if field in ("started_at", "stopped_at", "completed_at", "failed_at"):
                assert event.occurred_at is None
        # The envelope's own fields
        for field in ("id", "version", "timestamp"):
            event = parse_event({**payload, field: value})
            assert (event.kind, event.key) == (good.kind, good.key)
            assert event.occurred_at == good.occurred_at

    def test_a_title_that_was_cut_in_an_emoji_is_delivered(self) -> None:
        data = {"recording_id": "rec_1", "conference_id": "conf_1", "name": "Team \ud83d"}
        event = parse_event({"event": "recording.started", "data": data})
        assert event.recording is not None
        assert event.recording.title == "Team \ufffd"
        assert event.recording.unread_fields == ("data.name",)

    @pytest.mark.parametrize("id", [None, 7, "", " ", "..", "rec\u202e1", "rec_\ud83d", 2**70])
    def test_an_event_without_a_usable_id_is_rejected(self, id: Any) -> None:
        request = sign({**STARTED, "data": {**STARTED["data"], "recording_id": id}})
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    def test_an_event_that_is_not_of_a_recording_is_ignored(self) -> None:
        payload = {"event": "call.answered", "data": {"call_id": "call_1"}}
        assert SCHEME.parse(sign(payload), account="default", now=NOW) == ()

    def test_an_unknown_event_is_an_update_of_unknown_status(self) -> None:
        event = parse_event({**STARTED, "event": "recording.archived", "id": "evt_7"})
        assert (event.kind, event.status) == (rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN)
        assert event.recording_id == "rec_abc123"
        assert event.key == "audian/default/rec_abc123/updated/evt_7"
        event = parse_event({"event": "recording.archived", "data": []})
        assert event.recording is None
        assert event.recording_id is None

    def test_unknown_events_have_distinct_keys_and_a_replay_the_same_key(self) -> None:
        first, second = (
            {**STARTED, "event": "recording.archived", "sequence": number} for number in (1, 2)
        )
        assert parse_event(first).key == parse_event(first).key != parse_event(second).key

    def test_the_account_is_part_of_the_key(self) -> None:
        (event,) = SCHEME.parse(sign(STARTED), account="second/one", now=NOW)
        assert event.account == "second/one"
        assert event.key == "audian/second%2Fone/rec_abc123/started"

    @pytest.mark.parametrize("body", webhook_requests.BODIES.values(), ids=webhook_requests.BODIES)
    def test_a_malformed_body_is_rejected(self, body: bytes) -> None:
        assert webhook_requests.parse_and_check(SCHEME, sign(body), NOW) is None

    def test_a_credential_in_the_payload_is_masked(self) -> None:
        data = {**STARTED["data"], "auth_token": "s3cr3t-T0KEN"}
        assert "s3cr3t" not in repr(parse_event({**STARTED, "data": data}).raw)

    @settings(max_examples=400, deadline=None)
    @given(
        payload=webhook_requests.generate_json_bodies(
            ["recording.started", "recording.completed", "recording.new", "rec_1"],
            ["event", "data", "recording_id", "call_id", "started_at", "duration", "checksum"],
        )
    )
    def test_any_payload_results_in_documented_types(self, payload: object) -> None:
        webhook_requests.parse_and_check(SCHEME, sign(payload), NOW)

    @settings(max_examples=400, deadline=None)
    @given(
        word=st.sampled_from(["recording.started", "recording.completed", "recording.new"]),
        data=webhook_requests.generate_json_bodies(
            ["call_xyz789", "rec_1"],
            [*COMPLETED["data"], "started_at", "stopped_at", "reason"],
        ),
        change=st.sampled_from([*COMPLETED["data"], "created_at", "deleted_at"]),
    )
    def test_any_value_of_one_field_results_in_documented_types(
        self, word: str, data: object, change: str
    ) -> None:
        payload = {"event": word, "data": {**COMPLETED["data"], change: data}}
        webhook_requests.parse_and_check(SCHEME, sign(payload), NOW)

    @settings(deadline=None)
    @given(body=st.binary(max_size=300))
    def test_arbitrary_bytes_are_rejected(self, body: bytes) -> None:
        webhook_requests.parse_and_check(SCHEME, sign(body), NOW)
