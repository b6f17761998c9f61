"""What would VoIPBin answer? Its recordings, on loopback, as its pages and its source say.

    https://docs.voipbin.net
    https://api.voipbin.net/openapi.json
    https://github.com/voipbin/monorepo

Where pages and source differ, the source is emulated. Where both are silent the comment says
"undocumented", and what we chose.
"""

from __future__ import annotations

import base64
import html
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

from recording_core import CommunicationSession, SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, Emulator, Reply, Request, Webhook, build_file_reply
from recording_voipbin.emulated_bucket import Bucket, missing
from recording_voipbin.emulated_credentials import Account
from recording_voipbin.emulated_files import StoredFile, archive_key, zipped
from recording_voipbin.emulated_listing import page_of
from recording_voipbin.emulated_recording import LEGS, EmulatedRecording, Stuck
from recording_voipbin.emulated_refusals import NIL, Refused, start_body, uuid_in
from recording_voipbin.emulated_session import ZERO, EmulatedSession
from recording_voipbin.emulated_times import Age
from recording_voipbin.emulated_webhooks import REDELIVERY, Webhooks, facts_of

__all__ = ["VoIPBinEmulator"]

# https://api.voipbin.net/openapi.json: what is below /v1.0, `*` for an id -> what answers. HEAD is
# registered nowhere.
ROUTES: Mapping[str, str] = {
    "GET recordings": "_list",
    "GET recordings/*": "_get",
    "DELETE recordings/*": "_delete",
    "GET recordingfiles/*": "_download",
    "GET calls/*": "_session_row",
    "POST calls/*/recording_start": "_start",
    "POST calls/*/recording_stop": "_stop",
    "GET conferences/*": "_session_row",
    "POST conferences/*/recording_start": "_start",
    "POST conferences/*/recording_stop": "_stop",
    "GET storage_files": "_list_files",
    "GET storage_files/*": "_get_file",
    "GET storage_files/*/file": "_download_file",
    "GET customer": "_get_customer",
    "PUT customer": "_put_customer",
}
KINDS = {"calls": SessionKind.CALL, "conferences": SessionKind.CONFERENCE}
#: Seen in its source, while its pages know no maximum: to this a conference's recording is cut.
LONGEST = timedelta(days=1)
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
#: Past recordings of these places could not be stored, since the account was full: they have ended
#: and their archive stays empty.
UNSTORED = (31, 41)
#: A past time is whole in one of these units, so that its fraction has six digits, or fewer.
UNITS = (1, 1000, 10_000, 1_000_000)


