"""How does Acme sign its callbacks, and what do they say?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from recording_acme import client
from recording_core import (
    EventKind,
    MalformedPayload,
    RecordingEvent,
    WebhookRejected,
    WebhookRequest,
)
from recording_core.plugin import (
    WebhookScheme,
    build_event_key,
    check_hex,
    decode_json,
    find_event_kind,
    read_signatures,
)


class AcmeWebhooks(WebhookScheme):
    """`X-Acme-Signature: hex(HMAC-SHA256(secret, body))`; the body is the recording's row.

    https://acme.example/docs/callbacks
    """

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        check_hex(request.body, secrets, read_signatures(request, "X-Acme-Signature"))

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            seen = client.recording(decode_json(request.body), account)
        except MalformedPayload as error:
            raise WebhookRejected(f"not a callback of Acme's: {error.message}") from None
        kind = find_event_kind(seen.status) or EventKind.UPDATED
        return (
            RecordingEvent(
                provider="acme",
                account=account,
                kind=kind,
                recording_id=seen.id,
                target=seen.target,
                recording=seen,
                status=seen.status,
                occurred_at=seen.started_at if kind is EventKind.STARTED else seen.ended_at,
                delivery_id=None,
                key=build_event_key(
                    "acme", account, seen.id, kind, hashlib.sha256(request.body).hexdigest()
                ),
                raw=seen.raw,
            ),
        )
