"""What is a recording? Frozen values in the field's own words (SIPREC, RFC 7865 and 7866)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from recording_core.model.enums import FileRole, RecordingStatus, SessionKind
from recording_core.redaction import redact_url

if TYPE_CHECKING:
    from recording_core.model.events import RecordingEvent

__all__ = [
    "CommunicationSession",
    "Copy",
    "Interval",
    "MediaFile",
    "Recording",
    "RecordingSession",
    "call",
    "conference",
    "meeting",
]


@frozen
class CommunicationSession:
    """The call, conference or meeting that takes place; passed as `target`.

    Raises `ValueError` for an empty id and `TypeError` for one that is no text.

    Attributes:
        kind: call, conference or meeting; its word is taken, too
        id: what the vendor calls it: an id, or a name where conferences have names
    """

    kind: SessionKind = field(converter=SessionKind)
    id: str

    def __attrs_post_init__(self) -> None:
        check_id(self.id, f"the id of a {self.kind}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def check_id(value: object, what: str) -> str:
    """The id as it is, or `TypeError`, or `ValueError` for one that no vendor could have given."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if not value.strip() or not value.isprintable():
        raise ValueError(f"{what} must not be empty or hold control characters")
    if value in (".", ".."):
        # In a URL's path they lead upwards, quoted or not: `delete("..")` would name the account.
        raise ValueError(f"{what} must not be {value!r}")
    return value


def call(id: str) -> CommunicationSession:
    """A call, by the id that its vendor gave it."""
    return CommunicationSession(SessionKind.CALL, id)


def conference(id: str) -> CommunicationSession:
    """A conference, by the id or name that its vendor knows it by."""
    return CommunicationSession(SessionKind.CONFERENCE, id)


def meeting(id: str) -> CommunicationSession:
    """A meeting or multiparty call, by the id that its vendor knows it by."""
    return CommunicationSession(SessionKind.MEETING, id)


@frozen
class Interval:
    """`[start, end)`, such as a pause.

    Attributes:
        start: aware, in UTC
        end: the same; `None` while it goes on
    """

    start: datetime
    end: datetime | None = None


def _shown_url(url: str | None) -> str:
    return repr(redact_url(url)) if url else repr(url)


# Without slots a frozen class fills its __dict__, which takes half as long as object.__setattr__ a
# field; these two are built for every row of every listing.
@frozen(slots=False)
class MediaFile:
    """One object of a recording that can be had as a file. `None`: the vendor does not say.

    Attributes:
        id: the same in every answer, and another than that of the recording's other files
        role: everybody mixed, one leg, one participant's track, the video, the audio beside it
        format: in lower case, such as `mp3`
        media_type: such as `audio/mpeg`
        size: bytes
        duration: of this file
        channels: 1, or 2
        participant: whose track it is, as the vendor names participants
        url: where it is fetched from. It may be signed: no repr, log or error shows its query
        url_expires_at: when that URL stops working; the file itself may live longer
        checksum: what the vendor announces, `"sha256:<64 hex digits>"`
        name: what the vendor calls the file; never used as a path
    """

    id: str
    role: FileRole
    format: str | None = None
    media_type: str | None = None
    size: int | None = None
    duration: timedelta | None = None
    channels: int | None = None
    participant: str | None = None
    url: str | None = field(default=None, repr=_shown_url)
    url_expires_at: datetime | None = None
    checksum: str | None = None
    name: str | None = None


@frozen(slots=False)
class Recording:
    """The result of recording: facts about it, and its files.

    Times are aware UTC datetimes. `None` means that the vendor does not say: never a guess.

    Attributes:
        provider: the provider's name, such as `rec.connect` takes
        account: the account's name, as given to `rec.connect`
        id: the vendor's
        kind: what was recorded; `None` where the answer does not tell
        target: what was recorded, as `start` and `list(target=)` take it; `None` where the answer
            does not name it, and the caller did not either
        reference: the vendor's own id of that occurrence, where it has another than `target.id`
        title: a name for people
        status: one word for every vendor's
        provider_status: the vendor's own word
        started_at: when capturing began
        ended_at: when capturing ended
        created_at: when the vendor made the row; `since` and `until` judge by it
        duration: the vendor's, else `ended_at - started_at` where both are told
        size: bytes, of all that the vendor counts
        format: in lower case, such as `mp3`
        channels: 1, or 2
        sample_rate: hertz
        bit_rate: bits a second
        files: what can be downloaded; empty where there is nothing, or not yet
        media_expires_at: when the vendor removes the media by itself
        deleted_at: when somebody deleted it
        error: why it failed, in the vendor's words
        raw: the vendor's payload, credential fields masked; it takes no part in comparisons
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
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)

    def apply(self, event: RecordingEvent) -> Recording:
        """The recording after an event of its own; a late or doubled one changes nothing.

        Final states never regress; of pause and resume the last delivered wins, since only a
        session keeps their times. Raises `ValueError` for an event of another recording.
        """
        from recording_core.model.transitions import apply_to_recording

        return apply_to_recording(self, event)


@frozen
class RecordingSession:
    """One act of recording: what `start` returned, and what `pause`, `resume`, `stop` take.

    Frozen: every verb returns a new one. Keep it, compare it, serialise it, use it in another
    process.

    Attributes:
        provider: the provider's name
        account: the account's name, as given to `rec.connect`
        id: the vendor's id of this act of recording; `None` where it named none
        target: what is recorded
        status: as the last verb left it
        provider_status: the vendor's own word
        started_at: the vendor's time, else this machine's at the start
        stopped_at: the vendor's time, else this machine's at the stop; `None` before
        pauses: by this machine's clock; the last one's `end` is `None` while it is paused
        recordings: what came of it: filled by `wait`, and by a `stop` whose answer tells
        raw: the vendor's last payload, credential fields masked, and what a later verb needs
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
    recordings: tuple[Recording, ...] = ()
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)

    def apply(self, event: RecordingEvent) -> RecordingSession:
        """The session after an event of one of its recordings; it and they move together.

        Final states never regress, and late or doubled events change nothing. Pauses and resumes
        are ordered by the vendor's time, else the last delivered wins. Raises `ValueError` for an
        event of another session's recording; to a session without an id belongs what is recorded
        of its target.
        """
        from recording_core.model.transitions import apply_to_session

        return apply_to_session(self, event)


@frozen
class Copy:
    """A verified copy of a media file outside the vendor.

    `checks` names what was proved of it: `framing`, `size`, `checksum`, `format`. `unverified` is
    among them where nothing could prove that the bytes are whole; such a copy never justifies a
    deletion at the vendor.

    Attributes:
        provider: from where
        account: of which account
        recording_id: of which recording
        file: which file of it, as the vendor described it
        path: where it is now
        size: bytes, counted
        sha256: 64 hex digits, computed of what was written
        checks: what was proved
        made_at: when, aware, in UTC
    """

    provider: str
    account: str
    recording_id: str
    file: MediaFile
    path: Path
    size: int
    sha256: str
    checks: tuple[str, ...]
    made_at: datetime


def set_target(recording: Recording, target: CommunicationSession | None) -> Recording:
    """The recording with the target that it was asked for by, where its answer names none."""
    if target is None or recording.target is not None:
        return recording
    return evolve(recording, target=target, kind=recording.kind or target.kind)


def close_pause(session: RecordingSession, at: datetime) -> RecordingSession:
    """The session with its last pause over, if one goes on."""
    if not session.pauses or session.pauses[-1].end is not None:
        return session
    return evolve(session, pauses=(*session.pauses[:-1], evolve(session.pauses[-1], end=at)))
