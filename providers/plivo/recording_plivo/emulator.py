"""What would Plivo answer? Its recordings, on loopback, as its pages and official clients say.

Where they are silent the comment says "undocumented", and what we chose.
"""

from __future__ import annotations

import base64
import string
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from recording_core import CommunicationSession, Interval, SessionKind, WebhookRequest
from recording_core.plugin import (
    MEDIA_TYPES,
    EmulatedEvent,
    Emulator,
    Reply,
    Request,
    Webhook,
    build_file_reply,
    build_media,
)
from recording_plivo.emulated_listing import Paging, page_of
from recording_plivo.emulated_requests import (
    Refused,
    answers_later,
    arguments,
    route,
    time_limit,
    words,
)
from recording_plivo.emulated_rows import Shape, Subject, Take
from recording_plivo.emulated_webhooks import (
    REDELIVERY,
    Told,
    facts_of,
    hook_in,
    signed,
    transcript_hook_in,
)

__all__ = ["PlivoEmulator"]

KINDS = {
    "Call": SessionKind.CALL,
    "Conference": SessionKind.CONFERENCE,
    "MultiPartyCall": SessionKind.MEETING,
}
# Undocumented: the body of a 401. It can hardly be JSON: at a JSON object without `objects` the
# official client's `recordings.list` (4.63) raises AttributeError in place of AuthenticationError.
UNAUTHORIZED = Reply(
    401,
    b"Could not verify your access level for that URL.",
    {"Content-Type": "text/plain", "WWW-Authenticate": 'Basic realm="Plivo"'},
)
#: Every tenth past recording is written as the page shows it, every tenth as in the first years.
PAST_SHAPES: Mapping[int, Shape] = {3: "page", 6: "2013"}
#: Conference names come again (each day's stand-up), so a name is no key of one conference.
NAMES = {
    SessionKind.CALL: ("",),
    SessionKind.CONFERENCE: ("Daily Standup #1", "noname", "Board/Q3 50%"),
    SessionKind.MEETING: ("Weekly Review", "Support Line 7"),
}


