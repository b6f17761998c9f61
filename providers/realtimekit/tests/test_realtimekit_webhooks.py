"""RealtimeKit's webhooks: verification, public keys, and the samples of its pages."""

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
from recording_core.plugins.registry import get_provider_info, load_object
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
# The predecessor's sample: other times, a duration of 0, and a reason in Python's notation.
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


#: Values of a type that no optional field has.
WRONG_TYPES: list[Any] = [-7, True, [7], {"a": 7}, 2**70]


@functools.cache
def generate_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return a key that all tests share, since generating one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def write_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def sign_body(key: rsa.RSAPrivateKey, body: bytes) -> str:
    return base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


@functools.cache
def sign_with_shared_key(body: bytes) -> str:
    return sign_body(generate_key(), body)


def build_request(
    payload: Any, *, header: str = "rtk-signature", sign: bool = True
) -> rec.WebhookRequest:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prefix = header.partition("-")[0]
    headers = {f"{prefix}-uuid": "delivery-1", f"{prefix}-webhook-id": "config-1"}
    if sign:
        headers[header] = sign_with_shared_key(body)
    return rec.WebhookRequest("POST", "https://hooks.example.com/rtk", headers, body)


def change_sample(**fields: Any) -> dict[str, Any]:
    """Change fields of the first sample's recording; `...` removes a field."""
    recording = {**UPLOADED["recording"], **fields}
    remaining = {name: value for name, value in recording.items() if value is not ...}
    return {**UPLOADED, "recording": remaining}


def parse_event(payload: Any, now: datetime = NOW) -> rec.RecordingEvent:
    (event,) = SCHEME.parse(build_request(payload, sign=False), account="default", now=now)
    return event


def find_rejection_status(request: rec.WebhookRequest, *keys: str) -> int:
    return webhook_requests.measure_rejection(
        SCHEME, request, keys or (write_pem(generate_key()),), NOW
    )[0]


def test_the_plugin_names_the_webhook_scheme() -> None:
    assert load_object(get_provider_info("realtimekit"), "webhooks") is RealtimeKitWebhooks


