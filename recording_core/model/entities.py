"""Entities: sessions, recordings, media files and copies, as frozen values.

The terms are those of SIPREC (RFC 7865 and RFC 7866).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from recording_core.model.enums import FileRole, RecordingStatus, SessionKind

if TYPE_CHECKING:
    from recording_core.model.events import RecordingEvent


@frozen
class CommunicationSession:
    """The call, conference or meeting that is recorded; passed as `target`.

    Build one with `call`, `conference` or `meeting`. Raises `ValueError` if the id is empty and
    `TypeError` if it is not a `str`.

    Attributes:
        kind: call, conference or meeting, as a `SessionKind` or its word
        id: the vendor's id, or the name if the vendor identifies conferences by name
    """

    kind: SessionKind = field(converter=SessionKind)
    id: str

    def __attrs_post_init__(self) -> None:
        check_id(self.id, f"the id of a {self.kind}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def check_id(value: object, what: str) -> str:
    """Return the id if a vendor could have assigned it.

    Raises `TypeError` if it is not a `str`, and `ValueError` if it is empty or contains control
    characters. `what` names the value in the message.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if not value.strip() or not value.isprintable():
        raise ValueError(f"{what} must not be empty or contain control characters")
    if value in (".", ".."):
        # In the path of a URL these lead upwards, even percent-encoded: `delete("..")` would
        # address the account.
        raise ValueError(f"{what} must not be {value!r}")
    return value


def call(id: str) -> CommunicationSession:
    """Return a call as a target, by the id that the vendor assigned."""
    return CommunicationSession(SessionKind.CALL, id)


def conference(id: str) -> CommunicationSession:
    """Return a conference as a target, by the id or name that the vendor uses."""
    return CommunicationSession(SessionKind.CONFERENCE, id)


def meeting(id: str) -> CommunicationSession:
    """Return a meeting or multiparty call as a target, by the id that the vendor uses."""
    return CommunicationSession(SessionKind.MEETING, id)


@frozen
class Interval:
    """The half-open interval `[start, end)`, such as a pause.

    Attributes:
        start: an aware UTC datetime
        end: an aware UTC datetime, or `None` if the interval has not ended
    """

    start: datetime
    end: datetime | None = None


def _format_repr(value: object, *facts: object) -> str:
    """Format what identifies a value on one line. Facts that are not known are left out."""
    known = (str(each) for each in facts if each is not None)
    return f"<{' '.join((type(value).__name__, *known))}>"


def _format_time(value: datetime | None) -> str | None:
    return None if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"


def _format_size(value: int | None) -> str | None:
    return None if value is None else f"{value:,} bytes"


# A frozen class without slots is initialised through its __dict__, in half the time that
# object.__setattr__ per field takes. These two classes are built for every row of a listing.
@frozen(slots=False)
class MediaFile:
    """One downloadable object of a recording.

    `None` means that the vendor does not report the value.

    Attributes:
        id: the id of this file within its recording, the same in every response
        role: the content: the mix, one leg, one participant's track, the video, or its audio
        format: the format in lower case, such as `mp3`
        media_type: the media type, such as `audio/mpeg`
        size: the size in bytes
        duration: the duration that the vendor itself reports for this file, never one that was
            computed from times; the length of a copy is compared with it
        channels: 1 or 2
        participant: the participant of a track, as the vendor identifies participants
        url: the address of the file. It may be signed: no repr, log or error shows its query
        url_expires_at: when the URL stops working; the file itself may exist for longer
        checksum: the checksum that the vendor reports, `"sha256:<64 hex digits>"`
        name: the vendor's name of the file; never used as a path
    """

    id: str
    role: FileRole
    format: str | None = None
    media_type: str | None = None
    size: int | None = None
    duration: timedelta | None = None
    channels: int | None = None
    participant: str | None = None
    url: str | None = None
    url_expires_at: datetime | None = None
    checksum: str | None = None
    name: str | None = None

    def __repr__(self) -> str:
        size = _format_size(self.size)
        return _format_repr(self, repr(self.id), self.role, self.format, size, self.duration)


@frozen(slots=False)
class Recording:
    """A recording: its facts and its files.

    Times are aware UTC datetimes and durations are `timedelta`. `None` means that the vendor does
    not report the value; it is never a guess.

    Attributes:
        provider: the provider's name, as passed to `rec.connect`
        account: the account's name, as passed to `rec.connect`
        id: the vendor's id of the recording
        kind: the kind of session that was recorded
        target: the session that was recorded, as `start` and `list(target=)` accept it; `None` if
            neither the response nor the caller named it
        reference: the vendor's id of that occurrence of the session, if it differs from `target.id`
        title: a name for people
        status: the status, in the same words for every vendor
        provider_status: the vendor's own word for the status
        started_at: when recording began
        ended_at: when recording ended
        created_at: when the vendor created the recording; `since` and `until` compare with it
        duration: the vendor's value, else `ended_at - started_at` if the vendor reports both
        size: the size in bytes, as the vendor counts it
        format: the format in lower case, such as `mp3`
        channels: 1 or 2
        sample_rate: the sample rate in hertz
        bit_rate: the bit rate in bits per second
        files: the files that can be downloaded; empty if there are none or none yet
        media_expires_at: when the vendor's retention removes the media
        deleted_at: when a user deleted the recording
        error: the vendor's reason for a failure, or how many of its files the vendor stored
        unread_fields: the paths in `raw` of fields that are present and could not be read
        raw: the vendor's payload, with credential fields masked; not compared by `==`
    """

    provider: str
    account: str
    id: str
    kind: SessionKind | None = None
    target: CommunicationSession | None = None
    reference: str | None = None
    title: str | None = None
    status: RecordingStatus = RecordingStatus.UNKNOWN
    provider_status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    created_at: datetime | None = None
    duration: timedelta | None = None
    size: int | None = None
    format: str | None = None
    channels: int | None = None
    sample_rate: int | None = None
    bit_rate: int | None = None
    files: tuple[MediaFile, ...] = ()
    media_expires_at: datetime | None = None
    deleted_at: datetime | None = None
    error: str | None = None
    unread_fields: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(factory=dict, eq=False)

    def __repr__(self) -> str:
        when = _format_time(self.started_at or self.created_at)
        return _format_repr(self, self.provider, repr(self.id), self.status, when, self.duration)

    def _repr_html_(self) -> str:
        """Return a table of the fields that have a value, for a notebook."""
        from recording_core.model.html_table import build_fields_table

        return build_fields_table(self, without=("raw",))

    def apply(self, event: RecordingEvent) -> Recording:
        """Return the recording with an event applied. A late or repeated event changes nothing.

        Final statuses never regress. Of pauses and resumes, the last one delivered wins, since only
        a session stores their times. Raises `ValueError` if the event belongs to another recording.
        """
        from recording_core.model.transitions import apply_to_recording

        return apply_to_recording(self, event)


