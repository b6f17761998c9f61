"""Webhooks: the app's webhooks, the events that are sent to them, and the signature.

https://developers.cloudflare.com/realtime/realtimekit/webhooks
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
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
from recording_realtimekit.emulator.responses import ErrorResponse, build_success

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

#: After 5xx and network errors, and never after 3xx and 4xx. The number of attempts and the time
#: between them are not documented. We chose three attempts, ten seconds apart.
REDELIVERY = RedeliveryPolicy(
    attempts=3,
    delay=timedelta(seconds=10),
    should_retry=lambda status: status is None or status >= 500,
)
EVENT = "recording.statusUpdate"
WEBHOOK_FIELDS: Mapping[str, type] = {"name": str, "url": str, "events": list, "enabled": bool}

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


def find_events(
    recording: EmulatedRecording, since: datetime, now: datetime, sign_url: SignUrl
) -> Iterable[EmulatedEvent]:
    """Find the events until now: the page lists four states, without INVOKED and PAUSED."""
    began, uploaded = recording.find_start(now), recording.find_upload(now)
    for at in (began, recording.find_end(now), uploaded):
        if at is not None and since <= at:
            # RECORDING is also sent for a recording that was paused in the moment of its start.
            payload = _build_payload(recording, at, sign_url)
            if at == began:
                payload["recording"]["status"] = "RECORDING"
            status = payload["recording"]["status"]
            yield EmulatedEvent(at, status, payload, is_last=at == uploaded)


def _build_payload(recording: EmulatedRecording, at: datetime, sign_url: SignUrl) -> dict[str, Any]:
    row, meeting = recording.build_row(at, sign_url), recording.meeting
    size = row["file_size"]
    fields = {
        "id": recording.id,
        "recordingId": recording.id,
        "meetingId": meeting.id,
        "fileSize": None if size is None else str(size),
        **{name: row.get(api_name) for api_name, name in FIELDS.items()},
    }
    reason = recording.stop_reason
    if reason is not None and recording.find_end(at) is not None:
        # In Python's notation, as in the predecessor's sample.
        fields["stopReason"] = repr(dict(reason))
    return {
        "event": EVENT,
        "recording": fields,
        "meeting": {
            "id": meeting.id,
            "sessionId": recording.session_id,
            "title": meeting.title,
            "status": "LIVE",  # also after the end
            "createdAt": format_rfc3339(meeting.created_at),
            "startedAt": format_rfc3339(recording.invoked_at),
            "endedAt": None,
            "organizedBy": {"id": "emulated", "name": "Example Organization"},
        },
    }


@define(slots=False)
class EmulatedWebhooks:
    """The webhooks of the app, and the key that signs all of Cloudflare's deliveries."""

    random: random.Random
    #: the row of each webhook, by its id
    rows: dict[str, dict[str, Any]] = field(factory=dict)

    @cached_property
    def _key(self) -> RSAPrivateKey:
        # Generated on first use, because it takes a tenth of a second.
        from cryptography.hazmat.primitives.asymmetric import rsa

        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def public_key(self) -> str:
        """The public key in PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self._key.public_key().public_bytes(*form).decode()

    def list_receivers(self) -> list[Webhook]:
        """List the enabled webhooks that receive the events of recordings."""
        enabled = (row for row in self.rows.values() if row["enabled"])
        return [Webhook(row["url"]) for row in enabled if EVENT in row["events"]]

    def answer(self, request: Request, path: Sequence[str]) -> Reply | None:
        """Answer a request, or return None if it has no route. Raises `ErrorResponse`."""
        match (request.method, *path):
            case ("GET",):
                return build_success(list(self.rows.values()))
            case ("POST",):
                id = build_uuid(self.random)
                self.rows[id] = _read_row(request, {"id": id, "enabled": True})
                return build_success(self.rows[id], 201)
            case (_, id) if id not in self.rows:
                raise ErrorResponse(404, "Webhook not found")
            case ("GET", id):
                return build_success(self.rows[id])
            case ("PUT" | "PATCH" as method, id):
                # PUT replaces all fields, PATCH those that the body names.
                previous = self.rows[id] if method == "PATCH" else {"id": id, "enabled": True}
                self.rows[id] = _read_row(request, previous)
                return build_success(self.rows[id])
            case ("DELETE", id):
                return build_success(self.rows.pop(id))
        return None

    def build_delivery(self, event: EmulatedEvent, webhook: Webhook) -> WebhookRequest:
        """Build a signed delivery. Each attempt has a new delivery id, as adopters observed."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        body = json.dumps(event.payload, separators=(",", ":")).encode()
        signature = self._key.sign(body, PKCS1v15(), hashes.SHA256())
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
    for name, kind in WEBHOOK_FIELDS.items():
        if name in body and not isinstance(body[name], kind):
            raise ErrorResponse(400, f'BAD_REQUEST: "{name}" is not valid')
    given = {**previous, **body, "id": previous["id"]}
    for name in WEBHOOK_FIELDS:
        if name not in given:
            raise ErrorResponse(400, f'BAD_REQUEST: "{name}" is required')
    row = {name: given[name] for name in ("id", *WEBHOOK_FIELDS)}
    return {**row, "events": list(map(str, row["events"]))}
