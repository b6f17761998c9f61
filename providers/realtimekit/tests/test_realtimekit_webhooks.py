"""Is it RealtimeKit that called, and what did it say? Its pages' samples, keys, and webhook_requests."""

from __future__ import annotations

import base64
import functools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.plugins.registry import load_object, provider_info
from recording_core.testing.fuzz import webhook_requests
from recording_realtimekit.webhooks import RealtimeKitWebhooks

SCHEME = RealtimeKitWebhooks()
NOW = datetime(2026, 6, 4, 12, tzinfo=UTC)
ID = "97cb480d-5840-4528-ace3-919b5e386c68"
MEETING = "50c8940e-1b97-402a-97d6-2708b7feca41"
SESSION = "05e57591-d89e-45c9-ae44-08dc1eaad0e0"
URL = "https://bucket.r2.cloudflarestorage.com/50c8940e_1780480795120.mp4?X-Amz-Signature=abc"

# https://developers.cloudflare.com/realtime/realtimekit/webhooks
UPLOADED: dict[str, Any] = {
    "event": "recording.statusUpdate",
    "recording": {
        "id": ID,
        "recordingId": ID,
        "meetingId": MEETING,
        "roomUUID": SESSION,
        "status": "UPLOADED",
        "downloadUrl": URL,
        "downloadUrlExpiry": "2026-06-10T10:30:00.000Z",
        "audioDownloadUrl": None,
        "fileSize": "2044680",
        "outputFileName": "50c8940e-1b97-402a-97d6-2708b7feca41_1780480795120.mp4",
        "recordingDuration": 1800,
        "startedTime": "2026-06-03T10:00:00.000Z",
        "stoppedTime": "2026-06-03T10:30:00.000Z",
    },
    "meeting": {
        "id": MEETING,
        "sessionId": SESSION,
        "title": "Weekly sync",
        "status": "LIVE",
        "createdAt": "2026-06-03T09:59:00.000Z",
        "startedAt": "2026-06-03T09:59:10.000Z",
        "endedAt": None,
        "organizedBy": {"id": "8045350b", "name": "Example"},
    },
}
# The predecessor's sample: another way to write times, a duration of 0, and a reason in Python.
DYTE: dict[str, Any] = {
    "event": "recording.statusUpdate",
    "recording": {
        "recordingId": ID,
        "roomUUID": SESSION,
        "organizationId": "5f1ac6ae-0f5a-4f0b-8d53-6c2f9ab6d8b1",
        "status": "UPLOADED",
        "downloadUrl": URL,
        "fileSize": 2044680,
        "outputFileName": "weekly_1674622295903.mp4",
        "recordingDuration": 0,
        "startedTime": "2023-01-25 04:51:35.903816Z",
        "stoppedTime": "2023-01-25 04:52:22.903816Z",
        "stopReason": "{'reason':'ALL_PEERS_LEFT','caller':{'type':'INTERNAL'}}",
    },
}


