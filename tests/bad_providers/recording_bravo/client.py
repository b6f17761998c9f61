"""Client: requests to Bravo. Transport sends them, and `mapping` reads the answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from attrs import evolve
from requests.auth import AuthBase

from recording_bravo import mapping
from recording_core import (
    CommunicationSession,
    MalformedPayload,
    NotFound,
    Provider,
    Recording,
    RecordingSession,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugin import (
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

#: The largest page: https://bravo.example/docs/recordings#list
PER_PAGE = 20


class BravoMeet(Provider):
    """An account of Bravo Meet."""

    default_base_url = "https://api.bravo.example/v2"
    rate = 10.0
    path_words = "recordings active pause resume stop"
    known_fields = mapping.KNOWN_FIELDS
    #: https://bravo.example/docs/recordings#start
    start_parameters: ClassVar[Mapping[SessionKind, Mapping[str, Bounds]]] = {
        SessionKind.CALL: {
            "format": Bounds(values=("wav", "mp3")),
            "max_duration": Bounds(least=timedelta(seconds=1), most=timedelta(hours=4)),
            "channels": Bounds(values=(1, 2)),
            "participant": Bounds(most=2),
            "title": Bounds(),
            "callback_url": Bounds(),
        }
    }

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return HeaderAuth("Authorization", f"Bearer {settings['token']}")

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        body: dict[str, Any] = {"session": request.target.id}
        if request.format is not None:
            body["format"] = request.format
        if request.max_duration is not None:
            body["max_seconds"] = round(request.max_duration.total_seconds())
        if request.channels is not None:
            body["channels"] = request.channels
        if request.participant:
            body["legs"] = list(request.participant)
        if request.title is not None:
            body["title"] = request.title
        if request.callback_url is not None:
            body["notify_url"] = request.callback_url
        answer = self.transport.request(
            "POST",
            "recordings",
            operation="start",
            json=request.merge(body),
            retry=RetryPolicy.NEVER,
        )
        return mapping.read_session(answer.payload, request.target, self.account)

    def _pause(self, session: RecordingSession) -> RecordingSession:
        return self._send_verb(session, "pause")

    def _resume(self, session: RecordingSession) -> RecordingSession:
        return self._send_verb(session, "resume")

    def _stop(self, session: RecordingSession) -> RecordingSession:
        return self._send_verb(session, "stop")

    def _send_verb(self, session: RecordingSession, verb: str) -> RecordingSession:
        """Send a verb. Bravo answers a second one like the first."""
        if session.id is None:
            running = self._active(session.target)
            if running is None:
                if verb == "stop":
                    return evolve(session, status=RecordingStatus.PROCESSING)
                raise NotFound(f"Bravo records nothing of {session.target}")
            session = evolve(session, id=running.id)
        path = f"recordings/{quote(str(session.id), safe='')}/{verb}"
        answer = self.transport.request("POST", path, operation=verb, retry=RetryPolicy.IDEMPOTENT)
        return mapping.read_session(answer.payload, session.target, self.account)

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        path = f"active/{target.kind}/{quote(target.id, safe='')}"
        try:
            answer = self.transport.get(path, operation="active")
        except NotFound:
            return None
        return mapping.read_session(answer.payload, target, self.account)

    # -- recordings ------------------------------------------------------------------------------

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 1
        params: dict[str, Any] = {"page": number, "per_page": PER_PAGE}
        if query.target is not None:
            params |= {"kind": str(query.target.kind), "session": query.target.id}
        # Both days are included, in UTC: https://bravo.example/docs/recordings#list
        if query.since is not None:
            params["from"] = _format_day(query.since)
        if query.until is not None:
            params["to"] = _format_day(query.until)
        answer = self.transport.get("recordings", operation="list", params=params)
        payload = Fields(mapping.require_object(answer.payload))
        rows, total = payload.array("items"), payload.count("total")
        if rows is None or total is None:
            raise MalformedPayload("Bravo returned a list without `items` or `total`")
        pages = -(-total // PER_PAGE)
        return Page(
            read_rows(rows, self._read),
            total=total,
            remaining_cursors=range(2, pages + 1) if number == 1 else (),
        )

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        path = f"recordings/{quote(recording_id, safe='')}"
        return self._read(self.transport.get(path, operation="get").payload)

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        path = f"recordings/{quote(recording_id, safe='')}"
        self.transport.request("DELETE", path, operation="delete", retry=RetryPolicy.IDEMPOTENT)

    def _read(self, payload: Any) -> Recording:
        return mapping.read_recording(payload, self.account)


def _format_day(moment: datetime) -> str:
    return moment.date().isoformat()