class PlivoEmulator(Emulator):
    """Plivo's recording API, with one live call, conference and multiparty call.

    `paging` chooses how `meta.next` goes on; `media_auth` is the console's switch "HTTP Auth on
    recordings", which no API can read. `settings` are those of every emulator.
    """

    provider = "plivo"
    prefix = "/v1"
    redelivery = REDELIVERY

    def __init__(
        self, *, paging: Paging = "offset", media_auth: bool = False, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.paging: Paging = paging
        self.media_auth = media_auth
        self.credentials = self._account("MA")
        #: opens the media of its own recordings, and here nothing else
        self.subaccount = self._account("SA")
        self._subjects: list[Subject] = []
        self._takes: dict[str, Take] = {}
        self._transcribed: set[str] = set()
        self.sessions = [
            self.begin(SessionKind.CALL),
            self.begin(SessionKind.CONFERENCE, NAMES[SessionKind.CONFERENCE][0]),
            self.begin(SessionKind.MEETING, NAMES[SessionKind.MEETING][0]),
        ]

    # -- what a test does behind the client's back ----------------------------------------------

    def begin(self, kind: SessionKind, name: str = "") -> CommunicationSession:
        """A call, conference or multiparty call (of two members) begins."""
        with self.lock:
            subject = self._new_subject(kind, name, self._now())
            self._subjects.append(subject)
        return CommunicationSession(kind, subject.ids()[0])

    def hang_up(self, target: CommunicationSession) -> None:
        """It is over, and so are the recordings of it."""
        now = self._now()
        with self.lock:
            subject = self._subject(target.kind, target.id)
            subject.over = True
            for take in self._takes.values():
                if take.subject is subject and take.is_running(now):
                    take.stopped = now

    def members(self, target: CommunicationSession) -> tuple[str, ...]:
        """The member ids of a live conference or multiparty call."""
        return self._subject(target.kind, target.id).members

    def uuid(self, target: CommunicationSession) -> str:
        """The uuid of this occurrence, for the filters and the `uuid_...` of a multiparty call."""
        return self._subject(target.kind, target.id).uuid

    def add(
        self,
        *,
        ended: datetime,
        duration: timedelta = timedelta(minutes=1),
        kind: SessionKind = SessionKind.CALL,
        name: str = "",
        format: str = "mp3",
        shape: Shape = "now",
        subaccount: str | None = None,
        added_after: timedelta | None = None,
    ) -> str:
        """Plant a past recording, and give its id. `add_time` is one to seven seconds later."""
        ended, started = _whole_ms(ended), _whole_ms(ended - duration)
        with self.lock:
            id = self._uuid()
            late = timedelta(microseconds=self.random.randrange(1_000_000, 6_800_000))
            take = Take(
                id=id[:18] if shape == "2013" else id,  # shown so short; not every id is a UUID
                subject=self._new_subject(kind, name or NAMES[kind][0], started),
                started=started,
                stopped=ended,
                file_format=format,
                subaccount=subaccount,
                shape=shape,
                added_after=late if added_after is None else added_after,
            )
            self._takes[take.id] = take
        return take.id

    def remove(self, id: str) -> None:
        """The recording vanishes: row, media and all."""
        with self.lock:
            del self._takes[id]

    def populate(self) -> None:
        now = self._now()
        kinds = list(SessionKind)
        for index in range(self.recordings):
            kind = kinds[index % 3]
            seconds = 0.0 if index % 14 == 4 else self.random.uniform(1, 1200)
            self.add(
                ended=now - self.spread(index),
                duration=timedelta(seconds=seconds),
                kind=kind,
                name=self.random.choice(NAMES[kind]),
                format="wav" if index % 7 == 5 else "mp3",
                # There were no multiparty calls in the years of the older shapes.
                shape="now" if kind is SessionKind.MEETING else PAST_SHAPES.get(index % 10, "now"),
            )

    def listed(self) -> list[str]:
        with self.lock:
            return [take.id for take in self._takes.values() if self._is_listed(take)]

    # -- what it tells by itself ----------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, str]:
        return {"secret": self.credentials["auth_token"]}

    def hooks(self, fact: EmulatedEvent) -> Iterable[Webhook]:
        """The URL that the start named; where it named none, that of `deliver_to`."""
        told: Told = fact.told
        return super().hooks(fact) if told.hook is None else (told.hook,)

    def signed(self, fact: EmulatedEvent, hook: Webhook, now: datetime) -> WebhookRequest:
        return signed(fact.told, hook, self.credentials["auth_token"], self.hook_random)

    def _follow(self, take: Take) -> None:
        def facts(now: datetime) -> Iterable[EmulatedEvent]:
            if take.id not in self._takes:
                return ()
            return facts_of(take, now, self._url(take), self.processing)

        self.deliveries.follow(take.id, facts)
        for hook in (take.hook, take.transcript_hook):
            if hook is not None:
                self.deliveries.open(hook.url)

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        auth_id = self.credentials["auth_id"]
        # Undocumented: another account's path. We say what a wrong credential is told.
        if not _opens(request, self.credentials) or request.segments()[2:3] != [auth_id]:
            return UNAUTHORIZED
        try:
            name, parts = route(request)
            args = arguments(request)
        except Refused as refused:
            return self._json(refused.status, error=refused.error)
        try:
            reply: Reply = getattr(self, name)(parts, args)
        except Refused as refused:
            reply = self._json(refused.status, error=refused.error)
        if answers_later(parts, args):
            return self._json(202, message="async api spawned")  # whatever the answer is
        return reply

    def _list(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        takes = [take for take in self._takes.values() if self._is_listed(take)]
        path = f"/v1/Account/{self.credentials['auth_id']}/Recording/"
        shown, meta = page_of(takes, args, now=self._now(), path=path, paging=self.paging)
        return self._json(meta=meta, objects=[self._row(take) for take in shown])

    def _get(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        return self._json(**self._row(self._listed(parts[1])))

    def _delete(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        del self._takes[self._listed(parts[1]).id]
        return Reply(204)

    def _start(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        subject, member = self._recorded(parts)
        words(args)
        limit = time_limit(args) if subject.kind is SessionKind.CALL else None
        # Undocumented: starting twice. Both record, each on its own.
        take = Take(
            id=self._uuid(),
            subject=subject,
            started=self._now(),
            file_format=args.get("file_format") or "mp3",
            limit=limit,
            member=member,
            hook=hook_in(args),
            transcript_hook=transcript_hook_in(args),
        )
        self._takes[take.id] = take
        self._follow(take)
        url = self._url(take)
        if subject.kind is SessionKind.MEETING:
            whose = subject.name if member is None else f"{subject.name} participant {member}"
            message = f"MPC: {whose} record started"
            said = {"message": message, "recording_id": take.id, "recording_url": url}
        else:
            message = f"{subject.kind} recording started"
            said = {"url": url, "message": message, "recording_id": take.id}
        take.api_id = self._uuid()
        return Reply.json({"api_id": take.api_id, **said}, 202)

    def _stop(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        running = self._running(*self._recorded(parts))
        # https://www.plivo.com/docs/api/call/record/: `URL` stops that one of a call's recordings.
        if parts[0] == "Call" and args.get("URL"):
            running = [take for take in running if self._url(take) == args["URL"]]
        # Undocumented: stopping what is not recorded, for multiparty calls pausing it. We say 404.
        if not running:
            raise Refused(404)
        for take in running:
            take.stopped = self._now()
        return Reply(204)

    def _pause(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        for take in self._to_pause(parts):
            if not take.pauses or take.pauses[-1].end is not None:
                take.pauses.append(Interval(self._now()))
        return Reply(204)

    def _resume(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        for take in self._to_pause(parts):
            if take.pauses and take.pauses[-1].end is None:
                take.pauses[-1] = Interval(take.pauses[-1].start, self._now())
        return Reply(204)

    def _to_pause(self, parts: Sequence[str]) -> list[Take]:
        """Undocumented: pausing or resuming twice. We take it as the vendor takes the first."""
        running = self._running(*self._recorded(parts))
        if not running:
            raise Refused(404)
        return running

    def _conferences(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        live = [s for s in self._subjects if s.kind is SessionKind.CONFERENCE and not s.over]
        return self._json(conferences=[subject.name for subject in live])

    def _conference(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        subject, _ = self._recorded(parts)
        ran = (self._now() - subject.began) // timedelta(seconds=1)
        return self._json(
            conference_name=subject.name,
            conference_run_time=str(ran),
            conference_member_count=str(len(subject.members)),
            members=[{"member_id": member} for member in subject.members],
        )

    def _multiparty_call(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        subject = self._subject(SessionKind.MEETING, parts[1])
        # Undocumented: whether a participant's own recording, or a paused one, counts. We count
        # the paused one alone.
        recorded = bool(self._running(subject, None))
        return self._json(
            mpc_uuid=subject.uuid,
            friendly_name=subject.name,
            status="ended" if subject.over else "active",
            recording="recording" if recorded else "not-recording",
        )

    def _transcribe(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self._transcribed.add(self._listed(parts[1]).id)
        return self._json(202, message="transcription in progress")

    def _transcript(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        take = self._listed(parts[1])
        words(args, "type")
        if take.id not in self._transcribed:
            raise Refused(404)
        return self._json(
            cost=0.0,
            rate=0.0,
            # Whole numbers here, decimals in quotes in the recording object.
            recording_duration_ms=take.duration // timedelta(milliseconds=1),
            recording_start_ms=int(take.started.timestamp() * 1000),
            status="success",
            transcription="Hello.",
        )

    def _forget(self, parts: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self._transcribed.discard(self._listed(parts[1]).id)
        return self._json(message="request accepted")

    # -- the media's port -----------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        """Public unless `media_auth`; 404 until there is a row, though the start named the URL."""
        if request.method not in ("GET", "HEAD"):
            return self._json(405, error="method not allowed")
        account = self.credentials["auth_id"]
        takes = (take for take in self._takes.values() if self._is_listed(take))
        take = next((take for take in takes if take.media_path(account) == request.path), None)
        # The host of the first years never asked. A subaccount's media asks for its credentials.
        if self.media_auth and not request.path.startswith("/recordings_2013/"):
            owner = self.subaccount if take and take.subaccount else self.credentials
            if not _opens(request, owner):
                return UNAUTHORIZED
        if take is None:
            return self._json(404, error="not found")
        # Content types and ranges are undocumented; a client must check the first and may use both.
        body = build_media(take.file_format, take.duration)
        return build_file_reply(request, body, MEDIA_TYPES[take.file_format])

    # -- what both are made of ------------------------------------------------------------------

    def _json(self, status: int = 200, /, **fields: Any) -> Reply:
        return Reply.json({"api_id": self._uuid(), **fields}, status)

    def _row(self, take: Take) -> dict[str, Any]:
        return take.row(self.credentials["auth_id"], self.media_origin, self._now())

    def _url(self, take: Take) -> str:
        return self.media_origin + take.media_path(self.credentials["auth_id"])

    def _now(self) -> datetime:
        return _whole_ms(self.clock.now())

    def _is_listed(self, take: Take) -> bool:
        return take.is_listed(self._now(), self.processing)

    def _listed(self, id: str) -> Take:
        """A take whose row is there; while it runs, and shortly after, Plivo does not know it."""
        take = self._takes.get(id)
        if take is None or not self._is_listed(take):
            raise Refused(404)
        return take

    def _subject(self, kind: SessionKind, id: str) -> Subject:
        """The last one of that id, be it over."""
        for subject in reversed(self._subjects):
            if subject.kind is kind and id in subject.ids():
                return subject
        raise Refused(404)

    def _recorded(self, parts: Sequence[str]) -> tuple[Subject, str | None]:
        """Whom the path names: a live subject, and the participant if it names one."""
        subject = self._subject(KINDS[parts[0]], parts[1])
        member = parts[3] if parts[2:3] == ["Participant"] else None
        if subject.over or member not in (None, *subject.members):
            raise Refused(404)
        return subject, member

    def _running(self, subject: Subject, member: str | None) -> list[Take]:
        """The recordings of the whole, or those of one participant: neither stops the other."""
        now = self._now()
        return [
            take
            for take in self._takes.values()
            if take.subject is subject and take.member == member and take.is_running(now)
        ]

    def _new_subject(self, kind: SessionKind, name: str, began: datetime) -> Subject:
        call_uuid = self._uuid()
        is_call = kind is SessionKind.CALL
        return Subject(
            kind=kind,
            uuid=call_uuid if is_call else self._uuid(),
            call_uuid=call_uuid,  # conferences' recordings carry one, too: a member's
            began=began,
            name="" if is_call else name,
            members=() if is_call else tuple(str(self.random.randrange(1000, 9999)) for _ in "ab"),
            from_number=f"+1202555{self.random.randrange(100, 200):04}",
            to_number="sip:agent@phone.plivo.com"
            if self.random.random() < 0.3
            else f"+1202555{self.random.randrange(100, 200):04}",
        )

    def _account(self, prefix: str) -> dict[str, str]:
        """Credentials that pass the official client's validators: MA or SA, and eighteen more."""
        id = "".join(self.random.choices(string.ascii_uppercase + string.digits, k=18))
        token = "".join(self.random.choices(string.ascii_letters + string.digits, k=40))
        return {"auth_id": prefix + id, "auth_token": token}

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))


def _whole_ms(moment: datetime) -> datetime:
    """Plivo counts milliseconds, so that its end less its start is its duration."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _opens(request: Request, account: Mapping[str, str]) -> bool:
    pair = f"{account['auth_id']}:{account['auth_token']}"
    expected = base64.b64encode(pair.encode()).decode()
    return request.header("authorization") == f"Basic {expected}"
