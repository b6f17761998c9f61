"""Webhooks: the app's webhooks, the events that are sent to them, and the signature.

https://developers.cloudflare.com/realtime/realtimekit/webhooks
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from attrs import define, field

from recording_core import WebhookRequest
from recording_core.plugin import (
    EmulatedEvent,
    RedeliveryPolicy,
    Reply,
    Request,
    Webhook,
    build_uuid,
)
from recording_realtimekit.emulator.recordings import EmulatedRecording, SignUrl, format_rfc3339
from recording_realtimekit.emulator.requests import is_web_url
from recording_realtimekit.emulator.responses import ErrorResponse, build_success

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

EVENT = "recording.statusUpdate"
EVENTS = (
    *("meeting.started", "meeting.ended", "meeting.participantJoined", "meeting.participantLeft"),
    *("meeting.chatSynced", EVENT, "livestreaming.statusUpdate", "meeting.transcript"),
    "meeting.summary",
)
WEBHOOK_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    "url": is_web_url,
    "events": lambda value: (
        isinstance(value, list) and bool(value) and all(each in EVENTS for each in value)
    ),
    "enabled": lambda value: isinstance(value, bool),
}

#: The API's field -> the event's. The event's size is a string, and null until the upload.
FIELDS: Mapping[str, str] = {
    "session_id": "roomUUID",
    "status": "status",
    "download_url": "downloadUrl",
    "audio_download_url": "audioDownloadUrl",
    "download_url_expiry": "downloadUrlExpiry",
    "output_file_name": "outputFileName",
    "recording_duration": "recordingDuration",
    "started_time": "startedTime",
    "stopped_time": "stoppedTime",
}

#: The caller of the vendor's own stop, which the API does not name.
INTERNAL = {"type": "INTERNAL"}
#: The names in the layers of tracks, as a third party received them (assumption 9).
LAYER_FIELDS: Mapping[str, str] = {
    "layer_name": "layerName",
    "download_urls": "downloadUrls",
    "download_url": "downloadUrl",
}


def build_redelivery(assumes: Callable[[int], bool]) -> RedeliveryPolicy:
    """Build the policy: again after 5xx and network errors, and never after 3xx and 4xx.

    The number of attempts and the time between them are not documented. Dyte documented five, and
    three seconds to respond (assumption 10).
    """
    return RedeliveryPolicy(
        attempts=5 if assumes(10) else 2,
        delay=timedelta(seconds=10),
        should_retry=lambda status: status is None or status >= 500,
        timeout=3.0 if assumes(10) else 30.0,
    )


def _rename_layers(value: Any) -> Any:
    """Rename the fields of layers; the keys that are file names stay."""
    if isinstance(value, list):
        return [_rename_layers(each) for each in value]
    if isinstance(value, dict):
        return {LAYER_FIELDS.get(name, name): _rename_layers(each) for name, each in value.items()}
    return value


@cache
def _generate_key() -> RSAPrivateKey:
    """Generate Cloudflare's key, the same for all apps; on first use, since it takes a while."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@define(slots=False)
