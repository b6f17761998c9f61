"""Webhooks: verification and parsing of RealtimeKit's events, in camelCase and signed with RSA."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from recording_core import (
    ConfigurationError,
    EventKind,
    MalformedPayload,
    Recording,
    RecordingEvent,
    RecordingStatus,
    WebhookRejected,
    WebhookRequest,
)
from recording_core.plugin import (
    WebhookScheme,
    build_event_key,
    decode_json,
    find_event_kind,
    read_base_name,
    read_signatures,
)
from recording_core.plugin import readers as read
from recording_realtimekit import mapping

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: The headers' names today and in the time of Dyte. The delivery id is not signed, and may change
#: when an event is sent again.
#: https://developers.cloudflare.com/realtime/realtimekit/webhooks
SIGNATURE_HEADERS = ("rtk-signature", "dyte-signature")
DELIVERY_HEADERS = ("rtk-uuid", "dyte-uuid")
#: Shorter keys can be broken.
MIN_KEY_BITS = 2048

#: The event about a recording, and the prefix of others that may follow.
#: https://developers.cloudflare.com/realtime/realtimekit/webhooks
EVENT = "recording.statusUpdate"
EVENT_PREFIX = "recording."

#: The event's fields -> the API's, which `mapping` reads. If two names stand for one field, the
#: first counts. The page has camelCase names only; third parties received the API's names, too.
#: https://developers.cloudflare.com/realtime/realtimekit/webhooks
FIELDS: Mapping[str, str] = {
    "id": "id",
    "recordingId": "id",
    "status": "status",
    "roomUUID": "session_id",
    "meetingId": "meeting_id",
    "invokedTime": "invoked_time",
    "startedTime": "started_time",
    "stoppedTime": "stopped_time",
    "recordingDuration": "recording_duration",
    "fileSize": "file_size",
    "outputFileName": "output_file_name",
    "downloadUrl": "download_url",
    "audioDownloadUrl": "audio_download_url",
    "downloadUrlExpiry": "download_url_expiry",
    "stopReason": "stop_reason",
}

#: `stopReason` is an object in Python's notation, which is matched as text and never evaluated:
#: `{'reason':'ALL_PEERS_LEFT','caller':{'type':'INTERNAL'}}`. The API's is JSON.
_REASON = re.compile(r"""\{\s*(['"])reason\1\s*:\s*(['"])(?P<reason>[A-Za-z_]{1,64})\2""", re.ASCII)


class RealtimeKitWebhooks(WebhookScheme):
    """RSASSA-PKCS1-v1_5 with SHA-256 over the body; neither the time nor the URL is signed."""

    key_url: ClassVar[str | None] = "https://api.realtime.cloudflare.com/.well-known/webhooks.json"

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        keys = [_load_public_key(pem) for pem in secrets]
        if not keys:
            raise ConfigurationError("a webhook cannot be verified without a public key")
        names = [name for name in SIGNATURE_HEADERS if request.header(name) is not None]
        given = read_signatures(request, *(names or SIGNATURE_HEADERS)[:1])
        signatures = [each for each in map(_decode_base64, given) if each is not None]
        if not signatures:
            raise WebhookRejected("the signature header contains no signature", status=400)
        digest = hashlib.sha256(request.body).digest()
        for key in keys:
            for each in signatures:
                try:
                    key.verify(each, digest, PKCS1v15(), Prehashed(hashes.SHA256()))
                except InvalidSignature:
                    continue
                return
        raise WebhookRejected(
            "the signature is not the vendor's, or it signs other content", status=401
        )

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            payload = read.json_object(decode_json(request.body), "the event")
            if payload is None:
                raise MalformedPayload("the event is not an object")
            name = read.required_text(payload.get("event"), "event")
            if not name.startswith(EVENT_PREFIX):
                return ()
            recording, status = None, RecordingStatus.UNKNOWN
            try:
                recording = _read_recording(payload, account, now)
            except MalformedPayload:
                if name == EVENT:
                    raise
            if recording is not None and name == EVENT:
                status = recording.status
            return (_build_event(payload, recording, status, request, account),)
        except MalformedPayload as error:
            raise WebhookRejected(
                f"the body is not an event of RealtimeKit: {error.message}"
            ) from None

    def read_key(self, payload: Any) -> str:
        """Read the key from `{"success": true, "data": {"publicKey": PEM}}`.

        Raises `MalformedPayload`.
        """
        data = payload.get("data") if isinstance(payload, dict) else None
        pem = data.get("publicKey") if isinstance(data, dict) else None
        if not isinstance(pem, str) or not pem.strip():
            raise MalformedPayload("the answer contains no public key", path="data.publicKey")
        pem = pem.replace("\\n", "\n")
        try:
            _load_public_key(pem)
        except ConfigurationError as error:
            raise MalformedPayload(error.message, path="data.publicKey") from None
        return pem

    def check_secret(self, secret: str) -> None:
        """Raise `ConfigurationError` unless it is an RSA public key (PEM) of 2048 bits or more."""
        _load_public_key(secret)


def _decode_base64(text: str) -> bytes | None:
    """Decode standard base64; None if the text is not its canonical form."""
    try:
        signature = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return signature if base64.b64encode(signature).decode("ascii") == text else None


@functools.lru_cache(maxsize=16)
def _load_public_key(pem: str) -> RSAPublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        # A key that was copied from JSON contains `\n` as two characters.
        key = load_pem_public_key(pem.replace("\\n", "\n").encode("utf-8"))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            "the key is not a public key in PEM (-----BEGIN PUBLIC KEY-----)"
        ) from None
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError("the key is not an RSA key, and RealtimeKit signs with RSA")
    if key.key_size < MIN_KEY_BITS:
        raise ConfigurationError(
            f"the key has {key.key_size} bits; keys under {MIN_KEY_BITS} bits can be broken"
        )
    return key


def _read_recording(payload: Mapping[str, Any], account: str, now: datetime) -> Recording:
    # A third party received `data` in place of `recording`.
    fields = read.json_object(payload.get("recording"), "recording") or read.json_object(
        payload.get("data"), "data"
    )
    if fields is None:
        raise MalformedPayload("the event has no recording", path="recording")
    row: dict[str, Any] = {name: fields[name] for name in FIELDS.values() if name in fields}
    for name, api_name in FIELDS.items():
        if fields.get(name) is not None and row.get(api_name) is None:
            row[api_name] = fields[name]
    meeting = read.json_object(payload.get("meeting"), "meeting")
    if meeting is not None:
        row["meeting"] = {"id": meeting.get("id"), "title": meeting.get("title")}
        if not meeting.get("id"):
            row["meeting"]["id"] = row.get("meeting_id")
        row.setdefault("session_id", meeting.get("sessionId"))
    reason = row.get("stop_reason")
    if type(reason) is str and (found := _REASON.match(reason)) is not None:
        row["stop_reason"] = {"reason": found["reason"]}
    if type(row.get("download_url")) is list:
        row["download_url"] = [_normalize_layer(each) for each in row["download_url"]]
    return mapping.read_recording(row, account, now)


def _normalize_layer(value: Any) -> Any:
    """Convert a bare URL into a layer. Pages show arrays of layers alone."""
    return {"download_urls": {read_base_name(value): value}} if type(value) is str else value


def _build_event(
    payload: Mapping[str, Any],
    recording: Recording | None,
    status: RecordingStatus,
    request: WebhookRequest,
    account: str,
) -> RecordingEvent:
    kind = find_event_kind(status) or EventKind.UPDATED
    if status is RecordingStatus.PAUSED:
        # A resume has no status of its own: RECORDING is sent for the start and for a resume.
        kind = EventKind.PAUSED
    recording_id, target, times = None, None, dict[EventKind, datetime | None]()
    if recording is not None:
        recording_id, target = recording.id, recording.target
        # No event has a time of its own. The recording has the times of its start and its stop.
        times = {EventKind.STARTED: recording.started_at, EventKind.STOPPED: recording.ended_at}
    # A pause has no signed time. Two pauses of a recording are one event if their bodies are equal.
    occasion = hashlib.sha256(request.body).hexdigest()[:16]
    return RecordingEvent(
        provider="realtimekit",
        account=account,
        kind=kind,
        recording_id=recording_id,
        target=target,
        recording=recording,
        status=status,
        occurred_at=times.get(kind),
        delivery_id=next(
            (value for value in map(request.header, DELIVERY_HEADERS) if value is not None), None
        ),
        key=build_event_key("realtimekit", account, recording_id, kind, occasion),
        raw=payload,
    )