class VoIPBinEmulator(Emulator):
    """VoIPBin's recording API, with one live call and one live conference.

    `signing` chooses which of the two credentials `credentials` holds; both are accepted always.
    `starting` is the time from `tm_create` to `tm_start`, `stopping` that from an explicit stop to
    `tm_end`. `settings` are those of every emulator; after `processing` a recording's last file is
    stored, which its status does not tell.
    """

    provider: ClassVar[str] = "voipbin"
    prefix: ClassVar[str] = "/v1.0"
    redelivery = REDELIVERY
    wall_clock: ClassVar[Mapping[str, Any]] = {"starting": timedelta(0), "stopping": timedelta(0)}

    #: how times are written
    timestamps: Age = "rfc3339"
    #: what the old page of the recording calls `reference_type`, and a confbridge
    reference_key: Literal["reference_type", "type"] = "reference_type"
    conference_word: Literal["confbridge", "conference"] = "confbridge"
    #: the credential may read recordings, and not what is stored
    storage_forbidden = False
    #: served in place of each recording's ZIP
    zip_override: bytes | None = None

    def __init__(
        self,
        *,
        signing: Literal["token", "accesskey"] = "token",
        starting: timedelta = timedelta(seconds=1),
        stopping: timedelta = timedelta(seconds=1),
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.starting = starting
        self.stopping = stopping
        letters = "".join(self.random.choices(string.ascii_letters + string.digits, k=32))
        self._account = Account(self._uuid(), f"vb_{letters}", self.random.randbytes(32))
        self.customer_id = self._account.customer_id
        self.accesskey = self._account.accesskey
        self.token = self._account.token(self.clock.now())
        self.credentials = {signing: self.token if signing == "token" else self.accesskey}
        #: what a login takes
        self.login = {"username": "emulated@example.com", "password": letters[::-1]}
        self._sessions: dict[str, EmulatedSession] = {}
        self._recordings: dict[str, EmulatedRecording] = {}
        self._uploads: list[StoredFile] = []
        #: archives that were asked for, by their key in the bucket
        self._archives: dict[str, tuple[StoredFile, ...]] = {}
        self._bucket = Bucket("", b"")
        self._webhooks = Webhooks(self.hook_random)
        self.sessions = [self.begin(kind) for kind in KINDS.values()]

    def populate(self) -> None:
        self._bucket = Bucket(self.media_origin, self.random.randbytes(32))
        now = self.clock.now()
        # Conferences come again; the live one has been recorded before.
        rooms = [self.sessions[1], *(self._past_session(SessionKind.CONFERENCE) for _ in "ab")]
        for index in range(self.recordings):
            unit = self.random.choice(UNITS)
            created = now - self.spread(index) - timedelta(seconds=self.random.random())
            room = rooms[index // 3 % len(rooms)] if index % 3 == 1 else None
            self.add(
                created=created.replace(microsecond=created.microsecond // unit * unit),
                duration=timedelta(milliseconds=self.random.randint(5_000, 120_000)),
                target=room,
                stored=0 if index in UNSTORED else None,
            )
        # What was uploaded lies among the recordings' files.
        self._uploads = [
            StoredFile(self._uuid(), f"greeting {n}.wav", now - timedelta(days=7 * n), 3.0)
            for n in (1, 2)
            if self.recordings
        ]

    def listed(self) -> list[str]:
        with self.lock:
            return [recording.id for recording in self._listed()]

    # -- what a test does behind the client's back ----------------------------------------------

    def begin(self, kind: SessionKind) -> CommunicationSession:
        """A call or conference begins."""
        with self.lock:
            id = self._uuid()
            reference = id if kind is SessionKind.CALL else self._uuid()
            self._sessions[id] = EmulatedSession(kind, id, reference, self.clock.now())
        return CommunicationSession(kind, id)

    def hang_up(self, target: CommunicationSession) -> None:
        """It is over, and so is its recording; that the recording is over it never learns."""
        with self.lock:
            session = self._sessions[target.id]
            session.over = True
            for id in session.recording_ids:
                if not self._recordings[id].stuck:
                    self._recordings[id].end(self.clock.now())

    def reference_id(self, target: CommunicationSession) -> str:
        """What the recordings of the target call it: for conferences, another id."""
        return self._sessions[target.id].reference_id

    def add(
        self,
        *,
        created: datetime | None = None,
        duration: timedelta = timedelta(minutes=1),
        kind: SessionKind = SessionKind.CALL,
        target: CommunicationSession | None = None,
        format: str = "wav",
        stuck: Stuck | None = None,
        stored: int | None = None,
        foreign: bool = False,
    ) -> str:
        """Plant a past recording, and give its id. `created` is its `tm_create`.

        It is of `target`, or of a session of that kind which is over. `stuck` is a status that it
        does not leave: `stopping` has ended nevertheless, the other two never do. `stored` is how
        many of its files ever arrive; None for all. A `foreign` one is another customer's.
        """
        with self.lock:
            session = self._sessions[(target or self._past_session(kind)).id]
            recording = self._keep(session, created or self.clock.now() - timedelta(hours=1))
            recording.format, recording.stuck, recording.foreign = format, stuck, foreign
            if stuck in (None, "stopping"):
                recording.end(recording.began + duration)
            if stored is not None:
                recording.file_ids = recording.file_ids[:stored]
            if session.over and session.kind is SessionKind.CALL:
                session.recording_id = recording.id  # since its hang-up cleared nothing
        return recording.id

    def remove(self, id: str) -> None:
        """The recording vanishes: row, files and all."""
        with self.lock:
            recording = self._recordings.pop(id)
            recording.session.recording_ids.remove(id)

    # -- what it tells by itself ----------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, str]:
        return {"secret": self._webhooks.secret}

    def hooks(self, fact: EmulatedEvent) -> Iterable[Webhook]:
        yield from super().hooks(fact)
        yield from self._webhooks.hooks()

    def signed(self, fact: EmulatedEvent, hook: Webhook, now: datetime) -> WebhookRequest:
        return self._webhooks.signed(fact, hook)

    def _follow(self, recording: EmulatedRecording) -> None:
        def facts(now: datetime) -> Iterable[EmulatedEvent]:
            if recording.id not in self._recordings:
                return ()
            return facts_of(recording, now, self._row)

        self.deliveries.follow(recording.id, facts)

    def _get_customer(self, request: Request, parts: Sequence[str]) -> Reply:
        return Reply.json({"id": self.customer_id, **self._webhooks.row()})

    def _put_customer(self, request: Request, parts: Sequence[str]) -> Reply:
        self._webhooks.configure(request)
        if self._webhooks.hook is not None:
            self.deliveries.open(self._webhooks.hook.url)
        return self._get_customer(request, parts)

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        given = request.header("x-request-id") or ""
        request_id = given if REQUEST_ID.fullmatch(given) else self._request_id()
        try:
            reply = self._routed(request)
        except Refused as refused:
            reply = refused.reply(request_id)
        return reply.with_headers(X_Request_Id=request_id)

    def _routed(self, request: Request) -> Reply:
        match request.segments():
            case ["auth", "login"] if request.method == "POST":
                return self._log_in(request)
            case ["v1.0", *parts]:
                pattern = "/".join("*" if place == 1 else part for place, part in enumerate(parts))
                name = ROUTES.get(f"{request.method} {pattern}")
            case _:
                name = None
        if name is None:
            raise Refused("NOT_FOUND", "ROUTE_NOT_FOUND", "The route was not found.")
        self._account.admit(request, self.clock.now())
        answer: Callable[[Request, Sequence[str]], Reply] = getattr(self, name)
        return answer(request, parts)

    def _log_in(self, request: Request) -> Reply:
        try:
            is_right = request.json() == self.login
        except ValueError:
            is_right = False
        if not is_right:
            return Reply(400)  # no envelope here; undocumented: whether it is a 401
        token = self._account.token(self.clock.now())
        return Reply.json({"username": self.login["username"], "token": token})

    def _list(self, request: Request, parts: Sequence[str]) -> Reply:
        page, token = page_of(self._listed(), request, self.timestamps)
        result = [self._row(recording) for recording in page]
        return Reply.json({"result": result, "next_page_token": token})

    def _get(self, request: Request, parts: Sequence[str]) -> Reply:
        return Reply.json(self._row(self._found(parts[1])))

    def _delete(self, request: Request, parts: Sequence[str]) -> Reply:
        recording = self._found(parts[1])
        recording.deleted = self.clock.now()  # and if it runs, it runs on
        return Reply.json(self._row(recording))

    def _download(self, request: Request, parts: Sequence[str]) -> Reply:
        """A redirect to a ZIP of what is stored by now; nobody looks at the status."""
        files = tuple(self._found(parts[1]).files(self.clock.now()))
        key = archive_key(files)
        self._archives[key] = files
        return self._redirect(key)

    def _session_row(self, request: Request, parts: Sequence[str]) -> Reply:
        return self._described(self._session(parts))

    def _start(self, request: Request, parts: Sequence[str]) -> Reply:
        session, told = self._session(parts), start_body(request)
        is_call = session.kind is SessionKind.CALL
        if session.over or session.recording_id != NIL:
            # https://docs.voipbin.net lists 409 for it; its source has no such code.
            if is_call:
                raise Refused("INTERNAL")
            return Reply.json(dict(ZERO))
        recording = self._keep(session, self.clock.now())
        recording.format = told["format"] or "wav"  # undocumented: what becomes of none
        recording.on_end_flow_id = told["on_end_flow_id"]
        session.recording_id = recording.id
        self._follow(recording)
        if told["duration"] > 0:
            seconds = min(told["duration"], 10**9)
            limit = timedelta(seconds=seconds)
            recording.end(recording.began + (limit if is_call else min(limit, LONGEST)))
        return self._described(session)

    def _stop(self, request: Request, parts: Sequence[str]) -> Reply:
        session = self._session(parts)
        is_call = session.kind is SessionKind.CALL
        if session.recording_id == NIL and is_call:
            return Reply.json(dict(ZERO))
        if session.over or session.recording_id == NIL:
            raise Refused("INTERNAL" if is_call else "INVALID_ARGUMENT")
        # Undocumented: a stop of what ended by itself. It clears `recording_id`, or nothing ever
        # would.
        if session.recording_id in self._recordings:
            self._recordings[session.recording_id].stop(self.clock.now())
        session.recording_id = NIL
        return self._described(session)

    def _list_files(self, request: Request, parts: Sequence[str]) -> Reply:
        self._refuse_storage()
        now = self.clock.now()
        # A deleted recording's files are there until they are deleted, too.
        own = (row for row in self._recordings.values() if not row.foreign)
        files = [*self._uploads, *(file for row in own for file in row.files(now))]
        page, token = page_of(files, request, self.timestamps)
        result = [self._file_row(file) for file in page]
        return Reply.json({"result": result, "next_page_token": token})

    def _get_file(self, request: Request, parts: Sequence[str]) -> Reply:
        return Reply.json(self._file_row(self._stored(parts[1])))

    def _download_file(self, request: Request, parts: Sequence[str]) -> Reply:
        return self._redirect(self._stored(parts[1]).key)

    # -- the media's port -----------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        if refusal := self._bucket.refusal(request, self.clock.now()):
            return refusal
        folder, name = request.segments()[1:3]
        if folder == "tmp":
            body = self.zip_override
            if body is None:
                body = zipped(self._archives[f"{folder}/{name}"])
            return build_file_reply(request, body, "application/zip")
        file = self._files().get(name)
        return missing() if file is None else build_file_reply(request, file.content(), "audio/wav")

    # -- what both are made of ------------------------------------------------------------------

    def _listed(self) -> list[EmulatedRecording]:
        rows = self._recordings.values()
        return [row for row in rows if row.deleted is None and not row.foreign]

    def _found(self, text: str) -> EmulatedRecording:
        id = uuid_in(text)
        recording = self._recordings.get(id)
        if recording is None:
            raise Refused("NOT_FOUND", "RECORDING_NOT_FOUND", "The recording was not found.")
        if recording.foreign:
            # https://docs.voipbin.net says 404.
            raise Refused("PERMISSION_DENIED")
        if recording.deleted is not None:
            raise Refused("NOT_FOUND", "RESOURCE_NOT_FOUND", "The resource was not found.")
        return recording

    def _session(self, parts: Sequence[str]) -> EmulatedSession:
        kind, id = KINDS[parts[0]], uuid_in(parts[1])
        session = self._sessions.get(id)
        if session is None or session.kind is not kind:
            # Undocumented: the reason; we form it as the recording's is formed.
            raise Refused("NOT_FOUND", f"{kind.upper()}_NOT_FOUND", f"The {kind} was not found.")
        return session

    def _files(self) -> dict[str, StoredFile]:
        """Everything that is stored now, by id."""
        now = self.clock.now()
        recorded = (file for row in self._recordings.values() for file in row.files(now))
        return {file.id: file for file in (*self._uploads, *recorded)}

    def _stored(self, text: str) -> StoredFile:
        self._refuse_storage()
        file = self._files().get(uuid_in(text))
        if file is None:
            raise Refused("NOT_FOUND", "RESOURCE_NOT_FOUND", "The resource was not found.")
        if file.reference_id in self._recordings and self._recordings[file.reference_id].foreign:
            raise Refused("PERMISSION_DENIED")
        return file

    def _refuse_storage(self) -> None:
        if self.storage_forbidden:
            raise Refused("PERMISSION_DENIED")

    def _row(self, recording: EmulatedRecording, at: datetime | None = None) -> dict[str, Any]:
        return recording.row(
            at or self.clock.now(),
            customer_id=self.customer_id,
            age=self.timestamps,
            key=self.reference_key,
            conference_word=self.conference_word,
        )

    def _file_row(self, file: StoredFile) -> dict[str, Any]:
        # Undocumented: whether each answer signs anew. The row has a column for the expiry, so we
        # sign once, and the URL of a file that is older than a day is dead.
        return file.row(self.customer_id, self._bucket.url(file.key, file.created), self.timestamps)

    def _described(self, session: EmulatedSession) -> Reply:
        return Reply.json(session.row(self.customer_id, self.timestamps))

    def _redirect(self, key: str) -> Reply:
        """A fresh URL, for 24 hours, in the header and in the page that Go writes beside it."""
        url = self._bucket.url(key, self.clock.now())
        page = f'<a href="{html.escape(url)}">Temporary Redirect</a>.\n\n'
        headers = {"Content-Type": "text/html; charset=utf-8", "Location": url}
        return Reply(307, page.encode(), headers)

    def _keep(self, session: EmulatedSession, created: datetime) -> EmulatedRecording:
        recording = EmulatedRecording(
            id=self._uuid(),
            session=session,
            created=created,
            file_ids=[self._uuid() for _ in LEGS[session.kind]],
            starting=self.starting,
            stopping=self.stopping,
            storing=self.processing,
            activeflow_id=self._uuid() if session.kind is SessionKind.CALL else NIL,
        )
        self._recordings[recording.id] = recording
        session.created = min(session.created, created)
        session.recording_ids.append(recording.id)
        return recording

    def _past_session(self, kind: SessionKind) -> CommunicationSession:
        target = self.begin(kind)
        self.hang_up(target)
        return target

    def _request_id(self) -> str:
        return "req_" + base64.b32encode(self.random.randbytes(17)).decode()[:26]

    def _uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))