@functools.cache
def private_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """One for all tests, since making one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def signed_by(key: rsa.RSAPrivateKey, body: bytes) -> str:
    return base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


@functools.cache
def _signature(body: bytes) -> str:
    return signed_by(private_key(), body)


def signed(payload: Any, *, header: str = "rtk-signature", sign: bool = True) -> rec.WebhookRequest:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prefix = header.partition("-")[0]
    headers = {f"{prefix}-uuid": "delivery-1", f"{prefix}-webhook-id": "config-1"}
    if sign:
        headers[header] = _signature(body)
    return rec.WebhookRequest("POST", "https://hooks.example.com/rtk", headers, body)


def changed(**fields: Any) -> dict[str, Any]:
    """The first sample with these fields of its recording; `...` takes one away."""
    recording = {**UPLOADED["recording"], **fields}
    kept = {name: value for name, value in recording.items() if value is not ...}
    return {**UPLOADED, "recording": kept}


def event_of(payload: Any, now: datetime = NOW) -> rec.RecordingEvent:
    (event,) = SCHEME.parse(signed(payload, sign=False), account="default", now=now)
    return event


def status_of_refusal(request: rec.WebhookRequest, *keys: str) -> int:
    return webhook_requests.refusal(SCHEME, request, keys or (pem(private_key()),), NOW)[0]


def test_the_plugin_names_the_scheme() -> None:
    assert load_object(provider_info("realtimekit"), "webhooks") is RealtimeKitWebhooks


class TestVerifying:
    @pytest.mark.parametrize("header", ["rtk-signature", "dyte-signature", "RTK-Signature"])
    def test_what_the_key_signed_passes_by_either_name(self, header: str) -> None:
        SCHEME.verify(signed(UPLOADED, header=header), [pem(private_key())], now=NOW)

    def test_one_of_several_keys_is_enough_so_that_they_can_be_changed(self) -> None:
        keys = [pem(private_key(number=1)), pem(private_key())]
        SCHEME.verify(signed(UPLOADED), keys, now=NOW)

    def test_another_key_and_another_padding_are_forgeries(self) -> None:
        body = signed(UPLOADED).body
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        for forged in (
            private_key(number=1).sign(body, padding.PKCS1v15(), hashes.SHA256()),
            private_key().sign(body, pss, hashes.SHA256()),
            private_key().sign(body, padding.PKCS1v15(), hashes.SHA1()),
            b"\0" * 256,
            b"\1" * 256,
        ):
            value = base64.b64encode(forged).decode()
            request = webhook_requests.replaced(signed(UPLOADED), "rtk-signature", value)
            assert status_of_refusal(request) == 401

    def test_a_legacy_header_does_not_stand_in_for_a_wrong_new_one(self) -> None:
        request = signed(UPLOADED)
        wrong = signed_by(private_key(number=1), request.body)
        right = request.header("rtk-signature") or ""
        headers = (("rtk-signature", wrong), ("dyte-signature", right))
        assert status_of_refusal(evolve(request, headers=headers)) == 401

    def test_re_written_json_is_no_longer_what_was_signed(self) -> None:
        request = signed(UPLOADED)
        assert status_of_refusal(evolve(request, body=request.body.replace(b": ", b":"))) == 401

    @pytest.mark.parametrize(
        "value", webhook_requests.HEADERS.values(), ids=webhook_requests.HEADERS
    )
    def test_junk_in_the_header_is_refused_at_once(self, value: str) -> None:
        request = webhook_requests.replaced(signed(UPLOADED), "rtk-signature", value)
        status, seconds = webhook_requests.refusal(SCHEME, request, [pem(private_key())], NOW)
        assert status in (400, 401)
        assert seconds < 0.01

    def test_base64_that_is_written_otherwise_is_no_signature(self) -> None:
        right = signed(UPLOADED).header("rtk-signature") or ""
        assert right.endswith("==")
        loose = right[:-3] + chr(ord(right[-3]) + 1) + "=="
        urlsafe = right.replace("+", "-").replace("/", "_")
        for value in (loose, right.rstrip("="), right + "=", f"{right[:9]}\n{right[9:]}", urlsafe):
            if value != right:
                request = webhook_requests.replaced(signed(UPLOADED), "rtk-signature", value)
                assert status_of_refusal(request) == 400, value

    def test_without_a_signature_it_is_no_callback(self) -> None:
        assert status_of_refusal(signed(UPLOADED, sign=False)) == 400

    @settings(deadline=None)
    @given(body=webhook_requests.flipped_bits(json.dumps(UPLOADED).encode()))
    def test_every_bit_of_the_body_is_signed(self, body: bytes) -> None:
        assert status_of_refusal(evolve(signed(UPLOADED), body=body)) == 401

    def test_every_bit_of_the_signature_counts(self) -> None:
        right = (signed(UPLOADED).header("rtk-signature") or "").encode()
        for bit in range(8 * len(right)):
            value = bytearray(right)
            value[bit // 8] ^= 1 << bit % 8
            forged = value.decode("latin-1")
            request = webhook_requests.replaced(signed(UPLOADED), "rtk-signature", forged)
            assert status_of_refusal(request) in (400, 401)

    @settings(max_examples=300, deadline=None)
    @given(
        signature=webhook_requests.texts() | st.binary(max_size=300).map(_signature),
        body=st.binary(),
    )
    def test_whatever_strangers_send_only_a_refusal_comes_of_it(
        self, signature: str, body: bytes
    ) -> None:
        request = webhook_requests.replaced(signed(body, sign=False), "rtk-signature", signature)
        if signature != _signature(body):
            assert status_of_refusal(request) in (400, 401)


class TestKeys:
    def test_the_published_address_is_pinned_to_the_vendors_origin(self) -> None:
        expected = "https://api.realtime.cloudflare.com/.well-known/webhooks.json"
        assert SCHEME.key_url == expected

    def test_the_published_answer_holds_the_key(self) -> None:
        key = pem(private_key())
        for written in (key, key.replace("\n", "\\n")):
            answer = {"success": True, "data": {"publicKey": written}, "message": ""}
            assert SCHEME.read_key(answer) == key

    @pytest.mark.parametrize(
        "answer",
        [
            *(None, [], "words", {}, {"data": None}, {"data": []}, {"data": {"publicKey": 7}}),
            *({"data": {"publicKey": ""}}, {"data": {"publicKey": "<html>"}}),
            {"data": {"publicKey": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}},
        ],
    )
    def test_an_answer_without_a_key_is_a_typed_error(self, answer: Any) -> None:
        with pytest.raises(rec.MalformedPayload):
            SCHEME.read_key(answer)

    def test_a_short_key_is_refused_by_whichever_way_it_comes(self) -> None:
        short = pem(private_key(1024))
        with pytest.raises(rec.ConfigurationError, match="1024 bits"):
            SCHEME.check_secret(short)
        with pytest.raises(rec.MalformedPayload, match="1024 bits"):
            SCHEME.read_key({"data": {"publicKey": short}})
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(signed(UPLOADED), [short], now=NOW)

    def test_keys_that_are_none_are_refused(self) -> None:
        private = private_key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        elliptic = pem(ec.generate_private_key(ec.SECP256R1()))
        for wrong in ("", " ", "secret", "\udce9", "ü", private.decode(), elliptic):
            with pytest.raises(rec.ConfigurationError) as refused:
                SCHEME.check_secret(wrong)
            assert "PRIVATE" not in str(refused.value)
        SCHEME.check_secret(pem(private_key()))
        SCHEME.check_secret(pem(private_key()).replace("\n", "\\n"))

    def test_without_a_key_nothing_is_verified(self) -> None:
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(signed(UPLOADED), [], now=NOW)


class TestReading:
    def test_an_upload_reads_in_full(self) -> None:
        event = event_of(UPLOADED)
        assert event == rec.RecordingEvent(
            provider="realtimekit",
            account="default",
            kind=rec.EventKind.AVAILABLE,
            recording_id=ID,
            target=rec.meeting(MEETING),
            recording=event.recording,
            status=rec.RecordingStatus.AVAILABLE,
            occurred_at=None,
            delivery_id="delivery-1",
            key=f"realtimekit/default/{ID}/available",
        )
        assert event.raw == UPLOADED
        seen = event.recording
        assert seen is not None
        assert (seen.provider_status, seen.title, seen.reference) == (
            "UPLOADED",
            "Weekly sync",
            SESSION,
        )
        assert seen.size == 2044680
        assert seen.duration == timedelta(minutes=30)
        assert seen.media_expires_at == datetime(2026, 6, 10, 10, 30, tzinfo=UTC)
        assert [(file.role, file.format, file.url) for file in seen.files] == [
            (rec.FileRole.VIDEO, "mp4", URL)
        ]
        assert "X-Amz" not in repr(event)

    def test_the_predecessors_way_of_writing_reads_the_same(self) -> None:
        event = event_of(DYTE)
        assert event.kind is rec.EventKind.AVAILABLE
        assert event.target is None
        seen = event.recording
        assert seen is not None
        assert seen.started_at == datetime(2023, 1, 25, 4, 51, 35, 903816, tzinfo=UTC)
        assert (seen.size, seen.duration) == (2044680, timedelta(seconds=47))
        (dyte,) = SCHEME.parse(signed(DYTE, header="dyte-signature"), account="default", now=NOW)
        assert dyte.delivery_id == "delivery-1"

    @pytest.mark.parametrize(
        ("word", "kind", "status", "at"),
        [
            ("INVOKED", "updated", "pending", None),
            ("RECORDING", "started", "recording", "2026-06-03T10:00:00+00:00"),
            ("PAUSED", "paused", "paused", None),
            ("UPLOADING", "stopped", "processing", "2026-06-03T10:30:00+00:00"),
            ("UPLOADED", "available", "available", None),
            ("ERRORED", "failed", "failed", None),
            ("SEALED", "updated", "unknown", None),
        ],
    )
    def test_each_status_has_its_fact(
        self, word: str, kind: str, status: str, at: str | None
    ) -> None:
        event = event_of(changed(status=word))
        assert (event.kind, event.status) == (kind, status)
        assert event.occurred_at == (datetime.fromisoformat(at) if at else None)
        occasion = event.key.removeprefix(f"realtimekit/default/{ID}/{kind}")
        assert bool(occasion) == (kind in ("updated", "paused"))

    @pytest.mark.parametrize(
        ("reason", "error"),
        [
            ("{'reason':'INTERNAL_ERROR','caller':{'type':'INTERNAL'}}", "INTERNAL_ERROR"),
            ("{'reason': 'API_CALL', 'caller': {'type': 'USER', 'name': \"O'Hara\"}}", "API_CALL"),
            ({"reason": "INTERNAL_ERROR"}, "INTERNAL_ERROR"),
            ("INTERNAL_ERROR", "INTERNAL_ERROR"),
            ("__import__('os').abort()", "__import__('os').abort()"),
            (None, None),
        ],
    )
    def test_a_reason_in_python_is_that_of_the_api_and_never_evaluated(
        self, reason: Any, error: str | None
    ) -> None:
        event = event_of(changed(status="ERRORED", stopReason=reason))
        assert event.recording is not None
        assert event.recording.error == error

    def test_media_past_its_expiry_is_expired(self) -> None:
        event = event_of(UPLOADED, now=datetime(2026, 6, 11, tzinfo=UTC))
        assert (event.kind, event.status) == (
            rec.EventKind.EXPIRED,
            rec.RecordingStatus.EXPIRED,
        )

    def test_tracks_come_as_layers_or_as_mere_urls(self) -> None:
        name = "speaker_user-123_peer-456_peer_audio_1760000000000.webm"
        url = f"https://bucket.r2.cloudflarestorage.com/{name}?X-Amz-Signature=abc"
        layers = [{"layer_name": "default", "download_urls": {name: {"download_url": url}}}]
        for given_url in (layers, [url]):
            event = event_of(changed(downloadUrl=given_url, outputFileName=None))
            assert event.recording is not None
            (file,) = event.recording.files
            assert (file.role, file.participant, file.url) == (rec.FileRole.TRACK, "123", url)

    def test_without_a_url_it_lies_in_the_customers_own_bucket(self) -> None:
        event = event_of(changed(downloadUrl=None, downloadUrlExpiry=None, fileSize=None))
        assert event.status is rec.RecordingStatus.AVAILABLE
        assert event.recording is not None
        assert event.recording.files == ()

    def test_the_apis_own_names_are_read_where_they_are_met(self) -> None:
        told = {"id": ID, "status": "RECORDING", "started_time": "2026-06-03T10:00:00.000Z"}
        for wrapper in ("recording", "data"):
            event = event_of({"event": "recording.statusUpdate", wrapper: told})
            assert event.occurred_at == datetime(2026, 6, 3, 10, tzinfo=UTC)

    def test_the_meeting_may_be_named_in_either_place(self) -> None:
        for payload in (
            {**UPLOADED, "meeting": None},
            {**UPLOADED, "meeting": {"sessionId": SESSION}},
            changed(meetingId=..., roomUUID=...),
        ):
            event = event_of(payload)
            assert event.target == rec.meeting(MEETING)
            assert event.recording is not None
            assert event.recording.reference == SESSION

    @pytest.mark.parametrize("word", ["meeting.started", "livestreaming.statusUpdate"])
    def test_an_event_of_something_else_is_none_of_ours(self, word: str) -> None:
        request = signed({**UPLOADED, "event": word}, sign=False)
        assert SCHEME.parse(request, account="default", now=NOW) == ()

    def test_an_event_of_tomorrow_is_an_update_of_unknown_status(self) -> None:
        event = event_of({**UPLOADED, "event": "recording.transcoded"})
        assert (event.kind, event.status) == (rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN)
        assert event.recording_id == ID
        assert event_of({"event": "recording.transcoded"}).recording is None

    def test_a_storages_secret_in_the_payload_is_masked(self) -> None:
        told = changed(storage_config={"type": "aws", "secret": "s3cr3t-of-the-bucket"})
        assert "s3cr3t" not in repr(event_of(told).raw)

    @pytest.mark.parametrize("body", webhook_requests.BODIES.values(), ids=webhook_requests.BODIES)
    def test_a_body_that_no_vendor_sends_is_refused(self, body: bytes) -> None:
        assert webhook_requests.parsed(SCHEME, signed(body, sign=False), NOW) is None

    @settings(max_examples=400, deadline=None)
    @given(
        name=st.sampled_from([*UPLOADED["recording"], "stopReason", "download_url", "status"]),
        value=webhook_requests.json_bodies(
            ["UPLOADED", ID, URL], ["download_urls", "download_url"]
        ),
        word=st.sampled_from(["recording.statusUpdate", "recording.new"]),
    )
    def test_whatever_one_field_is_only_documented_types_come_of_it(
        self, name: str, value: object, word: str
    ) -> None:
        payload = {**changed(**{name: value}), "event": word}
        webhook_requests.parsed(SCHEME, signed(payload, sign=False), NOW)

    @settings(max_examples=300, deadline=None)
    @given(
        payload=webhook_requests.json_bodies(
            ["recording.statusUpdate", "UPLOADED", ID],
            ["event", "recording", "meeting", "data", "id", "status", "downloadUrl"],
        )
    )
    def test_whatever_the_payload_only_documented_types_come_of_it(self, payload: object) -> None:
        webhook_requests.parsed(SCHEME, signed(payload, sign=False), NOW)

    @settings(deadline=None)
    @given(body=st.binary(max_size=300))
    def test_whatever_the_bytes_only_a_refusal_comes_of_them(self, body: bytes) -> None:
        webhook_requests.parsed(SCHEME, signed(body, sign=False), NOW)