class EmulatedWebhooks:
    """The webhooks of the app, and the key that signs all of Cloudflare's deliveries."""

    random: random.Random
    app_id: str
    assumes: Callable[[int], bool]
    #: the row of each webhook, by its id
    rows: dict[str, dict[str, Any]] = field(factory=dict)

    @cached_property
    def public_key(self) -> str:
        """The public key in PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return _generate_key().public_key().public_bytes(*form).decode()

    def list_receivers(self) -> list[Webhook]:
        """List the enabled webhooks that receive the events of recordings."""
        enabled = (row for row in self.rows.values() if row["enabled"])
        return [Webhook(row["url"]) for row in enabled if EVENT in row["events"]]

    def find_events(
        self, recording: EmulatedRecording, since: datetime, now: datetime, sign_url: SignUrl
    ) -> Iterable[EmulatedEvent]:
        """Find the events until now: the page lists four states, without INVOKED and PAUSED."""
        uploaded = recording.find_upload(now)
        for at, word, number in self._list_changes(recording, now):
            if at is not None and since <= at:
                payload = self._build_payload(recording, at, sign_url)
                status = payload["recording"]["status"] = word or payload["recording"]["status"]
                yield EmulatedEvent(at, f"{status} {number}", payload, is_last=at == uploaded)

    def _list_changes(
        self, recording: EmulatedRecording, now: datetime
    ) -> Iterator[tuple[datetime | None, str | None, int]]:
        """Yield the time of each change, its word unless it follows from the time, and a number."""
        pauses = recording.pauses if self.assumes(8) else ()
        if self.assumes(8):
            yield recording.invoked_at, "INVOKED", 0
        # RECORDING also for a recording that was paused in the moment of its start.
        yield recording.find_start(now), "RECORDING", 0
        for number, pause in enumerate(pauses, 1):
            yield pause.start, "PAUSED", number
            yield pause.end, "RECORDING", number
        yield recording.find_end(now), None, 0
        yield recording.find_upload(now), None, 0

    def _build_payload(
        self, recording: EmulatedRecording, at: datetime, sign_url: SignUrl
    ) -> dict[str, Any]:
        row, meeting = recording.build_row(at, sign_url), recording.meeting
        size, ended = row["file_size"], recording.find_end(at)
        fields = {
            "id": recording.id,
            "recordingId": recording.id,
            "meetingId": meeting.id,
            "organizationId": self.app_id,
            "fileSize": None if size is None else str(size),
            **{name: row.get(api_name) for api_name, name in FIELDS.items()},
        }
        if self.assumes(9):
            fields["downloadUrl"] = _rename_layers(fields["downloadUrl"])
        if recording.stop_reason is not None and ended is not None:
            # In Python's notation, as in the predecessor's sample.
            reason = recording.stop_reason
            fields["stopReason"] = repr({**reason, "caller": reason.get("caller", INTERNAL)})
        return {
            "event": EVENT,
            "recording": fields,
            "meeting": {
                "id": meeting.id,
                "sessionId": recording.session_id,
                "title": meeting.title,
                "roomName": meeting.id,
                "status": "LIVE",  # also after the end
                "createdAt": format_rfc3339(meeting.created_at),
                # Each emulated recording is as long as its session.
                "startedAt": format_rfc3339(recording.invoked_at),
                "endedAt": format_rfc3339(ended) if ended else None,
                "organizedBy": {"id": self.app_id, "name": "Example Organization"},
            },
        }

    def answer(self, request: Request, path: Sequence[str], now: datetime) -> Reply | None:
        """Answer a request, or return None if it has no route. Raises `ErrorResponse`."""
        changed = {"updated_at": format_rfc3339(now)}
        created = {"enabled": True, "created_at": format_rfc3339(now)}
        match (request.method, *path):
            case ("GET",):
                return build_success(list(self.rows.values()))
            case ("GET", "all"):
                return build_success(list(EVENTS))
            case ("POST",):
                id = build_uuid(self.random)
                self.rows[id] = _read_row(request, {"id": id, **created, **changed})
                return build_success(self.rows[id], 201)
            case (_, id) if id not in self.rows:
                raise ErrorResponse(404, "Webhook not found")
            case ("GET", id):
                return build_success(self.rows[id])
            case ("PUT" | "PATCH" as method, id):
                # PUT replaces all fields, PATCH those that the body names.
                previous = self.rows[id]
                if method == "PUT":
                    previous = {"id": id, **created, "created_at": previous["created_at"]}
                self.rows[id] = _read_row(request, {**previous, **changed})
                return build_success(self.rows[id])
            case ("DELETE", id):
                return build_success(self.rows.pop(id))
        return None

    def build_delivery(self, event: EmulatedEvent, webhook: Webhook) -> WebhookRequest:
        """Build a signed delivery. Each attempt has a new delivery id, as adopters observed."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        body = json.dumps(event.payload, separators=(",", ":")).encode()
        signature = _generate_key().sign(body, PKCS1v15(), hashes.SHA256())
        found = (id for id, row in self.rows.items() if row["url"] == webhook.url)
        headers = {
            "Content-Type": "application/json",
            "rtk-signature": base64.b64encode(signature).decode(),
            "rtk-uuid": build_uuid(self.random),
            "rtk-webhook-id": next(found, "none"),
        }
        return WebhookRequest(webhook.method, webhook.url, headers, body)


def _read_row(request: Request, previous: Mapping[str, Any]) -> dict[str, Any]:
    """Read the fields of a webhook; those that the body lacks are the previous ones."""
    body = request.require_object(ErrorResponse(400, "BAD_REQUEST: the body is not an object"))
    row = dict(previous)
    for name, is_valid in WEBHOOK_FIELDS.items():
        if name in body and not is_valid(body[name]):
            raise ErrorResponse(400, f'BAD_REQUEST: "{name}" is not valid')
        if name not in body and name not in row:
            raise ErrorResponse(400, f'BAD_REQUEST: "{name}" is required')
        row[name] = body.get(name, row.get(name))
    return row
