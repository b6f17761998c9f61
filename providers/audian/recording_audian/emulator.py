"""What would Audian answer? Its recordings of calls and conferences, on loopback.

    https://docs.audian.com/call-control/call-recording
    https://docs.audian.com/conferences/recording

These two pages are emulated, in their own words, which differ. Where they are silent the comment
says "undocumented", and what we chose: the harsher reading.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar
from uuid import UUID

from recording_audian.emulated_answers import (
    Echo,
    Envelope,
    ErrorShape,
    Refused,
    enveloped,
    refusal,
)
from recording_audian.emulated_keys import Keys, shown_token
from recording_audian.emulated_ledger import Ledger, not_found
from recording_audian.emulated_links import Links, missing
from recording_audian.emulated_listing import SinceReads, page_of_a_conference, page_of_calls
from recording_audian.emulated_requests import (
    body_of,
    call_parameters,
    conference_parameters,
)
from recording_audian.emulated_takes import KEPT, CallTake, ConferenceTake, Take, written
from recording_audian.emulated_webhooks import REDELIVERY, Webhooks, facts_of
from recording_core import CommunicationSession, Interval, SessionKind, WebhookRequest
from recording_core.plugin import (
    MEDIA_TYPES,
    EmulatedEvent,
    Emulator,
    Reply,
    Request,
    Webhook,
    build_file_reply,
)

__all__ = ["AudianEmulator"]

#: What a handler gives: the payload of a success, which is put into its envelope later.
Answer = dict[str, Any] | Reply

CALL, CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
#: The past recordings of calls have these in turn, and the live conference's these two.
PAST_FORMATS = ("mp3", "opus", "mp3", "wav", "mp3", "mp3", "opus")
PAST_OF_THE_CONFERENCE: Sequence[Mapping[str, Any]] = (
    {"name": "Team Standup - Feb 4", "format": "wav", "quality": "high"},
    {"format": "m4a", "quality": "economy"},
)


class AudianEmulator(Emulator):
    """Audian's recording API, with one live call and one live conference.

    `starting` is how long a call's recording is `initiated`. The attributes choose among what
    Audian's pages contradict each other on, or say nothing of; a test sets them.
    """

    provider: ClassVar[str] = "audian"
    prefix: ClassVar[str] = "/v2"
    keeps: ClassVar[timedelta] = KEPT
    wall_clock: ClassVar[Mapping[str, Any]] = {"starting": timedelta(0)}
    redelivery = REDELIVERY

    #: how successes and errors are written
    envelope: Envelope = "bare"
    error_shape: ErrorShape = "seed"
    #: the key opens nothing but `PUT /v2/api_auth`, as where Kazoo is asked directly
    exchange_only = False
    #: "short-lived", says https://docs.audian.com/authentication/tokens, and names no number;
    #: its access tokens have at least this long
    token_lifetime = timedelta(minutes=15)
    #: each start is 429, and trying again does not help
    quota_exceeded = False
    since_reads: SinceReads = "created_at"
    #: where the vendor's clocks stand, if it reads the time in `since` and overlooks its `Z`
    since_zone: tzinfo | None = None
    #: how a download leads to the temporary URL, undocumented; None where the answer is the file
    #: itself, as in the conferences' sample, which follows no redirect
    redirect_status: int | None = 302
    #: what a second start gets, a pause of what is paused, a resume of what records; undocumented
    conflict_status = 409
    #: what a download gets whose recording has no media: undocumented, but the calls' page has the
    #: 404 under the heading "Recording Not Available"
    unready_status = 404

    def __init__(self, *, starting: timedelta = timedelta(seconds=1), **settings: Any) -> None:
        super().__init__(**settings)
        self.starting = starting
        key = "".join(self.random.choices(string.ascii_letters + string.digits, k=40))
        self.credentials = {"api_key": key}
        self._keys = Keys(key, self._hex(32), self.random)
        self._links = Links("", b"")
        self._webhooks = Webhooks(self.hook_random)
        self._calls = Ledger[CallTake](self.clock)
        self._conferences = Ledger[ConferenceTake](self.clock)
        self.sessions = [self.begin(CALL), self.begin(CONFERENCE)]

    def populate(self) -> None:
        self._links = Links(self.media_origin, self.random.randbytes(32))
        if not self.recordings:
            return
        for index in range(self.recordings):
            format = PAST_FORMATS[index % len(PAST_FORMATS)]
            # A WAV is large: 16 kB for each second.
            seconds = self.random.randrange(1, 180 if format == "wav" else 1200)
            self.add(
                ago=self.spread(index),
                duration=timedelta(seconds=0 if index % 14 == 4 else seconds),
                failed=index == 2,
                format=format,
            )
        for days, told in enumerate(PAST_OF_THE_CONFERENCE, 1):
            ago, long = timedelta(days=days), timedelta(minutes=days)
            self.add(CONFERENCE, session_id=self.sessions[1].id, ago=ago, duration=long, **told)

    def listed(self) -> list[str]:
        """Those of calls: Audian enumerates no conferences, and so none of their recordings."""
        with self.lock:
            return [take.id for take in self._calls.kept()]

    @property
    def conference_recordings(self) -> dict[str, list[str]]:
        """Conference id -> the ids of its recordings, which only who knows the former can list."""
        with self.lock:
            found: dict[str, list[str]] = {}
            for take in self._conferences.kept():
                found.setdefault(take.session_id, []).append(take.id)
            return found

    # -- what a test does behind the client's back ----------------------------------------------

    def begin(self, kind: SessionKind) -> CommunicationSession:
        """A call or a conference begins."""
        with self.lock:
            target = self._new_session(kind)
            self._ledger(kind).live.add(target.id)
        return target

    def hang_up(self, target: CommunicationSession) -> None:
        """It is over, and so is the recording of it."""
        with self.lock:
            self._ledger(target.kind).hang_up(target.id)

    def add(
        self,
        kind: SessionKind = CALL,
        *,
        session_id: str | None = None,
        ago: timedelta = timedelta(hours=1),
        duration: timedelta | None = timedelta(minutes=1),
        failed: bool = False,
        **told: Any,
    ) -> str:
        """Plant a recording that ended `ago`, and give its id; `told` is what its start was.

        With `duration=None` it began `ago`, and still runs.
        """
        at = self.clock.now() - ago
        with self.lock:
            session_id = session_id or self._new_session(kind).id
            take: Take
            if kind is CALL:
                take = self._record_call(session_id, call_parameters(told))
            else:
                take = self._record_conference(session_id, conference_parameters(told))
            take.failed = failed
            if duration is None:
                take.started = at
                self._ledger(kind).live.add(session_id)
                self._follow(take, since=self.clock.now())
            else:
                take.started, take.stopped = at - duration, at
        return take.id

    def remove(self, id: str) -> None:
        """The recording vanishes: row, media and all."""
        with self.lock:
            takes = self._calls.takes if id in self._calls.takes else self._conferences.takes
            del takes[id]

    # -- what it tells by itself ----------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, str]:
        return {"secret": self._webhooks.secret}

    def hooks(self, fact: EmulatedEvent) -> Iterable[Webhook]:
        yield from super().hooks(fact)
        yield from self._webhooks.hooks(fact)

    def signed(self, fact: EmulatedEvent, hook: Webhook, now: datetime) -> WebhookRequest:
        return self._webhooks.signed(fact, hook, now)

    def _follow(self, take: Take, since: datetime) -> None:
        """Of conferences' recordings no event is documented, and none is sent."""
        if isinstance(take, CallTake):

            def facts(now: datetime) -> Iterable[EmulatedEvent]:
                if take.id not in self._calls.takes:
                    return ()
                known = facts_of(take, now, self.base_url)
                return [fact for fact in known if fact.at >= since]

            self.deliveries.follow(take.id, facts)

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        echo = Echo(shown_token(request), self._hex(32))
        now = self.clock.now()
        shape = self.error_shape
        try:
            if (request.method, request.path) == ("PUT", f"{self.prefix}/api_auth"):
                # This endpoint is the other API's, and so is how it answers, always.
                shape = "kazoo"
                return Reply.json(self._keys.exchange(request, now, self.token_lifetime), 201)
            self._keys.check(request, now, exchange_only=self.exchange_only)
            answer = self._routed(request)
        except Refused as refused:
            return Reply.json(refusal(refused, shape, echo), refused.status)
        if isinstance(answer, Reply):
            return answer
        return Reply.json(enveloped(answer, self.envelope, echo))

    def _routed(self, request: Request) -> Answer:
        # Undocumented: the statuses of what the calls' page shows. All are 200, as conferences'.
        match (request.method, *request.segments()):
            case ("POST", "v2", "calls"):
                return self._make_call(body_of(request))
            case ("POST", "v2", "calls", id, "record", verb):
                return self._tell_call(id, verb, request)
            case ("POST", "v2", "conferences"):
                return self._make_conference(body_of(request))
            case ("POST", "v2", "conferences", id, "recording", verb):
                return self._tell_conference(id, verb, request)
            case ("GET", "v2", "recordings"):
                return self._list_of_calls(request)
            case ("GET", "v2", "recordings", id):
                # Undocumented: a conference's recording by this path. It is not found, here.
                return self._calls.found(id).row(self.clock.now())
            case ("DELETE", "v2", "recordings", id):
                self._delete(self._calls, self._calls.found(id))
                return {"recording_id": id, "deleted_at": written(self.clock.now())}
            case ("GET", "v2", "recordings", id, "download"):
                return self._download(id, request)
            case ("GET", "v2", "conferences", conference_id, "recordings"):
                return self._list_of_a_conference(conference_id, request)
            case ("GET", "v2", "conferences", conference_id, "recordings", id):
                take = self._of_a_conference(conference_id, id)
                return take.row(self.clock.now(), self.base_url)
            case (_, "v2", "webhooks", *path):
                reply = self._webhooks.answer(request, path)
                for hook in self._webhooks.configured.values():
                    self.deliveries.open(hook.url)
                return reply
            case ("DELETE", "v2", "conferences", conference_id, "recordings", id):
                take = self._of_a_conference(conference_id, id)
                self._delete(self._conferences, take)
                return Reply(204)  # undocumented
        raise not_found("Path")  # undocumented, as is a method that the path does not know

    # -- calls ----------------------------------------------------------------------------------

    def _make_call(self, body: Mapping[str, Any]) -> Answer:
        """https://docs.audian.com/call-control/making-calls: the answer names no recording."""
        told = body.get("recording", {})
        parties = (body.get("from"), body.get("to"))
        if not isinstance(told, dict) or not all(isinstance(party, str) for party in parties):
            raise Refused(400, "invalid_request_error", "from and to are required")
        parameters = call_parameters(told)
        target = self.begin(CALL)
        if told.get("enabled"):
            begun = self._record_call(target.id, parameters)
            self._follow(begun, since=begun.started)
        return {
            "call_id": target.id,
            "call_uuid": str(UUID(int=self.random.getrandbits(128), version=4)),
            "from": body["from"],
            "to": body["to"],
            "status": "initiated",
            "created_at": written(self.clock.now()),
        }

    def _tell_call(self, id: str, verb: str, request: Request) -> Answer:
        now = self.clock.now()
        match verb:
            case "start":
                parameters = call_parameters(body_of(request))
                self._refuse_a_start(self._calls, id)
                begun = self._record_call(id, parameters)
                self._follow(begun, since=begun.started)
                return begun.start_answer()
            case "stop":
                take = self._calls.to_be_told(id)
                take.stopped = now
                return take.stop_answer()
            case "pause":
                take = self._in_status("recording", id)
                take.pauses.append(Interval(now))
                return take.pause_answer(now)
            case "resume":
                take = self._in_status("paused", id)
                take.pauses[-1] = Interval(take.pauses[-1].start, now)
                return take.pause_answer(now)
        raise not_found("Path")

    def _in_status(self, wanted: str, call_id: str) -> CallTake:
        take = self._calls.to_be_told(call_id)
        status = take.status(self.clock.now())
        if status != wanted:
            raise self._conflict(f"The recording is {status}")
        return take

    def _record_call(self, call_id: str, parameters: Mapping[str, Any]) -> CallTake:
        return self._calls.keep(
            CallTake(
                id=self._id("rec"),
                session_id=call_id,
                started=self.clock.now(),
                starting=self.starting,
                processing=self.processing,
                **parameters,
            )
        )

    def _list_of_calls(self, request: Request) -> Answer:
        """Undocumented: whether conferences' recordings are in it. They are not, here."""
        return page_of_calls(
            self._calls.kept(),
            request,
            self.clock.now(),
            since_reads=self.since_reads,
            since_zone=self.since_zone,
        )

    # -- conferences ----------------------------------------------------------------------------

    def _make_conference(self, body: Mapping[str, Any]) -> Answer:
        """https://docs.audian.com/conferences/create: the answer names no recording.

        Undocumented: the rest of the answer.
        """
        name, record = body.get("name"), body.get("record", False)
        if not isinstance(name, str) or not isinstance(record, bool):
            raise Refused(400, "invalid_request_error", "name is required")
        target = self.begin(CONFERENCE)
        if record:
            self._record_conference(target.id, conference_parameters({}))
        now = written(self.clock.now())
        return {"id": target.id, "name": name, "record": record, "created_at": now}

    def _tell_conference(self, id: str, verb: str, request: Request) -> Answer:
        now = self.clock.now()
        match verb:
            case "start":
                parameters = conference_parameters(body_of(request))
                self._refuse_a_start(self._conferences, id)
                return self._record_conference(id, parameters).row(now, self.base_url)
            case "stop":
                take = self._conferences.to_be_told(id)
                take.stopped = now
                return take.row(now, self.base_url)
        raise not_found("Path")

    def _record_conference(
        self, conference_id: str, parameters: Mapping[str, Any]
    ) -> ConferenceTake:
        return self._conferences.keep(
            ConferenceTake(
                id=self._id("rec"),
                session_id=conference_id,
                started=self.clock.now(),
                **parameters,
            )
        )

    def _of_a_conference(self, conference_id: str, id: str) -> ConferenceTake:
        take = self._conferences.found(id)
        if take.session_id != conference_id:
            raise not_found()
        return take

    def _list_of_a_conference(self, conference_id: str, request: Request) -> Answer:
        ever = {take.session_id for take in self._conferences.takes.values()}
        if conference_id not in ever | self._conferences.live:
            raise not_found("Conference")
        takes = [take for take in self._conferences.kept() if take.session_id == conference_id]
        return page_of_a_conference(takes, request, self.clock.now(), self.base_url)

    # -- both, and their media ------------------------------------------------------------------

    def _refuse_a_start(self, ledger: Ledger[Any], session_id: str) -> None:
        if session_id not in ledger.live:
            raise not_found("Call" if ledger is self._calls else "Conference")
        if ledger.running(session_id):
            # Undocumented, as is whether two may record the same.
            raise self._conflict("A recording is already in progress")
        if self.quota_exceeded:
            raise Refused(429, "quota_exceeded", "Recording storage quota exceeded")

    def _delete(self, ledger: Ledger[Any], take: Take) -> None:
        if take.runs(self.clock.now()):
            raise self._conflict("The recording is in progress")  # undocumented
        del ledger.takes[take.id]

    def _download(self, id: str, request: Request) -> Reply:
        """Of either kind, by the same path."""
        take, now = self._of_either(id), self.clock.now()
        if take is None or (not take.is_ready(now) and self.unready_status == 404):
            raise not_found()
        if not take.is_ready(now):
            raise Refused(self.unready_status, "conflict", "The recording is not ready")
        if self.redirect_status is None:
            return _file(request, take)
        url = self._links.url(f"{take.id}.{take.format}", now)
        return Reply(self.redirect_status, headers={"Location": url})

    def answer_media(self, request: Request) -> Reply:
        if refused := self._links.refusal(request, self.clock.now()):
            return refused
        take = self._of_either(request.segments()[-1].partition(".")[0])
        return _file(request, take) if take else missing()

    def _of_either(self, id: str) -> Take | None:
        return self._calls.find(id) or self._conferences.find(id)

    # -- what all are made of -------------------------------------------------------------------

    def _ledger(self, kind: SessionKind) -> Ledger[Any]:
        return self._calls if kind is CALL else self._conferences

    def _new_session(self, kind: SessionKind) -> CommunicationSession:
        return CommunicationSession(kind, self._id("call" if kind is CALL else "conf"))

    def _conflict(self, message: str) -> Refused:
        return Refused(self.conflict_status, "conflict", message)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._hex(12)}"

    def _hex(self, digits: int) -> str:
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"


def _file(request: Request, take: Take) -> Reply:
    return build_file_reply(request, take.content(), MEDIA_TYPES[take.format])
