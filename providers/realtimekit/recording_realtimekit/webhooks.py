"""Webhooks: verification and parsing of RealtimeKit's events, in camelCase and signed with RSA."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve

from recording_core import (
    ConfigurationError,
    EventKind,
    MalformedPayload,
    Recording,
    RecordingEvent,
    RecordingStatus,
    SessionKind,
    WebhookRejected,
    WebhookRequest,
)
from recording_core.plugin import (
    Fields,
    WebhookScheme,
    build_event_key,
    decode_json,
    find_event_kind,
    read_signatures,
)
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

#: Stands for a number that was replaced by None when it was decoded: it is unread, and not absent.
_UNREAD = object()


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
            payload = decode_json(request.body)
            if not isinstance(payload, dict):
                raise MalformedPayload("The body is not a JSON object")
            name = Fields(payload).required_text("event")
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
                f"The body is not an event of RealtimeKit: {error.message}"
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
    event = Fields(payload)
    # A third party received `data` in place of `recording`.
    wrapper = "recording" if isinstance(payload.get("recording"), dict) else "data"
    fields = event.object(wrapper)
    if fields is None:
        raise MalformedPayload("The event has no object `recording`", path="recording")
    row: dict[str, Any] = {}
    names: dict[str, str] = {}  # the API's name -> the event's
    for name, api_name in FIELDS.items():
        for each in (api_name, name):
            value = fields.row.get(each)
            if value is None and fields.is_unread(each):
                value = _UNREAD
            if api_name not in row and value is not None:
                row[api_name], names[api_name] = value, each
    row["id"] = _read_id(fields)
    row["meeting_id"] = fields.text(names.get("meeting_id", "meetingId"))
    meeting = event.object("meeting")
    if meeting is not None:
        meeting_id = meeting.text("id") or row["meeting_id"]
        row["meeting"] = {"id": meeting_id, "title": meeting.row.get("title")}
        row.setdefault("session_id", meeting.text("sessionId"))
    reason = row.get("stop_reason")
    if type(reason) is str and (found := _REASON.match(reason)) is not None:
        row["stop_reason"] = {"reason": found["reason"]}
    recording = mapping.read_recording(row, account, now, names_storage=False)
    is_old = recording.status is RecordingStatus.EXPIRED
    if is_old and recording.files and "download_url_expiry" in recording.unread_fields:
        # An event follows its upload: with a file, only a readable expiry shows that it is old.
        recording = evolve(recording, status=RecordingStatus.AVAILABLE)
    unread = list(event.unread)
    for path in recording.unread_fields:
        name, dot, rest = path.partition(".")
        unread.append(
            path if name == "meeting" else f"{wrapper}.{names.get(name, name)}{dot}{rest}"
        )
    return evolve(recording, unread_fields=tuple(dict.fromkeys(unread)), raw=payload)


def _read_id(fields: Fields) -> str:
    """Read the id, which has two names. One that can be read is enough."""
    try:
        return fields.required_text("id")
    except MalformedPayload:
        recording_id = fields.required_text("recordingId")
        if fields.row.get("id") is not None:
            fields.leave_out("id")
        return recording_id


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
    subject: object = None
    if recording is None:
        meeting = Fields(payload).object("meeting") or Fields({})
        target = meeting.target(SessionKind.MEETING, "id")
        subject = target or meeting.text("sessionId")
    else:
        recording_id, target = recording.id, recording.target
        # No event has a time of its own. The recording has the time of its stop, and that of its
        # start, which may be long before a resume.
        times = {EventKind.STOPPED: recording.ended_at}
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
        key=build_event_key("realtimekit", account, recording_id, kind, occasion, subject=subject),
        raw=payload,
    )
