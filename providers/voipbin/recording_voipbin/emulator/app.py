"""The emulated VoIPBin: the routes of its recording API, and their verbs.

    https://docs.voipbin.net
    https://api.voipbin.net/openapi.json
    https://github.com/voipbin/monorepo

If the pages and the source differ, the source is emulated. What both leave open is an assumption,
which is followed only if `assume=` names its number: `recording_voipbin.assumptions`.
"""

from __future__ import annotations

import base64
import html
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from attrs import evolve

from recording_core import CommunicationSession, SessionKind, WebhookRequest
from recording_core.plugin import (
    EmulatedEvent,
    Emulator,
    Reply,
    Request,
    Webhook,
    build_file_reply,
    build_uuid,
)
from recording_voipbin.assumptions import ASSUMPTIONS
from recording_voipbin.emulator import media, recordings, requests, webhooks
from recording_voipbin.emulator.authentication import EmulatedCustomer
from recording_voipbin.emulator.listing import build_page
from recording_voipbin.emulator.recordings import EmulatedRecording, EmulatedSession
from recording_voipbin.emulator.responses import (
    FAULT_REASONS,
    HTTP_STATUSES,
    NIL,
    ErrorResponse,
    TimeFormat,
)

# https://api.voipbin.net/openapi.json: the method and the path below /v1.0, with `*` for an id ->
# the emulator's method that answers. No route accepts HEAD.
ROUTES: Mapping[str, str] = {
    "GET recordings": "_list",
    "GET recordings/*": "_get",
    "DELETE recordings/*": "_delete",
    "GET recordingfiles/*": "_download",
    "GET calls/*": "_get_session",
    "POST calls/*/recording_start": "_start",
    "POST calls/*/recording_stop": "_stop",
    "GET conferences/*": "_get_session",
    "POST conferences/*/recording_start": "_start",
    "POST conferences/*/recording_stop": "_stop",
    "GET storage_files": "_list_files",
    "GET storage_files/*": "_get_file",
    "GET storage_files/*/file": "_download_file",
    "GET customer": "_get_customer",
    "PUT customer": "_put_customer",
}
KINDS = {"calls": SessionKind.CALL, "conferences": SessionKind.CONFERENCE}
#: A longer `duration` of a conference's recording is lowered to this. From VoIPBin's source; its
#: pages document no maximum.
MAX_CONFERENCE_DURATION = timedelta(days=1)
#: Past recordings with these numbers could not be stored because the account was full: they have
#: ended, and their archive stays empty.
UNSTORED = (31, 41)
#: Each past time is a multiple of one of these numbers of microseconds, so that its fraction has
#: six digits or fewer.
TIME_UNITS = (1, 1000, 10_000, 1_000_000)