@frozen
class RecordingSession:
    """One act of recording: `start` returns it, and `pause`, `resume` and `stop` accept it.

    A session is frozen: every verb returns a new one. You can keep it, compare it, serialise it and
    use it in another process.

    Attributes:
        provider: the provider's name
        account: the account's name, as passed to `rec.connect`
        id: the vendor's id of this act of recording; `None` if the vendor did not return one
        target: the call, conference or meeting that is recorded
        status: the status after the last verb
        provider_status: the vendor's own word for the status
        started_at: the vendor's time, else the local time of the start
        stopped_at: the vendor's time, else the local time of the stop; `None` before the stop
        pauses: the pauses by the local clock; the `end` of the last is `None` while paused
        parameters: the shared parameters that `start` was given, by keyword (without
            `callback_url` and `extra`), and others that later verbs repeat
        recordings: the resulting recordings, filled by `wait` and, if the vendor's response
            contains them, by `stop`
        raw: the vendor's last payload, with credential fields masked
        start_id: the vendor's id of the start, which webhooks about the recording repeat; `None`
            if they name the recording or the target instead
    """

    provider: str
    account: str
    id: str | None
    target: CommunicationSession
    status: RecordingStatus = RecordingStatus.PENDING
    provider_status: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    pauses: tuple[Interval, ...] = ()
    parameters: Mapping[str, Any] = field(factory=dict, hash=False)
    recordings: tuple[Recording, ...] = ()
    raw: Mapping[str, Any] = field(factory=dict, eq=False)
    start_id: str | None = field(default=None, eq=False, repr=False)

    def __repr__(self) -> str:
        length = None
        if self.started_at is not None and self.stopped_at is not None:
            length = self.stopped_at - self.started_at
        when = _format_time(self.started_at)
        return _format_repr(
            self, self.provider, repr(self.id), self.target, self.status, when, length
        )

    def apply(self, event: RecordingEvent) -> RecordingSession:
        """Return the session with an event of one of its recordings applied.

        The session and its recordings change together. Final statuses never regress, and late or
        repeated events change nothing. Pauses and resumes are ordered by the vendor's time; without
        one, the last delivered wins. An event belongs to a session without an id if it is about the
        same target, or repeats the `start_id`. Raises `ValueError` if the event
        belongs to another session.
        """
        from recording_core.model.transitions import apply_to_session

        return apply_to_session(self, event)


@frozen
class Copy:
    """A copy of a media file outside the vendor, and what was checked.

    Delete a recording at the vendor only if each of its files has a copy, and all are `verified`.

    Attributes:
        provider: the provider's name
        account: the account's name
        recording_id: the vendor's id of the recording
        file: the media file, as the vendor described it
        path: the path of the copy; its extension is that of the content
        size: the number of bytes written
        sha256: the SHA-256 of the bytes written, 64 hex digits
        checks: the checks that passed, out of `framing`, `size`, `checksum`, `format` and
            `duration`
        doubts: the reasons why the copy may not be what the vendor lists, as sentences
        made_at: when the copy was completed: an aware UTC datetime
    """

    provider: str
    account: str
    recording_id: str
    file: MediaFile
    path: Path
    size: int
    sha256: str
    checks: tuple[str, ...]
    doubts: tuple[str, ...] = field(default=(), kw_only=True)
    made_at: datetime

    def __repr__(self) -> str:
        state = "verified" if self.verified else "not verified"
        size = _format_size(self.size)
        return _format_repr(self, self.provider, repr(self.recording_id), self.path, size, state)

    @property
    def verified(self) -> bool:
        """Whether a check proved that the copy is complete, and nothing raises a doubt."""
        return not COMPLETENESS_CHECKS.isdisjoint(self.checks) and not self.doubts


#: The checks that prove that all bytes of a file arrived.
COMPLETENESS_CHECKS = frozenset({"framing", "size", "checksum"})


def set_target(recording: Recording, target: CommunicationSession | None) -> Recording:
    """Set the target that the caller gave, if the vendor's response names none."""
    if target is None or recording.target is not None:
        return recording
    return evolve(recording, target=target, kind=recording.kind or target.kind)


def close_pause(session: RecordingSession, at: datetime) -> RecordingSession:
    """Set the end of the session's last pause, if it has not ended."""
    if not session.pauses or session.pauses[-1].end is not None:
        return session
    *earlier, pause = session.pauses
    pause = Interval(pause.start, max(at, pause.start))  # the vendor's clock may be behind ours
    return evolve(session, pauses=(*earlier, pause))