class TestVerification:
    @pytest.mark.parametrize("header", ["rtk-signature", "dyte-signature", "RTK-Signature"])
    def test_a_signature_in_either_header_is_verified(self, header: str) -> None:
        SCHEME.verify(build_request(UPLOADED, header=header), [write_pem(generate_key())], now=NOW)

    def test_one_of_several_keys_is_enough(self) -> None:
        keys = [write_pem(generate_key(number=1)), write_pem(generate_key())]
        SCHEME.verify(build_request(UPLOADED), keys, now=NOW)

    def test_another_key_and_another_padding_are_rejected(self) -> None:
        body = build_request(UPLOADED).body
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        for forged in (
            generate_key(number=1).sign(body, padding.PKCS1v15(), hashes.SHA256()),
            generate_key().sign(body, pss, hashes.SHA256()),
            generate_key().sign(body, padding.PKCS1v15(), hashes.SHA1()),
            b"\0" * 256,
            b"\1" * 256,
        ):
            value = base64.b64encode(forged).decode()
            request = webhook_requests.replace_header(
                build_request(UPLOADED), "rtk-signature", value
            )
            assert find_rejection_status(request) == 401

    def test_a_valid_legacy_header_does_not_replace_a_wrong_new_one(self) -> None:
        request = build_request(UPLOADED)
        wrong = sign_body(generate_key(number=1), request.body)
        right = request.header("rtk-signature") or ""
        headers = (("rtk-signature", wrong), ("dyte-signature", right))
        assert find_rejection_status(evolve(request, headers=headers)) == 401

    def test_rewritten_json_does_not_match_the_signature(self) -> None:
        request = build_request(UPLOADED)
        assert find_rejection_status(evolve(request, body=request.body.replace(b": ", b":"))) == 401

    @pytest.mark.parametrize(
        "value", webhook_requests.HEADERS.values(), ids=webhook_requests.HEADERS
    )
    def test_an_invalid_header_is_rejected_at_once(self, value: str) -> None:
        request = webhook_requests.replace_header(build_request(UPLOADED), "rtk-signature", value)
        status, seconds = webhook_requests.measure_rejection(
            SCHEME, request, [write_pem(generate_key())], NOW
        )
        assert status in (400, 401)
        assert seconds < 0.01

    def test_base64_that_is_not_canonical_is_rejected(self) -> None:
        right = build_request(UPLOADED).header("rtk-signature") or ""
        assert right.endswith("==")
        loose = right[:-3] + chr(ord(right[-3]) + 1) + "=="
        urlsafe = right.replace("+", "-").replace("/", "_")
        for value in (loose, right.rstrip("="), right + "=", f"{right[:9]}\n{right[9:]}", urlsafe):
            if value != right:
                request = webhook_requests.replace_header(
                    build_request(UPLOADED), "rtk-signature", value
                )
                assert find_rejection_status(request) == 400, value

    def test_a_request_without_a_signature_is_rejected(self) -> None:
        assert find_rejection_status(build_request(UPLOADED, sign=False)) == 400

    @settings(deadline=None)
    @given(body=webhook_requests.generate_bit_flips(json.dumps(UPLOADED).encode()))
    def test_a_change_of_any_bit_of_the_body_is_rejected(self, body: bytes) -> None:
        assert find_rejection_status(evolve(build_request(UPLOADED), body=body)) == 401

    def test_a_change_of_any_bit_of_the_signature_is_rejected(self) -> None:
        right = (build_request(UPLOADED).header("rtk-signature") or "").encode()
        for bit in range(8 * len(right)):
            value = bytearray(right)
            value[bit // 8] ^= 1 << bit % 8
            forged = value.decode("latin-1")
            request = webhook_requests.replace_header(
                build_request(UPLOADED), "rtk-signature", forged
            )
            assert find_rejection_status(request) in (400, 401)

    @settings(max_examples=300, deadline=None)
    @given(
        signature=webhook_requests.generate_header_values()
        | st.binary(max_size=300).map(sign_with_shared_key),
        body=st.binary(),
    )
    def test_random_signatures_are_rejected(self, signature: str, body: bytes) -> None:
        request = webhook_requests.replace_header(
            build_request(body, sign=False), "rtk-signature", signature
        )
        if signature != sign_with_shared_key(body):
            assert find_rejection_status(request) in (400, 401)


class TestKeys:
    def test_the_url_of_the_public_key_is_the_vendors(self) -> None:
        expected = "https://api.realtime.cloudflare.com/.well-known/webhooks.json"
        assert SCHEME.key_url == expected

    def test_the_public_key_is_read_from_the_published_answer(self) -> None:
        key = write_pem(generate_key())
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
    def test_an_answer_without_a_key_is_malformed(self, answer: Any) -> None:
        with pytest.raises(rec.MalformedPayload):
            SCHEME.read_key(answer)

    def test_a_short_key_is_rejected_if_given_and_if_published(self) -> None:
        short = write_pem(generate_key(1024))
        with pytest.raises(rec.ConfigurationError, match="1024 bits"):
            SCHEME.check_secret(short)
        with pytest.raises(rec.MalformedPayload, match="1024 bits"):
            SCHEME.read_key({"data": {"publicKey": short}})
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(build_request(UPLOADED), [short], now=NOW)

    def test_an_invalid_key_is_rejected(self) -> None:
        private = generate_key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        elliptic = write_pem(ec.generate_private_key(ec.SECP256R1()))
        for wrong in ("", " ", "secret", "\udce9", "ü", private.decode(), elliptic):
            with pytest.raises(rec.ConfigurationError) as caught:
                SCHEME.check_secret(wrong)
            assert "PRIVATE" not in str(caught.value)
        SCHEME.check_secret(write_pem(generate_key()))
        SCHEME.check_secret(write_pem(generate_key()).replace("\n", "\\n"))

    def test_verifying_without_a_key_raises(self) -> None:
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(build_request(UPLOADED), [], now=NOW)


class TestParsing:
    def test_every_field_of_an_uploaded_event_is_read(self) -> None:
        event = parse_event(UPLOADED)
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
        recording = event.recording
        assert recording is not None
        assert (recording.provider_status, recording.title, recording.reference) == (
            "UPLOADED",
            "Weekly sync",
            SESSION,
        )
        assert recording.size == 2044680
        assert recording.duration == timedelta(minutes=30)
        assert recording.media_expires_at == datetime(2026, 6, 10, 10, 30, tzinfo=UTC)
        assert [(file.role, file.format, file.url) for file in recording.files] == [
            (rec.FileRole.VIDEO, "mp4", URL)
        ]
        assert "X-Amz" not in repr(event)

    def test_the_predecessors_notation_is_read(self) -> None:
        event = parse_event(DYTE)
        assert event.kind is rec.EventKind.AVAILABLE
        assert event.target is None
        recording = event.recording
        assert recording is not None
        assert recording.started_at == datetime(2023, 1, 25, 4, 51, 35, 903816, tzinfo=UTC)
        assert (recording.size, recording.duration) == (2044680, timedelta(seconds=47))
        (dyte,) = SCHEME.parse(
            build_request(DYTE, header="dyte-signature"), account="default", now=NOW
        )
        assert dyte.delivery_id == "delivery-1"

    @pytest.mark.parametrize(
        ("word", "kind", "status", "at"),
        [
            ("INVOKED", "updated", "pending", None),
            ("RECORDING", "started", "recording", None),  # it is sent after a pause, too
            ("PAUSED", "paused", "paused", None),
            ("UPLOADING", "stopped", "processing", "2026-06-03T10:30:00+00:00"),
            ("UPLOADED", "available", "available", None),
            ("ERRORED", "failed", "failed", None),
            ("SEALED", "updated", "unknown", None),
        ],
    )
    def test_each_status_has_its_event(
        self, word: str, kind: str, status: str, at: str | None
    ) -> None:
        event = parse_event(change_sample(status=word))
        assert (event.kind, event.status) == (kind, status)
        assert event.occurred_at == (datetime.fromisoformat(at) if at else None)
        suffix = event.key.removeprefix(f"realtimekit/default/{ID}/{kind}")
        assert bool(suffix) == (kind in ("updated", "paused"))

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
    def test_a_reason_in_python_is_read_and_never_evaluated(
        self, reason: Any, error: str | None
    ) -> None:
        event = parse_event(change_sample(status="ERRORED", stopReason=reason))
        assert event.recording is not None
        assert event.recording.error == error

    def test_an_event_after_the_expiry_is_expired(self) -> None:
        event = parse_event(UPLOADED, now=datetime(2026, 6, 11, tzinfo=UTC))
        assert (event.kind, event.status) == (
            rec.EventKind.EXPIRED,
            rec.RecordingStatus.EXPIRED,
        )

    def test_an_event_with_an_unread_expiry_is_available_if_it_has_a_file(self) -> None:
        later = datetime(2026, 9, 1, tzinfo=UTC)
        values: list[Any] = ["soon", 7, {}]
        for value in values:
            event = parse_event(change_sample(downloadUrlExpiry=value), now=later)
            assert (event.kind, event.status) == ("available", "available")
            bare = change_sample(downloadUrlExpiry=value, downloadUrl=None)
            assert parse_event(bare, now=later).status is rec.RecordingStatus.EXPIRED

    def test_tracks_are_read_as_layers_or_as_urls(self) -> None:
        name = "speaker_user-123_peer-456_peer_audio_1760000000000.webm"
        url = f"https://bucket.r2.cloudflarestorage.com/{name}?X-Amz-Signature=abc"
        layers = [{"layer_name": "default", "download_urls": {name: {"download_url": url}}}]
        camel = {"layerName": "default", "downloadUrls": {name: {"downloadUrl": url}}}
        for given_url in (layers, [url], {"links": layers}, layers[0], [camel], camel):
            event = parse_event(change_sample(downloadUrl=given_url, outputFileName=None))
            assert event.recording is not None
            assert event.recording.unread_fields == ()
            (file,) = event.recording.files
            assert (file.role, file.participant, file.url) == (rec.FileRole.TRACK, "user-123", url)

    def test_without_a_url_it_is_available_in_the_customers_own_bucket(self) -> None:
        for size in (None, "0"):
            changed = change_sample(downloadUrl=None, downloadUrlExpiry=None, fileSize=size)
            event = parse_event(changed)
            assert event.status is rec.RecordingStatus.AVAILABLE
            assert event.recording is not None
            assert event.recording.files == ()

    def test_the_apis_field_names_are_read(self) -> None:
        fields = {"id": ID, "status": "RECORDING", "started_time": "2026-06-03T10:00:00.000Z"}
        for wrapper in ("recording", "data"):
            event = parse_event({"event": "recording.statusUpdate", wrapper: fields})
            assert event.recording is not None
            assert event.recording.started_at == datetime(2026, 6, 3, 10, tzinfo=UTC)

    def test_a_session_follows_pauses_without_times(self) -> None:
        receiver = rec.receiver("realtimekit", key=write_pem(generate_key()))
        dispatched: list[rec.RecordingEvent] = []
        receiver.listen(dispatched.append)
        session = rec.RecordingSession("realtimekit", "default", ID, rec.meeting(MEETING))
        found: list[tuple[str, bool]] = []
        words = ("RECORDING", "PAUSED", "RECORDING", "PAUSED", "RECORDING", "UPLOADING", "PAUSED")
        for word in words:
            (event,) = receiver.receive(build_request(change_sample(status=word)))
            session = session.apply(event).apply(event)
            found.append((str(session.status), event.replayed))
        assert found == [
            ("recording", False),
            ("paused", False),
            ("recording", True),
            ("paused", True),
            ("recording", True),
            ("processing", False),
            ("processing", True),
        ]
        assert len(dispatched) == len(words), "listeners receive each pause and resume"
        assert session.pauses == ()

    def test_a_recording_that_was_never_paused_is_started_once(self) -> None:
        receiver = rec.receiver("realtimekit", key=write_pem(generate_key()))
        dispatched: list[rec.RecordingEvent] = []
        receiver.listen(dispatched.append)
        for _ in range(2):
            receiver.receive(build_request(change_sample(status="RECORDING")))
        assert [event.replayed for event in dispatched] == [False]

    def test_the_meeting_is_read_from_either_place(self) -> None:
        for payload in (
            {**UPLOADED, "meeting": None},
            {**UPLOADED, "meeting": {"sessionId": SESSION}},
            change_sample(meetingId=..., roomUUID=...),
        ):
            event = parse_event(payload)
            assert event.target == rec.meeting(MEETING)
            assert event.recording is not None
            assert event.recording.reference == SESSION

    @pytest.mark.parametrize("word", ["meeting.started", "livestreaming.statusUpdate"])
    def test_an_event_about_something_else_is_ignored(self, word: str) -> None:
        request = build_request({**UPLOADED, "event": word}, sign=False)
        assert SCHEME.parse(request, account="default", now=NOW) == ()

    def test_an_unknown_recording_event_is_an_update_of_unknown_status(self) -> None:
        event = parse_event({**UPLOADED, "event": "recording.transcoded"})
        assert (event.kind, event.status) == (rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN)
        assert event.recording_id == ID
        assert parse_event({"event": "recording.transcoded"}).recording is None

    @pytest.mark.parametrize(
        ("name", "attribute", "values"),
        [
            ("recordingDuration", "duration", [*WRONG_TYPES, "600", "soon"]),
            ("fileSize", "size", [*WRONG_TYPES, "", "77.0", 1.5]),
            ("startedTime", "started_at", [*WRONG_TYPES, "2026-11-20 08:00:03 UTC"]),
            ("stoppedTime", "ended_at", [*WRONG_TYPES, "0000-00-00", "0001-01-01T00:00:00Z"]),
            ("downloadUrlExpiry", "media_expires_at", [*WRONG_TYPES, "soon"]),
            ("outputFileName", "title", WRONG_TYPES),
            ("roomUUID", "reference", WRONG_TYPES),
            ("downloadUrl", "files", [-7, True, {"a": 7}, 2**70]),
            ("audioDownloadUrl", "files", WRONG_TYPES),
        ],
    )
    def test_an_odd_field_is_named_and_the_event_is_delivered(
        self, name: str, attribute: str, values: list[Any]
    ) -> None:
        usual = parse_event(UPLOADED).recording
        for value in values:
            event = parse_event(change_sample(**{name: value}))
            assert (event.kind, event.status) == ("available", "available"), value
            assert event.key == f"realtimekit/default/{ID}/available"
            recording = event.recording
            assert recording is not None
            assert recording.unread_fields == (f"recording.{name}",), value
            assert recording.raw == event.raw
            if attribute == "title" or name == "audioDownloadUrl":
                assert getattr(recording, attribute)
            elif attribute == "files":
                assert recording.files == ()
            else:
                assert getattr(recording, attribute) is None, value
            if attribute != "reference":
                assert recording.reference == getattr(usual, "reference", "")

    @pytest.mark.parametrize("value", [7, True, [], {}, 2**70, ""])
    def test_one_of_the_two_ids_is_enough(self, value: Any) -> None:
        event = parse_event(change_sample(id=value))
        assert event.recording_id == ID
        assert event.recording is not None
        assert event.recording.unread_fields == ("recording.id",)
        request = build_request(change_sample(id=value, recordingId=value), sign=False)
        with pytest.raises(rec.WebhookRejected):
            SCHEME.parse(request, account="default", now=NOW)

    def test_a_meeting_that_cannot_be_read_is_named(self) -> None:
        for value in (7, True, "x", [7]):
            event = parse_event({**UPLOADED, "meeting": value})
            assert event.target == rec.meeting(MEETING), "the recording names it, too"
            assert event.recording is not None
            assert event.recording.unread_fields == ("meeting",)
        for name in ("id", "title"):
            meeting = {**UPLOADED["meeting"], name: 7}
            event = parse_event({**UPLOADED, "meeting": meeting})
            assert event.target == rec.meeting(MEETING)
            assert event.recording is not None
            assert event.recording.unread_fields == (f"meeting.{name}",)

    def test_an_unread_status_is_an_update(self) -> None:
        event = parse_event(change_sample(status=7))
        assert (event.kind, event.status) == ("updated", "unknown")
        assert event.recording is not None
        assert event.recording.unread_fields == ("recording.status",)

    def test_a_title_or_name_cut_in_a_character_is_kept(self) -> None:
        sample = change_sample(outputFileName="stand-up \ud83d.mp4")
        event = parse_event({**sample, "meeting": {"id": MEETING, "title": "Stand-up \ud83d"}})
        assert event.kind is rec.EventKind.AVAILABLE
        recording = event.recording
        assert recording is not None
        assert (recording.title, recording.files[0].name) == (
            "Stand-up \ufffd",
            "stand-up \ufffd.mp4",
        )
        assert set(recording.unread_fields) == {"meeting.title", "recording.outputFileName"}
        for url in ("https://b.example/\ud83d.mp4", ["https://b.example/\ud83d.webm"]):
            cut = parse_event(change_sample(downloadUrl=url)).recording
            assert cut is not None
            assert (cut.files, cut.status) == ((), "available")
            assert cut.unread_fields == ("recording.downloadUrl",)

    def test_the_key_of_an_event_without_an_id_holds_the_meeting_and_a_digest(self) -> None:
        event = parse_event({"event": "recording.new", "meeting": UPLOADED["meeting"]})
        assert (event.recording_id, event.target) == (None, rec.meeting(MEETING))
        prefix = f"realtimekit/default/meeting:{MEETING}/updated/"
        assert event.key.startswith(prefix)
        assert len(event.key) > len(prefix)
        unnamed = parse_event({"event": "recording.new", "meeting": {"sessionId": SESSION}})
        assert unnamed.target is None
        assert unnamed.key.startswith(f"realtimekit/default/{SESSION}/updated/")

    def test_a_secret_of_a_storage_config_is_masked(self) -> None:
        payload = change_sample(storage_config={"type": "aws", "secret": "s3cr3t-of-the-bucket"})
        assert "s3cr3t" not in repr(parse_event(payload).raw)

    @pytest.mark.parametrize("body", webhook_requests.BODIES.values(), ids=webhook_requests.BODIES)
    def test_an_invalid_body_is_rejected(self, body: bytes) -> None:
        assert (
            webhook_requests.parse_and_check(SCHEME, build_request(body, sign=False), NOW) is None
        )

    @settings(max_examples=400, deadline=None)
    @given(
        name=st.sampled_from([*UPLOADED["recording"], "stopReason", "download_url", "status"]),
        value=webhook_requests.generate_json_bodies(
            ["UPLOADED", ID, URL], ["download_urls", "download_url"]
        ),
        word=st.sampled_from(["recording.statusUpdate", "recording.new"]),
    )
    def test_any_value_of_one_field_gives_documented_types(
        self, name: str, value: object, word: str
    ) -> None:
        payload = {**change_sample(**{name: value}), "event": word}
        webhook_requests.parse_and_check(SCHEME, build_request(payload, sign=False), NOW)

    @settings(max_examples=300, deadline=None)
    @given(
        payload=webhook_requests.generate_json_bodies(
            ["recording.statusUpdate", "UPLOADED", ID],
            ["event", "recording", "meeting", "data", "id", "status", "downloadUrl"],
        )
    )
    def test_any_payload_gives_documented_types(self, payload: object) -> None:
        webhook_requests.parse_and_check(SCHEME, build_request(payload, sign=False), NOW)

    @settings(deadline=None)
    @given(body=st.binary(max_size=300))
    def test_random_bytes_give_only_rejections(self, body: bytes) -> None:
        webhook_requests.parse_and_check(SCHEME, build_request(body, sign=False), NOW)