#: The request id of each fault.
FAULT_ID = "req_" + "A" * 26

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class VoIPBinEmulator(Emulator):
    """VoIPBin's recording API, with one live call and one live conference.

    The attributes below are variants of the vendor; a test sets them.

    Args:
        credential: which of the two `credentials` contains; the emulator always accepts both
        starting: from `tm_create` to `tm_start`
        stopping: from an explicit stop to `tm_end`
        settings: those of every emulator. `processing` after its end, a recording's last file is
            stored; the status does not show it
    """

    provider = "voipbin"
    prefix = "/v1.0"
    assumptions = ASSUMPTIONS
    redelivery = webhooks.REDELIVERY
    #: more than one page of a hundred
    conformance_settings: ClassVar = {"recordings": 120}
    wall_clock_settings: ClassVar = dict.fromkeys(("starting", "stopping"), timedelta(0))

    #: how times are written
    time_format: TimeFormat = "rfc3339"
    #: the name of the field with a recording's kind, and its word for a conference; the page of the
    #: recording has the second ones
    reference_key: Literal["reference_type", "type"] = "reference_type"
    conference_word: Literal["confbridge", "conference"] = "confbridge"
    #: served in place of each recording's ZIP
    zip_override: bytes | None = None

    def __init__(
        self,
        *,
        credential: Literal["token", "accesskey"] = "token",
        starting: timedelta = timedelta(seconds=1),
        stopping: timedelta = timedelta(seconds=1),
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.starting = starting
        self.stopping = stopping
        letters = "".join(self.random.choices(string.ascii_letters + string.digits, k=32))
        self._customer = EmulatedCustomer(
            build_uuid(self.random), f"vb_{letters}", self.random.randbytes(32)
        )
        self.customer_id = self._customer.customer_id
        self.accesskey = self._customer.accesskey
        self.token = self._customer.build_token(self.clock.now())
        self.credentials = {credential: self.token if credential == "token" else self.accesskey}
        #: the body of a login
        self.login = {"username": "emulated@example.com", "password": letters[::-1]}
        self._sessions: dict[str, EmulatedSession] = {}
        self._recordings: dict[str, EmulatedRecording] = {}
        self._uploads: list[media.EmulatedFile] = []
        #: the files of each archive that was requested, by its key in the bucket
        self._archives: dict[str, tuple[media.EmulatedFile, ...]] = {}
        self._archive_bucket = media.GoogleBucket()
        self._file_bucket = media.FileBucket()
        #: what `PUT /v1.0/customer` replaces, all of it at once
        self.customer = dict.fromkeys(requests.CUSTOMER_FIELDS, "") | {
            "name": "Emulated",
            "email": "emulated@example.com",
            "phone_number": "+12025550100",
            "address": "1 Example Street",
            "webhook_method": "POST",
        }
        #: created with the customer, and shown in its own row only
        self._webhook_secret = base64.urlsafe_b64encode(self.webhook_random.randbytes(24)).decode()
        self.sessions = [self.begin(kind) for kind in KINDS.values()]

    def build_error(self, status: int) -> Reply:
        words = {status: word for word, status in HTTP_STATUSES.items()}
        word = words.get(status, "INVALID_ARGUMENT")
        details = ({"limited_by": "customer"},) if status == 429 else ()
        reply = ErrorResponse(word, FAULT_REASONS.get(word), details=details).build_reply(FAULT_ID)
        return evolve(reply, status=status).with_headers(X_Request_Id=FAULT_ID)

    def populate(self) -> None:
        keys = self.media_origin, self.random.randbytes(32)
        self._archive_bucket, self._file_bucket = media.GoogleBucket(*keys), media.FileBucket(*keys)
        now = self.clock.now()
        # A conference has several recordings, and the live one was recorded before.
        ended = [self._add_past_session(SessionKind.CONFERENCE) for _ in range(2)]
        conferences = [self.sessions[1], *ended]
        for index in range(self.recordings):
            unit = self.random.choice(TIME_UNITS)
            created = now - self.compute_age(index) - timedelta(seconds=self.random.random())
            conference = conferences[index // 3 % len(conferences)] if index % 3 == 1 else None
            self.add(
                created=created.replace(microsecond=created.microsecond // unit * unit),
                duration=timedelta(milliseconds=self.random.randint(5_000, 120_000)),
                target=conference,
                stored=0 if index in UNSTORED else None,
            )
        # Uploaded files are listed among those of recordings.
        for number in (1, 2) if self.recordings else ():
            at, id = now - timedelta(days=7 * number), build_uuid(self.random)
            self._uploads.append(media.EmulatedFile(id, f"greeting {number}.wav", at, seconds=3.0))

    def list_ids(self) -> list[str]:
        with self.lock:
            return [recording.id for recording in self._list_recordings()]

    # -- changes that a test makes at the vendor ------------------------------------------------

    def begin(self, kind: SessionKind) -> CommunicationSession:
        """Begin a call or a conference."""
        with self.lock:
            id = build_uuid(self.random)
            reference_id = id if kind is SessionKind.CALL else build_uuid(self.random)
            self._sessions[id] = EmulatedSession(kind, id, reference_id, self.clock.now())
        return CommunicationSession(kind, id)

    def hang_up(self, target: CommunicationSession) -> None:
        """End a call or a conference, and its recording. Its `recording_id` stays."""
        with self.lock:
            session = self._sessions[target.id]
            session.has_ended = True
            for id in session.recording_ids:
                if not self._recordings[id].stuck:
                    self._recordings[id].end(self.clock.now())

    def delete_session(self, target: CommunicationSession) -> None:
        """Delete a call or a conference that has ended, but not its recordings."""
        with self.lock:
            self._sessions[target.id].is_deleted = True

    def find_reference_id(self, target: CommunicationSession) -> str:
        """Return the `reference_id` of the target's recordings: for conferences, another id."""
        return self._sessions[target.id].reference_id

    def add(
        self,
        *,
        created: datetime | None = None,
        duration: timedelta = timedelta(minutes=1),
        kind: SessionKind = SessionKind.CALL,
        target: CommunicationSession | None = None,
        format: str = "wav",
        stuck: recordings.StuckStatus | None = None,
        stored: int | None = None,
        foreign: bool = False,
    ) -> str:
        """Add a past recording, and return its id.

        Args:
            created: its `tm_create`; by default an hour ago
            duration: from `tm_start` to `tm_end`
            kind: that of the session which it belongs to, and which has ended, if without `target`
            target: the session that it belongs to
            format: also the suffix of its files' names
            stuck: a status that it keeps; with `stopping` it has ended nevertheless, with the
                other two it never ends, and is the current recording of a live `target`, whose
                stop makes it `stopping`
            stored: how many of its files are ever stored; None for all
            foreign: whether it belongs to another customer
        """
        with self.lock:
            session = self._sessions[(target or self._add_past_session(kind)).id]
            created = created or self.clock.now() - timedelta(hours=1)
            recording = self._add_recording(session, created)
            recording.format, recording.stuck, recording.foreign = format, stuck, foreign
            if stuck in (None, "stopping"):
                recording.end(recording.started_at + duration)
            if stored is not None:
                recording.file_ids = recording.file_ids[:stored]
            # A hang-up of a call does not clear it, and neither does a failure.
            is_call, has_failed = session.kind is SessionKind.CALL, recording.ended_at is None
            if is_call if session.has_ended else has_failed:
                session.recording_id = recording.id
        return recording.id

    def remove(self, id: str) -> None:
        """Remove a recording with its row and its files."""
        with self.lock:
            recording = self._recordings.pop(id)
            recording.session.recording_ids.remove(id)
            self.deliveries.forget(id)

    # -- webhooks -------------------------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, Any]:
        return {"secret": self._webhook_secret}

    def find_webhooks(self, event: EmulatedEvent) -> Iterable[Webhook]:
        yield from super().find_webhooks(event)
        webhook = webhooks.find_webhook(self.customer)
        if webhook is not None:
            yield webhook

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        return webhooks.build_signed_request(event, webhook, self._webhook_secret)

    def _get_customer(self, request: Request, parts: Sequence[str]) -> Reply:
        row = {"id": self.customer_id, **self.customer, "webhook_secret": self._webhook_secret}
        return Reply.json(row)

    def _put_customer(self, request: Request, parts: Sequence[str]) -> Reply:
        """Replace every field: one that the body lacks becomes empty."""
        self.customer = requests.read_customer_body(request)
        webhook = webhooks.find_webhook(self.customer)
        if webhook is not None:
            self.deliveries.start_sending(webhook.url)
        return Reply.json({"id": self.customer_id, **self.customer})

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        request_id = request.header("x-request-id") or ""
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = "req_" + base64.b32encode(self.random.randbytes(17)).decode()[:26]
        try:
            reply = self._route(request)
        except ErrorResponse as error:
            reply = error.build_reply(request_id)
        return reply.with_headers(X_Request_Id=request_id)

    def _route(self, request: Request) -> Reply:
        match request.segments():
            case ["auth", "login"] if request.method == "POST":
                return self._log_in(request)
            case ["v1.0", *parts]:
                pattern = "/".join("*" if place == 1 else part for place, part in enumerate(parts))
                name = ROUTES.get(f"{request.method} {pattern}")
            case _:
                name = None
        if name is None:
            raise ErrorResponse("NOT_FOUND", "ROUTE_NOT_FOUND", "The route was not found.")
        self._customer.check_request(request, self.clock.now())
        handler: Callable[[Request, Sequence[str]], Reply] = getattr(self, name)
        return handler(request, parts)

    def _log_in(self, request: Request) -> Reply:
        if request.json_object() != self.login:
            return Reply(400)  # without an envelope, as some routes outside of /v1.0
        token = self._customer.build_token(self.clock.now())
        return Reply.json({"username": self.login["username"], "token": token})

    def _list(self, request: Request, parts: Sequence[str]) -> Reply:
        return self._build_page(self._list_recordings(), self._build_row, request)

    def _get(self, request: Request, parts: Sequence[str]) -> Reply:
        return Reply.json(self._build_row(self._require_recording(parts[1])))

    def _delete(self, request: Request, parts: Sequence[str]) -> Reply:
        recording = self._require_recording(parts[1])
        recording.deleted_at = self.clock.now()  # a running recording continues
        return Reply.json(self._build_row(recording))

    def _download(self, request: Request, parts: Sequence[str]) -> Reply:
        """Redirect to a ZIP of the files that are stored now, with any status."""
        files = tuple(self._require_recording(parts[1]).list_files(self.clock.now()))
        key = media.build_archive_key(files)
        self._archives[key] = files
        return self._build_redirect(self._archive_bucket.sign_url(key, self.clock.now()))

    def _get_session(self, request: Request, parts: Sequence[str]) -> Reply:
        session = self._require_session(parts)
        if session.is_deleted:  # a call
            raise ErrorResponse("FAILED_PRECONDITION", "STATE_INVALID", "It was deleted.")
        return Reply.json(self._build_session_row(session))

    def _start(self, request: Request, parts: Sequence[str]) -> Reply:
        session = self._require_session(parts)
        parameters = requests.read_start_body(request, session.kind)
        is_call = session.kind is SessionKind.CALL
        if session.has_ended or session.recording_id != NIL:
            # https://docs.voipbin.net documents 409 for this; the source has no such status.
            if is_call:
                raise ErrorResponse("INTERNAL")
            return Reply.json(recordings.ZERO_SESSIONS[session.kind])
        recording = self._add_recording(session, self.clock.now())
        recording.format = parameters["format"]
        recording.on_end_flow_id = parameters["on_end_flow_id"]
        session.recording_id = recording.id
        self.deliveries.follow(
            recording.id, lambda now: webhooks.build_events(recording, now, self._build_row)
        )
        if parameters["duration"] > 0:
            limit = timedelta(seconds=min(parameters["duration"], 10**9))
            limit = limit if is_call else min(limit, MAX_CONFERENCE_DURATION)
            recording.end(recording.started_at + limit)
        return Reply.json(self._build_session_row(session))

    def _stop(self, request: Request, parts: Sequence[str]) -> Reply:
        session = self._require_session(parts)
        is_call = session.kind is SessionKind.CALL
        if session.recording_id == NIL and is_call:
            return Reply.json(recordings.ZERO_SESSIONS[session.kind])
        if session.has_ended or session.recording_id == NIL:
            raise ErrorResponse("INTERNAL" if is_call else "INVALID_ARGUMENT")
        recording, now = self._recordings.get(session.recording_id), self.clock.now()
        if not is_call and recording is not None and recording.has_ended(now):
            # The error of the server that records is returned before `recording_id` is cleared. For
            # a call it is only logged. Nothing else clears `recording_id`.
            raise ErrorResponse("INVALID_ARGUMENT")
        if recording is not None:
            recording.stop(now)
        session.recording_id = NIL
        return Reply.json(self._build_session_row(session))

    def _list_files(self, request: Request, parts: Sequence[str]) -> Reply:
        # The files of a deleted recording are listed until they are deleted too.
        files = [file for file in self._find_stored_files().values() if not file.foreign]
        return self._build_page(files, self._build_file_row, request)

    def _get_file(self, request: Request, parts: Sequence[str]) -> Reply:
        file = self._require_file(requests.parse_uuid(parts[1]))
        return Reply.json(self._build_file_row(file))

    def _download_file(self, request: Request, parts: Sequence[str]) -> Reply:
        file = self._require_file(requests.parse_uuid(parts[1], "INVALID_REQUEST_PARAMETER"))
        return self._build_redirect(self._file_bucket.sign_url(file.key, self.clock.now()))

    # -- the media's port -----------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        is_archive = request.segments()[1:2] == ["tmp"]
        bucket = self._archive_bucket if is_archive else self._file_bucket
        if error := bucket.find_error(request, self.clock.now()):
            return error
        folder, name = request.segments()[1:3]
        if is_archive:
            archive = media.build_archive(self._archives[f"{folder}/{name}"])
            body = archive if self.zip_override is None else self.zip_override
            return build_file_reply(request, body, "application/zip")
        file = self._find_stored_files().get(name)
        if file is None:
            return bucket.build_error("missing")
        return build_file_reply(request, file.build_content(), "audio/wav")

    # -- helpers --------------------------------------------------------------------------------

    def _list_recordings(self) -> list[EmulatedRecording]:
        """List the customer's recordings that were not deleted."""
        rows = self._recordings.values()
        return [each for each in rows if each.deleted_at is None and not each.foreign]

    def _require_recording(self, text: str) -> EmulatedRecording:
        id = requests.parse_uuid(text)
        recording = self._recordings.get(id)
        if recording is None:
            raise ErrorResponse("NOT_FOUND", "RECORDING_NOT_FOUND", "The recording was not found.")
        if recording.foreign:
            # https://docs.voipbin.net documents 404.
            raise ErrorResponse("PERMISSION_DENIED")
        if recording.deleted_at is not None:
            raise ErrorResponse("NOT_FOUND", "RESOURCE_NOT_FOUND", "The resource was not found.")
        return recording

    def _require_session(self, parts: Sequence[str]) -> EmulatedSession:
        kind, id = KINDS[parts[0]], requests.parse_uuid(parts[1])
        session = self._sessions.get(id)
        is_deleted = session is not None and session.is_deleted and kind is SessionKind.CONFERENCE
        if session is None or session.kind is not kind or is_deleted:
            reason = f"{kind.upper()}_NOT_FOUND" if self.assumes(3) else "RESOURCE_NOT_FOUND"
            raise ErrorResponse("NOT_FOUND", reason, f"The {kind} was not found.")
        return session

    def _find_stored_files(self) -> dict[str, media.EmulatedFile]:
        """Find all files that are stored now: id -> file."""
        now = self.clock.now()
        recorded = (file for each in self._recordings.values() for file in each.list_files(now))
        return {file.id: file for file in (*self._uploads, *recorded)}

    def _require_file(self, id: str) -> media.EmulatedFile:
        file = self._find_stored_files().get(id)
        if file is None or file.foreign:
            raise ErrorResponse("NOT_FOUND", "FILE_NOT_FOUND", "The file was not found.")
        return file

    def _build_page(
        self, rows: Iterable[Any], build_row: Callable[[Any], dict[str, Any]], request: Request
    ) -> Reply:
        error = ErrorResponse("INTERNAL") if self.assumes(5) else None
        page = build_page(rows, build_row, request, self.time_format, malformed_token_error=error)
        return Reply.json(page)

    def _build_session_row(self, session: EmulatedSession) -> dict[str, Any]:
        ended = recordings.ENDED_STATUSES[session.kind] if self.assumes(4) else None
        ids = session.recording_ids if self.assumes(6) else sorted(session.recording_ids)
        return session.build_row(
            self.customer_id, self.time_format, ended_status=ended, recording_ids=ids
        )

    def _build_row(
        self, recording: EmulatedRecording, at: datetime | None = None
    ) -> dict[str, Any]:
        at = at or self.clock.now()
        words = (self.reference_key, self.conference_word)
        return recording.build_row(at, self.customer_id, self.time_format, *words)

    def _build_file_row(self, file: media.EmulatedFile) -> dict[str, Any]:
        # From VoIPBin's source: the URL is signed when the file is stored, if at all; here, that of
        # an uploaded file is not.
        is_signed = file.reference_id != NIL
        url = self._file_bucket.sign_url(file.key, file.created_at) if is_signed else ""
        return file.build_row(self.customer_id, url, self.time_format)

    def _build_redirect(self, url: str) -> Reply:
        """Redirect to a newly signed URL, with the page that Go writes into the body."""
        page = f'<a href="{html.escape(url)}">Temporary Redirect</a>.\n\n'
        headers = {"Content-Type": "text/html; charset=utf-8", "Location": url}
        return Reply(307, page.encode(), headers)

    def _add_recording(self, session: EmulatedSession, created_at: datetime) -> EmulatedRecording:
        recording = EmulatedRecording(
            id=build_uuid(self.random),
            session=session,
            created_at=created_at,
            file_ids=[build_uuid(self.random) for _ in recordings.LEGS[session.kind]],
            starting=self.starting,
            stopping=self.stopping,
            storing=self.processing,
            activeflow_id=build_uuid(self.random) if session.kind is SessionKind.CALL else NIL,
        )
        self._recordings[recording.id] = recording
        session.created_at = min(session.created_at, created_at)
        session.recording_ids.append(recording.id)
        return recording

    def _add_past_session(self, kind: SessionKind) -> CommunicationSession:
        target = self.begin(kind)
        self.hang_up(target)
        return target
