"""Recordings and sessions of the emulated Twilio, and the rows that it returns for them.

https://www.twilio.com/docs/voice/api/recording
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from attrs import define, evolve, field, frozen

from recording_core import Interval, SessionKind
from recording_core.plugin import Webhook, compute_recorded_time
from recording_twilio.emulator.authentication import build_sid

#: Conference names are reused, so that a name does not identify one conference.
CONFERENCE_NAMES = ("Daily Standup", "Support Line 7", "Board/Q3 50%")
#: Dollars per minute, as in the samples of rows.
PRICE = 0.0025
#: Rows of deleted recordings stay so long.
KEPT_AFTER_DELETION = timedelta(days=40)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)


@define
class EmulatedSession:
    """A call or conference. `call_sid` is that of the call, or of a member of the conference."""

    kind: SessionKind
    sid: str
    call_sid: str
    began: datetime
    #: the SID of the account that it belongs to
    account: str
    name: str = ""
    from_number: str = ""
    to_number: str = ""
    ended: datetime | None = None
    #: of a call that was not answered yet
    is_ringing: bool = False

    @property
    def call_status(self) -> str:
        if self.ended is not None:
            return "completed"
        return "ringing" if self.is_ringing else "in-progress"

    @property
    def conference_status(self) -> str:
        return "in-progress" if self.ended is None else "completed"

    @property
    def updated(self) -> datetime:
        return self.ended or self.began


@frozen
class EmulatedPause:
    """A pause, and whether it is cut out of the recording (`skip`) or is silence."""

    interval: Interval
    is_cut: bool


@define(eq=False)
class EmulatedRecording:
    """A recording, which ends when it is stopped or its session ends."""

    sid: str
    session: EmulatedSession
    started: datetime
    source: str
    channels: int = 1
    track: str = "both"
    stopped: datetime | None = None
    pauses: list[EmulatedPause] = field(factory=list)
    webhook: Webhook | None = None
    #: the words of `RecordingStatusCallbackEvent`
    events: tuple[str, ...] = ("completed",)
    #: of a recording that is `absent`
    error_code: int | None = None
    is_encrypted: bool = False
    #: the URL of its file in the customer's own storage
    own_storage: str | None = None
    deleted: datetime | None = None

    @property
    def account(self) -> str:
        return self.session.account

    @property
    def ended(self) -> datetime:
        return self.stopped or self.session.ended or NEVER

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1].interval.end is None

    @property
    def duration(self) -> timedelta:
        """The length of the file: pauses that are silence count."""
        cut = [each.interval for each in self.pauses if each.is_cut]
        length = compute_recorded_time(self.started, self.ended, cut)
        return timedelta(seconds=round(length.total_seconds()))

    def is_running(self, now: datetime) -> bool:
        return now < self.ended

    def has_media(self, now: datetime, processing: timedelta) -> bool:
        """Whether its file is stored at Twilio."""
        is_stored = self.error_code is None and self.own_storage is None
        return is_stored and self.deleted is None and now >= self.ended + processing

    def is_kept(self, now: datetime) -> bool:
        """Whether its row exists, of a deleted one for 40 days."""
        return self.deleted is None or now < self.deleted + KEPT_AFTER_DELETION

    def find_status(self, now: datetime, processing: timedelta, *, shows_state: bool) -> str:
        """Find the status that a GET shows: the same while it runs, is paused and is processed.

        With `shows_state` (assumption 7) it is that of the last update.
        """
        if self.deleted is not None:
            return "deleted"
        if shows_state and self.is_running(now):
            return "paused" if self.is_paused else "in-progress"
        if shows_state and self.stopped is not None and now < self.ended + processing:
            return "stopped"
        if now < self.ended + processing:
            return "processing"
        return "absent" if self.error_code is not None else "completed"

    def build_row(
        self,
        now: datetime,
        processing: timedelta,
        *,
        status: str | None = None,
        shows_state: bool = False,
        shows_null: bool = False,
    ) -> dict[str, Any]:
        """Build the fields that the rows of all paths have.

        `status` is the word of an answer to a create or update. `duration` is null in these, and
        "-1" or null (assumption 6) in any other row until the recording is completed.
        """
        word = status or self.find_status(now, processing, shows_state=shows_state)
        duration: str | None = str(self.duration // timedelta(seconds=1))
        if word == "absent":
            duration = "0"
        elif word not in ("completed", "deleted"):
            duration = None if status or shows_null else "-1"
        minutes = max(1, math.ceil(self.duration / timedelta(minutes=1)))
        is_billed = word == "completed"
        is_conference = self.session.kind is SessionKind.CONFERENCE
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "call_sid": self.session.call_sid,
            "channels": self.channels,
            "conference_sid": self.session.sid if is_conference else None,
            "date_created": _format_time(self.started),
            "date_updated": _format_time(min(now, self.ended + processing)),
            "duration": duration,
            "encryption_details": _ENCRYPTION if self.is_encrypted and is_billed else None,
            "error_code": self.error_code if word == "absent" else None,
            "price": f"-{PRICE * minutes:.4f}" if is_billed else None,
            "price_unit": "USD" if is_billed else None,
            "sid": self.sid,
            "source": self.source,
            "start_time": _format_time(self.started),
            "status": word,
        }


_ENCRYPTION = {
    "encryption_public_key_sid": "CR0123456789abcdef0123456789abcdef",
    "encryption_cek": "OV4h6zrsxMIW7h0Lfqwfn6TI2GCNl54",
    "encryption_iv": "8I2hhNIYNTrwxfHk",
}


def _format_time(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC))


def build_session(
    generator: random.Random, kind: SessionKind, name: str, began: datetime, account: str
) -> EmulatedSession:
    """Build a session with random SIDs and phone numbers."""
    call_sid = build_sid(generator, "CA")
    is_call = kind is SessionKind.CALL
    return EmulatedSession(
        kind=kind,
        sid=call_sid if is_call else build_sid(generator, "CF"),
        call_sid=call_sid,
        began=began,
        account=account,
        name="" if is_call else name,
        from_number=f"+1202555{generator.randrange(100, 200):04}",
        to_number=f"+1202555{generator.randrange(100, 200):04}",
    )


def build_member(conference: EmulatedSession) -> EmulatedSession:
    """Build the call of the member whose SID the rows of a conference's recordings have."""
    return evolve(conference, kind=SessionKind.CALL, sid=conference.call_sid, name="")
