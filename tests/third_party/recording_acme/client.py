"""How is Acme asked, and what do its answers mean?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from requests.auth import AuthBase

from recording_core import (
    CommunicationSession,
    FileRole,
    MalformedPayload,
    MediaFile,
    NotFound,
    Provider,
    Recording,
    RecordingSession,
    RecordingStatus,
    SessionKind,
    call,
)
from recording_core.plugin import (
    ErrorDetails,
    HeaderAuth,
    Page,
    Query,
    RetryPolicy,
    StartRequest,
    Window,
    read_rows,
)
from recording_core.plugin import readers as read

#: https://acme.example/docs/states
STATUSES: Mapping[str, RecordingStatus] = {
    "live": RecordingStatus.RECORDING,
    "encoding": RecordingStatus.PROCESSING,
    "done": RecordingStatus.AVAILABLE,
    "broken": RecordingStatus.FAILED,
}


class AcmeVoice(Provider):
    """An account of Acme Voice."""

    default_base_url = "https://api.acme.example/v1"
    rate = 10.0
    start_parameters: ClassVar[Mapping[SessionKind, frozenset[str]]] = {
        SessionKind.CALL: frozenset({"format", "max_duration"})
    }

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return HeaderAuth("X-Acme-Key", settings["key"])

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        problem = body.get("problem")
        return ErrorDetails(message=problem if isinstance(problem, str) else None)

    def _start(self, request: StartRequest) -> RecordingSession:
        body: dict[str, Any] = {"call": request.target.id, **request.extra}
        if request.format is not None:
            body["format"] = request.format
        if request.max_duration is not None:
            body["max_seconds"] = int(request.max_duration.total_seconds())
        answer = self.transport.request(
            "POST", "recordings", operation="start", json=body, retry=RetryPolicy.NEVER
        )
        return self._session(answer.payload, request.target)

    def _stop(self, session: RecordingSession) -> RecordingSession:
        # Acme answers a second stop like the first.
        answer = self.transport.request(
            "PUT", f"recordings/{session.id}/stop", operation="stop", retry=RetryPolicy.IDEMPOTENT
        )
        return self._session(answer.payload, session.target)

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        try:
            answer = self.transport.get(
                f"calls/{quote(target.id, safe='')}/recording", operation="active"
            )
        except NotFound:
            return None
        return self._session(answer.payload, target)

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        params = {"page": cursor or "1"}
        if query.target is not None:
            params["call"] = query.target.id
        payload = self.transport.get("recordings", operation="list", params=params).payload
        rows = read.array(_object(payload).get("recordings"), "recordings")
        total = read.count(_object(payload).get("total"), "total")
        if rows is None or total is None:
            raise MalformedPayload("a list without recordings or total")
        next_page = read.text(payload.get("next_page"), "next_page")
        return Page(read_rows(rows, self._read), total=total, next=next_page)

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        path = f"recordings/{quote(recording_id, safe='')}"
        return self._read(self.transport.get(path, operation="get").payload)

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        path = f"recordings/{quote(recording_id, safe='')}"
        self.transport.request("DELETE", path, operation="delete", retry=RetryPolicy.IDEMPOTENT)

    def _session(self, payload: Any, target: CommunicationSession) -> RecordingSession:
        seen = self._read(payload)
        return RecordingSession(
            provider=self.name,
            account=self.account,
            id=seen.id,
            target=target,
            status=seen.status,
            provider_status=seen.provider_status,
            started_at=seen.started_at,
            stopped_at=seen.ended_at,
            raw=seen.raw,
        )

    def _read(self, payload: Any) -> Recording:
        return recording(payload, self.account)


def recording(payload: Any, account: str) -> Recording:
    """A recording out of a row, of the API's or of a callback's."""
    row = _object(payload)
    call_id = read.text(row.get("call"), "call")
    word = read.text(row.get("state"), "state")
    url = read.text(row.get("link"), "link")
    size = read.count(row.get("bytes"), "bytes")
    format = read.text(row.get("format"), "format")
    duration = read.seconds(row.get("seconds"), "seconds")
    file = MediaFile("mix", FileRole.MIX, format, size=size, duration=duration, url=url)
    return Recording(
        provider="acme",
        account=account,
        id=read.required_text(row.get("id"), "id"),
        kind=SessionKind.CALL,
        target=call(call_id) if call_id is not None else None,
        status=read.status_of(word, STATUSES),
        provider_status=word,
        started_at=read.instant(row.get("started"), "started"),
        ended_at=read.instant(row.get("ended"), "ended"),
        duration=duration,
        size=size,
        format=format,
        files=(file,) if url is not None else (),
        raw=row,
    )


def _object(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise MalformedPayload("an answer that is no object")
    return payload
