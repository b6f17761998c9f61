"""Client: requests to the vendor's API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from recording_core import (
    CommunicationSession,
    MalformedPayload,
    NotFound,
    Provider,
    Recording,
    RecordingSession,
    SessionKind,
)
from recording_core.plugin import (
    AuthBase,
    Bounds,
    ErrorDetails,
    Fields,
    HeaderAuth,
    Page,
    Query,
    RetryPolicy,
    StartRequest,
    Window,
    read_rows,
)

from recording_acme import mapping


class AcmeProvider(Provider):
    """An account of Acme Voice."""

    # FILL IN: the address of the API, its published rate, and the words of its paths (section 4)
    default_base_url = "https://api.acme.example/v1"
    rate = 10.0
    path_words = "calls recording recordings stop"
    known_fields = mapping.KNOWN_FIELDS
    # FILL IN: the keywords of `start` that the vendor supports, with their bounds (section 4)
    start_parameters: ClassVar[Mapping[SessionKind, Mapping[str, Bounds]]] = {
        SessionKind.CALL: {
            "format": Bounds(values=("wav", "mp3")),
            "max_duration": Bounds(least=timedelta(seconds=1), most=timedelta(hours=8)),
        }
    }

    # FILL IN: how a request is authenticated (section 4)
    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return HeaderAuth("X-Acme-Key", settings["key"])

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    # FILL IN: a request for each operation that you declare; remove the others (section 4)
    def _start(self, request: StartRequest) -> RecordingSession:
        body: dict[str, Any] = {"call": request.target.id}
        if request.format is not None:
            body["format"] = request.format
        if request.max_duration is not None:
            body["max_seconds"] = round(request.max_duration.total_seconds())
        answer = self.transport.request(
            "POST",
            "recordings",
            operation="start",
            json=request.merge(body),
            retry=RetryPolicy.NEVER,
        )
        return self._build_session(answer.payload, request.target)

    def _stop(self, session: RecordingSession) -> RecordingSession:
        # A second stop is answered like the first.
        path = f"recordings/{quote(self._find_id(session), safe='')}/stop"
        answer = self.transport.request("PUT", path, operation="stop", retry=RetryPolicy.IDEMPOTENT)
        return self._build_session(answer.payload, session.target)

    def _find_id(self, session: RecordingSession) -> str:
        """Return the id; if the response to the start had none, that of the running recording."""
        found = session if session.id is not None else self._active(session.target)
        if found is None or found.id is None:
            raise NotFound("No recording of this call runs")
        return found.id

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        path = f"calls/{quote(target.id, safe='')}/recording"
        try:
            answer = self.transport.get(path, operation="active")
        except NotFound:
            return None
        return self._build_session(answer.payload, target)

    # FILL IN: how one page of the list is requested and read (section 4, Pages)
    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        params = {"page": cursor or "1"}
        if query.target is not None:
            params["call"] = query.target.id
        answer = self.transport.get("recordings", operation="list", params=params)
        payload = Fields(mapping.require_object(answer.payload))
        rows, total = payload.array("recordings"), payload.count("total")
        following = payload.text("next_page")
        if rows is None or total is None or payload.is_unread("next_page"):
            raise MalformedPayload("The list has no `recordings`, `total` or readable `next_page`")
        return Page(read_rows(rows, self._read), total=total, next=following)

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        path = f"recordings/{quote(recording_id, safe='')}"
        return self._read(self.transport.get(path, operation="get").payload)

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        path = f"recordings/{quote(recording_id, safe='')}"
        self.transport.request("DELETE", path, operation="delete", retry=RetryPolicy.IDEMPOTENT)

    def _read(self, payload: Any) -> Recording:
        return mapping.read_recording(payload, self.account)

    def _build_session(self, payload: Any, target: CommunicationSession) -> RecordingSession:
        recording = self._read(payload)
        return RecordingSession(
            provider=self.name,
            account=self.account,
            id=recording.id,
            target=target,
            status=recording.status,
            provider_status=recording.provider_status,
            started_at=recording.started_at,
            stopped_at=recording.ended_at,
            raw=recording.raw,
        )
