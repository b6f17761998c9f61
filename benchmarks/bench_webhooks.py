"""How fast does a callback become an event? Beside the bare HMAC and the parsing of its body."""

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
from measure import Row, in_turn, ratio
from plivo.utils.signature_v3 import construct_post_url, get_signature_v3

import recording_core as rec

#: Events in one measured run, each of another recording, so that each is announced.
EVENTS = 1000
SECRET = "whsec_abcdef1234567890xyz0123456789abcdef012"
URL = "https://app.example.com/hooks"
NOW = datetime(2026, 6, 5, 12, tzinfo=UTC)


@frozen
class Callback:
    """What a framework hands over."""

    headers: Mapping[str, str]
    body: bytes


@frozen
class Vendor:
    """A vendor's callback, and the least that anybody has to do with it."""

    provider: str
    sign: Callable[[str], Callback]
    bare: Callable[[Callback], Any]


class Clock:
    """It is always noon, for the vendor that signs the time."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def _digest(message: bytes) -> bytes:
    return hmac.digest(SECRET.encode(), message, "sha256")


# -- Audian ---------------------------------------------------------------------------------------


def audian(id: str) -> Callback:
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
    signature = _digest(b"%s.%s" % (stamp.encode(), body)).hex()
    return Callback({"X-Audian-Timestamp": stamp, "X-Audian-Signature": signature}, body)


def bare_audian(given: Callback) -> Any:
    message = given.headers["X-Audian-Timestamp"].encode() + b"." + given.body
    assert hmac.compare_digest(_digest(message).hex(), given.headers["X-Audian-Signature"])
    return json.loads(given.body)


# -- VoIPBin --------------------------------------------------------------------------------------


def voipbin(id: str) -> Callback:
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
    return Callback({"X-VoIPBIN-Signature": f"sha256={_digest(body).hex()}"}, body)


def bare_voipbin(given: Callback) -> Any:
    signature = given.headers["X-VoIPBIN-Signature"].removeprefix("sha256=")
    assert hmac.compare_digest(_digest(given.body).hex(), signature)
    return json.loads(given.body)


# -- Plivo ----------------------------------------------------------------------------------------


def plivo(id: str) -> Callback:
    told = {
        "api_id": "ff09383e-246f-11ea-a3c4-0242ac110004",
        "call_uuid": "cf357c05-4f78-4b76-9a3f-bd1eb8bb5e85",
        "record_url": f"https://media.plivo.com/v1/Account/MA/Recording/{id:0>8}.mp3",
        "recording_duration": "60",
        "recording_duration_ms": "60000",
        "recording_end_ms": "1780660740000",
        "recording_id": f"{id:0>8}-246f-11ea-a3c4-0242ac110004",
        "recording_start_ms": "1780660680000",
    }
    signature = get_signature_v3(SECRET.encode(), construct_post_url(URL, told), b"nonce")
    headers = {
        "X-Plivo-Signature-V3": signature.decode(),
        "X-Plivo-Signature-V3-Nonce": "nonce",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return Callback(headers, urlencode(told).encode())


def bare_plivo(given: Callback) -> Any:
    told = dict(parse_qsl(given.body.decode(), keep_blank_values=True))
    joined = "".join(name + told[name] for name in sorted(told))
    message = f"{URL}?{joined}.{given.headers['X-Plivo-Signature-V3-Nonce']}".encode()
    wanted = base64.b64encode(_digest(message)).decode()
    # The vendor's own order of names may put a dot elsewhere; what it costs is the same.
    hmac.compare_digest(wanted, given.headers["X-Plivo-Signature-V3"])
    return told


VENDORS = (
    Vendor("audian", audian, bare_audian),
    Vendor("plivo", plivo, bare_plivo),
    Vendor("voipbin", voipbin, bare_voipbin),
)


def ours(vendor: Vendor, callbacks: list[Callback]) -> int:
    """A framework's request received, verified, parsed, announced to one listener."""
    receiver = rec.Receiver(vendor.provider, secret=SECRET, clock=Clock())
    heard: list[rec.RecordingEvent] = []
    receiver.listen(heard.append)
    for each in callbacks:
        receiver.receive(rec.WebhookRequest("POST", URL, each.headers, each.body))
    return len(heard)


def bare(vendor: Vendor, callbacks: list[Callback]) -> None:
    """The least that anybody has to do."""
    for each in callbacks:
        vendor.bare(each)


def main() -> list[Row]:
    """The rows of the table."""
    table: list[Row] = []
    for vendor in VENDORS:
        callbacks = [vendor.sign(str(number)) for number in range(EVENTS)]
        assert ours(vendor, callbacks) == EVENTS
        times = in_turn(
            {
                "ours": partial(ours, vendor, callbacks),
                "bare": partial(bare, vendor, callbacks),
            }
        )
        micros = statistics.median(times["ours"]) / EVENTS * 1e6
        times_bare = ratio(times["ours"], times["bare"])
        parsed = "parse_qsl" if vendor.provider == "plivo" else "json.loads"
        table += [
            (f"a callback of {vendor.provider}: verified, parsed, announced", f"{micros:.0f} µs",
             "< 100 µs", micros < 100),
            (f"the same, against the bare HMAC and {parsed}", f"{times_bare:.1f} ×", "≤ 10 ×",
             times_bare <= 10),
        ]  # fmt: skip
    return table


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:60} {measured:>8} {wanted:>14} {'holds' if holds else 'FAILS'}")
