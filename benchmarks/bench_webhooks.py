"""Webhooks: receiving a delivery, compared with only its HMAC and the parsing of its body."""

from __future__ import annotations

import base64
import hmac
import json
import statistics
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from attrs import frozen
from plivo.utils.signature_v3 import construct_post_url, get_signature_v3
from timing import BenchmarkRow, compute_ratio, measure_in_turn
from twilio.request_validator import RequestValidator

import recording_core as rec

#: Deliveries in one run, each of another recording, so that each is dispatched.
EVENTS = 1000
SECRET = "whsec_abcdef1234567890xyz0123456789abcdef012"
URL = "https://app.example.com/hooks"
NOW = datetime(2026, 6, 5, 12, tzinfo=UTC)


@frozen
class SignedDelivery:
    """A signed delivery, as a web framework provides it."""

    headers: Mapping[str, str]
    body: bytes


@frozen
class WebhookCase:
    """A vendor's delivery, and the minimal verification and parsing of it."""

    provider: str
    build: Callable[[str], SignedDelivery]
    verify_minimally: Callable[[SignedDelivery], Any]


class FixedClock:
    """A clock that always shows noon, for the vendor that signs the time."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def _compute_digest(message: bytes) -> bytes:
    return hmac.digest(SECRET.encode(), message, "sha256")


# -- Audian ---------------------------------------------------------------------------------------


def build_audian(id: str) -> SignedDelivery:
    data = {
        "call_id": f"call_{id}",
        "recording_id": f"rec_{id}",
        "duration": 305,
        "file_size": 1536000,
        "file_format": "wav",
        "download_url": f"https://api.audian.com:8443/v2/recordings/rec_{id}/download",
        "completed_at": "2026-06-05T11:59:00Z",
    }
    body = json.dumps({"id": f"evt_{id}", "event": "recording.completed", "data": data}).encode()
    stamp = str(int(NOW.timestamp()))
    signature = _compute_digest(b"%s.%s" % (stamp.encode(), body)).hex()
    return SignedDelivery({"X-Audian-Timestamp": stamp, "X-Audian-Signature": signature}, body)


def verify_audian(delivery: SignedDelivery) -> Any:
    message = delivery.headers["X-Audian-Timestamp"].encode() + b"." + delivery.body
    assert hmac.compare_digest(
        _compute_digest(message).hex(), delivery.headers["X-Audian-Signature"]
    )
    return json.loads(delivery.body)


# -- VoIPBin --------------------------------------------------------------------------------------


def build_voipbin(id: str) -> SignedDelivery:
    data = {
        "id": f"{id:0>8}-62b4-11eb-a3c4-bfbe0a57ffb1",
        "owner_type": "",
        "reference_type": "call",
        "reference_id": "8c2b4b6e-62b4-11eb-a3c4-bfbe0a57ffb1",
        "format": "wav",
        "status": "ended",
        "tm_start": "2026-06-05T11:50:00.000000Z",
        "tm_end": "2026-06-05T11:59:00.000000Z",
        "tm_create": "2026-06-05T11:50:00.000000Z",
    }
    body = json.dumps({"type": "recording_finished", "data": data}).encode()
    return SignedDelivery({"X-VoIPBIN-Signature": f"sha256={_compute_digest(body).hex()}"}, body)


def verify_voipbin(delivery: SignedDelivery) -> Any:
    signature = delivery.headers["X-VoIPBIN-Signature"].removeprefix("sha256=")
    assert hmac.compare_digest(_compute_digest(delivery.body).hex(), signature)
    return json.loads(delivery.body)


# -- Plivo ----------------------------------------------------------------------------------------


def build_plivo(id: str) -> SignedDelivery:
    fields = {
        "api_id": "ff09383e-246f-11ea-a3c4-0242ac110004",
        "call_uuid": "cf357c05-4f78-4b76-9a3f-bd1eb8bb5e85",
        "record_url": f"https://media.plivo.com/v1/Account/MA/Recording/{id:0>8}.mp3",
        "recording_duration": "60",
        "recording_duration_ms": "60000",
        "recording_end_ms": "1780660740000",
        "recording_id": f"{id:0>8}-246f-11ea-a3c4-0242ac110004",
        "recording_start_ms": "1780660680000",
    }
    signature = get_signature_v3(SECRET.encode(), construct_post_url(URL, fields), b"nonce")
    headers = {
        "X-Plivo-Signature-V3": signature.decode(),
        "X-Plivo-Signature-V3-Nonce": "nonce",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return SignedDelivery(headers, urlencode(fields).encode())


def verify_plivo(delivery: SignedDelivery) -> Any:
    fields = dict(parse_qsl(delivery.body.decode(), keep_blank_values=True))
    text = "".join(name + fields[name] for name in sorted(fields))
    message = f"{URL}?{text}.{delivery.headers['X-Plivo-Signature-V3-Nonce']}".encode()
    expected = base64.b64encode(_compute_digest(message)).decode()
    # Not asserted: the vendor's order of names may differ; the time is the same.
    hmac.compare_digest(expected, delivery.headers["X-Plivo-Signature-V3"])
    return fields


# -- Twilio ---------------------------------------------------------------------------------------


def build_twilio(id: str) -> SignedDelivery:
    hexadecimal = f"{id:0>32}"
    fields = {
        "AccountSid": f"AC{hexadecimal}",
        "CallSid": f"CA{hexadecimal}",
        "RecordingChannels": "2",
        "RecordingDuration": "37",
        "RecordingSid": f"RE{hexadecimal}",
        "RecordingSource": "StartCallRecordingAPI",
        "RecordingStartTime": "Fri, 05 Jun 2026 11:58:00 +0000",
        "RecordingStatus": "completed",
        "RecordingTrack": "both",
        "RecordingUrl": f"https://api.twilio.com/2010-04-01/Recordings/RE{hexadecimal}",
    }
    signature = RequestValidator(SECRET).compute_signature(URL, fields)
    headers = {
        "X-Twilio-Signature": signature,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return SignedDelivery(headers, urlencode(fields).encode())


def verify_twilio(delivery: SignedDelivery) -> Any:
    fields = dict(parse_qsl(delivery.body.decode(), keep_blank_values=True))
    message = URL + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.digest(SECRET.encode(), message.encode(), "sha1")
    signature = delivery.headers["X-Twilio-Signature"]
    assert hmac.compare_digest(base64.b64encode(digest).decode(), signature)
    return fields


CASES = (
    WebhookCase("audian", build_audian, verify_audian),
    WebhookCase("plivo", build_plivo, verify_plivo),
    WebhookCase("twilio", build_twilio, verify_twilio),
    WebhookCase("voipbin", build_voipbin, verify_voipbin),
)


def receive_all(case: WebhookCase, deliveries: list[SignedDelivery]) -> int:
    """Verify, parse and dispatch deliveries to one listener, and return the number of events."""
    receiver = rec.Receiver(case.provider, secret=SECRET, clock=FixedClock())
    events: list[rec.RecordingEvent] = []
    receiver.listen(events.append)
    for each in deliveries:
        receiver.receive(rec.WebhookRequest("POST", URL, each.headers, each.body))
    return len(events)


def verify_all(case: WebhookCase, deliveries: list[SignedDelivery]) -> None:
    """Verify and parse deliveries minimally."""
    for each in deliveries:
        case.verify_minimally(each)


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    table: list[BenchmarkRow] = []
    for case in CASES:
        deliveries = [case.build(str(number)) for number in range(EVENTS)]
        assert receive_all(case, deliveries) == EVENTS
        times = measure_in_turn(
            {
                "ours": partial(receive_all, case, deliveries),
                "minimal": partial(verify_all, case, deliveries),
            }
        )
        micros = statistics.median(times["ours"]) / EVENTS * 1e6
        ratio = compute_ratio(times["ours"], times["minimal"])
        parser = "parse_qsl" if case.provider in ("plivo", "twilio") else "json.loads"
        table += [
            (f"a delivery of {case.provider}: verified, parsed, dispatched", f"{micros:.0f} µs",
             "–", True),  # an absolute time depends on the machine
            (f"the same, against only the HMAC and {parser}", f"{ratio:.1f} ×", "≤ 10 ×",
             ratio <= 10),
        ]  # fmt: skip
    return table


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:60} {value:>8} {limit:>14} {'ok' if ok else 'FAILED'}")
