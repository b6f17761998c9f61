"""How is RealtimeKit asked? Requests are built here, sent by transport, read by mapping."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from attrs import evolve
from requests.auth import AuthBase

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
    Connection,
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
from recording_realtimekit import mapping

#: https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings
LONGEST = timedelta(hours=24)
#: Neither its default nor its maximum is documented; the answer tells what was given.
PER_PAGE = 100

#: A format of ours, as the codecs that make it.
FORMATS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "mp4": {"video_config": {"codec": "H264"}},
    "webm": {"video_config": {"codec": "VP8"}},
    "mp3": {"audio_config": {"codec": "MP3"}, "video_config": {"export_file": False}},
    "aac": {"audio_config": {"codec": "AAC"}, "video_config": {"export_file": False}},
}
CHANNELS = {1: "mono", 2: "stereo"}

#: What the tracks endpoint cannot be told.
NOT_OF_TRACKS = ("format", "max_duration", "channels")


class RealtimeKit(Provider):
    """One app of a Cloudflare account."""

    default_base_url = "https://api.cloudflare.com/client/v4"
    #: 1200 requests in five minutes, then the user is blocked for five:
    #: https://developers.cloudflare.com/fundamentals/api/reference/limits
    rate = 4.0
    start_parameters: ClassVar[Mapping[SessionKind, frozenset[str]]] = {
        SessionKind.MEETING: frozenset(
            {"format", "max_duration", "channels", "participant", "tracks"}
        )
    }
    formats: ClassVar[Mapping[SessionKind, tuple[str, ...]]] = {SessionKind.MEETING: tuple(FORMATS)}

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

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        tracks = request.tracks or bool(request.participants)
        body = _tracks_body(request) if tracks else _start_body(request)
        answer = self.transport.request(
            "POST",
            f"{self._root}/track" if tracks else self._root,
            operation="start",
            json=body,
            retry=RetryPolicy.NEVER,
        )
        data = mapping.data(answer.payload)
        if tracks and isinstance(data, dict) and isinstance(data.get("recording"), dict):
            data = data["recording"]
        return self._session(data, request.target, "start")

    def _pause(self, session: RecordingSession) -> RecordingSession:
        return self._act(session, "pause", frozenset({RecordingStatus.PAUSED}))

    def _resume(self, session: RecordingSession) -> RecordingSession:
        return self._act(session, "resume", frozenset({RecordingStatus.RECORDING}))

    def _stop(self, session: RecordingSession) -> RecordingSession:
        # A word that we don't know may mean that it still records: then a refusal stays one.
        ended = frozenset(RecordingStatus) - LIVE - {RecordingStatus.UNKNOWN}
        return self._act(session, "stop", ended)

    def _act(
        self, session: RecordingSession, action: str, wanted: frozenset[RecordingStatus]
    ) -> RecordingSession:
        if session.id is None:
            running = self._active(session.target)
            if running is None:
                if action == "stop":
                    return evolve(session, status=RecordingStatus.PROCESSING)
                raise NotFound(
                    f"nothing is recorded in {session.target}", provider=self.name, operation=action
                )
            session = evolve(session, id=running.id)
        path = f"{self._root}/{quote(str(session.id), safe='')}"
        try:
            answer = self.transport.request(
                "PUT", path, operation=action, json={"action": action}, retry=RetryPolicy.IDEMPOTENT
            )
        except (Rejected, Conflict, NotFound):
            # What it answers to a second pause or stop is not documented: a refusal of what holds
            # already is success.
            seen = self._read(mapping.data(self.transport.get(path, operation=action).payload))
            if seen.status not in wanted:
                raise
            after = mapping.session(seen.raw, session.target, self.account, self.clock.now())
        else:
            payload = answer.payload
            if isinstance(payload, dict) and payload.get("data") is None:
                # The schema of this answer has no need of `data`.
                payload = self.transport.get(path, operation=action).payload
            after = self._session(mapping.data(payload), session.target, action)
        return evolve(
            after,
            started_at=after.started_at or session.started_at,
            pauses=session.pauses,
            recordings=session.recordings,
        )

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        try:
            answer = self.transport.get(
                f"{self._root}/active-recording/{quote(target.id, safe='')}", operation="active"
            )
        except NotFound as error:
            # The gateway's own 404 is about the path: a wrong account, app or base URL.
            if error.code in mapping.NO_ROUTE:
                raise
            return None
        return self._session(mapping.data(answer.payload), target, "active")

    def _session(self, data: Any, target: CommunicationSession, operation: str) -> RecordingSession:
        if not isinstance(data, dict):
            raise MalformedPayload("data is no object", provider=self.name, operation=operation)
        return mapping.session(data, target, self.account, self.clock.now())

    # -- recordings ------------------------------------------------------------------------------

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        if cursor is not None:
            number, base, size = cursor
            page = self._numbered(query, number)[0]
            return evolve(page, next=_beyond(page, number, base, size))
        # Whether the first page is 0 or 1 is not documented. Page 1's own offset tells: where it
        # is not the start, or is empty although there are rows, page 0 comes before it.
        page, start, size = self._numbered(query, 1)
        base = 1
        if (start is not None and start > 1) or (not size and page.total):
            page, start, size = self._numbered(query, 0)
            base = 0
        if page.is_last or not size:
            return page
        if page.total is None or page.total < size:
            # The number of pages is reckoned from it.
            raise MalformedPayload(
                "a list that does not count its rows",
                path="paging.total_count",
                provider=self.name,
                operation="list",
            )
        # Whether the total is true shows at a page that is not full, be it an empty one.
        pages = page.total // size + 1 if page.total > size else 1
        if pages == 1:
            return evolve(page, next=_beyond(page, base, base, PER_PAGE))
        return evolve(
            page, remaining_cursors=((base + each, base, size) for each in range(1, pages))
        )

    def _numbered(self, query: Query, number: int) -> tuple[Page, int | None, int]:
        """Page `number`, the offset of its first row, and how many rows it has."""
        params: dict[str, Any] = {
            "page_no": number,
            "per_page": PER_PAGE,
            "sort_by": "invokedTime",
            "sort_order": "DESC",
        }
        if query.target is not None:
            params["meeting_id"] = query.target.id
        answer = self.transport.get(self._root, operation="list", params=params)
        payload = answer.payload if isinstance(answer.payload, dict) else {}
        rows = read.array(payload.get("data"), "data")
        if rows is None:
            raise MalformedPayload(
                "a list without data", path="data", provider=self.name, operation="list"
            )
        paging = read.obj(payload.get("paging"), "paging") or {}
        unread = read_rows(rows, self._read)
        page = Page(
            unread,
            total=read.count(paging.get("total_count"), "paging.total_count"),
            is_last=query.since is not None and _reaches_before(query.since, unread.recordings),
        )
        return page, read.count(paging.get("start_offset"), "paging.start_offset"), len(rows)

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        answer = self.transport.get(f"{self._root}/{quote(recording_id, safe='')}", operation="get")
        return self._read(mapping.data(answer.payload))

    def _read(self, row: Any) -> Recording:
        if not isinstance(row, dict):
            raise MalformedPayload("a recording that is no object", provider=self.name)
        return mapping.recording(row, self.account, self.clock.now())


def _beyond(page: Page, number: int, base: int, size: int) -> tuple[int, int, int] | None:
    """The page after a full one that the total calls the last: it should be empty."""
    full = page.size >= size
    reached = page.total is None or (number - base + 1) * size >= page.total
    return (number + 1, base, size) if full and reached else None


def _reaches_before(since: datetime, recordings: Sequence[Recording]) -> bool:
    """Whether the sweep may end here: at a row before `since`, in a page that really descends."""
    times = [when for each in recordings if (when := each.created_at or each.started_at)]
    descends = all(a >= b for a, b in itertools.pairwise(times))
    return descends and bool(times) and times[-1] < since


def _start_body(request: StartRequest) -> dict[str, Any]:
    limit = request.max_duration or LONGEST
    body: dict[str, Any] = {
        "meeting_id": request.target.id,
        "max_seconds": max(1, round(limit.total_seconds())),
    }
    if request.format is not None:
        if request.format not in FORMATS:
            raise UnsupportedOperation(
                f"RealtimeKit cannot be told the format {request.format!r}; it can: "
                f"{', '.join(FORMATS)}"
            )
        body = _merged(body, FORMATS[request.format])
    if request.channels is not None:
        if request.channels not in CHANNELS:
            raise UnsupportedOperation("RealtimeKit records in 1 channel (mono) or 2 (stereo)")
        body = _merged(body, {"audio_config": {"channel": CHANNELS[request.channels]}})
    return _merged(body, request.extra)


def _tracks_body(request: StartRequest) -> dict[str, Any]:
    told = [name for name in NOT_OF_TRACKS if name in request.given_parameters()]
    if told:
        raise UnsupportedOperation(
            f"RealtimeKit cannot be told {', '.join(told)} when tracks are recorded"
        )
    body: dict[str, Any] = {
        "meeting_id": request.target.id,
        "layers": {"default": {"media_kind": "audio"}},
    }
    if request.participants:
        body["user_ids"] = list(request.participants)
    return _merged(body, request.extra)


def _merged(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both, and where both have an object of one name, its fields side by side, all the way down:
    a watermark of the caller's costs no codec of ours."""
    merged = dict(body)
    for name, value in more.items():
        mine = merged.get(name)
        if isinstance(mine, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(mine, value)
        else:
            merged[name] = value
    return merged
