"""What does the emulated RealtimeKit tell by itself, to whom, and how does it sign that?

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
from uuid import UUID

from attrs import define, evolve, field, frozen

from recording_core import WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Reply, Request, Webhook
from recording_realtimekit.emulated_recording import EmulatedRecording, Sign, rfc3339
from recording_realtimekit.emulated_refusals import Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["REDELIVERY", "Webhooks", "facts_of"]

#: After 5xx and network errors, and never after 3xx and 4xx. Undocumented: how often, and how far
#: apart. We chose three attempts, ten seconds apart.
REDELIVERY = RedeliveryPolicy(
    attempts=3,
    pause=timedelta(seconds=10),
    after=lambda status: status is None or status >= 500,
)
EVENT = "recording.statusUpdate"

#: The API's field -> the event's. The size is text there, and null until the upload.
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


def facts_of(
    recording: EmulatedRecording, since: datetime, now: datetime, sign: Sign
) -> Iterable[EmulatedEvent]:
    """What happened until now: the page lists four states, and neither INVOKED nor PAUSED."""
    ended, uploaded = recording.ended_at(now), recording.uploaded_at(now)
    began: datetime | None = recording.started_at
    if recording.started_at > (ended or now):
        began = None  # it was stopped before it began
    for at in (began, ended, uploaded):
        if at is not None and since <= at:
            # Of a recording that was paused in the moment of its start, too, RECORDING is told.
            told = _told(recording, at, sign)
            status = "RECORDING" if at == began else told["recording"]["status"]
            told["recording"]["status"] = status
            yield EmulatedEvent(at, status, told, last=at == uploaded)


def _told(recording: EmulatedRecording, at: datetime, sign: Sign) -> dict[str, Any]:
    row, room = recording.row(at, sign), recording.meeting
    size = row["file_size"]
    of_recording = {
        "id": recording.id,
        "recordingId": recording.id,
        "meetingId": room.id,
        "fileSize": None if size is None else str(size),
        **{name: row.get(field) for field, name in FIELDS.items()},
    }
    reason = recording.stop_reason
    if reason is not None and recording.ended_at(at) is not None:
        # Written by Python, as in the predecessor's sample.
        of_recording["stopReason"] = repr(dict(reason))
    return {
        "event": EVENT,
        "recording": of_recording,
        "meeting": {
            "id": room.id,
            "sessionId": recording.session_id,
            "title": room.title,
            "status": "LIVE",  # also after the end
            "createdAt": rfc3339(room.created_at),
            "startedAt": rfc3339(recording.invoked_at),
            "endedAt": None,
            "organizedBy": {"id": "emulated", "name": "Example Organization"},
        },
    }


@frozen
class Configured:
    """A webhook of the app's: opted in to events by name."""

    name: str
    url: str
    events: tuple[str, ...]
    enabled: bool = True

    def row(self, id: str) -> dict[str, Any]:
        return {
            "id": id,
            "name": self.name,
            "url": self.url,
            "events": list(self.events),
            "enabled": self.enabled,
        }


@define(slots=False)
class Webhooks:
    """The app's webhooks, and the key by which all of Cloudflare's callbacks are signed."""

    chance: random.Random
    configured: dict[str, Configured] = field(factory=dict)

    @cached_property
    def _key(self) -> RSAPrivateKey:
        # Made when somebody asks: it takes a tenth of a second.
        from cryptography.hazmat.primitives.asymmetric import rsa

        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def public_key(self) -> str:
        """In PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self._key.public_key().public_bytes(*form).decode()

    def published(self) -> Reply:
        data = {"publicKey": self.public_key}
        return Reply.json({"success": True, "data": data, "message": ""})

    def hooks(self) -> Iterable[Webhook]:
        wanted = (each for each in self.configured.values() if each.enabled)
        return [Webhook(each.url) for each in wanted if EVENT in each.events]

    def answer(self, request: Request, path: Sequence[str]) -> Reply | None:
        """None where there is no such route. PUT writes all anew, PATCH what is named."""
        match (request.method, *path):
            case ("GET",):
                rows = [each.row(id) for id, each in self.configured.items()]
                return Reply.json({"success": True, "data": rows})
            case ("POST",):
                id = str(UUID(int=self.chance.getrandbits(128), version=4))
                self.configured[id] = _configured(request, None)
                return self._shown(id, 201)
            case (_, id) if id not in self.configured:
                raise Refused(404, "Webhook not found")
            case ("GET", id):
                return self._shown(id)
            case ("PUT", id):
                self.configured[id] = _configured(request, None)
                return self._shown(id)
            case ("PATCH", id):
                self.configured[id] = _configured(request, self.configured[id])
                return self._shown(id)
            case ("DELETE", id):
                reply = self._shown(id)
                del self.configured[id]
                return reply
        return None

    def _shown(self, id: str, status: int = 200) -> Reply:
        return Reply.json({"success": True, "data": self.configured[id].row(id)}, status)

    def signed(self, fact: EmulatedEvent, hook: Webhook) -> WebhookRequest:
        """A new delivery id with every attempt, which is what adopters have seen."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        body = json.dumps(fact.told, separators=(",", ":")).encode()
        signature = self._key.sign(body, PKCS1v15(), hashes.SHA256())
        config = next((id for id, each in self.configured.items() if each.url == hook.url), "none")
        headers = {
            "Content-Type": "application/json",
            "rtk-signature": base64.b64encode(signature).decode(),
            "rtk-uuid": str(UUID(int=self.chance.getrandbits(128), version=4)),
            "rtk-webhook-id": config,
        }
        return WebhookRequest(hook.method, hook.url, headers, body)


def _configured(request: Request, before: Configured | None) -> Configured:
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "BAD_REQUEST: the body is not an object")
    told = {name: body[name] for name in ("name", "url", "events", "enabled") if name in body}
    for name, form in (("name", str), ("url", str), ("events", list), ("enabled", bool)):
        if name in told and not isinstance(told[name], form):
            raise Refused(400, f'BAD_REQUEST: "{name}" is not valid')
    if "events" in told:
        told["events"] = tuple(map(str, told["events"]))
    if before is not None:
        return evolve(before, **told)
    for name in ("name", "url", "events"):
        if name not in told:
            raise Refused(400, f'BAD_REQUEST: "{name}" is required')
    return Configured(**told)
