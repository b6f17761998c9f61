"""What does RealtimeKit tell by itself? Each state of a recording, in camelCase, signed by RSA."""

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

#: https://developers.cloudflare.com/realtime/realtimekit/webhooks: the name today, and in the
#: times of Dyte. The delivery's is not signed, and may be new when it is sent again.
SIGNATURES = ("rtk-signature", "dyte-signature")
DELIVERIES = ("rtk-uuid", "dyte-uuid")
#: Shorter keys can be broken.
LEAST_BITS = 2048

#: The event that is about a recording, and how those begin that may be some day.
EVENT = "recording.statusUpdate"
OURS = "recording."

#: Its fields -> the API's, which `mapping` reads: of the two names for one, the first counts. The
#: last column of https://developers.cloudflare.com/realtime/realtimekit/webhooks is all camelCase,
#: and others have met the API's own names there.
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

#: `stopReason` is an object in Python's own notation, which is read as text and never evaluated:
#: `{'reason':'ALL_PEERS_LEFT','caller':{'type':'INTERNAL'}}`. The API's is JSON.
_REASON = re.compile(r"""\{\s*(['"])reason\1\s*:\s*(['"])(?P<reason>[A-Za-z_]{1,64})\2""", re.ASCII)

#: What happened by which status, where it is not what the status proves; none tells of a resume
#: but RECORDING, which also tells of the start.
KINDS: Mapping[RecordingStatus, EventKind] = {RecordingStatus.PAUSED: EventKind.PAUSED}


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

        keys = [_public_key(pem) for pem in secrets]
        if not keys:
            raise ConfigurationError("without a public key no callback can be verified")
        names = [name for name in SIGNATURES if request.header(name) is not None]
        given = read_signatures(request, *(names or SIGNATURES)[:1])
        signatures = [each for each in map(_canonical, given) if each is not None]
        if not signatures:
            raise WebhookRejected("the signature header holds no signature", status=400)
        digest = hashlib.sha256(request.body).digest()
        for key in keys:
            for each in signatures:
                try:
                    key.verify(each, digest, PKCS1v15(), Prehashed(hashes.SHA256()))
                except InvalidSignature:
                    continue
                return
        raise WebhookRejected("the signature is not the vendor's, or of other content", status=401)

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            payload = read.obj(decode_json(request.body), "the event")
            if payload is None:
                raise MalformedPayload("an event that is no object")
            word = read.required_text(payload.get("event"), "event")
            if word == EVENT:
                return (_event(payload, _recording(payload, account, now), request, account),)
            if not word.startswith(OURS):
                return ()
            return (_event(payload, _perhaps(payload, account, now), request, account, word),)
        except MalformedPayload as error:
            raise WebhookRejected(f"not an event of RealtimeKit's: {error.message}") from None

    def read_key(self, payload: Any) -> str:
        """`{"success": true, "data": {"publicKey": PEM}}`. Raises `MalformedPayload`."""
        data = payload.get("data") if isinstance(payload, dict) else None
        pem = data.get("publicKey") if isinstance(data, dict) else None
        if not isinstance(pem, str) or not pem.strip():
            raise MalformedPayload("an answer without a key", path="data.publicKey")
        pem = _unescaped(pem)
        try:
            _public_key(pem)
        except ConfigurationError as error:
            raise MalformedPayload(error.message, path="data.publicKey") from None
        return pem

    def check_secret(self, secret: str) -> None:
        """Raise `ConfigurationError` for what is no RSA public key of 2048 bits or more, in PEM."""
        _public_key(secret)


def _canonical(text: str) -> bytes | None:
    """The bytes of standard base64, if it is written as everybody writes it; else None."""
    try:
        signature = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return signature if base64.b64encode(signature).decode("ascii") == text else None


def _unescaped(pem: str) -> str:
    """Some copy a key out of JSON with its `\\n` as two characters."""
    return pem.replace("\\n", "\n")


@functools.lru_cache(maxsize=16)
def _public_key(pem: str) -> RSAPublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_unescaped(pem).encode("utf-8"))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            "the key is no public key in PEM (-----BEGIN PUBLIC KEY-----)"
        ) from None
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError("the key is no RSA key, and RealtimeKit signs with RSA")
    if key.key_size < LEAST_BITS:
        raise ConfigurationError(
            f"the key has {key.key_size} bits: under {LEAST_BITS}, anybody may have broken it"
        )
    return key


def _recording(payload: Mapping[str, Any], account: str, now: datetime) -> Recording:
    # A consumer has met `data` in place of `recording`.
    told = read.obj(payload.get("recording"), "recording") or read.obj(payload.get("data"), "data")
    if told is None:
        raise MalformedPayload("an event without a recording", path="recording")
    row: dict[str, Any] = {name: told[name] for name in FIELDS.values() if name in told}
    for name, ours in FIELDS.items():
        if told.get(name) is not None and row.get(ours) is None:
            row[ours] = told[name]
    meeting = read.obj(payload.get("meeting"), "meeting")
    if meeting is not None:
        row["meeting"] = {"id": meeting.get("id"), "title": meeting.get("title")}
        if not meeting.get("id"):
            row["meeting"]["id"] = row.get("meeting_id")
        row.setdefault("session_id", meeting.get("sessionId"))
    reason = row.get("stop_reason")
    if type(reason) is str and (found := _REASON.match(reason)) is not None:
        row["stop_reason"] = {"reason": found["reason"]}
    if type(row.get("download_url")) is list:
        row["download_url"] = [_layer(each) for each in row["download_url"]]
    return mapping.recording(row, account, now)


def _layer(value: Any) -> Any:
    """A track recording's URL is an array of layers; perhaps, as no page shows, of mere URLs."""
    return {"download_urls": {read_base_name(value): value}} if type(value) is str else value


def _perhaps(payload: Mapping[str, Any], account: str, now: datetime) -> Recording | None:
    """As much of a recording as can be read in an event of tomorrow."""
    try:
        return _recording(payload, account, now)
    except MalformedPayload:
        return None


def _event(
    payload: Mapping[str, Any],
    seen: Recording | None,
    request: WebhookRequest,
    account: str,
    unknown: str | None = None,
) -> RecordingEvent:
    status = seen.status if seen is not None and unknown is None else RecordingStatus.UNKNOWN
    kind = KINDS.get(status) or find_event_kind(status) or EventKind.UPDATED
    recording_id = seen.id if seen is not None else None
    occurred_at = None
    if seen is not None:
        # No event says when it happened; of two we know it all the same.
        occurred_at = {
            EventKind.STARTED: seen.started_at,
            EventKind.STOPPED: seen.ended_at,
        }.get(kind)
    # Of a pause, no time is signed: two of the same recording are one, if nothing else differs.
    occasion = hashlib.sha256(request.body).hexdigest()[:16]
    return RecordingEvent(
        provider="realtimekit",
        account=account,
        kind=kind,
        recording_id=recording_id,
        target=seen.target if seen is not None else None,
        recording=seen,
        status=status,
        occurred_at=occurred_at,
        delivery_id=next(
            (value for value in map(request.header, DELIVERIES) if value is not None), None
        ),
        key=build_event_key("realtimekit", account, recording_id, kind, occasion),
        raw=payload,
    )
