"""Client: requests to RealtimeKit. Transport sends them, and `mapping` reads the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from attrs import evolve

from recording_core import (
    CommunicationSession,
    Conflict,
    MalformedPayload,
    NotFound,
    Provider,
    Recording,
    RecordingSession,
    RecordingStatus,
    Rejected,
    SessionKind,
    UnsupportedOperation,
)
from recording_core.plugin import (
    LIVE,
    AuthBase,
    Bounds,
    Connection,
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
from recording_realtimekit import mapping

#: The requested `per_page`. Its default and maximum are not documented; the answer shows the size.
PAGE_SIZE = 100

#: format -> the codecs that produce it
FORMATS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "mp4": {"video_config": {"codec": "H264"}},
    "webm": {"video_config": {"codec": "VP8"}},
    "mp3": {"audio_config": {"codec": "MP3"}, "video_config": {"export_file": False}},
    "aac": {"audio_config": {"codec": "AAC"}, "video_config": {"export_file": False}},
}
CHANNELS = {1: "mono", 2: "stereo"}

#: https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings
#: A value that is not given is not sent: it would replace the limit of the meeting or app.
PARAMETERS: Mapping[str, Bounds] = {
    "format": Bounds(values=tuple(FORMATS)),
    "max_duration": Bounds(least=timedelta(seconds=60), most=timedelta(hours=24)),
    "channels": Bounds(values=tuple(CHANNELS)),
    "participant": Bounds(most=100),
    "tracks": Bounds(),
}

#: Parameters that Cloudflare's page of the endpoint for tracks does not have. Dyte's had
#: `max_seconds`, which `extra` can send.
UNSUPPORTED_WITH_TRACKS = ("format", "max_duration", "channels")


class RealtimeKit(Provider):
    """One app of a Cloudflare account."""

    default_base_url = "https://api.cloudflare.com/client/v4"
    #: A user with more than 1200 requests in five minutes is blocked for five minutes. The burst
    #: and five minutes at the rate are 1190:
    #: https://developers.cloudflare.com/fundamentals/api/reference/limits
    rate = 3.8
    burst = 50.0
    path_words = "accounts active-recording kit realtime recordings track"
    start_parameters: ClassVar[Mapping[SessionKind, Mapping[str, Bounds]]] = {
        SessionKind.MEETING: PARAMETERS
    }
    known_fields: ClassVar[frozenset[str]] = mapping.KNOWN_FIELDS

    def __init__(self, connection: Connection) -> None:
        account_id, app_id = (
            quote(connection.settings[name], safe="") for name in ("account_id", "app_id")
        )
        self._root = f"accounts/{account_id}/realtime/kit/{app_id}/recordings"
        super().__init__(connection)

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return HeaderAuth("Authorization", f"Bearer {settings['api_token']}")

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    def _control(self) -> None:
        payload, _ = self._fetch_list({"per_page": 1})
        if payload.flag("success") is not True:
            raise MalformedPayload("The list has no `success`", path="success")

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        tracks = request.tracks or bool(request.participant)
        body = _build_track_body(request) if tracks else _build_start_body(request)
        answer = self.transport.request(
            "POST",
            f"{self._root}/track" if tracks else self._root,
            operation="start",
            json=body,
            retry=RetryPolicy.NEVER,
        )
        data = mapping.read_data(answer.payload)
        wrapped = data.get("recording")
        return self._read_session(wrapped if isinstance(wrapped, dict) else data, request.target)

    def _pause(self, session: RecordingSession) -> RecordingSession:
        return self._send_action(session, "pause", frozenset({RecordingStatus.PAUSED}))

    def _resume(self, session: RecordingSession) -> RecordingSession:
        return self._send_action(session, "resume", frozenset({RecordingStatus.RECORDING}))

    def _stop(self, session: RecordingSession) -> RecordingSession:
        # An unknown status may mean that it still records. Then the vendor's error is raised.
        ended = frozenset(RecordingStatus) - LIVE - {RecordingStatus.UNKNOWN}
        return self._send_action(session, "stop", ended)

    def _send_action(
        self, session: RecordingSession, action: str, wanted: frozenset[RecordingStatus]
    ) -> RecordingSession:
        if session.id is None:
            running = self._active(session.target)
            if running is None:
                if action == "stop":
                    return evolve(session, status=RecordingStatus.PROCESSING)
                raise NotFound(f"nothing is recorded in {session.target}")
            session = evolve(session, id=running.id)
        path = f"{self._root}/{quote(str(session.id), safe='')}"
        try:
            answer = self.transport.request(
                "PUT", path, operation=action, json={"action": action}, retry=RetryPolicy.IDEMPOTENT
            )
        except (Rejected, Conflict, NotFound):
            # The answer to a second pause or stop is not documented. An error is a success if the
            # recording already has the wanted status.
            payload = self.transport.get(path, operation=action).payload
            after = self._read_session(mapping.read_data(payload), session.target)
            if after.status not in wanted:
                raise
            return after
        payload = answer.payload
        if isinstance(payload, dict) and payload.get("data") is None:
            # In the schema of this answer, `data` is optional.
            payload = self.transport.get(path, operation=action).payload
        return self._read_session(mapping.read_data(payload), session.target)

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        try:
            answer = self.transport.get(
                f"{self._root}/active-recording/{quote(target.id, safe='')}", operation="active"
            )
        except NotFound as error:
            # The gateway's own 404 has another shape and means an unknown path.
            own = isinstance(error.body, dict) and isinstance(error.body.get("error"), dict)
            if not own or error.code != "404":
                raise
            return None
        return self._read_session(mapping.read_data(answer.payload), target)

    def _read_session(
        self, data: Mapping[str, Any], target: CommunicationSession
    ) -> RecordingSession:
        return mapping.read_session(data, target, self.account, self.clock.now())

    def _observe(self, session: RecordingSession) -> RecordingSession:
        after = super()._observe(session)
        user_ids = after.parameters.get("participant", ())
        found = (mapping.name_participants(each, user_ids) for each in after.recordings)
        return evolve(after, recordings=tuple(found)) if user_ids else after

    # -- recordings ------------------------------------------------------------------------------

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        if cursor is not None:
            number, base, size, previous = cursor
            page, _ = self._fetch_page(query, number)
            if previous is not None and _list_ids(page) == previous:
                return Page(())  # a number after the last page returns that page again
            return evolve(page, next=_build_next_cursor(page, number, base, size))
        # Whether the first page is 0 or 1 is not documented. If the offset of page 1 is not the
        # start, or page 1 is empty although there may be rows, page 0 precedes it.
        page, start = self._fetch_page(query, 1)
        base = 1
        is_first = page.total == 0 if start is None else start <= 1
        if not is_first or (not page.size and page.total != 0):
            page_0, _ = self._fetch_page(query, 0)
            if page_0.size and _list_ids(page_0) != _list_ids(page):
                page, base = page_0, 0
        size = page.size
        if page.is_last or not size:
            return page
        if page.total is None or page.total < size:
            # Then an empty page, or one with fewer rows, shows the end.
            page = evolve(page, total=None)
            return evolve(page, next=_build_next_cursor(page, base, base, size))
        # Only a page that is not full, or an empty one, proves that the total is correct.
        pages = page.total // size + 1 if page.total > size else 1
        if pages == 1:
            return evolve(page, next=_build_next_cursor(page, base, base, PAGE_SIZE))
        return evolve(
            page, remaining_cursors=((base + each, base, size, None) for each in range(1, pages))
        )

    def _fetch_page(self, query: Query, number: int) -> tuple[Page, int | None]:
        """Fetch a page. Returns it and the offset of its first row."""
        params: dict[str, Any] = {
            "page_no": number,
            "per_page": PAGE_SIZE,
            "sort_by": "invokedTime",
            "sort_order": "DESC",
        }
        if query.target is not None:
            params["meeting_id"] = query.target.id
        payload, rows = self._fetch_list(params)
        paging = payload.object("paging") or Fields({})
        account, now = self.account, self.clock.now()
        page_rows = read_rows(rows, lambda row: mapping.read_recording(row, account, now))
        page = Page(
            page_rows,
            total=mapping.read_count(paging, "total_count"),
            is_last=query.since is not None and _has_passed(query.since, page_rows.recordings),
        )
        return page, mapping.read_count(paging, "start_offset")

    def _fetch_list(self, params: Mapping[str, Any]) -> tuple[Fields, list[Any]]:
        """Fetch rows. Returns the envelope and the rows."""
        answer = self.transport.get(self._root, operation="list", params=params)
        payload = Fields(answer.payload if isinstance(answer.payload, dict) else {})
        rows = payload.array("data")
        if rows is None:
            raise MalformedPayload("The list has no array `data`", path="data")
        return payload, rows

    def _find_own_storage(self, recording: Recording) -> str | None:
        return mapping.find_own_storage(recording.raw)

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        answer = self.transport.get(f"{self._root}/{quote(recording_id, safe='')}", operation="get")
        data = mapping.read_data(answer.payload)
        return mapping.read_recording(data, self.account, self.clock.now())


def _build_next_cursor(page: Page, number: int, base: int, size: int) -> tuple[Any, ...] | None:
    """Build the cursor after a full page that is the last by the total: it should be empty."""
    full = page.size >= size
    reached = page.total is None or (number - base + 1) * size >= page.total
    # A page as long as requested does not show the end, and the sweep rejects its repetition.
    previous = _list_ids(page) if page.total is None and size < PAGE_SIZE else None
    return (number + 1, base, size, previous) if full and reached else None


def _list_ids(page: Page) -> tuple[str, ...]:
    return tuple(each.id for each in page.rows.recordings)


def _has_passed(since: datetime, recordings: Sequence[Recording]) -> bool:
    """Whether the sweep may end: the page descends, and its last row is before `since`."""
    times = [when for each in recordings if (when := each.created_at or each.started_at)]
    return bool(times) and times[-1] < since and times == sorted(times, reverse=True)


def _build_start_body(request: StartRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"meeting_id": request.target.id}
    if request.max_duration is not None:
        body["max_seconds"] = round(request.max_duration.total_seconds())
    if request.format is not None:
        body |= FORMATS[request.format]
    if request.channels is not None:
        audio = {**body.get("audio_config", {}), "channel": CHANNELS[request.channels]}
        body["audio_config"] = audio
    body = request.merge(body)
    video, sound = body.get("video_config"), body.get("audio_config")
    is_vp8 = isinstance(video, dict) and video.get("codec") == "VP8"
    if is_vp8 and isinstance(sound, dict) and not sound.keys().isdisjoint(("codec", "channel")):
        raise UnsupportedOperation(
            "RealtimeKit does not support channels or an audio codec with the video codec VP8 "
            "(webm), whose sound is Vorbis: leave them out, or record mp4"
        )
    return body


def _build_track_body(request: StartRequest) -> dict[str, Any]:
    given = [name for name in UNSUPPORTED_WITH_TRACKS if name in request.given_parameters()]
    if given:
        raise UnsupportedOperation(
            f"RealtimeKit does not support {', '.join(given)} for recordings of tracks"
        )
    body: dict[str, Any] = {"meeting_id": request.target.id}
    if request.participant:
        body["user_ids"] = list(request.participant)
    return request.merge(body)
